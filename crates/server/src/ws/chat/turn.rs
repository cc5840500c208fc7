//! One answer as the chat dialect shows it: what it has to remember of a run between two frames.

use std::sync::Arc;

use headwater_core::event::{Body, Event, Failure, Outcome, Seq};
use headwater_core::port::provider::Citation;
use headwater_core::{RunId, SessionId, limit};

use super::frames::{Answerer, Complete, Context, ErrorFrame, Metadata, ServerFrame, progress, unfinished};
use crate::escalation::EscalationView;
use crate::wire::{ToolRun, json};
use crate::ws::merge::{Piece, behind, pieces};

/// How a client wants to be told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Token frames repeat the whole answer so far.
    pub partial: bool,
    /// What the original has no place for comes too: thoughts, citations, who answered.
    pub detail: bool,
}

/// The run that is shown at the moment.
#[derive(Debug)]
pub(super) struct Turn {
    pub run: RunId,
    /// Known once the run is followed.
    pub session: Option<SessionId>,
    /// A stop is under way.
    pub stopping: bool,
    /// The client has seen everything up to here: read, remembered, not shown.
    muted: Seq,
    text: String,
    agent: Option<String>,
    intent: Option<String>,
    confidence: Option<f64>,
    sources: Vec<String>,
    tools: Vec<ToolRun>,
    escalation: Option<EscalationView>,
    citations: Vec<Citation>,
    model: Option<Answerer>,
}

impl Turn {
    pub(super) fn new(run: RunId, after: Seq) -> Self {
        Self {
            run,
            session: None,
            stopping: false,
            muted: after,
            text: String::new(),
            agent: None,
            intent: None,
            confidence: None,
            sources: Vec::new(),
            tools: Vec::new(),
            escalation: None,
            citations: Vec::new(),
            model: None,
        }
    }

    /// The same, once the run's conversation is known.
    pub(super) fn of(run: RunId, session: SessionId, after: Seq) -> Self {
        Self { session: Some(session), ..Self::new(run, after) }
    }

    /// Shows a batch. Returns whether the run is over.
    pub(super) fn show(&mut self, events: &[Arc<Event>], manner: Manner, frames: &mut Vec<String>) -> bool {
        let partial = manner.partial;
        let (seen, news) = events.split_at(events.partition_point(|e| e.seq <= self.muted));
        for event in seen {
            // The ending is shown again to whoever resumes after it: a resume is always answered.
            self.remember(&event.body);
            if event.body.is_ending() {
                frames.push(self.ending(event, manner));
                return true;
            }
        }
        // With the whole answer in every frame a long one is quadratic: fewer frames then.
        let merge = behind(news) || (partial && self.text.len() > limit::MERGE_PARTIAL_ABOVE);
        for piece in pieces(news, merge) {
            match piece {
                Piece::Text { seq, text } => {
                    self.text.push_str(&text);
                    let partial_response = if partial { self.text.as_str() } else { "" };
                    let frame = ServerFrame::Token { token: &text, partial_response, run_id: &self.run, seq };
                    frames.push(json(&frame));
                }
                Piece::Thought { seq, text } => {
                    if manner.detail {
                        let frame = ServerFrame::Reasoning { text: &text, run_id: &self.run, seq };
                        frames.push(json(&frame));
                    }
                }
                Piece::Other(event) => {
                    self.remember(&event.body);
                    if let Body::StageStarted { stage } = event.body {
                        let (step, message) = progress(stage);
                        let frame =
                            ServerFrame::Progress { step, message, run_id: &self.run, seq: event.seq };
                        frames.push(json(&frame));
                    }
                    if event.body.is_ending() {
                        frames.push(self.ending(event, manner));
                        return true;
                    }
                }
            }
        }
        false
    }

    fn remember(&mut self, body: &Body) {
        match body {
            Body::RunStarted { session_id, .. } => self.session = Some(session_id.clone()),
            Body::Routed { agent, intent, confidence } => {
                self.agent = Some(agent.clone());
                self.intent = Some(intent.clone());
                self.confidence = Some(*confidence);
            }
            Body::Retrieved { sources } => {
                for source in sources {
                    if !self.sources.contains(&source.source) {
                        self.sources.push(source.source.clone());
                    }
                }
            }
            Body::Token { text } => self.text.push_str(text),
            Body::ToolReturned { name, ok, .. } => {
                self.tools.push(ToolRun { name: name.clone(), ok: *ok });
            }
            // The original has no place for these: only who asks for `detail` is told.
            Body::ModelStarted { provider, model, label, .. } => {
                let (provider, model, label) = (provider.clone(), model.clone(), label.clone());
                self.model = Some(Answerer { provider, model, label, usage: None });
            }
            Body::Cited { citation } => self.citations.push(citation.clone()),
            Body::RunEnded { usage, .. } => {
                if let Some(model) = &mut self.model {
                    model.usage = *usage;
                }
            }
            Body::StageStarted { .. } | Body::Reasoning { .. } | Body::ToolCalled { .. } => {}
            // Of workflows that other dialects show; their answer is text as everywhere.
            Body::Categorized { .. }
            | Body::ContextGathered { .. }
            | Body::Felt { .. }
            | Body::Thought { .. }
            | Body::AbilityLearned { .. }
            | Body::JobStarted { .. }
            | Body::PhaseChanged { .. }
            | Body::TeamChanged { .. }
            | Body::CodeDelta { .. }
            | Body::CodeGenerated { .. }
            | Body::TeamFailed { .. } => {}
            Body::Escalated { .. } => self.escalation = EscalationView::of(body),
        }
    }

    fn ending(&self, event: &Event, manner: Manner) -> String {
        let Body::RunEnded { outcome, error, .. } = &event.body else { return String::new() };
        match outcome {
            // A stopped answer is an answer that ended where the person wanted it to.
            Outcome::Completed | Outcome::Cancelled => self.complete(event.seq, *outcome, manner.detail),
            Outcome::Failed | Outcome::Interrupted => {
                self.failed(event.seq, *outcome, error.as_ref(), manner.detail)
            }
        }
    }

    fn complete(&self, seq: Seq, outcome: Outcome, detail: bool) -> String {
        let Some(session_id) = &self.session else { return String::new() };
        let agent = self.agent.as_deref();
        json(&ServerFrame::Complete(Complete {
            response: &self.text,
            session_id,
            metadata: Metadata {
                agent,
                confidence: self.confidence,
                context: Context {
                    sources: &self.sources,
                    classified_intent: self.intent.as_deref(),
                    confidence: self.confidence,
                    agent,
                    tools: &self.tools,
                    escalation: self.escalation.as_ref(),
                    citations: if detail { &self.citations } else { &[] },
                    model: self.model.as_ref().filter(|_| detail),
                },
            },
            run_id: &self.run,
            seq,
            outcome: unfinished(outcome),
        }))
    }

    fn failed(&self, seq: Seq, outcome: Outcome, error: Option<&Failure>, detail: bool) -> String {
        let message = error.map_or("Failed to process message", |e| e.message.as_str());
        json(&ServerFrame::Error(ErrorFrame {
            error: message,
            code: "PROCESSING_ERROR",
            run_id: Some(&self.run),
            seq: Some(seq),
            outcome: unfinished(outcome),
            partial_response: Some(&self.text),
            message_id: None,
            retry_after: error.and_then(|e| e.retry_after),
            recoverable: error.map(|e| e.recoverable),
            model: self.model.as_ref().filter(|_| detail),
        }))
    }
}
