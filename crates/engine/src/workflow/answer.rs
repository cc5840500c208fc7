//! The last stage of every workflow: ask the model, say what it says, and carry out what it calls.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Stage};
use headwater_core::limit;
use headwater_core::port::provider::{
    Delta, Deltas, FinishReason, ModelRequest, PromptMessage, ProviderError, ProviderErrorKind, Replay,
    SharedProvider, ToolCall, Usage,
};
use serde_json::json;

use super::steps::Steps;
use crate::mask::Kinds;
use crate::meter::{Meter, Who};
use crate::tools::{Case, Clerk, Done, Tool, done};
use crate::writer::{Emitter, Finished};

/// Who carries out what the model calls, and which tools that may be.
pub(super) struct Hands<'a> {
    pub clerk: &'a Clerk,
    pub tools: &'a [Tool],
    pub case: Case,
    /// What the model is not told of what its tools gave.
    pub masks: Kinds,
}

/// Who passes on what a model says.
pub(super) trait Speaks: Send {
    /// The account of whoever is heard.
    fn meter(&self) -> &Meter;

    /// Passes a piece of the answer's text on; never empty. An error ends the listening, and with it the model's work.
    fn say(&mut self, text: String) -> impl Future<Output = Result<(), Error>> + Send;

    /// The same of words by which the model declines.
    fn decline(&mut self, text: String) -> impl Future<Output = Result<(), Error>> + Send;

    /// Passes on that something other than text happened. An error is as one of [`Speaks::say`].
    fn tell(&mut self, body: Body) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Speaks for Voice<'_> {
    fn meter(&self) -> &Meter {
        self.emit.meter()
    }

    async fn say(&mut self, text: String) -> Result<(), Error> {
        Voice::say(self, text).await;
        Ok(())
    }

    async fn decline(&mut self, text: String) -> Result<(), Error> {
        Voice::say(self, text).await;
        Ok(())
    }

    async fn tell(&mut self, body: Body) -> Result<(), Error> {
        match body {
            Body::Reasoning { text } => self.think(text).await,
            other => Voice::tell(self, other).await,
        }
        Ok(())
    }
}

/// Says the answer's text. Every piece of text that a workflow says goes through [`Voice::say`].
pub(super) struct Voice<'a> {
    emit: &'a Emitter,
    /// What was said last, to know whether a new paragraph is needed; `None` before the first word.
    last: Option<char>,
    /// Where what the model thinks becomes steps; otherwise it is said as it streams.
    steps: Option<Steps>,
}

impl<'a> Voice<'a> {
    pub(super) fn new(emit: &'a Emitter) -> Self {
        Self { emit, last: None, steps: None }
    }

    /// The same, with what the model thinks in steps.
    pub(super) fn in_steps(self, steps: Steps) -> Self {
        Self { steps: Some(steps), ..self }
    }

    /// Says a piece of text: here text becomes [`Body::Token`].
    pub(super) async fn say(&mut self, text: String) {
        if let Some(last) = text.chars().last() {
            self.thought().await;
            self.last = Some(last);
            self.emit.emit(Body::Token { text }).await;
        }
    }

    /// Says a piece of what the model thinks.
    async fn think(&mut self, text: String) {
        let Some(steps) = &mut self.steps else { return self.tell(Body::Reasoning { text }).await };
        for step in steps.push(&text) {
            self.emit.emit(step).await;
        }
    }

    /// The thinking is over where something else follows.
    async fn thought(&mut self) {
        if let Some(step) = self.steps.as_mut().and_then(Steps::rest) {
            self.emit.emit(step).await;
        }
    }

    /// Says that something other than text happened.
    pub(super) async fn tell(&mut self, body: Body) {
        self.emit.emit(body).await;
    }

    fn has_spoken(&self) -> bool {
        self.last.is_some()
    }

    /// What a model says after a tool is a paragraph of its own.
    fn gap(&self) -> Option<String> {
        self.last.filter(|c| !c.is_whitespace()).map(|_| "\n\n".to_owned())
    }
}

