//! Responses, decoded without input or output. Everything comes several times: in pieces, whole when its part
//! is done, once more with its item, and with the whole response at the end. What was said in pieces is not
//! said again; a host that leaves the pieces out is read by what it does send.

#[cfg(test)]
mod tests;

use headwater_core::port::provider::{
    Citation, Delta, FinishReason, ProviderError, ProviderErrorKind, Usage,
};
use serde_json::Value;

use super::event::{Event, is_progress, kind_of, reported};
use super::parts::{Kind, Part, Parts};
use super::thoughts::Thoughts;
use crate::failure;
use crate::openai::usage;
use crate::wire::calls::{Calls, Fragment};
use crate::wire::citations::Citations;
use crate::wire::{Decoder, Eof};

/// Decodes one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    parts: Parts,
    calls: Calls,
    citations: Citations,
    thoughts: Thoughts,
    usage: Usage,
    skipped: u64,
    over: bool,
}

impl Decoder for Reader {
    fn push(&mut self, event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let data = data.trim();
        // Some hosts close with `[DONE]`; it is no end of this format's.
        if self.over || data.is_empty() || data.starts_with("[DONE]") {
            return Ok(());
        }
        let result = self.read(event, data, out);
        if result.is_err() {
            self.over = true;
            if self.usage != Usage::default() {
                out.push(Delta::Usage(self.usage));
            }
        }
        result
    }

    fn finish(&mut self, eof: Eof, _: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        Err(eof.too_early())
    }

    /// Its terminal carries everything: nothing is waited for after a reason.
    fn has_finished(&self) -> bool {
        false
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
    fn read(&mut self, name: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let mut event: Event<'_> = match serde_json::from_str(data) {
            Ok(event) => event,
            Err(_) => {
                self.skipped += 1;
                return failure::unlike("an event", name, data);
            }
        };
        let named = std::mem::take(&mut event.r#type);
        match named.text().or(name).unwrap_or_default() {
            "response.output_text.delta" => self.say(&event, Kind::Text, out),
            "response.refusal.delta" => self.say(&event, Kind::Refusal, out),
            "response.reasoning_summary_text.delta" => self.say(&event, Kind::Summary, out),
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.say(&event, Kind::Thought, out)
            }
            "response.function_call_arguments.delta" => {
                self.argue(event.part(Kind::Arguments), event.delta.text().unwrap_or_default(), true)
            }
            "response.output_text.done" => self.said(event.part(Kind::Text), event.text.text(), out),
            "response.refusal.done" => self.said(event.part(Kind::Refusal), event.refusal.text(), out),
            "response.reasoning_summary_text.done" => {
                self.said(event.part(Kind::Summary), event.text.text(), out)
            }
            "response.reasoning_text.done" => self.said(event.part(Kind::Thought), event.text.text(), out),
            "response.function_call_arguments.done" => {
                self.argue(event.part(Kind::Arguments), event.arguments.text().unwrap_or_default(), false)
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                let part = event.part.take().unwrap_or_default();
                self.content(event.part(Kind::Text), &part, out)
            }
            "response.output_text.annotation.added" => {
                self.cite(event.annotation.as_ref(), out);
                Ok(())
            }
            "response.output_item.added" => match event.item.take() {
                Some(item) if kind_of(&item) == "function_call" => self.call(event.output_index, &item),
                _ => Ok(()),
            },
            "response.output_item.done" => {
                let item = event.item.take().unwrap_or_default();
                self.item(event.output_index, item, out)
            }
            "response.completed" | "response.incomplete" | "response.done" => {
                self.end(event.response.take().unwrap_or_default(), out)
            }
            "response.failed" => Err(self.failed(&event.response.take().unwrap_or_default())),
            "response.cancelled" => {
                let words = "the provider broke the answer off";
                Err(ProviderError::new(ProviderErrorKind::Interrupted, words))
            }
            "error" => Err(reported(event)),
            // A gateway's own error, in no format.
            "" if event.error.as_ref().is_some_and(|e| !e.is_null()) => Err(reported(event)),
            other => {
                self.skipped += u64::from(!is_progress(other));
                Ok(())
            }
        }
    }

