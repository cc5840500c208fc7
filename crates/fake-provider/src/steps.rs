//! A script as a row of steps, made one by one: a long answer is never in memory whole. The formats are
//! encoders of these steps and know nothing else of a script's words.

use serde_json::Value;

use crate::format::Format;
use crate::script::{Finish, Script, Tool, Usage};

/// Letters of one to four bytes, so that writes end inside of them.
const WORDS: [&str; 12] = [
    "The",
    "river",
    "flows",
    "naïve",
    "over",
    "stones,",
    "流れる",
    "and",
    "grün",
    "water 🌊",
    "finds",
    "its way.",
];
const THOUGHTS: [&str; 6] = ["Okay,", "let", "me", "überlegen:", "考える", "so"];

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Start,
    Reasoning(String),
    /// Reasoning has ended, with this signature; empty where it is not signed.
    Reasoned(String),
    Text(String),
    Refusal(String),
    Citation(Cited),
    ToolStart {
        index: usize,
        id: String,
        name: String,
    },
    ToolPiece {
        index: usize,
        piece: String,
    },
    ToolEnd {
        index: usize,
    },
    Finish,
}

/// A page that is cited.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cited {
    pub(crate) url: String,
    pub(crate) title: String,
    pub(crate) quote: String,
}

impl Step {
    /// Whether it counts as a delta; see [`crate::Failure`].
    pub(crate) fn is_delta(&self) -> bool {
        matches!(self, Self::Reasoning(_) | Self::Text(_) | Self::Refusal(_) | Self::ToolPiece { .. })
    }
}

fn word(words: &[&str], number: u32) -> String {
    let word = words[number as usize % words.len()];
    if number == 0 { word.to_owned() } else { format!(" {word}") }
}

fn made(words: &'static [&str], tokens: u32, together: u32) -> impl Iterator<Item = String> + Send {
    let together = together.max(1);
    (0..tokens.div_ceil(together)).map(move |event| {
        let first = event * together;
        (first..first.saturating_add(together).min(tokens)).map(|n| word(words, n)).collect()
    })
}

/// A text, so many words at a time; every byte of it is in one of them.
fn said(text: &str, together: u32) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    words.chunks(together.max(1) as usize).map(<[&str]>::concat).collect()
}

/// A text in about so many pieces, cut between letters.
fn pieces(text: &str, many: u32) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let size = letters.len().div_ceil(many.max(1) as usize).max(1);
    letters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

fn arguments(tool: &Tool) -> String {
    if tool.arguments.is_null() { "{}".to_owned() } else { tool.arguments.to_string() }
}

impl Script {
    fn words(&self) -> Box<dyn Iterator<Item = String> + Send> {
        match &self.text {
            Some(text) => Box::new(said(text, self.tokens_per_event).into_iter()),
            None => Box::new(made(&WORDS, self.tokens, self.tokens_per_event)),
        }
    }

    fn thoughts(&self) -> impl Iterator<Item = String> + Send + use<> {
        made(&THOUGHTS, self.reasoning, self.tokens_per_event)
    }

    /// The whole text that is said.
    #[must_use]
    pub fn said(&self) -> String {
        self.words().collect()
    }

    /// The text of the first so many deltas, those of reasoning counted with them.
    #[must_use]
    pub fn said_in(&self, deltas: u32) -> String {
        let thoughts = self.thoughts().count();
        self.words().take((deltas as usize).saturating_sub(thoughts)).collect()
    }

    /// The whole reasoning.
    #[must_use]
    pub fn thought(&self) -> String {
        self.thoughts().collect()
    }

    /// What is reported to have been used, by an answer that comes to its end.
    #[must_use]
    pub fn used(&self) -> Usage {
        let text = self.text.as_ref().map_or(self.tokens as usize, |t| t.split_inclusive(' ').count());
        let tools: usize = self.tools.iter().map(|t| pieces(&arguments(t), self.argument_pieces).len()).sum();
        let reasoning = u64::from(self.reasoning);
        Usage {
            input: self.input_tokens,
            cached: self.cached_tokens.min(self.input_tokens),
            output: reasoning + (text + tools) as u64,
            reasoning,
        }
    }

    /// Why it ends.
    #[must_use]
    pub fn ends(&self) -> Finish {
        match self.finish {
            Some(finish) => finish,
            None if self.refusal => Finish::Refusal,
            None if !self.tools.is_empty() => Finish::Tools,
            None => Finish::Stop,
        }
    }

    /// The steps, for this format.
    pub(crate) fn steps(&self, format: Format) -> Box<dyn Iterator<Item = Step> + Send> {
        let refusal = self.refusal;
        let signature = if self.signature { "c2lnbmVkIGJ5IGEgZmFrZQ==" } else { "" };
        let reasoned = (self.reasoning > 0).then(|| Step::Reasoned(signature.to_owned()));
        let words = self.words().map(move |w| if refusal { Step::Refusal(w) } else { Step::Text(w) });
        let cited = (1..=self.citations).map(|n| {
            Step::Citation(Cited {
                url: format!("https://example.com/page/{n}"),
                title: format!("Page {n}"),
                quote: format!("What page {n} says."),
            })
        });
        let mixed = self.interleave && matches!(format, Format::OpenAi | Format::Responses);
        Box::new(
            std::iter::once(Step::Start)
                .chain(self.thoughts().map(Step::Reasoning))
                .chain(reasoned)
                .chain(words)
                .chain(cited)
                .chain(self.calls(mixed))
                .chain(std::iter::once(Step::Finish)),
        )
    }

    fn calls(&self, mixed: bool) -> Vec<Step> {
        let mut rows = Vec::new();
        for (index, tool) in self.tools.iter().enumerate() {
            let start = Step::ToolStart { index, id: format!("call_{index}"), name: tool.name.clone() };
            let pieces = pieces(&arguments(tool), self.argument_pieces);
            let pieces = pieces.into_iter().map(|piece| Step::ToolPiece { index, piece });
            let end = std::iter::once(Step::ToolEnd { index });
            rows.push(std::iter::once(start).chain(pieces).chain(end).collect::<Vec<_>>().into_iter());
        }
        if !mixed {
            return rows.into_iter().flatten().collect();
        }
        let mut steps = Vec::new();
        loop {
            let before = steps.len();
            steps.extend(rows.iter_mut().filter_map(Iterator::next));
            if steps.len() == before {
                return steps;
            }
        }
    }
}

/// An answer that comes whole.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) reasoning: String,
    pub(crate) signature: String,
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) cited: Vec<Cited>,
    /// Id, name, arguments.
    pub(crate) calls: Vec<(String, String, String)>,
}

impl Whole {
    pub(crate) fn of(script: &Script, format: Format) -> Self {
        let mut whole = Self::default();
        for step in script.steps(format) {
            match step {
                Step::Reasoning(piece) => whole.reasoning.push_str(&piece),
                Step::Reasoned(signature) => whole.signature = signature,
                Step::Text(piece) => whole.text.push_str(&piece),
                Step::Refusal(piece) => whole.refusal.push_str(&piece),
                Step::Citation(cited) => whole.cited.push(cited),
                Step::ToolStart { id, name, .. } => whole.calls.push((id, name, String::new())),
                Step::ToolPiece { index, piece } => {
                    if let Some(call) = whole.calls.get_mut(index) {
                        call.2.push_str(&piece);
                    }
                }
                Step::Start | Step::ToolEnd { .. } | Step::Finish => {}
            }
        }
        whole
    }
}

/// The arguments of a call, whole; they are what a script said, so they can be read.
pub(crate) fn read(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_default()
}
