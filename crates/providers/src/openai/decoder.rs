//! OpenAI's chat completions, decoded without input or output: event data in, deltas out. Written for
//! what hosts really send (OpenAI, Groq, OpenRouter, llama.cpp, vLLM, Mistral …), not only for what
//! is documented: unknown fields and events are skipped, and the end is only what the host called so.

#[cfg(test)]
mod tests;

use headwater_core::port::provider::{
    Citation, Delta, FinishReason, ProviderError, ProviderErrorKind, Usage,
};
use serde_json::Value;

use super::back::Kept;
use super::chunk::{Choice, Chunk, Piece};
use super::dialect::Back;
use super::usage;
use crate::failure;
use crate::wire::calls::Calls;
use crate::wire::citations::Citations;
use crate::wire::loose::Loose;
use crate::wire::{Decoder, Eof};

/// Decodes one answer.
#[derive(Debug)]
pub(super) struct Reader {
    /// Set by a `finish_reason`; the usage may still follow it.
    finish: Option<FinishReason>,
    /// What the host reports, and what it measured beside that: each comes again with newer numbers.
    reported: Usage,
    measured: Usage,
    /// Tools that the model calls; said whole, before the end.
    calls: Calls,
    citations: Citations,
    kept: Kept,
    declined: bool,
    skipped: u64,
    over: bool,
}

impl Decoder for Reader {
    fn push(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let data = data.trim();
        if self.over || data.is_empty() {
            return Ok(());
        }
        if data.starts_with("[DONE]") {
            // One host never sends a reason: `[DONE]` alone is its end.
            let bare = if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
            self.end(self.finish.unwrap_or(bare), out);
            return Ok(());
        }
        let result = self.read(event, data, out);
        if result.is_err() {
            self.over = true;
            // What it took is owed all the same.
            if self.usage() != Usage::default() {
                out.push(Delta::Usage(self.usage()));
            }
        }
        result
    }

    fn finish(&mut self, eof: Eof, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match (self.over, self.finish) {
            (true, _) => Ok(()),
            (false, Some(reason)) => {
                self.end(reason, out);
                Ok(())
            }
            (false, None) => {
                self.over = true;
                Err(eof.too_early())
            }
        }
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn gathered(&self) -> usize {
        self.calls.bytes()
    }
}

impl Reader {
    pub(super) fn new(back: Back) -> Self {
        Self {
            finish: None,
            reported: Usage::default(),
            measured: Usage::default(),
            calls: Calls::default(),
            citations: Citations::default(),
            kept: Kept::of(back),
            declined: false,
            skipped: 0,
            over: false,
        }
    }

    /// What is measured fills in for what is not reported.
    fn usage(&self) -> Usage {
        self.measured.then(self.reported)
    }

    fn read(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let chunk: Chunk<'_> = match serde_json::from_str(data) {
            Ok(chunk) => chunk,
            Err(_) => {
                self.skipped += 1;
                return failure::unlike("an event", event, data);
            }
        };
        let told = self.usage();
        for used in [chunk.usage.as_ref(), chunk.x_groq.as_ref().and_then(|own| own.get("usage"))] {
            self.reported = self.reported.then(used.map(usage::read).unwrap_or_default());
        }
        self.measured = self.measured.then(chunk.timings.as_ref().map(usage::of_timings).unwrap_or_default());
        let own = chunk.x_groq.as_ref().and_then(|own| own.get("error"));
        if let Some(error) = [chunk.error.as_ref(), own].into_iter().flatten().find(|e| is_error(e)) {
            return Err(failure::reported(error));
        }
        if event == Some("error") || chunk.object.text() == Some("error") {
            return Err(failure::reported(&serde_json::from_str(data).unwrap_or_default()));
        }
        if chunk.choices.is_none() && self.usage() == told {
            self.skipped += 1;
        }
        for choice in chunk.choices.into_iter().flatten() {
            self.choice(choice, out)?;
        }
        for place in [chunk.search_results, chunk.citations].into_iter().flatten() {
            self.cite(place, out);
        }
        // After the reason the end itself says it.
        if self.finish.is_none() && self.usage() != told {
            out.push(Delta::Usage(self.usage()));
        }
        Ok(())
    }

