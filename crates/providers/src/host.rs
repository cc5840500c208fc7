//! A host that answers over HTTP, whatever format it speaks: who is asked, who waits how long for what,
//! and what its refusals mean. The format itself is a [`Wire`](crate::wire::Wire).

mod answer;
mod config;
mod pool;
mod reply;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::limit;
use headwater_core::port::provider::{
    ContextBudget, Deltas, ModelRequest, PromptMessage, Provider, ProviderError, ProviderErrorKind,
    ProviderInfo, Role,
};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout};

use self::answer::{Answer, Counted};
pub use self::config::HostConfig;
use self::pool::{Making, Pool, Slot};
pub use crate::wire::deltas::Timeouts;
use crate::wire::deltas::{self, Reading, said};
use crate::wire::{Call, Framing, put_over};
use crate::{failure, key};

/// The provider; see the module.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    base: String,
    /// The key and the operator's own.
    headers: HeaderMap,
    secrets: Arc<Secrets>,
    pool: Pool,
}

/// What must not be read in an error. `Debug` does not show it.
#[derive(Debug)]
struct Secrets(Vec<SecretString>);

impl Secrets {
    /// The same failure, without a secret even if the host repeats it.
    fn hidden(&self, mut error: ProviderError) -> ProviderError {
        for secret in &self.0 {
            error.message = key::hide(&error.message, secret);
        }
        error
    }
}

/// Bytes of a header's value below which it is a word (`on`, `v2`) and no secret.
const SECRET_BYTES: usize = 8;

