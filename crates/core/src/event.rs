//! One numbered entry of a run's log: the closed list of everything that can happen in a run.
//!
//! Adding a kind here makes the compiler list every dialect that must decide what it does with it.
//! Kinds and fields are only ever added; [`VERSION`] goes up when one is, and is stored with each batch,
//! so that an older binary refuses a newer log instead of misreading it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::port::provider::{Citation, FinishReason, Usage};
use crate::time::Millis;

/// Version of the list of kinds below.
pub const VERSION: u32 = 4;

/// Number of an event in its run: 1, 2, 3 …; 0 is "before the first".
pub type Seq = u64;

/// Which ownership of a run an append belongs to; goes up at a takeover.
pub type Term = u64;

/// One numbered entry of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number, from 1, without gaps.
    pub seq: Seq,
    /// When the writer numbered it; milliseconds since 1970 UTC.
    pub at: Millis,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What happened. On the wire: `type` and the kind's own fields, in snake_case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// The run exists. Always seq 1.
    RunStarted {
        /// The conversation that it belongs to.
        session_id: SessionId,
        /// What it does: `generate`, `assist` …
        workflow: String,
    },
    /// A step of the workflow really begins now.
    StageStarted {
        /// Which one.
        stage: Stage,
    },
    /// The question was given to a specialist.
    Routed {
        /// The specialist's name in the assistant's configuration.
        agent: String,
        /// The classifier's word, upper case.
        intent: String,
        /// A measured number, 0 to 1.
        confidence: f64,
    },
    /// Passages were found; empty where none was good enough.
    Retrieved {
        /// Best first.
        sources: Vec<Source>,
    },
    /// A model begins to answer. Who it is is part of the log, so that every run names it.
    ModelStarted {
        /// The provider's name in the configuration.
        provider: String,
        /// The model's name.
        model: String,
        /// What a person should know of it, e.g. `tiny local model`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Tokens of the prompt, estimated before it is sent; what was really used stands at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated_input_tokens: Option<u64>,
        /// The team for which it answers, where several work side by side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<String>,
    },
    /// A piece of what the model thinks before it answers; no part of the answer.
    Reasoning {
        /// Never empty.
        text: String,
    },
    /// Where a piece of the answer comes from, as the model's provider says.
    Cited {
        /// The source.
        #[serde(flatten)]
        citation: Citation,
    },
    /// The question was looked at: what it is about, and who is to answer it. Who really does, which a chain of
    /// providers decides, says [`Body::ModelStarted`].
    Categorized {
        /// `coding`, `math` … as the assistant's file names them.
        category: String,
        /// The provider's name in the configuration.
        provider: String,
        /// Tokens of the prompt, estimated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated_tokens: Option<u64>,
    },
    /// What the model was given beside the question.
    ContextGathered {
        /// Earlier messages of the session, the newest.
        recent_messages: u32,
        /// Earlier messages of the session that are about the same.
        relevant_messages: u32,
        /// Whether those were looked for by meaning.
        semantic_search: bool,
        /// Whether the knowledge base was searched.
        rag: bool,
        /// What was found there, best first.
        sources: Vec<Source>,
    },
    /// How the person seems to feel.
    Felt {
        /// The guess, from his words.
        emotion: Emotion,
    },
    /// A step of the work, or of the thinking about it, as one piece; no part of the answer.
    Thought {
        /// Names it in this run.
        id: String,
        /// Whose it is, where several work side by side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<String>,
        /// From 1, in this run or for this team.
        step: u32,
        /// In which way it was thought, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<ThinkingMode>,
        /// Never empty.
        text: String,
        /// 0 to 1, where there is a measure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    },
    /// What was learned of the person's ability in this turn; stored already.
    AbilityLearned {
        /// In what.
        subject: String,
        /// 0 to 1.
        ability: f64,
        /// How sure that is, 0 to 1.
        confidence: f64,
    },
    /// A job was given to teams.
    JobStarted {
        /// What the person wants, whole.
        brief: String,
        /// `react`, `vue`, `svelte`, `vanilla`.
        framework: String,
        /// Who works on it, in the order in which it is shown.
        teams: Vec<TeamPlan>,
        /// What the client said of the project, as it said it; an object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<serde_json::Value>,
        /// What the client said of the style, as it said it; an object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        style: Option<serde_json::Value>,
    },
    /// A phase of a job begins or ends.
    PhaseChanged {
        /// `planner`, a team's name, `reviewer`, `refiner`.
        phase: String,
        /// Where it stands.
        status: TeamStatus,
        /// Which round of refinement, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        iteration: Option<u32>,
    },
    /// A team goes on to its next step.
    TeamChanged {
        /// Which one.
        team: String,
        /// Where it stands now.
        status: TeamStatus,
    },
    /// A piece of the code that a team writes, as it streams. What is whole says [`Body::CodeGenerated`].
    CodeDelta {
        /// Which one.
        team: String,
        /// Never empty.
        text: String,
    },
    /// A team's code is whole.
    CodeGenerated {
        /// Which one.
        team: String,
        /// The code alone.
        code: String,
        /// What the team's model wrote for it.
        tokens: u64,
        /// What the team's work used and cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// Another round may follow: the team's last word is one without this.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        draft: bool,
    },
    /// A team could not do its work; the others go on.
    TeamFailed {
        /// Which one.
        team: String,
        /// Why.
        error: Failure,
    },
    /// A tool is called, by the model or by the parser that speaks for one.
    ToolCalled {
        /// Names the call in this run.
        call_id: String,
        /// Which tool.
        name: String,
        /// What it is given; an object.
        arguments: serde_json::Value,
    },
    /// A tool has done its work.
    ToolReturned {
        /// The call that it answers.
        call_id: String,
        /// Which tool.
        name: String,
        /// Whether it did what it was asked for.
        ok: bool,
        /// What came of it; an object.
        result: serde_json::Value,
    },
    /// The question waits for a person too; the answer goes on.
    Escalated {
        /// `ESC-…`
        escalation_id: String,
        /// `queued`
        status: String,
        /// Why: `low_confidence`, `user_request`, `sensitive_topic`, `safety_concern`.
        reason: String,
        /// Minutes, where anybody knows.
        estimated_wait_time: Option<u64>,
        /// Who takes it, where that is known.
        agent_name: Option<String>,
        /// For the person who waits.
        message: String,
    },
    /// A piece of the answer's text.
    Token {
        /// Never empty. The answer is the concatenation of all of them.
        text: String,
    },
    /// The run is over. Always the last event, exactly once.
    RunEnded {
        /// How it ended.
        outcome: Outcome,
        /// Why the model stopped, where it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finish_reason: Option<FinishReason>,
        /// What failed, where something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// What the answer used, in the provider's tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
}

impl Body {
    /// Whether nothing may follow.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::RunEnded { .. })
    }

    /// The piece of answer text in it, where it has one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Token { text } => Some(text),
            _ => None,
        }
    }

    /// Bytes that it takes in a buffer, roughly; for bounds, not for accounts.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FIXED: usize = 64;
        match self {
            Self::Token { text } | Self::Reasoning { text } => FIXED + text.len(),
            Self::CodeDelta { text, .. } | Self::Thought { text, .. } => 2 * FIXED + text.len(),
            Self::CodeGenerated { code, .. } => 4 * FIXED + code.len(),
            Self::JobStarted { brief, workspace, style, .. } => {
                let said = [workspace, style].into_iter().flatten().map(|v| v.to_string().len());
                8 * FIXED + brief.len() + said.sum::<usize>()
            }
            Self::Cited { citation: Citation { url, title, quote } } => {
                FIXED + [url, title, quote].into_iter().flatten().map(String::len).sum::<usize>()
            }
            Self::Retrieved { sources } | Self::ContextGathered { sources, .. } => {
                FIXED + sources.iter().map(|s| FIXED + s.source.len() + s.heading.len()).sum::<usize>()
            }
            Self::ToolCalled { arguments: value, .. } | Self::ToolReturned { result: value, .. } => {
                4 * FIXED + value.to_string().len()
            }
            _ => 4 * FIXED,
        }
    }
}