/// Asks the model and says its answer, text by text. `lead` is said first.
pub(super) async fn generate(
    provider: &SharedProvider,
    request: ModelRequest,
    lead: Option<String>,
    emit: &Emitter,
) -> Result<Finished, Error> {
    converse(provider, request, lead, None, emit).await
}

/// The same, with what the model thinks in steps.
pub(super) async fn in_steps(
    provider: &SharedProvider,
    request: ModelRequest,
    steps: Steps,
    emit: &Emitter,
) -> Result<Finished, Error> {
    speak(provider, request, None, None, Voice::new(emit).in_steps(steps)).await
}

/// The same with tools: what the model calls is carried out, told to it, and it is asked again, at most
/// [`limit::TOOL_ROUNDS`] times; then it is offered none, and has to answer.
pub(super) async fn converse(
    provider: &SharedProvider,
    request: ModelRequest,
    lead: Option<String>,
    hands: Option<Hands<'_>>,
    emit: &Emitter,
) -> Result<Finished, Error> {
    speak(provider, request, lead, hands, Voice::new(emit)).await
}

async fn speak(
    provider: &SharedProvider,
    mut request: ModelRequest,
    mut lead: Option<String>,
    hands: Option<Hands<'_>>,
    mut voice: Voice<'_>,
) -> Result<Finished, Error> {
    let emit = voice.emit;
    emit.emit(Body::StageStarted { stage: Stage::Generate }).await;
    let mut called = Vec::<String>::new();
    let mut named = None;
    for round in 0..=limit::TOOL_ROUNDS {
        if round == limit::TOOL_ROUNDS {
            request.tools.clear();
        }
        let (who, prompt, deltas) = begin(provider, &request, emit.meter()).await?;
        // Once, and again only where somebody else goes on.
        if named.as_ref() != Some(&who) {
            emit.emit(introduced(&who, prompt, None)).await;
        }
        voice.say(lead.take().unwrap_or_default()).await;
        let gap = voice.gap().filter(|_| round > 0);
        let heard = hear(&who, deltas, gap, hands.is_some(), &mut voice).await;
        voice.thought().await;
        let Heard { text, mut calls, replay, reason } = heard?;
        let Some(hands) = hands.as_ref().filter(|_| !calls.is_empty() && !request.tools.is_empty()) else {
            let usage = emit.meter().total().unwrap_or_default();
            let whole = voice.has_spoken() || called.is_empty();
            return if whole { Ok(Finished { reason, usage }) } else { Err(silent(&who)) };
        };
        for (n, call) in calls.iter_mut().enumerate() {
            // A call's name is its own in the whole run, whatever the host made of it.
            if call.id.is_empty() || called.contains(&call.id) {
                call.id = format!("call_{}_{}", round + 1, n + 1);
            }
            called.push(call.id.clone());
        }
        request.messages.push(PromptMessage { replay, ..PromptMessage::calling(text, calls.clone()) });
        for call in &calls {
            let done = carry_out(hands, call, &mut voice).await?;
            request.messages.push(PromptMessage::answering(call, done.told(hands.masks)));
        }
        named = Some(who);
    }
    // The last round offers no tools, and returns.
    Err(silent(&provider.info().into()))
}

/// That this model begins to answer, which was given so many tokens.
pub(super) fn introduced(who: &Who, prompt: u64, team: Option<&str>) -> Body {
    Body::ModelStarted {
        provider: who.provider.clone(),
        model: who.model.clone(),
        label: who.label.clone(),
        estimated_input_tokens: Some(prompt),
        team: team.map(str::to_owned),
    }
}

