//! One answer as the tutor's dialect shows it: what it has to remember of a run between two frames.

use std::sync::Arc;

use headwater_core::event::{Body, Event, Failure, Outcome, Seq, ThinkingMode};
use headwater_core::port::provider::Usage;
use headwater_core::run::Run;
use headwater_core::{Code, Millis, RunId, SessionId};

use super::fence::Fence;
use super::frames::{
    CompleteMetadata, Head, ServerFrame, Spent, StartMetadata, Step, StoppedMetadata, UNKNOWN,
};
use super::words::{failure, problem};
use crate::http::tutor::view::{AbilityView, ContextView, EmotionView, names, tokens};
use crate::wire::json;
use crate::ws::dialect::Tag;
use crate::ws::merge::{Piece, behind, pieces};
use crate::ws::rooms::SessionOf;

/// The category of runs that were not looked at for one.
const GENERAL: &str = "general";
/// Who answers where nobody was asked.
const NOBODY: &str = "none";

/// A run that is shown, or about to be.
#[derive(Debug)]
pub(super) struct Turn {
    pub run: RunId,
    /// Known once the run is followed, or from the message that asked for it.
    pub session: Option<SessionId>,
    /// The client's name for the turn, which is the run's own where it has none.
    pub message: Option<String>,
    /// A message of this socket asked for it: its failure to be followed is told.
    pub asked: bool,
    /// An earlier socket left it: that it cannot go on is told as well.
    pub left: bool,
    /// The room by whose word alone it is shown.
    pub room: Option<SessionOf>,
    /// The name under which its log was asked for last, until it comes.
    pub awaits: Tag,
    /// Stops that wait for the ending: they are acknowledged in front of it.
    pub stops: usize,
    /// The client has seen everything up to here: read, remembered, not shown.
    muted: Seq,
    /// Frames of content that this viewer was sent.
    chunks: u64,
    began: Option<Millis>,
    /// `stream_start` was sent.
    started: bool,
    /// The answer so far, for the ending, which repeats it: its bytes and at most as many again, for each viewer of each
    /// answer while it streams; at most [`headwater_core::limit::ANSWER_BYTES`] of them. To read it once more at the end
    /// would cost each viewer a read of the whole log, all of them in the moment in which the run ends.
    text: String,
    fence: Fence,
    category: Option<String>,
    estimated_tokens: Option<u64>,
    provider: Option<String>,
    ability: Option<AbilityView>,
}

impl Turn {
    /// A run of which nothing is known yet, to be shown after `muted`.
    pub(super) fn new(run: RunId, muted: Seq) -> Self {
        Self {
            run,
            session: None,
            message: None,
            asked: false,
            left: false,
            room: None,
            awaits: None,
            stops: 0,
            muted,
            chunks: 0,
            began: None,
            started: false,
            text: String::new(),
            fence: Fence::default(),
            category: None,
            estimated_tokens: None,
            provider: None,
            ability: None,
        }
    }

    /// The same, of a message of this socket.
    pub(super) fn asked(run: RunId, muted: Seq) -> Self {
        Self { asked: true, ..Self::new(run, muted) }
    }

    /// The same, of a session whose room was joined.
    pub(super) fn watched(run: RunId, room: SessionOf) -> Self {
        Self { room: Some(room), ..Self::new(run, 0) }
    }

    /// The same, left by an earlier socket.
    pub(super) fn left(run: RunId, muted: Seq) -> Self {
        Self { left: true, ..Self::new(run, muted) }
    }

    /// Of which only the ending is shown.
    pub(super) fn to_its_end(run: RunId) -> Self {
        Self::new(run, Seq::MAX)
    }

    /// It is followed now; its log is read from the beginning.
    pub(super) fn is(&mut self, run: &Run) {
        self.session = Some(run.session.clone());
        let message = run.message_id.as_ref().map_or(run.id.as_str(), |id| id.as_str());
        self.message = Some(message.to_owned());
    }

    /// Whether a client that says these means it.
    pub(super) fn is_called(&self, message: &str, session: Option<&str>) -> bool {
        self.message.as_deref() == Some(message)
            && session.is_none_or(|named| self.session.as_ref().is_some_and(|own| own.as_str() == named))
    }

