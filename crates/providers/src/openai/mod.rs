//! Any host that speaks OpenAI's chat completions: OpenAI itself, OpenRouter, Groq, llama.cpp's
//! server, vLLM, Ollama …  The format is decoded without input or output in `decoder`; this file is
//! the request, and who waits how long for what.

mod calls;
mod decoder;
mod events;
mod failure;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use headwater_core::limit;
use headwater_core::port::provider::{
    ContextBudget, Delta, Deltas, ModelRequest, PromptMessage, Provider, ProviderError, ProviderErrorKind,
    ProviderInfo, Role, ToolCall, ToolSpec,
};
use reqwest::header::{ACCEPT, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::timeout;

/// How long to wait for what. The idle time counts raw bytes, so that the comments by which some
/// hosts say "still here" keep a stream alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// From the request to the response's head. Some hosts send it only with the first word, and a
    /// model that thinks first takes a minute.
    pub response: Duration,
    /// Between two pieces of the body.
    pub idle: Duration,
    /// From the reason of the end to the usage, which need not come.
    pub usage: Duration,
}

impl Default for Timeouts {
    /// Those of [`limit`].
    fn default() -> Self {
        Self {
            connect: limit::PROVIDER_CONNECT,
            response: limit::PROVIDER_RESPONSE,
            idle: limit::PROVIDER_IDLE,
            usage: limit::PROVIDER_USAGE,
        }
    }
}

/// Where the host is and how it is asked.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The provider's name in the configuration.
    pub name: String,
    /// `http` or `https`, up to and with the version: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; a host on one's own machine may need none. `Debug` does not show it.
    pub key: Option<SecretString>,
    /// The model that is asked where a request names none.
    pub model: String,
    /// What the host calls the most tokens of an answer: `max_tokens` or `max_completion_tokens`.
    pub limit_field: String,
    /// Whether it is offered tools. A host whose models cannot call any refuses or ignores them.
    pub tools: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl OpenAiConfig {
    /// A preset's host, moved to `base_url` where one is given. A host that was moved is asked with
    /// `max_tokens`, which every compatible server knows.
    pub fn of_preset(
        preset: &crate::preset::Preset,
        key: Option<SecretString>,
        base_url: Option<String>,
    ) -> Self {
        let base_url =
            base_url.filter(|u| !u.trim().is_empty() && u.trim_end_matches('/') != preset.base_url);
        Self {
            name: preset.name.to_owned(),
            limit_field: if base_url.is_some() { "max_tokens" } else { preset.limit_field }.to_owned(),
            base_url: base_url.unwrap_or_else(|| preset.base_url.to_owned()),
            key,
            model: preset.model.to_owned(),
            tools: preset.tools,
            timeouts: Timeouts::default(),
        }
    }
}

/// The provider; see the module.
#[derive(Debug)]
pub struct OpenAi {
    config: OpenAiConfig,
    url: reqwest::Url,
    client: reqwest::Client,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Line<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offered<'a>>,
    #[serde(flatten)]
    limit: std::collections::BTreeMap<&'a str, u32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    role: Role,
    /// Null where a model only called tools: some hosts refuse an empty text.
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// A tool that the model may call.
#[derive(Serialize)]
struct Offered<'a> {
    r#type: &'static str,
    function: &'a ToolSpec,
}

/// A call that the model made before.
#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a PromptMessage) -> Self {
        let called = |c: &'a ToolCall| {
            // Strict hosts read the arguments of earlier calls as JSON, and refuse what is none.
            let whole = serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&c.arguments).is_ok();
            let arguments = if whole { c.arguments.as_str() } else { "{}" };
            Called { id: &c.id, r#type: "function", function: CalledFunction { name: &c.name, arguments } }
        };
        Self {
            role: line.role,
            content: Some(line.content.as_str()).filter(|t| !t.is_empty() || line.tool_calls.is_empty()),
            tool_calls: line.tool_calls.iter().map(called).collect(),
            tool_call_id: line.tool_call_id.as_deref(),
        }
    }
}

