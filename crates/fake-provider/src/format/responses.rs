//! OpenAI's Responses: items that open, grow and close, each event with a number.

use serde_json::{Value, json};

use super::{About, CREATED, Encoder, Frames};
use crate::script::{Finish, Placement};
use crate::steps::{Cited, Step, Whole};

/// An item that is open, as it is so far.
#[derive(Debug)]
enum Item {
    Reasoning(String),
    Message { text: String, refusal: bool, cited: Vec<Value> },
    Call { id: String, name: String, arguments: String },
}

pub(super) struct Writer {
    about: About,
    number: u64,
    /// Items by their place in the output; those that are closed are only there as they ended.
    items: Vec<Option<Item>>,
    output: Vec<Value>,
    /// Where the item stands that calls the tool of this index.
    calls: Vec<usize>,
    signature: String,
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            number: 0,
            items: Vec::new(),
            output: Vec::new(),
            calls: Vec::new(),
            signature: String::new(),
        }
    }

    fn event(&mut self, kind: &str, mut data: Value, out: &mut Frames) {
        data["type"] = kind.into();
        data["sequence_number"] = self.number.into();
        self.number += 1;
        out.named(kind, &data);
    }

    fn item_id(&self, at: usize) -> String {
        item_id(self.about.number, at)
    }

    /// Opens an item and says where it stands.
    fn open(&mut self, item: Item, out: &mut Frames) -> usize {
        let at = self.items.len();
        let (id, blank) = (self.item_id(at), self.blank(&item, at));
        self.event("response.output_item.added", json!({"output_index": at, "item": blank}), out);
        match &item {
            Item::Reasoning(_) => {
                let part = json!({"type": "summary_text", "text": ""});
                let place = json!({"item_id": id, "output_index": at, "summary_index": 0, "part": part});
                self.event("response.reasoning_summary_part.added", place, out);
            }
            Item::Message { refusal, .. } => {
                let part = content("", *refusal, &[]);
                let place = json!({"item_id": id, "output_index": at, "content_index": 0, "part": part});
                self.event("response.content_part.added", place, out);
            }
            Item::Call { .. } => {}
        }
        self.items.push(Some(item));
        self.output.push(blank);
        at
    }

    /// The item as it is announced.
    fn blank(&self, item: &Item, at: usize) -> Value {
        let id = self.item_id(at);
        match item {
            Item::Reasoning(_) => json!({"id": id, "type": "reasoning", "summary": []}),
            Item::Message { .. } => {
                json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []})
            }
            Item::Call { id: call, name, .. } => json!({
                "id": id, "type": "function_call", "status": "in_progress", "call_id": call, "name": name,
                "arguments": ""
            }),
        }
    }

    fn close(&mut self, at: usize, out: &mut Frames) {
        let Some(item) = self.items.get_mut(at).and_then(Option::take) else { return };
        let id = self.item_id(at);
        let mut done = self.output[at].clone();
        match item {
            Item::Reasoning(text) => {
                let place = json!({"item_id": id, "output_index": at, "summary_index": 0, "text": text});
                self.event("response.reasoning_summary_text.done", place, out);
                let part = json!({"type": "summary_text", "text": text});
                let place = json!({"item_id": id, "output_index": at, "summary_index": 0, "part": part});
                self.event("response.reasoning_summary_part.done", place, out);
                done["summary"] = json!([part]);
                if !self.signature.is_empty() {
                    done["encrypted_content"] = self.signature.clone().into();
                }
            }
            Item::Message { text, refusal, cited } => {
                let part = content(&text, refusal, &cited);
                let mut place = json!({"item_id": id, "output_index": at, "content_index": 0});
                let (name, field) = if refusal {
                    ("response.refusal.done", "refusal")
                } else {
                    ("response.output_text.done", "text")
                };
                place[field] = text.into();
                self.event(name, place, out);
                let place = json!({"item_id": id, "output_index": at, "content_index": 0, "part": part});
                self.event("response.content_part.done", place, out);
                (done["content"], done["status"]) = (json!([part]), "completed".into());
            }
            Item::Call { arguments, .. } => {
                let place = json!({"item_id": id, "output_index": at, "arguments": arguments});
                self.event("response.function_call_arguments.done", place, out);
                (done["arguments"], done["status"]) = (arguments.into(), "completed".into());
            }
        }
        self.output[at] = done.clone();
        self.event("response.output_item.done", json!({"output_index": at, "item": done}), out);
    }

    /// The message that is open; reasoning is closed for it.
    fn message(&mut self, out: &mut Frames) -> usize {
        match self.items.len().checked_sub(1) {
            Some(at) if matches!(self.items[at], Some(Item::Message { .. })) => at,
            last => {
                if let Some(at) = last {
                    self.close(at, out);
                }
                let refusal = self.about.script.refusal;
                self.open(Item::Message { text: String::new(), refusal, cited: Vec::new() }, out)
            }
        }
    }

    fn words(&mut self, words: &str, out: &mut Frames) {
        let at = self.message(out);
        if let Some(Some(Item::Message { text, .. })) = self.items.get_mut(at) {
            text.push_str(words);
        }
        let mut place = json!({
            "item_id": self.item_id(at), "output_index": at, "content_index": 0, "delta": words
        });
        if self.about.script.refusal {
            self.event("response.refusal.delta", place, out);
        } else {
            place["logprobs"] = json!([]);
            self.event("response.output_text.delta", place, out);
        }
    }

    fn cite(&mut self, page: &Cited, out: &mut Frames) {
        let at = self.message(out);
        let page = annotation(page);
        let mut number = 0;
        if let Some(Some(Item::Message { cited, .. })) = self.items.get_mut(at) {
            number = cited.len();
            cited.push(page.clone());
        }
        let place = json!({
            "item_id": self.item_id(at), "output_index": at, "content_index": 0,
            "annotation_index": number, "annotation": page,
        });
        self.event("response.output_text.annotation.added", place, out);
    }

    fn think(&mut self, words: &str, out: &mut Frames) {
        if self.items.is_empty() {
            self.open(Item::Reasoning(String::new()), out);
        }
        if let Some(Some(Item::Reasoning(text))) = self.items.first_mut() {
            text.push_str(words);
        }
        let place = json!({
            "item_id": self.item_id(0), "output_index": 0, "summary_index": 0, "delta": words
        });
        self.event("response.reasoning_summary_text.delta", place, out);
    }

    fn piece(&mut self, index: usize, piece: &str, out: &mut Frames) {
        let Some(&at) = self.calls.get(index) else { return };
        if let Some(Some(Item::Call { arguments, .. })) = self.items.get_mut(at) {
            arguments.push_str(piece);
        }
        let place = json!({"item_id": self.item_id(at), "output_index": at, "delta": piece});
        self.event("response.function_call_arguments.delta", place, out);
    }
}

