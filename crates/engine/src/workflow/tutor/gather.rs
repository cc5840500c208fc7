//! What a model is given beside the question. Everything is looked for at once, and for a short time: somebody waits
//! for the first word. What fails or is late is left out; a turn is never lost for what would only make it better.

use std::future::Future;

use headwater_core::event::{Body, Source};
use headwater_core::limit;
use headwater_core::port::provider::{Provider, Role};
use headwater_core::port::recall::RecallQuery;
use headwater_core::run::Message;
use tokio::time::{Instant, timeout_at};

use super::{Plan, Tutor};
use crate::engine::{history, store_failed};
use crate::mask::{Kinds, mask};
use crate::retrieve::{Passage, Question, search};
use crate::tutor::ability::{Ability, kept};
use crate::workflow::assist::points_back;
use crate::workflow::{Turn, care, prompt};

/// What was found.
pub(super) struct Context {
    /// The newest messages that fit, oldest first.
    pub recent: Vec<Message>,
    /// Earlier ones that are about the same and fit, with their cosines, best first.
    pub similar: Vec<(Message, f64)>,
    /// Whether those were looked for.
    pub by_meaning: bool,
    /// Passages that fit, best first.
    pub passages: Vec<Passage>,
    /// Whether the knowledge base was searched.
    pub searched: bool,
    /// How able the person is in the lesson's subject, as far as that is known.
    pub ability: Ability,
}

impl Context {
    pub(super) fn event(&self) -> Body {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let source =
            |p: &Passage| Source { source: p.source.clone(), heading: p.heading.clone(), score: p.score };
        Body::ContextGathered {
            recent_messages: count(self.recent.len()),
            relevant_messages: count(self.similar.len()),
            semantic_search: self.by_meaning,
            rag: self.searched,
            sources: self.passages.iter().map(source).collect(),
        }
    }
}

/// Looks for all of it.
pub(super) async fn gather(tutor: &Tutor, turn: &Turn, plan: &Plan<'_>) -> Context {
    let began = Instant::now();
    // One deadline for all of it, whatever waits for what.
    let (by, at_last) = (began + limit::MEANING_TIME, began + limit::CONTEXT_TIME);
    let store = turn.store.as_ref();
    let ability = async { kept::load(store, &turn.who.user, &plan.subject).await.map_err(store_failed) };
    let (earlier, meaning, ability) = tokio::join!(
        in_time("the session's newest messages", at_last, earlier(turn, tutor.file.masks)),
        meaning(tutor, plan, by),
        in_time("what was learned", at_last, ability),
    );
    let earlier = earlier.unwrap_or_default();
    let settings = &tutor.file.context;
    let provider = plan.provider.as_ref();
    let mut left = settings.tokens.min(provider.info().budget.history_tokens);
    let tiny = prompt::is_tiny(provider);
    // A tiny model answers what stands in front of the question in its place, where the question does not need it.
    let most = if tiny && !points_back(&plan.asked) { 0 } else { settings.messages };
    let first = newest(provider, &earlier.lines, most, &mut left);
    let recent = earlier.lines[first..].to_vec();

    let most = if tiny { settings.similar.min(1) } else { settings.similar };
    let query = meaning.clone().map(|(embedder, vector)| RecallQuery {
        owner: turn.who.user.clone(),
        session: turn.session.clone(),
        embedder,
        vector,
        skip_newest: earlier.after + earlier.lines.len() - first,
        least: settings.similarity,
        limit: most,
    });
    let wanted = plan.lesson.rag.then(|| Question {
        owner: turn.who.user.clone(),
        text: plan.asked.clone().into_owned(),
        top_k: tutor.file.retrieval.top_k,
        min_score: tutor.file.retrieval.min_score,
        document_type: None,
        source: None,
        folder: None,
    });
    let (similar, passages) = tokio::join!(
        async {
            let found = timeout_at(by, turn.store.recall(query.filter(|_| most > 0)?)).await;
            found
                .inspect_err(|_| tracing::debug!("earlier messages of the same meaning came too late"))
                .ok()?
                .map_err(store_failed)
                .ok()
        },
        async { in_time("the knowledge base", at_last, search(&turn.store, meaning, wanted?)).await },
    );
    let (by_meaning, searched) = (similar.is_some(), passages.is_some());
    let masks = tutor.file.masks;
    let mut passages = passages.unwrap_or_default();
    for passage in &mut passages {
        passage.content = mask(&passage.content, masks).into_owned();
    }
    Context {
        similar: fitting(provider, similar.unwrap_or_default(), &recent, turn, masks, &mut left),
        passages: prompt::fitting(provider, passages, tutor.file.retrieval.max_context_tokens),
        ability: ability.unwrap_or_default(),
        recent,
        by_meaning,
        searched,
    }
}

