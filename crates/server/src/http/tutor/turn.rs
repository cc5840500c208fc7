//! `POST /api/v1/chat` of the tutor: the same run as the socket's, waited for. A client whose socket failed sends the
//! same `message_id` here, with his session or without one, and gets the answer that is being made, or was.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Emotion, Failure, Outcome};
use headwater_core::port::provider::Usage;
use headwater_core::{MessageId, Millis, SessionId, UserId, limit};
use headwater_engine::ask::{Lesson, Special};
use headwater_engine::engine::From;
use headwater_engine::{Follow, Followed, StartRun};
use schemars::JsonSchema;
use serde::Serialize;

use super::measure::{self, AbilityInfo, Suggestion};
use super::view::{ContextView, EmotionView, TOO_OFTEN, names, time, tokens};
use crate::app::App;
use crate::auth::Bearer;
use crate::auth::standing::expired;
use crate::gate::ClientAddress;
use crate::http::admission;
use crate::http::refusal::Refusal;
use crate::http::validate::{Fields, JsonBody, Text};

/// A whole answer; `outcome` and `run_id` are ours.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TutorAnswer")]
pub(in crate::http) struct Answered {
    session_id: SessionId,
    /// The answer.
    message: String,
    /// Null where it could not be told.
    emotion_state: Option<EmotionView>,
    /// The provider's name in the configuration.
    provider_used: Option<String>,
    /// From when the run was made to its end.
    response_time_ms: u64,
    /// When it ended.
    timestamp: String,
    category_detected: Option<String>,
    /// Of prompt and answer; null where the provider does not say.
    tokens_used: Option<u64>,
    /// In dollars; null where no price is known.
    cost: Option<f64>,
    context_retrieved: Option<ContextView>,
    /// Null where nothing was learned.
    ability_info: Option<AbilityInfo>,
    /// Whether something was learned of the ability.
    ability_updated: bool,
    /// Whether the answer was there already.
    cached: bool,
    suggested_questions: Vec<Suggestion>,
    run_id: String,
    /// Only where the answer is not whole: it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

/// What the tutor is told of a lesson; the socket's `context` is read the same way, or a turn could not be sent
/// again here.
fn lesson(fields: &mut Fields) -> Lesson {
    let subject = fields.optional_text("subject", Text::up_to(limit::SUBJECT_BYTES));
    Lesson {
        subject: subject.filter(|subject| !subject.trim().is_empty()),
        reasoning: fields.flag("enable_reasoning").unwrap_or(false),
        rag: fields.flag("enable_rag").unwrap_or(false),
    }
}

pub(super) async fn chat(
    State(app): State<App>,
    Bearer(identity): Bearer,
    address: Option<Extension<ClientAddress>>,
    body: JsonBody,
) -> Result<Json<Answered>, Refusal> {
    // `user_id` is not looked at: who asks is the token's owner.
    let (message, session, owner, message_id, lesson) = body.read(|f| {
        let message = f.text("message", Text::up_to(limit::MESSAGE_BYTES));
        let session = f.session("session_id");
        let name = f.optional_parsed("message_id", |id| MessageId::parse(id).map_err(|e| e.to_string()));
        let owner = f.optional_parsed("owner", |id| UserId::parse(id).map_err(|e| e.to_string()));
        (message, session, owner, name, f.optional_part("context", lesson))
    })?;
    admission::start(&app.gate, address).map_err(refused)?;
    let (said, subject) = (message.clone(), lesson.subject.clone());
    let ask = StartRun {
        workflow: app.dialects.tutor.to_string(),
        message,
        session,
        message_id,
        // Who lost his socket may never have learned the session's name.
        anywhere: true,
        special: Special::Lesson(lesson),
        owner,
        ..StartRun::default()
    };
    let who = &identity.who;
    let mut standing = app.auth.standing(Some(identity.clone()));
    // A client that goes away meanwhile finds the answer here or in the history: the run goes on without it.
    let answered = async {
        let started = app.engine.start(who, ask).await.map_err(refused)?;
        let run = app.engine.own_run(who, &started.run).await?;
        let mut follow = app.engine.follow(who, &started.run, &From::After(0)).await?;
        let mut told = Told::default();
        told.read(&mut follow).await?;
        let cached = started.joined && run.tail.outcome.is_some();
        told.answer(
            (&said, subject.as_deref()),
            (started.session, started.run.into()),
            run.created_at,
            cached,
        )
    };
    tokio::select! {
        answered = answered => answered.map(Json),
        // So does one whose token runs out while it waits, once it has another.
        () = standing.over() => Err(expired().into()),
    }
}

fn refused(error: Error) -> Refusal {
    if error.code == Code::UnknownWorkflow {
        tracing::error!("no workflow of the tutor's name is configured");
        let sentence = "This server has no tutor; ask its operator";
        return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, sentence);
    }
    if error.code == Code::RateLimited {
        return Error { message: TOO_OFTEN.to_owned(), ..error }.into();
    }
    error.into()
}

