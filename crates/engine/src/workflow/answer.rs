//! The last stage of every workflow: ask the model, say what it says, and carry out what it calls.

use futures_util::StreamExt;
use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Stage};
use headwater_core::limit;
use headwater_core::port::provider::{
    Delta, FinishReason, ModelRequest, PromptMessage, ProviderError, ProviderErrorKind, ProviderInfo,
    SharedProvider, ToolCall, Usage,
};
use serde_json::json;

use crate::mask::Kinds;
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

/// Says the answer's text. Every piece of text that a workflow says goes through [`Voice::say`].
pub(super) struct Voice<'a> {
    emit: &'a Emitter,
    /// What was said last, to know whether a new paragraph is needed; `None` before the first word.
    last: Option<char>,
}

impl<'a> Voice<'a> {
    pub(super) fn new(emit: &'a Emitter) -> Self {
        Self { emit, last: None }
    }

    /// Says a piece of text: here text becomes [`Body::Token`].
    pub(super) async fn say(&mut self, text: String) {
        if let Some(last) = text.chars().last() {
            self.last = Some(last);
            self.emit.emit(Body::Token { text }).await;
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

/// The same with tools: what the model calls is carried out, told to it, and it is asked again, at most
/// [`limit::TOOL_ROUNDS`] times; then it is offered none, and has to answer.
pub(super) async fn converse(
    provider: &SharedProvider,
    mut request: ModelRequest,
    lead: Option<String>,
    hands: Option<Hands<'_>>,
    emit: &Emitter,
) -> Result<Finished, Error> {
    let info = provider.info();
    emit.emit(Body::StageStarted { stage: Stage::Generate }).await;
    let model = request.model.clone().unwrap_or_else(|| info.model.clone());
    let estimated = request.messages.iter().map(|m| provider.count_tokens(&m.content) as u64).sum();
    let mut opening = Some((
        Body::ModelStarted {
            provider: info.name.clone(),
            model,
            label: info.label.clone(),
            estimated_input_tokens: Some(estimated),
        },
        lead,
    ));
    let (mut voice, mut used, mut called) = (Voice::new(emit), Usage::default(), Vec::<String>::new());
    for round in 0..=limit::TOOL_ROUNDS {
        if round == limit::TOOL_ROUNDS {
            request.tools.clear();
        }
        let mut deltas = provider.generate(request.clone()).await.map_err(|e| failed(&info, e))?;
        if let Some((started, lead)) = opening.take() {
            emit.emit(started).await;
            voice.say(lead.unwrap_or_default()).await;
        }
        let mut gap = voice.gap().filter(|_| round > 0);
        let (mut text, mut calls, mut replay) = (String::new(), Vec::new(), Vec::new());
        let finished = loop {
            let Some(delta) = deltas.next().await else {
                let broken = ProviderError::new(ProviderErrorKind::Interrupted, "the answer broke off");
                return Err(failed(&info, broken));
            };
            match delta.map_err(|e| failed(&info, e))? {
                Delta::Text(piece) if piece.is_empty() => {}
                Delta::Text(piece) => {
                    voice.say(gap.take().unwrap_or_default()).await;
                    if hands.is_some() {
                        text.push_str(&piece);
                    }
                    voice.say(piece).await;
                }
                Delta::Refusal(piece) => {
                    voice.say(gap.take().unwrap_or_default()).await;
                    voice.say(piece).await;
                }
                Delta::Reasoning(text) => voice.tell(Body::Reasoning { text }).await,
                Delta::Citation(citation) => voice.tell(Body::Cited { citation }).await,
                Delta::Replay(part) => replay.push(part),
                Delta::Usage(_) => {}
                Delta::ToolCall(_) if calls.len() == limit::TOOL_CALLS => {
                    let words = "the model called more tools at once than may be";
                    return Err(failed(&info, ProviderError::new(ProviderErrorKind::Failed, words)));
                }
                Delta::ToolCall(call) => calls.push(call),
                Delta::End { reason, usage } => {
                    used = used.and(usage);
                    break Finished { reason, usage: used };
                }
            }
        };
        // A connection that is not needed is not held while a tool works.
        drop(deltas);
        let Some(hands) = hands.as_ref().filter(|_| !calls.is_empty() && !request.tools.is_empty()) else {
            return if voice.has_spoken() || called.is_empty() { Ok(finished) } else { Err(silent(&info)) };
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
    }
    // The last round offers no tools, and returns.
    Err(silent(&info))
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
fn silent(info: &ProviderInfo) -> Error {
    failed(info, ProviderError::new(ProviderErrorKind::Failed, "the model called tools and gave no answer"))
}

/// What ended by itself, without a model.
pub(super) fn finished() -> Finished {
    Finished { reason: FinishReason::Stop, usage: Usage::default() }
}

/// A provider's failure in the words of the table.
pub(super) fn failed(info: &ProviderInfo, error: ProviderError) -> Error {
    let code = match error.kind {
        ProviderErrorKind::Unavailable => Code::ProviderUnavailable,
        ProviderErrorKind::Busy => Code::ProviderBusy,
        ProviderErrorKind::Refused => Code::ProviderRefused,
        ProviderErrorKind::Timeout => Code::ProviderTimeout,
        ProviderErrorKind::Interrupted => Code::ProviderInterrupted,
        ProviderErrorKind::Failed => Code::ProviderFailed,
    };
    Error::new(code, format!("{}: {}", info.name, error.message))
}
