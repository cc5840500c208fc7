//! When a person is asked to look at a question too: the `[handoff]` section of an assistant.

use serde::Deserialize;

use super::words::{occurs, stems};

/// Why a question waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody was sure who should answer.
    LowConfidence,
    /// The person asked for one.
    UserRequest,
    /// The question is about a matter for people.
    SensitiveTopic,
    /// A safety rule matched.
    SafetyConcern,
}

impl Reason {
    /// The word in the log, in the queue and for the webhook.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LowConfidence => "low_confidence",
            Self::UserRequest => "user_request",
            Self::SensitiveTopic => "sensitive_topic",
            Self::SafetyConcern => "safety_concern",
        }
    }
}

/// The section as it is typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedHandoff {
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default = "threshold")]
    threshold: f64,
    #[serde(default)]
    phrases: Vec<String>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    messages: Messages,
}

/// What the person who waits is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Messages {
    low_confidence: String,
    user_request: String,
    sensitive_topic: String,
    safety_concern: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            low_confidence: "I may have misunderstood this, so somebody will look at it too.".into(),
            user_request: "Somebody has been asked to take over.".into(),
            sensitive_topic: "This is a matter for a person; somebody has been asked to look at it.".into(),
            safety_concern: "This may be dangerous; somebody has been asked to look at it.".into(),
        }
    }
}

fn yes() -> bool {
    true
}

fn threshold() -> f64 {
    0.7
}

/// When a person is asked to look at a question too.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    threshold: f64,
    phrases: Vec<Vec<String>>,
    topics: Vec<Vec<String>>,
    messages: Messages,
}

impl Rules {
    /// Whether a person is needed, and why: the first reason of the contract's order.
    #[must_use]
    pub fn reason(&self, text: &str, confidence: f64, in_danger: bool) -> Option<Reason> {
        let text = stems(text);
        let one_of = |list: &[Vec<String>]| list.iter().any(|phrase| occurs(phrase, &text));
        if confidence < self.threshold {
            Some(Reason::LowConfidence)
        } else if one_of(&self.phrases) {
            Some(Reason::UserRequest)
        } else if one_of(&self.topics) {
            Some(Reason::SensitiveTopic)
        } else {
            in_danger.then_some(Reason::SafetyConcern)
        }
    }

    /// What the person who waits is told.
    #[must_use]
    pub fn message(&self, reason: Reason) -> &str {
        match reason {
            Reason::LowConfidence => &self.messages.low_confidence,
            Reason::UserRequest => &self.messages.user_request,
            Reason::SensitiveTopic => &self.messages.sensitive_topic,
            Reason::SafetyConcern => &self.messages.safety_concern,
        }
    }
}

impl TypedHandoff {
    /// Everything that is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(0.0..=1.0).contains(&self.threshold) {
            problems.push(format!("handoff.threshold is {}: use 0 to 1", self.threshold));
        }
        for (key, list) in [("phrases", &self.phrases), ("topics", &self.topics)] {
            for phrase in list.iter().filter(|p| stems(p).is_empty()) {
                problems.push(format!("handoff.{key}: \"{phrase}\" has no letter or digit"));
            }
        }
        let m = &self.messages;
        for (key, text) in [
            ("low_confidence", &m.low_confidence),
            ("user_request", &m.user_request),
            ("sensitive_topic", &m.sensitive_topic),
            ("safety_concern", &m.safety_concern),
        ] {
            if text.trim().is_empty() {
                problems.push(format!("handoff.messages.{key} is empty"));
            }
        }
        problems
    }

    /// The rules, unless they are switched off.
    pub(super) fn into_rules(self) -> Option<Rules> {
        let all = |list: Vec<String>| list.iter().map(|p| stems(p)).collect();
        self.enabled.then(|| Rules {
            threshold: self.threshold,
            phrases: all(self.phrases),
            topics: all(self.topics),
            messages: self.messages,
        })
    }
}