impl Encoder for Writer {
    fn step(&mut self, step: &Step, out: &mut Frames) {
        match step {
            Step::Start => {
                let blank = response(&self.about, "in_progress", Vec::new());
                self.event("response.created", json!({"response": blank}), out);
                self.event("response.in_progress", json!({"response": blank}), out);
            }
            Step::Reasoning(words) => self.think(words, out),
            Step::Reasoned(signature) => {
                self.signature.clone_from(signature);
                self.close(0, out);
            }
            Step::Text(words) | Step::Refusal(words) => self.words(words, out),
            Step::Citation(page) => self.cite(page, out),
            Step::ToolStart { id, name, .. } => {
                if self.calls.is_empty()
                    && let Some(last) = self.items.len().checked_sub(1)
                {
                    self.close(last, out);
                }
                let call = Item::Call { id: id.clone(), name: name.clone(), arguments: String::new() };
                let at = self.open(call, out);
                self.calls.push(at);
            }
            Step::ToolPiece { index, piece } => self.piece(*index, piece, out),
            Step::ToolEnd { index } => {
                if let Some(&at) = self.calls.get(*index) {
                    self.close(at, out);
                }
            }
            Step::Finish => {
                for at in 0..self.items.len() {
                    self.close(at, out);
                }
                let status = status(self.about.script.ends(), self.about.script.refusal);
                let last = response(&self.about, status, std::mem::take(&mut self.output));
                self.event(&format!("response.{status}"), json!({"response": last}), out);
            }
        }
    }