/// The messages before this turn's, oldest first, and how many of the session's newest are not among them.
#[derive(Default)]
struct Earlier {
    lines: Vec<Message>,
    after: usize,
}

async fn earlier(turn: &Turn, masks: Kinds) -> Result<Earlier, headwater_core::Error> {
    // With this turn's own message, and those of turns that wait behind it.
    let most = limit::HISTORY_MESSAGES + 1 + limit::QUEUED_TURNS;
    let mut lines = history(&turn.store, &turn.who, &turn.session, most).await?;
    let own = lines.iter().position(|m| m.run == turn.run).unwrap_or(lines.len());
    let after = lines.len() - own;
    lines.truncate(own);
    Ok(Earlier { lines: care::masked(lines, masks), after })
}

/// Where the newest messages begin that fit, at most so many.
fn newest(provider: &dyn Provider, lines: &[Message], most: usize, left: &mut usize) -> usize {
    let mut first = lines.len();
    for (at, message) in lines.iter().enumerate().rev().take(most) {
        let cost = cost(provider, message);
        if cost > *left {
            break;
        }
        *left -= cost;
        first = at;
    }
    // A conversation that begins with an answer confuses a model more than a shorter one.
    while lines.get(first).is_some_and(|m| m.role == Role::Assistant) {
        first += 1;
    }
    first
}

fn cost(provider: &dyn Provider, message: &Message) -> usize {
    provider.count_tokens(&message.content) + 8
}

/// Of what means the same what fits. What a model is given already is left out: turns that wait for one another stand
/// in the store in another order than they are answered in.
fn fitting(
    provider: &dyn Provider,
    found: Vec<(Message, f64)>,
    recent: &[Message],
    turn: &Turn,
    masks: Kinds,
    left: &mut usize,
) -> Vec<(Message, f64)> {
    let given = |m: &Message| recent.iter().any(|r| r.run == m.run && r.role == m.role);
    let mut fitting = Vec::new();
    for (mut message, cosine) in found {
        if message.run == turn.run || message.content.is_empty() || given(&message) {
            continue;
        }
        message.content = mask(&message.content, masks).into_owned();
        let cost = cost(provider, &message);
        if cost <= *left {
            *left -= cost;
            fitting.push((message, cosine));
        }
    }
    fitting
}

/// What the question means, where that is known in time.
async fn meaning(tutor: &Tutor, plan: &Plan<'_>, by: Instant) -> Option<(String, Vec<f32>)> {
    let embedder = tutor.embedder.as_ref()?;
    match timeout_at(by, embedder.embed(vec![plan.asked.clone().into_owned()])).await {
        Ok(Ok(mut vectors)) => Some((embedder.id().to_owned(), vectors.pop()?)),
        Ok(Err(error)) => {
            // It may quote what it was given.
            let error = mask(&error.message, Kinds::ALL).into_owned();
            tracing::warn!(%error, "a question could not be embedded; its turn goes on without earlier messages");
            None
        }
        Err(_) => {
            tracing::debug!("a question was not embedded in time; its turn goes on without earlier messages");
            None
        }
    }
}

async fn in_time<T>(
    what: &str,
    by: Instant,
    work: impl Future<Output = Result<T, headwater_core::Error>>,
) -> Option<T> {
    match timeout_at(by, work).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(error)) => {
            tracing::warn!(what, error = %error.message, "a lesson goes on without a part of its context");
            None
        }
        Err(_) => {
            tracing::warn!(what, "a lesson goes on without a part of its context, which came too late");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Planted fault: a time of its own for each.
    #[tokio::test(start_paused = true)]
    async fn what_comes_one_after_the_other_has_one_deadline() {
        let slow = || async {
            tokio::time::sleep(limit::CONTEXT_TIME * 2 / 3).await;
            Ok(())
        };
        let began = Instant::now();
        let by = began + limit::CONTEXT_TIME;
        assert_eq!(in_time("the first", by, slow()).await, Some(()));
        assert_eq!(in_time("the second", by, slow()).await, None);
        assert_eq!(began.elapsed(), limit::CONTEXT_TIME);
    }
}