    pub(super) fn head(&self, timestamp: Millis) -> Head<'_> {
        Head {
            message_id: self.message.as_deref().unwrap_or(UNKNOWN),
            session_id: self.session.as_ref().map_or(UNKNOWN, SessionId::as_str),
            timestamp,
        }
    }

    /// Shows a batch; `now` is the time. Returns whether the run is over.
    pub(super) fn show(&mut self, events: &[Arc<Event>], now: Millis, frames: &mut Vec<String>) -> bool {
        let (seen, news) = events.split_at(events.partition_point(|e| e.seq <= self.muted));
        let first = events.first().map_or(0, |e| e.seq);
        let at = |seq: Seq| {
            let index = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
            events.get(index).map_or(now, |e| e.at)
        };
        // Encoded like the rest, so that the state behind them is the same, and thrown away.
        let mut unsaid = Vec::new();
        for piece in pieces(seen, true) {
            if let Piece::Other(event) = &piece
                && event.body.is_ending()
            {
                // Shown again to whoever asks: that is always answered.
                if self.asked || self.stops > 0 || self.muted == Seq::MAX {
                    self.end(event, now, frames);
                }
                return true;
            }
            self.piece(piece, &at, &mut unsaid);
            unsaid.clear();
        }
        if !seen.is_empty() {
            self.chunks = 0;
        }
        for piece in pieces(news, behind(news)) {
            if let Piece::Other(event) = &piece
                && event.body.is_ending()
            {
                self.end(event, now, frames);
                return true;
            }
            self.piece(piece, &at, frames);
        }
        false
    }

    fn piece(&mut self, piece: Piece<'_>, at: &impl Fn(Seq) -> Millis, frames: &mut Vec<String>) {
        match piece {
            Piece::Text { seq, text } => {
                let at = at(seq);
                self.start(seq.saturating_sub(1), at, frames);
                self.text.push_str(&text);
                let mut said = Vec::new();
                self.fence.push(&text, &mut said);
                self.content(&said, Some(seq), at, frames);
            }
            // The model's own thoughts are no steps: those the workflow makes of them are.
            Piece::Thought { .. } => {}
            Piece::Other(event) => self.event(event, frames),
        }
    }

    /// The last frame of it carries `seq`, so that a client that goes on behind a number has everything up to it.
    fn content(&mut self, said: &[(bool, String)], seq: Option<Seq>, at: Millis, frames: &mut Vec<String>) {
        for (n, (is_code, content)) in said.iter().enumerate() {
            let seq = seq.filter(|_| n + 1 == said.len());
            frames.push(json(&ServerFrame::ContentChunk {
                head: self.head(at),
                content,
                chunk_index: self.chunks,
                is_code: *is_code,
                seq,
            }));
            self.chunks += 1;
        }
    }

    fn event(&mut self, event: &Event, frames: &mut Vec<String>) {
        let (seq, at) = (event.seq, event.at);
        match &event.body {
            Body::RunStarted { session_id, .. } => {
                self.session = Some(session_id.clone());
                self.began = Some(at);
            }
            Body::Categorized { category, provider, estimated_tokens } => {
                self.category = Some(category.clone());
                self.provider = Some(provider.clone());
                self.estimated_tokens = *estimated_tokens;
                self.start(seq, at, frames);
            }
            // Of workflows without a category of their own.
            Body::Routed { intent, .. } => self.category = Some(intent.to_lowercase()),
            Body::ModelStarted { provider, estimated_input_tokens, .. } => {
                self.provider = Some(provider.clone());
                self.estimated_tokens = self.estimated_tokens.or(*estimated_input_tokens);
                self.start(seq, at, frames);
            }
            Body::ContextGathered { recent_messages, relevant_messages, semantic_search, rag, sources } => {
                self.start(seq.saturating_sub(1), at, frames);
                let context = ContextView {
                    recent_messages_used: *recent_messages,
                    relevant_messages_used: *relevant_messages,
                    semantic_search_enabled: *semantic_search,
                    rag_enabled: *rag,
                    rag_sources: rag.then(|| names(sources)),
                };
                frames.push(json(&ServerFrame::ContextInfo { head: self.head(at), context, seq }));
            }
            Body::Felt { emotion } => {
                self.start(seq.saturating_sub(1), at, frames);
                let emotion = EmotionView::from(emotion.clone());
                frames.push(json(&ServerFrame::EmotionUpdate { head: self.head(at), emotion, seq }));
            }
            Body::Thought { step, mode, text, confidence, .. } => {
                self.start(seq.saturating_sub(1), at, frames);
                let reasoning_step = Step {
                    step_number: *step,
                    thinking_mode: mode.unwrap_or(ThinkingMode::Analytical),
                    description: text,
                    confidence: *confidence,
                    timestamp: at,
                };
                frames.push(json(&ServerFrame::ThinkingChunk { head: self.head(at), reasoning_step, seq }));
            }
            Body::AbilityLearned { subject, ability, confidence } => {
                let (subject, new_ability) = (subject.clone(), *ability);
                self.ability = Some(AbilityView { subject, new_ability, confidence: *confidence });
            }
            // Shown by `piece`, and by `end`.
            Body::Token { .. } | Body::Reasoning { .. } | Body::RunEnded { .. } => {}
            // The original has no place for these.
            Body::StageStarted { .. }
            | Body::Retrieved { .. }
            | Body::Cited { .. }
            | Body::ToolCalled { .. }
            | Body::ToolReturned { .. }
            | Body::Escalated { .. } => {}
            // Of workflows that other dialects show; their answer is text as everywhere.
            Body::JobStarted { .. }
            | Body::PhaseChanged { .. }
            | Body::TeamChanged { .. }
            | Body::CodeDelta { .. }
            | Body::CodeGenerated { .. }
            | Body::TeamFailed { .. } => {}
        }
    }

    /// Says that the stream begins, once, before anything else is said of it; everything up to `seq` is said then.
    fn start(&mut self, seq: Seq, at: Millis, frames: &mut Vec<String>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let metadata = StartMetadata {
            provider: self.provider.as_deref().unwrap_or(NOBODY),
            category: self.category.as_deref().unwrap_or(GENERAL),
            estimated_tokens: self.estimated_tokens,
        };
        let head = self.head(at);
        frames.push(json(&ServerFrame::StreamStart { head, ai_message_id: &self.run, metadata, seq }));
    }

    fn end(&mut self, event: &Event, now: Millis, frames: &mut Vec<String>) {
        let Body::RunEnded { outcome, error, usage, .. } = &event.body else { return };
        let (seq, at) = (event.seq, event.at);
        if self.muted < seq {
            self.start(seq.saturating_sub(1), at, frames);
            let mut said = Vec::new();
            self.fence.finish(&mut said);
            // The ending itself is behind it.
            self.content(&said, None, at, frames);
        }
        let stopped = *outcome == Outcome::Cancelled;
        self.acknowledge(!stopped, now, frames);
        let timed_out = error.as_ref().is_some_and(|e| e.code == Code::RunTimeout.as_str());
        let frame = match outcome {
            Outcome::Completed => json(&self.complete(seq, at, *usage)),
            Outcome::Cancelled => json(&self.stopped("user_cancelled", seq, at, *usage)),
            Outcome::Failed if timed_out => json(&self.stopped("timeout", seq, at, *usage)),
            Outcome::Failed | Outcome::Interrupted => self.failed(error.as_ref(), *outcome, seq, at),
        };
        frames.push(frame);
    }

    /// Acknowledges the stops that wait; `late`: nothing was left to be stopped.
    pub(super) fn acknowledge(&mut self, late: bool, now: Millis, frames: &mut Vec<String>) {
        for _ in 0..std::mem::take(&mut self.stops) {
            let head = self.head(now);
            frames.push(json(&ServerFrame::StopAcknowledged { head, already_completed: late }));
        }
    }

    fn complete(&self, seq: Seq, at: Millis, usage: Option<Usage>) -> ServerFrame<'_> {
        ServerFrame::StreamComplete {
            head: self.head(at),
            ai_message_id: &self.run,
            full_content: &self.text,
            metadata: CompleteMetadata {
                provider_used: self.provider.as_deref().unwrap_or(NOBODY),
                response_time_ms: self.lasted(at),
                spent: spent(usage),
                ability_updated: self.ability.as_ref(),
            },
            seq,
        }
    }

    fn stopped(&self, reason: &'static str, seq: Seq, at: Millis, usage: Option<Usage>) -> ServerFrame<'_> {
        ServerFrame::GenerationStopped {
            head: self.head(at),
            ai_message_id: &self.run,
            reason,
            partial_content: &self.text,
            metadata: StoppedMetadata { spent: spent(usage), stopped_at_ms: self.lasted(at) },
            seq,
        }
    }

    fn failed(&self, error: Option<&Failure>, outcome: Outcome, seq: Seq, at: Millis) -> String {
        let (code, message) = match error {
            Some(error) => failure(error),
            None => (Code::Internal, "the answer could not be finished".to_owned()),
        };
        // A node that died says nothing about the question.
        let recoverable = outcome == Outcome::Interrupted || error.is_some_and(|e| e.recoverable);
        let wait = error.and_then(|e| e.retry_after);
        json(&ServerFrame::StreamError {
            head: self.head(at),
            error: problem(code, &message, recoverable, wait),
            partial_content: &self.text,
            seq: Some(seq),
        })
    }

    /// What was written so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn lasted(&self, at: Millis) -> u64 {
        let lasted = self.began.map_or(0, |began| began.until(at).as_millis());
        u64::try_from(lasted).unwrap_or(u64::MAX)
    }
}

fn spent(usage: Option<Usage>) -> Spent {
    let usage = usage.unwrap_or_default();
    Spent {
        tokens_used: tokens(usage).unwrap_or_default(),
        cost: usage.cost_usd.map_or(0.0, |cost| cost.dollars()),
        cost_unknown: usage.cost_usd.is_none(),
    }
}