/// Why there is no answer, in the words of the socket's `stream_error`.
fn failed(failure: &Failure) -> Refusal {
    let code = Code::ALL.into_iter().find(|code| code.as_str() == failure.code).unwrap_or(Code::Internal);
    let code = match code {
        // Another try may do.
        Code::ProviderTimeout | Code::RunTimeout | Code::Interrupted => Code::ProviderUnavailable,
        code if code.http_status() < 500 => Code::Internal,
        code => code,
    };
    let message = format!("AI generation failed: {}", failure.message);
    Error { code, message, retry_after: failure.retry_after }.into()
}

/// What a run's log says.
#[derive(Default)]
struct Told {
    text: String,
    category: Option<String>,
    context: Option<ContextView>,
    felt: Option<Emotion>,
    provider: Option<String>,
    ability: Option<f64>,
    ended: Option<(Outcome, Option<Failure>, Option<Usage>, Millis)>,
}

impl Told {
    /// Reads it to its end.
    async fn read(&mut self, follow: &mut Follow) -> Result<(), Error> {
        while self.ended.is_none() {
            let events = match follow.next().await? {
                Followed::Events(events) => events,
                Followed::Heartbeat => continue,
                Followed::End => return Err(Error::new(Code::Interrupted, "the answer has no ending")),
            };
            for event in &events {
                self.hear(&event.body, event.at);
            }
        }
        Ok(())
    }

    fn hear(&mut self, body: &Body, at: Millis) {
        match body {
            Body::Token { text } => self.text.push_str(text),
            Body::Categorized { category, .. } => self.category = Some(category.clone()),
            Body::ContextGathered { recent_messages, relevant_messages, semantic_search, rag, sources } => {
                self.context = Some(ContextView {
                    recent_messages_used: *recent_messages,
                    relevant_messages_used: *relevant_messages,
                    semantic_search_enabled: *semantic_search,
                    rag_enabled: *rag,
                    rag_sources: rag.then(|| names(sources)),
                });
            }
            Body::Felt { emotion } => self.felt = Some(emotion.clone()),
            Body::ModelStarted { provider, .. } => self.provider = Some(provider.clone()),
            Body::AbilityLearned { ability, .. } => self.ability = Some(*ability),
            Body::RunEnded { outcome, error, usage, .. } => {
                self.ended = Some((*outcome, error.clone(), *usage, at));
            }
            Body::RunStarted { .. }
            | Body::StageStarted { .. }
            | Body::Routed { .. }
            | Body::Retrieved { .. }
            | Body::Reasoning { .. }
            | Body::Cited { .. }
            | Body::Thought { .. }
            | Body::JobStarted { .. }
            | Body::PhaseChanged { .. }
            | Body::TeamChanged { .. }
            | Body::CodeDelta { .. }
            | Body::CodeGenerated { .. }
            | Body::TeamFailed { .. }
            | Body::ToolCalled { .. }
            | Body::ToolReturned { .. }
            | Body::Escalated { .. } => {}
        }
    }

    fn answer(
        self,
        (said, subject): (&str, Option<&str>),
        (session_id, run_id): (SessionId, String),
        made: Millis,
        cached: bool,
    ) -> Result<Answered, Refusal> {
        let interrupted = || Error::new(Code::Interrupted, "the answer has no ending");
        let (outcome, error, usage, at) = self.ended.ok_or_else(interrupted)?;
        if let Outcome::Failed | Outcome::Interrupted = outcome {
            let unsaid = || Failure {
                code: Code::Interrupted.as_str().to_owned(),
                message: "it ended early".to_owned(),
                recoverable: true,
                retry_after: None,
            };
            return Err(failed(&error.unwrap_or_else(unsaid)));
        }
        let felt = self.felt.as_ref();
        let category = self.category.as_deref().unwrap_or("general");
        Ok(Answered {
            session_id,
            message: self.text,
            provider_used: self.provider,
            response_time_ms: millis(made, at),
            timestamp: time(at),
            tokens_used: usage.and_then(tokens),
            cost: usage.and_then(|usage| usage.cost_usd).map(|cost| cost.dollars()),
            context_retrieved: self.context,
            ability_info: self.ability.map(|ability| measure::ability(ability, said, felt)),
            ability_updated: self.ability.is_some(),
            cached,
            suggested_questions: match outcome {
                Outcome::Completed => measure::suggestions(said, subject, category),
                Outcome::Cancelled | Outcome::Failed | Outcome::Interrupted => Vec::new(),
            },
            category_detected: self.category,
            emotion_state: self.felt.map(EmotionView::from),
            run_id,
            outcome: (outcome == Outcome::Cancelled).then(|| outcome.as_str()),
        })
    }
}

fn millis(from: Millis, to: Millis) -> u64 {
    u64::try_from(from.until(to).as_millis()).unwrap_or(u64::MAX)
}