/// Asks a model: who answers, how many tokens it was given (estimated), and what it says.
///
/// The meter knows of the call before it is made: a chain returns only at the first visible word, and whoever
/// stops the run while a model thinks unseen would be told that nothing was used.
pub(super) async fn begin(
    provider: &SharedProvider,
    request: &ModelRequest,
    meter: &Meter,
) -> Result<(Who, u64, Deltas), Error> {
    let info = provider.info();
    let name = info.name.clone();
    let asked = Who { model: request.model.clone().unwrap_or_else(|| info.model.clone()), ..info.into() };
    let prompt = estimate(provider, request);
    meter.begin(asked.clone(), provider, prompt);
    let deltas = match provider.generate(request.clone()).await {
        Ok(deltas) => deltas,
        Err(error) => {
            if nothing_used(error.kind) {
                meter.forget();
            }
            return Err(failed(&name, error));
        }
    };
    let who = deltas.by().map_or(asked, |by| by.clone().into());
    meter.named(who.clone());
    Ok((who, prompt, deltas))
}

/// Whether a model that failed so before it said anything was never at work. Of any other failure nobody knows.
fn nothing_used(kind: ProviderErrorKind) -> bool {
    match kind {
        ProviderErrorKind::KeyMissing
        | ProviderErrorKind::Refused
        | ProviderErrorKind::Busy
        | ProviderErrorKind::Unavailable => true,
        ProviderErrorKind::Timeout | ProviderErrorKind::Interrupted | ProviderErrorKind::Failed => false,
    }
}

/// Tokens of a prompt before it is sent: of its texts and of the tools that it offers, without the few that each
/// format puts around them.
pub(super) fn estimate(provider: &SharedProvider, request: &ModelRequest) -> u64 {
    let lines = request.messages.iter().map(|m| {
        let calls = m.tool_calls.iter().map(|c| provider.count_tokens(&c.arguments));
        provider.count_tokens(&m.content) + calls.sum::<usize>()
    });
    let tools = request
        .tools
        .iter()
        .map(|t| provider.count_tokens(&t.description) + provider.count_tokens(&t.parameters.to_string()));
    lines.chain(tools).sum::<usize>() as u64
}

/// What came of one call of a model.
pub(super) struct Heard {
    /// What it said, where it may have to be told so.
    pub text: String,
    pub calls: Vec<ToolCall>,
    pub replay: Vec<Replay>,
    pub reason: FinishReason,
}

/// Says what a model says, to its end. `gap` stands before its first word; `keep`: its text is wanted again.
pub(super) async fn hear(
    who: &Who,
    mut deltas: Deltas,
    mut gap: Option<String>,
    keep: bool,
    voice: &mut impl Speaks,
) -> Result<Heard, Error> {
    let meter = voice.meter().clone();
    let (mut text, mut calls, mut replay, mut refused) = (String::new(), Vec::new(), Vec::new(), false);
    loop {
        let Some(delta) = deltas.next().await else {
            let broken = ProviderError::new(ProviderErrorKind::Interrupted, "the answer broke off");
            return Err(failed(&who.provider, broken));
        };
        match delta.map_err(|e| failed(&who.provider, e))? {
            Delta::Text(piece) if piece.is_empty() => {}
            Delta::Text(piece) => {
                meter.wrote(&piece);
                if let Some(gap) = gap.take() {
                    voice.say(gap).await?;
                }
                if keep {
                    text.push_str(&piece);
                }
                voice.say(piece).await?;
            }
            Delta::Refusal(piece) => {
                refused = true;
                meter.wrote(&piece);
                if let Some(gap) = gap.take() {
                    voice.say(gap).await?;
                }
                voice.decline(piece).await?;
            }
            Delta::Reasoning(text) => {
                meter.wrote(&text);
                voice.tell(Body::Reasoning { text }).await?;
            }
            Delta::Citation(citation) => voice.tell(Body::Cited { citation }).await?,
            Delta::Replay(part) => replay.push(part),
            Delta::Usage(usage) => meter.reported(usage),
            Delta::ToolCall(_) if calls.len() == limit::TOOL_CALLS => {
                let words = "the model called more tools at once than may be";
                return Err(failed(&who.provider, ProviderError::new(ProviderErrorKind::Failed, words)));
            }
            Delta::ToolCall(call) => {
                meter.wrote(&call.arguments);
                calls.push(call);
            }
            Delta::End { reason, usage } => {
                meter.ended(usage);
                // Some hosts put the refusal's words in a place of their own, and end as if it were an answer.
                let reason =
                    if refused && reason == FinishReason::Stop { FinishReason::Refusal } else { reason };
                return Ok(Heard { text, calls, replay, reason });
            }
        }
    }
}

