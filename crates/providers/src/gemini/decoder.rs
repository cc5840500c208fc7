//! Gemini's stream, decoded without input or output. A chunk holds whole parts; an answer is over when a chunk
//! had a `finishReason` and the body ended, but a model that ran code may go on after the first one.

use headwater_core::limit::REPLAY_BYTES;
use headwater_core::port::provider::{
    Citation, Delta, FinishReason, ProviderError, ProviderErrorKind, Replay, Usage,
};
use serde_json::Value;
use serde_json::value::RawValue;

use super::FORMAT;
use super::chunk::{Candidate, Chunk, Counts, FunctionCall, Grounding, Part, Source};
use super::partial::Arguments;
use super::signed::Signed;
use crate::failure;
use crate::wire::calls::Calls;
use crate::wire::citations::Citations;
use crate::wire::{Decoder, Eof};

/// Decodes one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Set by a `finishReason`; taken back when more of the answer follows it.
    finish: Option<FinishReason>,
    /// The model waits for code that the host runs: what it says of it follows, whatever it gave as its reason.
    runs_code: bool,
    counts: Counts,
    usage: Usage,
    calls: Calls,
    /// A call whose arguments come in pieces.
    open: Option<Open>,
    /// Bytes of text so far: where a part stands in the answer.
    said: usize,
    /// What is to be given back, in order; told at the end, because an answer that breaks off is not.
    signed: Vec<Signed>,
    signed_bytes: usize,
    citations: Citations,
    skipped: u64,
    over: bool,
}

/// A call that is being written.
#[derive(Debug)]
struct Open {
    id: Option<String>,
    name: String,
    at: usize,
    signature: Option<String>,
    arguments: Arguments,
}

impl Decoder for Reader {
    fn push(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let data = data.trim();
        if self.over || data.is_empty() {
            return Ok(());
        }
        let chunk: Chunk = match serde_json::from_str(data) {
            Ok(chunk) if data.starts_with('{') => chunk,
            _ => return self.skip(failure::unlike("an event", event, data)),
        };
        if let Some(error) = chunk.error {
            return self.fail(failure::reported(&error));
        }
        if let Some(counts) = chunk.usage_metadata {
            self.count(counts, out);
        }
        let candidates = chunk.candidates.unwrap_or_default();
        if candidates.is_empty() && chunk.prompt_feedback.is_some_and(|f| f.block_reason.is_some()) {
            // Nothing is said to such a prompt; the host counts it all the same.
            self.finish = Some(FinishReason::ContentFilter);
        }
        for candidate in candidates {
            // Only one answer is ever asked for; a host that sends more is not mixed into it.
            if candidate.index.unwrap_or_default() != 0 {
                self.skipped += 1;
                continue;
            }
            let read = self.candidate(candidate, out);
            if let Err(error) = read {
                return self.fail(error);
            }
        }
        Ok(())
    }

    fn finish(&mut self, eof: Eof, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.over {
            return Ok(());
        }
        let Some(reason) = self.reason_of_end() else {
            return self.fail(eof.too_early());
        };
        let closed = if reason == FinishReason::Stop { self.close() } else { Ok(()) };
        if let Err(error) = closed {
            return self.fail(error);
        }
        self.over = true;
        let waits = reason == FinishReason::Stop && !self.calls.is_empty();
        let reason = if waits { FinishReason::ToolCalls } else { reason };
        for signed in std::mem::take(&mut self.signed) {
            // What holds texts and numbers alone can be written.
            if let Ok(value) = serde_json::to_value(signed) {
                out.push(Delta::Replay(Replay { format: FORMAT.to_owned(), value }));
            }
        }
        out.extend(std::mem::take(&mut self.calls).whole(false).map(Delta::ToolCall));
        out.push(Delta::End { reason, usage: self.usage });
        Ok(())
    }

    fn has_finished(&self) -> bool {
        self.reason_of_end().is_some()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn gathered(&self) -> usize {
        self.calls.bytes() + self.open.as_ref().map_or(0, |open| open.arguments.bytes())
    }
}

impl Reader {
    /// Why the answer ended, where it has. A model that waits for code says `STOP` too, and goes on when it has
    /// the result: there the end of the body is a break.
    fn reason_of_end(&self) -> Option<FinishReason> {
        self.finish.filter(|reason| !self.runs_code || *reason != FinishReason::Stop)
    }

    fn candidate(&mut self, candidate: Candidate, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        for part in candidate.content.and_then(|c| c.parts).unwrap_or_default() {
            if !part.is_blank() {
                self.finish = None;
                self.runs_code = part.executable_code.is_some();
            }
            self.part(part, out)?;
        }
        let sources = candidate.citation_metadata.and_then(|m| m.citation_sources.or(m.citations));
        for source in sources.unwrap_or_default() {
            self.cite(source, out);
        }
        for chunk in candidate.grounding_metadata.and_then(|m| m.grounding_chunks).unwrap_or_default() {
            match chunk {
                Grounding { web: Some(source), .. }
                | Grounding { retrieved_context: Some(source), .. }
                | Grounding { maps: Some(source), .. } => self.cite(source, out),
                Grounding { .. } => self.skipped += 1,
            }
        }
        match candidate.finish_reason {
            Some(reason) => self.reason(&reason, candidate.finish_message.as_deref()),
            None => Ok(()),
        }
    }