    /// A piece of a text.
    fn say(&mut self, event: &Event<'_>, kind: Kind, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match event.delta.text() {
            Some(text) => self.speak(event.part(kind), text, out),
            None => Ok(()),
        }
    }

    /// A whole text, of which the pieces may have come.
    fn said(
        &mut self,
        part: Part<'_>,
        text: Option<&str>,
        out: &mut Vec<Delta>,
    ) -> Result<(), ProviderError> {
        match text {
            Some(text) if !self.parts.has(&part) => self.speak(part, text, out),
            _ => Ok(()),
        }
    }

    fn speak(&mut self, part: Part<'_>, text: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if text.is_empty() {
            return Ok(());
        }
        let kind = part.kind;
        // Each part of a summary is a paragraph with a heading of its own.
        let apart = kind.is_thought() && self.parts.any(Kind::is_thought) && !self.parts.has(&part);
        self.parts.begin(part)?;
        let text = if apart { format!("\n\n{text}") } else { text.to_owned() };
        out.push(match kind {
            Kind::Refusal => Delta::Refusal(text),
            Kind::Summary | Kind::Thought => Delta::Reasoning(text),
            Kind::Text | Kind::Call | Kind::Arguments => Delta::Text(text),
        });
        Ok(())
    }

    /// A part of a message or of a thought, whole.
    fn content(&mut self, at: Part<'_>, part: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let text = |key: &str| part.get(key).and_then(Value::as_str);
        match kind_of(part) {
            "output_text" | "text" => {
                self.said(Part { kind: Kind::Text, ..at }, text("text"), out)?;
                for annotation in part.get("annotations").and_then(Value::as_array).into_iter().flatten() {
                    self.cite(Some(annotation), out);
                }
                Ok(())
            }
            "refusal" => self.said(Part { kind: Kind::Refusal, ..at }, text("refusal"), out),
            "summary_text" => self.said(Part { kind: Kind::Summary, ..at }, text("text"), out),
            "reasoning_text" => self.said(Part { kind: Kind::Thought, ..at }, text("text"), out),
            _ => {
                self.skipped += 1;
                Ok(())
            }
        }
    }

    /// An item, whole.
    fn item(&mut self, output: Option<u64>, item: Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
        match kind_of(&item) {
            kind @ ("message" | "reasoning") => {
                let lists = if kind == "message" { &["content"][..] } else { &["summary", "content"] };
                for list in lists {
                    let parts = item.get(*list).and_then(Value::as_array).into_iter().flatten();
                    for (index, part) in (0..).zip(parts) {
                        self.content(Part { output, item: id, kind: Kind::Text, index }, part, out)?;
                    }
                }
                self.thoughts.keep(item)
            }
            "function_call" => {
                self.call(output, &item)?;
                self.thoughts.keep(item)
            }
            // What the host's own tools did; the calls of tools that were never offered.
            "custom_tool_call" | "mcp_approval_request" => {
                self.skipped += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A call that begins, or that is whole.
    fn call(&mut self, output: Option<u64>, item: &Value) -> Result<(), ProviderError> {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let part = Part { output, item: text("id"), kind: Kind::Call, index: 0 };
        if !self.parts.has(&part) {
            let id = if text("call_id").is_empty() { text("id") } else { text("call_id") };
            self.calls.push(Fragment::new(output, id, text("name"), String::new()))?;
            self.parts.begin(part)?;
        }
        self.argue(Part { kind: Kind::Arguments, ..part }, text("arguments"), false)
    }

    /// Arguments of a call: a piece of them, or all, of which the pieces may have come.
    fn argue(&mut self, part: Part<'_>, text: &str, piece: bool) -> Result<(), ProviderError> {
        if text.is_empty() || (!piece && self.parts.has(&part)) {
            return Ok(());
        }
        self.parts.begin(part)?;
        self.calls.push(Fragment::new(part.output, "", "", text.to_owned()))
    }

    fn cite(&mut self, annotation: Option<&Value>, out: &mut Vec<Delta>) {
        let Some(annotation) = annotation else { return };
        let text = |key: &str| Some(annotation.get(key)?.as_str()?.to_owned());
        let citation =
            Citation { url: text("url"), title: text("title").or_else(|| text("filename")), quote: None };
        self.skipped += self.citations.cite(citation, out);
    }

    /// The host's own end.
    fn end(&mut self, mut response: Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        self.usage = usage::read(response.get("usage").unwrap_or(&Value::Null));
        // A gateway may call by another name what went wrong.
        if matches!(response.get("status").and_then(Value::as_str), Some("failed" | "cancelled")) {
            return Err(self.failed(&response));
        }
        self.gather(response.get_mut("output").map(Value::take).unwrap_or_default(), out)?;
        let why = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let cut = why.is_some() || response.get("status").and_then(Value::as_str) == Some("incomplete");
        let calls: Vec<_> = std::mem::take(&mut self.calls).whole(cut).collect();
        let reason = match why {
            Some("max_output_tokens" | "max_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            _ if cut => FinishReason::Other,
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            _ if self.parts.any(|kind| kind == Kind::Refusal) => FinishReason::Refusal,
            _ => FinishReason::Stop,
        };
        out.extend(self.thoughts.replay().into_iter().map(Delta::Replay));
        out.extend(calls.into_iter().map(Delta::ToolCall));
        out.push(Delta::End { reason, usage: self.usage });
        self.over = true;
        Ok(())
    }

    /// Reads from the whole response what nothing before it said. Of what was said in any way nothing is
    /// taken: the places of items in it are not always those of the events.
    fn gather(&mut self, output: Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Value::Array(items) = output else { return Ok(()) };
        let spoken = self.parts.any(|kind| matches!(kind, Kind::Text | Kind::Refusal));
        let thought = self.parts.any(Kind::is_thought) || self.thoughts.any();
        let called = !self.calls.is_empty();
        for (index, item) in (0..).zip(items) {
            let known = match kind_of(&item) {
                "message" => spoken,
                "reasoning" => thought,
                "function_call" => called,
                _ => true,
            };
            if !known {
                self.item(Some(index), item, out)?;
            }
        }
        Ok(())
    }

    fn failed(&mut self, response: &Value) -> ProviderError {
        self.usage = usage::read(response.get("usage").unwrap_or(&Value::Null));
        match response.get("error").filter(|e| !e.is_null()) {
            Some(error) => failure::reported(error),
            None => failure::reported(&Value::Null),
        }
    }
}