impl OpenAi {
    /// A provider for this host. Does not connect.
    ///
    /// # Errors
    /// `Refused`, if the address is no `http` or `https` one; `Unavailable`, if the system's
    /// certificates cannot be used.
    pub fn new(config: OpenAiConfig) -> Result<Self, ProviderError> {
        let bad = |why| {
            ProviderError::new(ProviderErrorKind::Refused, format!("the address of `{}` {why}", config.name))
        };
        let base = config.base_url.trim().trim_end_matches('/');
        let url =
            reqwest::Url::parse(&format!("{base}/chat/completions")).map_err(|_| bad("cannot be read"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(bad("is neither http nor https"));
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.timeouts.connect)
            // A redirect of a POST with a key is a mistake or an attack.
            .redirect(reqwest::redirect::Policy::none())
            // One connection a stream: closing it is the cancel that every host understands.
            .http1_only()
            .build()
            .map_err(|_| {
                ProviderError::new(ProviderErrorKind::Unavailable, "the TLS client cannot be built")
            })?;
        Ok(Self { config, url, client })
    }

    async fn send(&self, request: &ModelRequest) -> Result<reqwest::Response, ProviderError> {
        let body = Body {
            model: request.model.as_deref().unwrap_or(&self.config.model),
            messages: request.messages.iter().map(Line::of).collect(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            temperature: request.temperature,
            stop: &request.stop,
            tools: request.tools.iter().map(|function| Offered { r#type: "function", function }).collect(),
            limit: [(self.config.limit_field.as_str(), request.max_tokens.max(1))].into(),
        };
        let mut post = self.client.post(self.url.clone()).header(ACCEPT, "text/event-stream").json(&body);
        if let Some(key) = &self.config.key {
            // reqwest marks this header as sensitive: its `Debug` does not show it.
            post = post.bearer_auth(key.expose_secret());
        }
        timeout(self.config.timeouts.response, post.send())
            .await
            .map_err(|_| {
                ProviderError::new(ProviderErrorKind::Timeout, "the provider did not answer in time")
            })?
            .map_err(|e| failure::of_client(&e))
    }

    /// A failure's words, without the key even if the host repeats it.
    async fn refusal(&self, response: reqwest::Response) -> ProviderError {
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = timeout(self.config.timeouts.usage, first_bytes(response)).await.unwrap_or_default();
        self.without_key(failure::of_status(status, wait.as_deref(), &String::from_utf8_lossy(&body)))
    }

    fn without_key(&self, error: ProviderError) -> ProviderError {
        without_key(self.config.key.as_ref(), error)
    }
}

fn without_key(key: Option<&SecretString>, mut error: ProviderError) -> ProviderError {
    if let Some(key) = key.map(ExposeSecret::expose_secret).filter(|k| !k.is_empty()) {
        error.message = error.message.replace(key, "…");
    }
    error
}

async fn first_bytes(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece[..piece.len().min(limit::PROVIDER_FAILURE_BYTES - body.len())]);
        if body.len() >= limit::PROVIDER_FAILURE_BYTES {
            break;
        }
    }
    body
}

#[async_trait]
impl Provider for OpenAi {
    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            name: self.config.name.clone(),
            model: self.config.model.clone(),
            label: None,
            can_classify: true,
            can_call_tools: self.config.tools,
            budget: ContextBudget { retrieval_tokens: 3000, history_tokens: 4000 },
        }
    }

    /// An estimate: a token is four bytes of English, and rarely fewer than three of anything.
    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(3)
    }

    async fn generate(&self, request: ModelRequest) -> Result<Deltas, ProviderError> {
        let response = self.send(&request).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        // What was not offered cannot be called: some models try.
        let offered = !request.tools.is_empty();
        let Timeouts { idle, usage, .. } = self.config.timeouts;
        let key = self.config.key.clone();
        let deltas = events::deltas(response.bytes_stream(), idle, usage);
        Ok(Box::pin(deltas.filter_map(move |item| {
            let item = item.map_err(|e| without_key(key.as_ref(), e));
            std::future::ready((offered || !matches!(item, Ok(Delta::ToolCall(_)))).then_some(item))
        })))
    }
}