    fn choice(&mut self, choice: Choice<'_>, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        // Only one answer is ever asked for; a host that sends more is not mixed into it.
        if choice.index.is_some_and(|index| index != 0) {
            self.skipped += 1;
            return Ok(());
        }
        if let Some(piece) = choice.delta {
            self.piece(piece, out)?;
        }
        if let Some(error) = choice.error.filter(is_error) {
            return Err(failure::reported(&error));
        }
        match choice.finish_reason.text() {
            None => {}
            Some(word) => self.finish = Some(finish(word)?),
        }
        Ok(())
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        // The same under two names where both are there, and once more in the details.
        let thought = piece.reasoning_content.into_text().or_else(|| piece.reasoning.into_text());
        let said = thought.is_some();
        self.think(thought, out)?;
        match piece.reasoning_details {
            Some(Value::Array(details)) => {
                for detail in details {
                    let text = ["text", "summary"].iter().find_map(|key| detail.get(*key)?.as_str());
                    if !said {
                        self.think(text.map(str::to_owned), out)?;
                    }
                    self.kept.detail(detail)?;
                }
            }
            Some(Value::Null) | None => {}
            Some(_) => self.skipped += 1,
        }
        match piece.content {
            Loose::Text(text) => say(text.into_owned(), out),
            Loose::Other(Value::Array(parts)) => {
                for part in parts {
                    self.part(&part, out)?;
                }
            }
            Loose::Other(_) => self.skipped += 1,
            Loose::Nothing => {}
        }
        if let Some(refusal) = piece.refusal.into_text() {
            self.declined = true;
            out.push(Delta::Refusal(refusal));
        }
        for fragment in piece.tool_calls.into_iter().flatten() {
            self.calls.push(fragment)?;
        }
        if let Some(places) = piece.annotations {
            self.cite(places, out);
        }
        Ok(())
    }

    /// Mistral's parts: texts, and thoughts that are texts or arrays of texts.
    fn part(&mut self, part: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let text = |of: &Value| Some(of.get("text")?.as_str()?.to_owned());
        match part.get("type").and_then(Value::as_str) {
            Some("text") => say(text(part).unwrap_or_default(), out),
            Some("thinking") => match part.get("thinking") {
                Some(Value::String(thought)) => self.think(Some(thought.clone()), out)?,
                Some(Value::Array(thoughts)) => {
                    for thought in thoughts {
                        self.think(text(thought), out)?;
                    }
                }
                _ => self.skipped += 1,
            },
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn think(&mut self, text: Option<String>, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            self.kept.thought(&text)?;
            out.push(Delta::Reasoning(text));
        }
        Ok(())
    }

    /// Places: addresses, search results, or annotations with the place in a corner of its own.
    fn cite(&mut self, places: Value, out: &mut Vec<Delta>) {
        let Value::Array(places) = places else { return };
        for place in places {
            let inner = place.get("url_citation").unwrap_or(&place);
            let text = |key: &str| Some(inner.get(key)?.as_str()?.to_owned());
            let citation = Citation {
                url: inner.as_str().map(str::to_owned).or_else(|| text("url")),
                title: text("title"),
                quote: text("snippet").or_else(|| text("content")),
            };
            self.skipped += self.citations.cite(citation, out);
        }
    }

    fn end(&mut self, reason: FinishReason, out: &mut Vec<Delta>) {
        self.over = true;
        let reason = match reason {
            FinishReason::Stop if self.declined => FinishReason::Refusal,
            reason => reason,
        };
        // Cut off by the limit, a call may be half of what the model meant: nobody carries that out.
        let cut = reason == FinishReason::Length;
        let mut calls = std::mem::take(&mut self.calls).whole(cut).peekable();
        out.extend(self.kept.replay(calls.peek().is_some()).map(Delta::Replay));
        out.extend(calls.map(Delta::ToolCall));
        out.push(Delta::End { reason, usage: self.usage() });
    }
}

/// Some hosts say that there is none.
fn is_error(error: &Value) -> bool {
    !error.is_null() && *error != Value::Bool(false)
}

fn say(text: String, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(Delta::Text(text));
    }
}

/// What a `finish_reason` means. Some hosts say a failure by it.
fn finish(word: &str) -> Result<FinishReason, ProviderError> {
    let failed = |kind, words: &str| Err(ProviderError::new(kind, words));
    Ok(match word {
        "stop" | "eos" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "refusal" => FinishReason::Refusal,
        "error" | "network_error" => {
            return failed(ProviderErrorKind::Failed, "the provider ended with an error");
        }
        // DeepSeek and vLLM: it was the host that stopped, and not the model.
        "insufficient_system_resource" => {
            return failed(
                ProviderErrorKind::Busy,
                "the provider had too much to do and broke the answer off",
            );
        }
        "abort" => return failed(ProviderErrorKind::Interrupted, "the provider broke the answer off"),
        _ => FinishReason::Other,
    })
}