/// A step of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The turn is taken up.
    Start,
    /// A specialist is chosen.
    Route,
    /// The knowledge base is searched.
    Retrieve,
    /// A model is asked.
    Generate,
}

/// A passage of the knowledge base that the model was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The document's name.
    pub source: String,
    /// Where in it: the headings above the passage, joined by ` > `; may be empty.
    pub heading: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
}

/// How somebody seems to feel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Emotion {
    /// One of the 28 labels of GoEmotions, e.g. `curiosity`.
    pub primary: String,
    /// From calm to excited, 0 to 1.
    pub arousal: f64,
    /// From bad to good, -1 to 1.
    pub valence: f64,
    /// How ready he is to learn now.
    pub readiness: Readiness,
}

/// How ready somebody is to learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Calm, interested.
    OptimalReadiness,
    /// Good.
    HighReadiness,
    /// As usual.
    ModerateReadiness,
    /// Tired, annoyed.
    LowReadiness,
    /// Something else comes first.
    NotReady,
}

/// In which way something was thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingMode {
    /// Taking apart, deducing, calculating.
    Analytical,
    /// Examples, comparisons, ideas.
    Creative,
    /// About the thinking, or about who is taught.
    Metacognitive,
}

/// A team as it is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TeamPlan {
    /// Its name on the wire.
    pub team: String,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// What a person should know of it, e.g. `tiny local model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Where a team, or a phase of a job, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamStatus {
    /// Nothing was done yet.
    Pending,
    /// It plans.
    Thinking,
    /// It writes.
    Generating,
    /// Done.
    Complete,
    /// It failed.
    Error,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer is whole.
    Completed,
    /// Something failed; what was written is kept.
    Failed,
    /// Somebody stopped it; what was written is kept.
    Cancelled,
    /// Its node died and nobody could go on; what was written is kept.
    Interrupted,
}

impl Outcome {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The outcome of that word, where it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Completed, Self::Failed, Self::Cancelled, Self::Interrupted]
            .into_iter()
            .find(|o| o.as_str() == word)
    }
}

/// What failed in a run, for people and machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// A word of the table in [`crate::code`].
    pub code: String,
    /// What happened and what to do; holds no secret.
    pub message: String,
    /// Whether asking the same again can succeed.
    #[serde(default)]
    pub recoverable: bool,
    /// Seconds after which it can, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_flat_and_snake_case() {
        let event = Event { seq: 4, at: Millis(17), body: Body::Token { text: "é".into() } };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"seq":4,"at":17,"type":"token","text":"é"}"#);
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        let ended =
            Body::RunEnded { outcome: Outcome::Cancelled, finish_reason: None, error: None, usage: None };
        assert_eq!(serde_json::to_string(&ended).unwrap(), r#"{"type":"run_ended","outcome":"cancelled"}"#);
    }

    #[test]
    fn every_outcome_has_a_word_of_its_own() {
        for o in [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Interrupted] {
            assert_eq!(Outcome::parse(o.as_str()), Some(o));
        }
        assert_eq!(Outcome::parse("running"), None);
    }
}
