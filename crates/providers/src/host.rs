//! A host that answers over HTTP, whatever format it speaks: who is asked, who waits how long for what,
//! and what its refusals mean. The format itself is a [`Wire`].

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use headwater_core::limit;
use headwater_core::port::provider::{
    ContextBudget, Delta, Deltas, ModelRequest, Price, Provider, ProviderError, ProviderErrorKind,
    ProviderInfo,
};
use reqwest::header::{ACCEPT, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::failure;
use crate::preset::Preset;
use crate::wire::{Call, KeyHeader, Wire, deltas};

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

/// Where a host is and how it is asked.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The provider's name in the configuration.
    pub name: String,
    /// What it speaks.
    pub wire: Arc<dyn Wire>,
    /// `http` or `https`, up to and with the version: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; a host on one's own machine may need none. `Debug` does not show it.
    pub key: Option<SecretString>,
    /// The model that is asked where a request names none.
    pub model: String,
    /// Whether it is offered tools. A host whose models cannot call any refuses or ignores them.
    pub tools: bool,
    /// What its model costs, where that is known.
    pub price: Option<Price>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl HostConfig {
    /// A preset's host, moved to `base_url` where one is given.
    pub fn of_preset(preset: &Preset, key: Option<SecretString>, base_url: Option<String>) -> Self {
        let base_url =
            base_url.filter(|u| !u.trim().is_empty() && u.trim_end_matches('/') != preset.base_url);
        Self {
            name: preset.name.to_owned(),
            wire: preset.wire(base_url.as_deref().is_some_and(|url| !preset.is_at(url))),
            base_url: base_url.unwrap_or_else(|| preset.base_url.to_owned()),
            key,
            model: preset.model.to_owned(),
            tools: preset.tools,
            price: None,
            timeouts: Timeouts::default(),
        }
    }
}

/// The provider; see the module.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    base: String,
    client: reqwest::Client,
}

impl Host {
    /// A provider for this host. Does not connect.
    ///
    /// # Errors
    /// `Refused`, if the address is no `http` or `https` one; `Unavailable`, if the system's
    /// certificates cannot be used.
    pub fn new(config: HostConfig) -> Result<Self, ProviderError> {
        let bad = |why| {
            ProviderError::new(ProviderErrorKind::Refused, format!("the address of `{}` {why}", config.name))
        };
        let base = config.base_url.trim().trim_end_matches('/').to_owned();
        let url = reqwest::Url::parse(&base).map_err(|_| bad("cannot be read"))?;
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
        Ok(Self { config, base, client })
    }

    async fn send(&self, request: &ModelRequest) -> Result<reqwest::Response, ProviderError> {
        let model = request.model.as_deref().unwrap_or(&self.config.model);
        let Call { path, headers, mut body } = self.config.wire.encode(request, model)?;
        body.extend(request.extra.clone());
        let accept = self.config.wire.framing().accept();
        let mut post = self.client.post(format!("{}{path}", self.base)).header(ACCEPT, accept).json(&body);
        for (name, value) in headers {
            post = post.header(name, value);
        }
        if let Some(key) = &self.config.key {
            post = match self.config.wire.key() {
                // reqwest marks this header as sensitive: its `Debug` does not show it.
                KeyHeader::Bearer => post.bearer_auth(key.expose_secret()),
                KeyHeader::Named(name) => {
                    let mut value =
                        reqwest::header::HeaderValue::from_str(key.expose_secret()).map_err(|_| {
                            let words = format!("the key of `{}` cannot stand in a header", self.config.name);
                            ProviderError::new(ProviderErrorKind::Refused, words)
                        })?;
                    value.set_sensitive(true);
                    post.header(name, value)
                }
            };
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
impl Provider for Host {
    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            name: self.config.name.clone(),
            model: self.config.model.clone(),
            label: None,
            can_classify: true,
            can_call_tools: self.config.tools,
            budget: ContextBudget { retrieval_tokens: 3000, history_tokens: 4000 },
            price: self.config.price,
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
        let (wire, body) = (&self.config.wire, response.bytes_stream());
        let deltas = deltas::deltas(body, wire.framing(), wire.decoder(), idle, usage);
        Ok(Deltas::new(deltas.filter_map(move |item| {
            let item = item.map_err(|e| without_key(key.as_ref(), e));
            std::future::ready((offered || !matches!(item, Ok(Delta::ToolCall(_)))).then_some(item))
        })))
    }
}