    fn error(&mut self, status: u16, message: &str, out: &mut Frames) {
        let code = code(status);
        self.event("error", json!({"code": code, "message": message, "param": null}), out);
        let mut last = response(&self.about, "failed", Vec::new());
        last["error"] = json!({"code": code, "message": message});
        self.event("response.failed", json!({"response": last}), out);
    }
}

fn code(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        500.. => "server_error",
        _ => "invalid_request",
    }
}

fn item_id(number: u64, at: usize) -> String {
    format!("item_fake{number}_{at}")
}

fn status(finish: Finish, refusal: bool) -> &'static str {
    match finish {
        Finish::Refusal if refusal => "completed",
        Finish::Length | Finish::Refusal => "incomplete",
        Finish::Stop | Finish::Tools => "completed",
    }
}

fn content(text: &str, refusal: bool, cited: &[Value]) -> Value {
    if refusal {
        json!({"type": "refusal", "refusal": text})
    } else {
        json!({"type": "output_text", "text": text, "annotations": cited, "logprobs": []})
    }
}

fn annotation(cited: &Cited) -> Value {
    json!({
        "type": "url_citation", "url": cited.url, "title": cited.title, "start_index": 0, "end_index": 0
    })
}

fn response(about: &About, status: &str, output: Vec<Value>) -> Value {
    let used = about.used;
    let over = matches!(status, "completed" | "incomplete");
    let usage = (over && about.script.usage != Placement::Never).then(|| {
        json!({
            "input_tokens": used.input, "input_tokens_details": {"cached_tokens": used.cached},
            "output_tokens": used.output, "output_tokens_details": {"reasoning_tokens": used.reasoning},
            "total_tokens": used.input + used.output,
        })
    });
    let incomplete = (status == "incomplete").then(|| {
        let long = about.script.ends() == Finish::Length;
        json!({"reason": if long { "max_output_tokens" } else { "content_filter" }})
    });
    json!({
        "id": format!("resp_fake{}", about.number), "object": "response", "created_at": CREATED,
        "status": status, "error": null, "incomplete_details": incomplete, "model": about.model,
        "output": output, "usage": usage,
    })
}

/// The answer in one piece.
pub(super) fn whole(about: &About, whole: Whole) -> Value {
    let mut output = Vec::new();
    let id = |at: usize| item_id(about.number, at);
    if !whole.reasoning.is_empty() {
        let mut item = json!({
            "id": id(0), "type": "reasoning", "summary": [{"type": "summary_text", "text": whole.reasoning}]
        });
        if !whole.signature.is_empty() {
            item["encrypted_content"] = whole.signature.into();
        }
        output.push(item);
    }
    let refusal = about.script.refusal;
    let text = if refusal { whole.refusal } else { whole.text };
    if !text.is_empty() || !whole.cited.is_empty() {
        let cited: Vec<_> = whole.cited.iter().map(annotation).collect();
        output.push(json!({
            "id": id(output.len()), "type": "message", "status": "completed", "role": "assistant",
            "content": [content(&text, refusal, &cited)],
        }));
    }
    for (call, name, arguments) in whole.calls {
        output.push(json!({
            "id": id(output.len()), "type": "function_call", "status": "completed", "call_id": call,
            "name": name, "arguments": arguments,
        }));
    }
    response(about, status(about.script.ends(), refusal), output)
}
