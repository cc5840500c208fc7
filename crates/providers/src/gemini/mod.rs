//! Gemini, as Google's developer API streams it (`streamGenerateContent?alt=sse`). The answer is read in
//! `decoder`; this file writes the request.

mod chunk;
mod decoder;
mod partial;
mod prompt;
mod schema;
mod signed;
#[cfg(test)]
mod tests;

use headwater_core::port::provider::{Effort, ModelRequest, ProviderError, ProviderErrorKind};
use serde_json::{Map, Value, json};

use self::decoder::Reader;
use crate::failure;
use crate::wire::{Call, Decoder, Framing, KeyHeader, Wire};

/// The format's name, in what is to be given back too.
const FORMAT: &str = "gemini";

/// The format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gemini;

impl Wire for Gemini {
    fn name(&self) -> &'static str {
        FORMAT
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn key(&self) -> KeyHeader {
        // Never in the address, where proxies write it down.
        KeyHeader::Named("x-goog-api-key")
    }

    fn encode(&self, request: &ModelRequest, model: &str) -> Result<Call, ProviderError> {
        let model = Model::of(model)?;
        let mut body = Map::new();
        let (system, contents) = prompt::write(&request.messages, model.generation >= 3)?;
        if !system.is_empty() {
            body.insert("systemInstruction".into(), json!({ "parts": system }));
        }
        body.insert("contents".into(), contents.into());
        if !request.tools.is_empty() {
            let offered: Vec<Value> = request.tools.iter().map(schema::declare).collect();
            body.insert("tools".into(), json!([{ "functionDeclarations": offered }]));
        }
        body.insert("generationConfig".into(), config(request, &model).into());
        let path = format!("{}:streamGenerateContent?alt=sse", model.path);
        Ok(Call { path, headers: Vec::new(), body })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Reader::default())
    }

    fn models_path(&self) -> &'static str {
        "/models?pageSize=1000"
    }

    fn models(&self, list: &Value) -> Vec<String> {
        let entries = list.get("models").and_then(Value::as_array).into_iter().flatten();
        let answers = |m: &&Value| match m.get("supportedGenerationMethods").and_then(Value::as_array) {
            Some(methods) => methods.iter().any(|m| m == "generateContent"),
            None => true,
        };
        let name = |m: &Value| {
            let name = m.get("name")?.as_str()?;
            Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
        };
        entries.filter(answers).filter_map(name).collect()
    }
}

/// A model, as its name tells.
struct Model {
    /// `/models/…`
    path: String,
    /// Its number; the newest for names such as `gemini-flash-latest`, and 0 for what is no Gemini.
    generation: u32,
    is_pro: bool,
    is_lite: bool,
}

impl Model {
    /// # Errors
    /// `Refused` for a name that is no part of an address: it may be a client's.
    fn of(name: &str) -> Result<Self, ProviderError> {
        let (kind, own) = name.split_once('/').unwrap_or(("models", name));
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
        if !matches!(kind, "models" | "tunedModels") || own.is_empty() || !own.bytes().all(plain) {
            let words = "the model's name cannot stand in the provider's address";
            return Err(ProviderError::new(ProviderErrorKind::Refused, words));
        }
        let number = |rest: &str| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            if digits.is_empty() { u32::MAX } else { digits.parse().unwrap_or(u32::MAX) }
        };
        Ok(Self {
            path: format!("/{kind}/{own}"),
            generation: own.strip_prefix("gemini-").map_or(0, number),
            is_pro: own.contains("pro"),
            is_lite: own.contains("lite"),
        })
    }

    /// How this model is told how much to think. Up to the second generation in tokens, of which the largest
    /// models need some; then in words, of which all know `low` and `high`, and the smallest models `minimal`.
    fn thinking(&self, effort: Effort) -> Value {
        let told = if self.generation >= 3 {
            let word = match effort {
                Effort::None | Effort::Minimal if self.is_lite => "minimal",
                Effort::None | Effort::Minimal | Effort::Low => "low",
                Effort::Medium | Effort::High => effort.as_str(),
            };
            ("thinkingLevel", Value::from(word))
        } else {
            let tokens = match effort {
                Effort::None if self.is_pro => 128,
                Effort::None => 0,
                Effort::Minimal => 512,
                Effort::Low => 1_024,
                Effort::Medium => 8_192,
                Effort::High => 24_576,
            };
            ("thinkingBudget", Value::from(tokens))
        };
        let mut config = Map::from_iter([(told.0.to_owned(), told.1)]);
        // Who wants no thoughts is shown none; and a model that does not think refuses to show them.
        config.insert("includeThoughts".into(), (effort != Effort::None).into());
        config.into()
    }
}

fn config(request: &ModelRequest, model: &Model) -> Map<String, Value> {
    let mut config = Map::new();
    config.insert("maxOutputTokens".into(), request.max_tokens.max(1).into());
    if let Some(temperature) = request.temperature {
        config.insert("temperature".into(), failure::number(temperature));
    }
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), request.stop.clone().into());
    }
    // Without a wish nothing is said: models that cannot think refuse the whole field.
    if let Some(effort) = request.reasoning {
        config.insert("thinkingConfig".into(), model.thinking(effort));
    }
    config
}