    fn part(&mut self, part: Part, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Part { text, thought, thought_signature: signature, function_call, .. } = part;
        if let Some(call) = function_call {
            return self.call(call, signature);
        }
        if let Some(text) = text {
            if thought == Some(true) {
                if let Some(signature) = signature {
                    let part = serde_json::json!({
                        "text": text, "thought": true, "thoughtSignature": signature,
                    });
                    self.sign(Signed::Part { at: self.said, part });
                }
                say(Delta::Reasoning, text, out);
                return Ok(());
            }
            let from = self.said;
            self.said += text.len();
            if let Some(signature) = signature {
                self.sign(Signed::Text { from, to: self.said, signature });
            }
            say(Delta::Text, text, out);
            return Ok(());
        }
        // Code that the host runs, and what came of it, is work on the way: no other reader of these streams
        // shows it, and as text it would be the model's words in the next turn. It is given back, not shown.
        self.skipped += 1;
        let mut given = serde_json::Map::new();
        for (name, value) in
            [("executableCode", part.executable_code), ("codeExecutionResult", part.code_execution_result)]
        {
            given.extend(value.map(|v| (name.to_owned(), v)));
        }
        if !given.is_empty() {
            given.extend(signature.map(|s| ("thoughtSignature".to_owned(), Value::String(s))));
            self.sign(Signed::Part { at: self.said, part: Value::Object(given) });
        }
        Ok(())
    }

    /// A call, whole; or, from hosts that were asked to, in pieces: its name, then its arguments one by one.
    fn call(&mut self, call: FunctionCall, signature: Option<String>) -> Result<(), ProviderError> {
        let goes_on = call.will_continue == Some(true);
        if let Some(name) = call.name.filter(|n| !n.is_empty()) {
            self.close()?;
            let arguments = Arguments::new(call.args.as_deref().map(RawValue::get));
            self.open = Some(Open { id: call.id, name, at: self.said, signature, arguments });
        } else if let Some(open) = &mut self.open {
            open.signature = open.signature.take().or(signature);
        }
        let Some(open) = &mut self.open else {
            // The end of nothing.
            self.skipped += 1;
            return Ok(());
        };
        for piece in call.partial_args.unwrap_or_default() {
            open.arguments.set(piece)?;
        }
        if goes_on { Ok(()) } else { self.close() }
    }

    /// The call that was being written is whole.
    fn close(&mut self) -> Result<(), ProviderError> {
        let Some(Open { id, name, at, signature, arguments }) = self.open.take() else { return Ok(()) };
        let call = self.calls.add(id.filter(|id| !id.is_empty()), name, arguments.into_json())?;
        if let Some(signature) = signature {
            self.sign(Signed::Call { at, call, signature });
        }
        Ok(())
    }

    /// Keeps what is to be given back, as far as the port allows. What is more is counted: the host may then
    /// refuse the next step, and says so.
    fn sign(&mut self, signed: Signed) {
        let bytes = signed.bytes();
        if self.signed_bytes + bytes > REPLAY_BYTES {
            self.skipped += 1;
            return;
        }
        self.signed_bytes += bytes;
        self.signed.push(signed);
    }

    /// Says a source once: hosts repeat all of them in each chunk.
    fn cite(&mut self, source: Source, out: &mut Vec<Delta>) {
        let citation = Citation { url: source.uri, title: source.title, quote: source.text };
        self.skipped += self.citations.quote(citation, out);
    }

    fn count(&mut self, counts: Counts, out: &mut Vec<Delta>) {
        self.counts = self.counts.then(counts);
        let usage = self.counts.usage();
        if usage != self.usage {
            self.usage = usage;
            out.push(Delta::Usage(usage));
        }
    }

    fn reason(&mut self, reason: &str, words: Option<&str>) -> Result<(), ProviderError> {
        self.finish = Some(match reason {
            "STOP" => FinishReason::Stop,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => FinishReason::ContentFilter,
            // The model's step came to nothing: an end would be an empty answer that looks meant.
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MALFORMED_RESPONSE" => return Err(came_to_nothing(ProviderErrorKind::Failed, reason, words)),
            "MISSING_THOUGHT_SIGNATURE" => {
                return Err(came_to_nothing(ProviderErrorKind::Refused, reason, words));
            }
            _ => FinishReason::Other,
        });
        Ok(())
    }

    /// Skipped, unless it says that something is wrong.
    fn skip(&mut self, unlike: Result<(), ProviderError>) -> Result<(), ProviderError> {
        self.skipped += 1;
        unlike.or_else(|error| self.fail(error))
    }

    fn fail(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        self.over = true;
        Err(error)
    }
}

fn say(kind: fn(String) -> Delta, text: String, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(kind(text));
    }
}

fn came_to_nothing(kind: ProviderErrorKind, reason: &str, words: Option<&str>) -> ProviderError {
    let mut error = failure::reported(&serde_json::json!({ "message": words.unwrap_or(reason) }));
    error.kind = kind;
    error
}