/// A model's few words to a question that no person asked. What it used counts; a failure is no words.
pub(crate) async fn few_words(
    provider: &SharedProvider,
    request: ModelRequest,
    most: usize,
    meter: &Meter,
) -> Option<String> {
    let (_, _, mut deltas) = begin(provider, &request, meter).await.ok()?;
    let mut words = String::new();
    while words.len() <= most {
        match deltas.next().await? {
            Ok(Delta::Text(text)) => {
                meter.wrote(&text);
                words.push_str(&text);
            }
            Ok(Delta::Reasoning(text)) => meter.wrote(&text),
            Ok(Delta::Usage(usage)) => meter.reported(usage),
            Ok(Delta::End { usage, .. }) => {
                meter.ended(usage);
                break;
            }
            // Words that decline are none, and whatever else comes is no answer to such a question.
            Ok(Delta::Citation(_) | Delta::Replay(_)) => {}
            Ok(Delta::Refusal(_) | Delta::ToolCall(_)) | Err(_) => return None,
        }
    }
    Some(words)
}

/// Carries one call out. Whatever is wrong with the call itself is its result, for the model to mend.
async fn carry_out(hands: &Hands<'_>, call: &ToolCall, voice: &mut Voice<'_>) -> Result<Done, Error> {
    let arguments = if call.arguments.len() > limit::TOOL_ARGUMENTS_BYTES {
        Err((json!({}), Done::no("bad_arguments", "The arguments are too long; shorten them.")))
    } else {
        done::arguments_of(&call.arguments)
    };
    let tool = Tool::parse(&call.name).filter(|tool| hands.tools.contains(tool));
    let shown = arguments.as_ref().map_or_else(|(log, _)| log.clone(), Clone::clone);
    voice
        .tell(Body::ToolCalled { call_id: call.id.clone(), name: call.name.clone(), arguments: shown })
        .await;
    let done = match (tool, arguments) {
        (None, _) => done::unknown_tool(hands.tools),
        (Some(_), Err((_, done))) => done,
        (Some(tool), Ok(arguments)) => hands.clerk.carry_out(&hands.case, tool, &arguments).await?,
    };
    voice.tell(done.event(&call.id, &call.name)).await;
    Ok(done)
}

/// A person is never left with nothing.
fn silent(who: &Who) -> Error {
    failed(
        &who.provider,
        ProviderError::new(ProviderErrorKind::Failed, "the model called tools and gave no answer"),
    )
}

/// What ended by itself, without a model.
pub(super) fn finished() -> Finished {
    Finished { reason: FinishReason::Stop, usage: Usage::default() }
}

/// A provider's failure in the words of the table.
pub(super) fn failed(provider: &str, error: ProviderError) -> Error {
    let code = match error.kind {
        ProviderErrorKind::Unavailable => Code::ProviderUnavailable,
        ProviderErrorKind::Busy => Code::ProviderBusy,
        ProviderErrorKind::KeyMissing => Code::KeyMissing,
        ProviderErrorKind::Refused => Code::ProviderRefused,
        ProviderErrorKind::Timeout => Code::ProviderTimeout,
        ProviderErrorKind::Interrupted => Code::ProviderInterrupted,
        ProviderErrorKind::Failed => Code::ProviderFailed,
    };
    // Whole seconds: a client that comes back a moment too early is refused once more.
    let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = format!("{provider}: {}", error.message);
    Error { retry_after: error.retry_after.map(seconds), ..Error::new(code, message) }
}
