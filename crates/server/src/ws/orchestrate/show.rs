//! A job as it is shown: which event becomes which frames.

use std::sync::Arc;

use headwater_core::event::{Body, Event, Failure, Outcome, Seq, TeamStatus};
use headwater_core::limit;

use super::frames::{Data, Pen, WORKFLOW};
use crate::http::orchestrate::{ended_without, stamp};

/// How a client wants to be told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Code is shown as it streams.
    pub stream: bool,
    /// Frames carry their numbers.
    pub numbered: bool,
}

/// What is shown on one connection. Mostly an event alone says what its frames are. What stands before it is needed
/// where a job ended badly, to tell of the teams that had not, and for a run of another workflow, whose whole text is
/// the code of one team.
#[derive(Debug)]
pub(super) struct Show {
    job_id: String,
    manner: Manner,
    /// The client has seen everything up to here: read, and not shown.
    muted: Seq,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A job that is read from the middle: nothing is known of its teams.
    GoingOn,
    /// Which teams have not ended yet.
    Job(Vec<String>),
    /// A run without teams: its workflow's name, and its text so far.
    Plain { team: String, text: String },
}

impl Show {
    /// A job of which the client has seen the beginning.
    pub(super) fn going_on(job_id: String, manner: Manner) -> Self {
        Self { job_id, manner, muted: 0, kind: Kind::GoingOn }
    }

    /// A run that is read from its beginning, and shown after `muted`.
    pub(super) fn whole(job_id: String, manner: Manner, muted: Seq) -> Self {
        Self { job_id, manner, muted, kind: Kind::Plain { team: String::new(), text: String::new() } }
    }

    /// The frames of these events; after which event it has to be read once more from its beginning, where it has.
    pub(super) fn events(&mut self, events: &[Arc<Event>], frames: &mut Vec<String>) -> Option<Seq> {
        let merge = events.iter().filter(|e| delta(&e.body).is_some()).count() > limit::MERGE_ABOVE;
        let mut rest = events;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let seen = first.seq <= self.muted;
            let (mut last, mut text) = (first, String::new());
            if let (Some((team, piece)), true) = (delta(&first.body), merge && !seen) {
                text.push_str(piece);
                while let Some((next, later)) = rest.split_first()
                    && let Some((_, piece)) = delta(&next.body).filter(|(other, _)| *other == team)
                {
                    text.push_str(piece);
                    (last, rest) = (next, later);
                }
            }
            let merged = (!text.is_empty()).then_some(text.as_str());
            if !self.event(last, merged, frames) {
                return Some(last.seq.saturating_sub(1));
            }
        }
        None
    }

    /// `merged`: the text of all the events up to this one that are one frame with it. `false`: what stands before is
    /// needed.
    fn event(&mut self, event: &Event, merged: Option<&str>, frames: &mut Vec<String>) -> bool {
        let Self { job_id, manner, kind, muted } = self;
        let (seq, at, numbered) = (event.seq, stamp(event.at), manner.numbered);
        let mut pen = Pen { job_id, seq, at, numbered, muted: seq <= *muted, frames };
        match &event.body {
            Body::RunStarted { workflow, .. } => {
                if let Kind::Plain { team, .. } = kind {
                    team.clone_from(workflow);
                }
            }
            Body::JobStarted { teams, .. } => {
                *kind = Kind::Job(teams.iter().map(|plan| plan.team.clone()).collect());
            }
            Body::PhaseChanged { phase, status, iteration } => {
                let data = Data::Phase { phase, status: *status, refinement_iteration: *iteration };
                pen.write(WORKFLOW, data);
            }
            Body::TeamChanged { team, status } => match status {
                // The original has no word for the first, and the second goes right before its `error`.
                TeamStatus::Pending | TeamStatus::Error => {}
                TeamStatus::Thinking | TeamStatus::Generating => {
                    // A team that refines its code has not ended after all.
                    open(kind, team);
                    pen.status(team, *status);
                }
                TeamStatus::Complete => {
                    close(kind, team);
                    pen.status(team, *status);
                }
            },
            Body::Thought { id, team, text, .. } => {
                pen.thought(team.as_deref().unwrap_or_else(|| plain(kind)), id, text);
            }
            Body::CodeDelta { team, text } => {
                if manner.stream {
                    pen.write(team, Data::Delta { text: merged.unwrap_or(text), seq });
                }
            }
            // The original tells a team's code once, when it is complete.
            Body::CodeGenerated { draft: true, .. } => {}
            Body::CodeGenerated { team, code, tokens, .. } => {
                pen.write(team, Data::Code { code, token_count: *tokens });
            }
            Body::TeamFailed { team, error } => {
                close(kind, team);
                pen.failed(team, &error.message);
            }
            Body::ModelStarted { .. } => {
                if let Kind::Plain { team, .. } = kind {
                    pen.status(team, TeamStatus::Generating);
                }
            }
            Body::Token { text: piece } => {
                if let Kind::Plain { team, text } = kind {
                    let piece = merged.unwrap_or(piece);
                    text.push_str(piece);
                    if manner.stream {
                        pen.write(team, Data::Delta { text: piece, seq });
                    }
                }
            }
            Body::RunEnded { outcome, error, usage, .. } => {
                let tokens = usage.as_ref().and_then(|usage| usage.output_tokens).unwrap_or_default();
                return ended(kind, *outcome, error.as_ref(), tokens, &mut pen);
            }
            // Nothing of it is the original's.
            Body::StageStarted { .. }
            | Body::Routed { .. }
            | Body::Retrieved { .. }
            | Body::Reasoning { .. }
            | Body::Cited { .. }
            | Body::Categorized { .. }
            | Body::ContextGathered { .. }
            | Body::Felt { .. }
            | Body::AbilityLearned { .. }
            | Body::ToolCalled { .. }
            | Body::ToolReturned { .. }
            | Body::Escalated { .. } => {}
        }
        true
    }
}

/// The end of a run is no frame of the original: what is told is what it means for those who had not ended.
fn ended(kind: &mut Kind, outcome: Outcome, error: Option<&Failure>, tokens: u64, pen: &mut Pen<'_>) -> bool {
    let why = ended_without(outcome, error);
    match kind {
        Kind::GoingOn => return outcome == Outcome::Completed,
        Kind::Job(open) => open.iter().for_each(|team| pen.failed(team, &why)),
        Kind::Plain { team, text } if outcome == Outcome::Completed => {
            pen.status(team, TeamStatus::Complete);
            pen.write(team, Data::Code { code: text, token_count: tokens });
        }
        Kind::Plain { team, .. } => pen.failed(team, &why),
    }
    true
}

fn open(kind: &mut Kind, team: &str) {
    if let Kind::Job(open) = kind
        && !open.iter().any(|other| other == team)
    {
        open.push(team.to_owned());
    }
}

fn close(kind: &mut Kind, team: &str) {
    if let Kind::Job(open) = kind {
        open.retain(|other| other != team);
    }
}

fn plain(kind: &Kind) -> &str {
    match kind {
        Kind::Plain { team, .. } => team,
        Kind::Job(_) | Kind::GoingOn => WORKFLOW,
    }
}

/// What merges with its like: the code of one team, or of a run without teams.
fn delta(body: &Body) -> Option<(Option<&str>, &str)> {
    match body {
        Body::CodeDelta { team, text } => Some((Some(team), text)),
        Body::Token { text } => Some((None, text)),
        _ => None,
    }
}