impl Host {
    /// A provider for this host. Does not connect. Reads the certificates that are trusted from the disk.
    ///
    /// # Errors
    /// `Refused`, with all of [`HostConfig::problems`]; `Unavailable`, if certificates cannot be used.
    pub fn new(config: HostConfig) -> Result<Self, ProviderError> {
        let refused = |words| ProviderError::new(ProviderErrorKind::Refused, words);
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(refused(problems.join("; ")));
        }
        let base = config.base().map_err(|why| refused(why.to_owned()))?;
        let headers = config.header_map().map_err(refused)?;
        let tls = trust::tls(base.secure, config.ca_file.as_deref()).map_err(|why| {
            ProviderError::new(ProviderErrorKind::Unavailable, format!("`{}`: {why}", config.name))
        })?;
        let pool = Pool::new(Making {
            tls,
            judge: base.judge,
            connect: config.timeouts.connect,
            streams: config.streams_per_connection,
        })?;
        let values = config.headers.iter().map(|(_, value)| value);
        let secrets = values.filter(|v| v.expose_secret().len() >= SECRET_BYTES).chain(&config.key);
        let secrets = Arc::new(Secrets(secrets.cloned().collect()));
        Ok(Self { config, base: base.text, headers, secrets, pool })
    }

    /// The names of the models that the host lists: that it answers, and takes the key.
    ///
    /// # Errors
    /// What is wrong, within [`limit::PROVIDER_PROBE`].
    pub async fn models(&self) -> Result<Vec<String>, ProviderError> {
        let listed = timeout(limit::PROVIDER_PROBE, self.list()).await.unwrap_or_else(|_| {
            let words =
                format!("the provider did not list its models within {}", said(limit::PROVIDER_PROBE));
            Err(ProviderError::new(ProviderErrorKind::Timeout, words))
        });
        listed.map_err(|e| self.secrets.hidden(e))
    }

    async fn list(&self) -> Result<Vec<String>, ProviderError> {
        self.has_its_key()?;
        let failed = |words| Err(ProviderError::new(ProviderErrorKind::Failed, words));
        // The format's own headers are those of any request.
        let hello = ModelRequest {
            messages: vec![PromptMessage::new(Role::User, "hello")],
            ..ModelRequest::default()
        };
        let Call { headers, .. } = self.config.wire.encode(&hello, &self.config.model)?;
        let (client, _slot) = self.pool.take()?;
        let get = client
            .request(Method::GET, format!("{}{}", self.base, self.config.wire.models_path()))
            .headers(self.headers(&headers, "application/json")?);
        let response = get.send().await.map_err(|e| failure::of_client(&e, self.config.timeouts.connect))?;
        let id = reply::request_id(response.headers());
        // A list is a line of its own here: one document is what is wanted.
        let response = reply::checked(response, Framing::Lines).await.map_err(|e| reply::named(e, &id))?;
        let mut body = Vec::new();
        if !reply::first_bytes(response, limit::PROVIDER_LIST_BYTES, &mut body).await {
            return failed("the list of the provider's models broke off, or is too long");
        }
        match serde_json::from_slice(&body) {
            Ok(list) => Ok(self.config.wire.models(&list)),
            Err(_) => failed("the list of the provider's models is not JSON: the base address may be wrong"),
        }
    }

    /// What is sent with a request. The operator's own headers go over the format's.
    fn headers(
        &self,
        format: &[(&'static str, String)],
        accept: &'static str,
    ) -> Result<HeaderMap, ProviderError> {
        let mut map = HeaderMap::with_capacity(format.len() + self.headers.len() + 4);
        map.insert(ACCEPT, HeaderValue::from_static(accept));
        // Packed, a stream would wait in the packer's buffer.
        map.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in format {
            let header = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            let (Ok(name), Ok(value)) = header else {
                let words = format!("what belongs into the header `{name}` cannot stand there");
                return Err(ProviderError::new(ProviderErrorKind::Refused, words));
            };
            map.insert(name, value);
        }
        map.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(map)
    }

    /// A request without its key would be paid for with a round trip, and answered in words that do not say where
    /// the key belongs.
    fn has_its_key(&self) -> Result<(), ProviderError> {
        match &self.config.key_missing {
            None => Ok(()),
            Some(words) => Err(ProviderError::new(ProviderErrorKind::KeyMissing, words.clone())),
        }
    }

    async fn send(&self, mut request: ModelRequest) -> Result<(Response, Slot), ProviderError> {
        self.has_its_key()?;
        let config = &self.config;
        request.reasoning = request.reasoning.or(config.effort);
        let model = request.model.as_deref().unwrap_or(&config.model);
        let Call { path, headers, mut body } = config.wire.encode(&request, model)?;
        put_over(&mut body, &config.extra);
        put_over(&mut body, &request.extra);
        let (client, slot) = self.pool.take()?;
        let post = client
            .post(format!("{}{path}", self.base))
            .headers(self.headers(&headers, config.wire.framing().accept())?)
            .json(&body);
        let wait = config.timeouts.first_byte;
        let response = timeout(wait, post.send()).await.map_err(|_| {
            let mut words = format!("the provider did not begin to answer within {}", said(wait));
            if let others @ 1.. = slot.neighbours() {
                words += &format!(
                    "; {others} more of its answers are on the same connection: if it allows fewer, set \
                     `streams_per_connection`"
                );
            }
            ProviderError::new(ProviderErrorKind::Timeout, words)
        })?;
        let response = response.map_err(|e| failure::of_client(&e, config.timeouts.connect))?;
        slot.answered_in(response.version());
        Ok((response, slot))
    }

    /// The body that is being read, the request's name, and the place that it has.
    async fn answer(&self, request: ModelRequest) -> Result<(Reading, String, Slot), ProviderError> {
        let asked = Instant::now();
        let wire = &self.config.wire;
        let (response, slot) = self.send(request).await?;
        let id = reply::request_id(response.headers());
        let checked = reply::checked(response, wire.framing()).await;
        let body = checked.map_err(|e| reply::named(e, &id))?.bytes_stream();
        let reading = deltas::deltas(body, wire.framing(), wire.decoder(), self.config.timeouts, asked);
        Ok((reading, id, slot))
    }
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
        let mut counted = Counted::new(self.config.metrics.clone(), self.config.name.clone());
        let offered = !request.tools.is_empty();
        match self.answer(request).await {
            Ok((reading, id, slot)) => {
                Ok(Deltas::new(Answer::new(reading, offered, self.secrets.clone(), id, counted, slot)))
            }
            Err(error) => {
                counted.failed(&error);
                Err(self.secrets.hidden(error))
            }
        }
    }
}
