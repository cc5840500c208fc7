//! Wire formats: how a request is written and how an answer is read, without input or output. A format is
//! code and stands in a module of its own ([`crate::openai`] …); a vendor is a row of [`crate::preset`].
//!
//! ```text
//! bytes of a body → frames (server-sent events or lines, with a cap) → Decoder → deltas
//! ```

pub mod calls;
pub(crate) mod citations;
mod clocks;
pub mod deltas;
pub(crate) mod error_lines;
pub mod frames;
pub(crate) mod loose;
#[cfg(test)]
mod mutated;
#[cfg(test)]
mod recorded;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use headwater_core::port::provider::{Delta, ModelRequest, ProviderError, ProviderErrorKind};
use serde_json::{Map, Value};

/// A format. Holds nothing of one request.
pub trait Wire: std::fmt::Debug + Send + Sync + 'static {
    /// Its name: in [`Replay`](headwater_core::port::provider::Replay), in logs and in metrics.
    fn name(&self) -> &'static str;

    /// What a body is made of.
    fn framing(&self) -> Framing;

    /// How the key is shown.
    fn key(&self) -> KeyHeader;

    /// Writes a request. [`ModelRequest::extra`] is merged by the caller, last.
    ///
    /// # Errors
    /// `Refused`, where the format cannot say what is asked.
    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError>;

    /// Reads one answer.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Where the host lists its models with `GET`, behind the base address; for checks.
    fn models_path(&self) -> &'static str;

    /// The names in such a list; empty where it is none.
    fn models(&self, list: &Value) -> Vec<String>;
}

/// What is sent: a `POST` of JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Behind the base address, with a leading slash; may have a query.
    pub path: String,
    /// Headers of the format, such as its version; not the key.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Map<String, Value>,
}

/// Puts fields over those of the same name, tables within tables: an operator who sets one field of a format's
/// `generationConfig` means that one.
pub(crate) fn put_over(body: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (body.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(over)) => put_over(inner, over),
            _ => drop(body.insert(name.clone(), value.clone())),
        }
    }
}

/// How a body is cut into pieces that a decoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// A JSON value a line.
    Lines,
}

impl Framing {
    /// The media type that is asked for.
    #[must_use]
    pub fn accept(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// How a key is shown to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of this name, the key alone in it.
    Named(&'static str),
}

/// How the bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eof {
    /// The host closed the stream.
    Clean,
    /// The connection broke or fell silent.
    Broken,
}

impl Eof {
    /// What an answer fails with whose bytes ended before the wire's own terminal.
    pub(crate) fn too_early(self) -> ProviderError {
        let how = match self {
            Self::Clean => "the provider closed the stream before it had ended",
            Self::Broken => "the connection to the provider broke before the answer had ended",
        };
        ProviderError::new(ProviderErrorKind::Interrupted, how)
    }
}

/// Reads one answer, piece by piece. After an end or an error nothing more comes out, whatever is pushed.
pub trait Decoder: Send {
    /// Takes one frame. What it does not know it skips and counts.
    ///
    /// # Errors
    /// What the host reported, or `Failed` for what its format does not allow.
    fn push(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError>;

    /// Takes the end of the bytes.
    ///
    /// # Errors
    /// `Interrupted`, unless the wire's own terminal was seen.
    fn finish(&mut self, eof: Eof, out: &mut Vec<Delta>) -> Result<(), ProviderError>;

    /// Whether the host gave its reason and only the usage may follow.
    fn has_finished(&self) -> bool;

    /// Whether the end or an error has come out.
    fn is_over(&self) -> bool;

    /// Frames and parts that were skipped because they are not known.
    fn skipped(&self) -> u64;

    /// Bytes of what has come and cannot be said yet, such as half of a tool's call: while it grows the answer
    /// goes on, although no delta comes out. 0 where everything is said at once.
    fn gathered(&self) -> usize;
}
