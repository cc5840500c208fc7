//! The five formats: what their paths are, how they say an error and list models, and who encodes them.

mod anthropic;
mod frames;
mod gemini;
mod ollama;
mod openai;
mod responses;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::frames::Frames;
use crate::script::{LineEnd, Script, Usage};
use crate::steps::{Step, Whole};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's Responses.
    Responses,
    /// Gemini's `streamGenerateContent`.
    Gemini,
    /// Ollama's `/api/chat`.
    Ollama,
}

/// What one answer is about, for its encoder.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) script: Arc<Script>,
    pub(crate) model: String,
    /// The number of the call: ids are made of it.
    pub(crate) number: u64,
    /// Whether chat completions were asked to report their usage.
    pub(crate) usage_asked: bool,
    /// What the whole answer uses.
    pub(crate) used: Usage,
}

/// When every answer was made. The clock would only make answers differ.
pub(crate) const CREATED: u64 = 1_790_000_000;
pub(crate) const CREATED_AT: &str = "2026-09-21T13:33:20Z";

/// Writes steps in one format.
pub(crate) trait Encoder: Send {
    /// Writes the events of one step; a step that the format has no words for has none.
    fn step(&mut self, step: &Step, out: &mut Frames);

    /// Writes what keeps a stream alive.
    fn ping(&mut self, out: &mut Frames) {
        out.comment("keepalive");
    }

    /// Writes the error that ends a stream.
    fn error(&mut self, status: u16, message: &str, out: &mut Frames);
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// An answer; of Gemini with the model, and whether it streams as events.
    Answer(Format, Option<(String, Stream)>),
    Models(Format),
    /// One of ours, for scripts and records.
    Control(String),
    Nothing,
}

/// How Gemini is asked, which says it in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Whole,
    Events,
    /// A JSON array that grows; nobody should, and we do not.
    Array,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Anthropic, Self::OpenAi, Self::Responses, Self::Gemini, Self::Ollama];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// What a base address ends with, behind which `/messages`, `/chat/completions`, `/responses`,
    /// `/models/M:streamGenerateContent` and `/api/chat` stand.
    #[must_use]
    pub fn base_path(self) -> &'static str {
        match self {
            Self::Anthropic | Self::OpenAi | Self::Responses => "/v1",
            Self::Gemini => "/v1beta",
            Self::Ollama => "",
        }
    }

    /// The media type of a stream.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Anthropic | Self::OpenAi | Self::Responses => "text/event-stream; charset=utf-8",
            Self::Gemini => "text/event-stream",
            Self::Ollama => "application/x-ndjson",
        }
    }

    /// What a stream is written with.
    pub(crate) fn frames(self, script: &Script) -> Frames {
        let usual = if self == Self::Gemini { LineEnd::Crlf } else { LineEnd::Lf };
        Frames::new(self == Self::Ollama, script.line_end.unwrap_or(usual))
    }

    pub(crate) fn encoder(self, about: About) -> Box<dyn Encoder> {
        match self {
            Self::Anthropic => Box::new(anthropic::Writer::new(about)),
            Self::OpenAi => Box::new(openai::Writer::new(about)),
            Self::Responses => Box::new(responses::Writer::new(about)),
            Self::Gemini => Box::new(gemini::Writer::new(about)),
            Self::Ollama => Box::new(ollama::Writer::new(about)),
        }
    }

    /// The answer in one piece.
    pub(crate) fn whole(self, about: &About) -> Value {
        let whole = Whole::of(&about.script, self);
        match self {
            Self::Anthropic => anthropic::whole(about, whole),
            Self::OpenAi => openai::whole(about, whole),
            Self::Responses => responses::whole(about, whole),
            Self::Gemini => gemini::whole(about, whole),
            Self::Ollama => ollama::whole(about, whole),
        }
    }

    /// Whether a request that does not say so wants a stream.
    pub(crate) fn streams_by_itself(self) -> bool {
        self == Self::Ollama
    }

    /// An error instead of an answer.
    pub(crate) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::Anthropic => {
                let mut error = anthropic::error(status, message);
                error["request_id"] = "req_fake".into();
                error
            }
            Self::OpenAi | Self::Responses => json!({"error": openai::error(status, message)}),
            Self::Gemini => gemini::error(status, message),
            Self::Ollama => json!({"error": message}),
        }
    }

    /// The list of models.
    pub(crate) fn models(self, names: &[String]) -> Value {
        let rows = |row: fn(&String) -> Value| names.iter().map(row).collect::<Vec<_>>();
        match self {
            Self::Anthropic => json!({
                "data": rows(|n| json!({"type": "model", "id": n, "display_name": n, "created_at": CREATED_AT})),
                "has_more": false, "first_id": names.first(), "last_id": names.last(),
            }),
            Self::OpenAi | Self::Responses => json!({"object": "list", "data": rows(|n| {
                json!({"id": n, "object": "model", "created": CREATED, "owned_by": "fake"})
            })}),
            Self::Gemini => json!({"models": rows(|n| json!({
                "name": format!("models/{n}"), "displayName": n, "inputTokenLimit": 1_000_000,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
            }))}),
            Self::Ollama => json!({"models": rows(|n| json!({
                "name": n, "model": n, "modified_at": CREATED_AT, "size": 1, "digest": "fake",
                "details": {"format": "gguf", "family": "fake"},
            }))}),
        }
    }
}

/// What a request's path is for. Hosts put prefixes such as `/openai` or `/api` before `/v1`, so only the
/// end of a path is looked at.
pub(crate) fn route(method: &str, path: &str, query: &str, says_anthropic: bool) -> Route {
    if let Some(control) = path.strip_prefix("/_fake/") {
        return Route::Control(control.to_owned());
    }
    if method == "POST" {
        for (end, format) in [
            ("/v1/messages", Format::Anthropic),
            ("/v1/chat/completions", Format::OpenAi),
            ("/v1/responses", Format::Responses),
            ("/api/chat", Format::Ollama),
        ] {
            if path.ends_with(end) {
                return Route::Answer(format, None);
            }
        }
        if let Some((_, rest)) = path.split_once("/v1beta/models/")
            && let Some((model, verb)) = rest.rsplit_once(':')
        {
            let events = query.split('&').any(|q| q == "alt=sse");
            let stream = match verb {
                "generateContent" => Stream::Whole,
                "streamGenerateContent" if events => Stream::Events,
                "streamGenerateContent" => Stream::Array,
                _ => return Route::Nothing,
            };
            return Route::Answer(Format::Gemini, Some((model.to_owned(), stream)));
        }
    } else if method == "GET" {
        if path.ends_with("/v1beta/models") {
            return Route::Models(Format::Gemini);
        }
        if path.ends_with("/v1/models") {
            return Route::Models(if says_anthropic { Format::Anthropic } else { Format::OpenAi });
        }
        if path.ends_with("/api/tags") {
            return Route::Models(Format::Ollama);
        }
    }
    Route::Nothing
}

/// The words of an error of this status.
pub(crate) fn words(status: u16) -> &'static str {
    match status {
        400 => "The request is not valid.",
        401 => "The key is missing or not valid.",
        402 => "There is no credit left.",
        403 => "This key may not do that.",
        404 => "The model does not exist.",
        413 => "The request is too large.",
        429 => "Too many requests; come again later.",
        500 => "The server had an error.",
        503 => "The service is not available.",
        529 => "Overloaded",
        _ => "The request failed.",
    }
}
