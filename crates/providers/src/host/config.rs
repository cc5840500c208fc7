//! Where a host is and how it is asked: everything that an operator says of it.

use std::path::PathBuf;
use std::sync::Arc;

use headwater_core::limit;
use headwater_core::port::provider::{Effort, Price};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::address::Base;
use crate::key;
use crate::metrics::Metrics;
use crate::preset::Preset;
use crate::wire::deltas::Timeouts;
use crate::wire::{KeyHeader, Wire};

/// Where a host is and how it is asked. `Debug` shows neither the key nor the values of headers.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The provider's name in the configuration.
    pub name: String,
    /// What it speaks.
    pub wire: Arc<dyn Wire>,
    /// `http` or `https`, up to and with the version: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; a host on one's own machine may need none.
    pub key: Option<SecretString>,
    /// Where the key should stand that is needed and is not there. Such a host refuses every request with these
    /// words and is never connected to.
    pub key_missing: Option<String>,
    /// The model that is asked where a request names none.
    pub model: String,
    /// Whether it is offered tools. A host whose models cannot call any refuses or ignores them.
    pub tools: bool,
    /// What its model costs, where that is known.
    pub price: Option<Price>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Headers that are sent with each request, over the format's own of the same name; at most
    /// [`limit::PROVIDER_HEADERS`].
    pub headers: Vec<(String, SecretString)>,
    /// How much a model is to think where a request does not say.
    pub effort: Option<Effort>,
    /// Fields that are put into each request, over the format's own of the same name; those of a request go over
    /// these.
    pub extra: Map<String, Value>,
    /// Whether its name may lead to this machine or a private network, without encryption too.
    pub allow_private: bool,
    /// Certificates (PEM) that are trusted beside the system's, for a gateway of one's own.
    pub ca_file: Option<PathBuf>,
    /// Answers at once on one HTTP/2 connection: less than the host allows, and a multiple of it where it allows
    /// more. From 1 to 1,000.
    pub streams_per_connection: usize,
    /// What is counted.
    pub metrics: Metrics,
}

impl HostConfig {
    /// A host of this name with the defaults of everything else.
    pub fn new(name: impl Into<String>, wire: Arc<dyn Wire>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            wire,
            base_url: base_url.into(),
            key: None,
            key_missing: None,
            model: String::new(),
            tools: true,
            price: None,
            timeouts: Timeouts::default(),
            headers: Vec::new(),
            effort: None,
            extra: Map::new(),
            allow_private: false,
            ca_file: None,
            streams_per_connection: limit::PROVIDER_STREAMS,
            metrics: Metrics::default(),
        }
    }

    /// A preset's host, moved to `base_url` where one is given.
    pub fn of_preset(preset: &Preset, key: Option<SecretString>, base_url: Option<String>) -> Self {
        let base_url = base_url.filter(|u| !u.trim().is_empty()).map(|u| preset.address(u));
        let base_url = base_url.filter(|u| u.trim_end_matches('/') != preset.base_url);
        let wire = preset.wire(base_url.as_deref().is_some_and(|url| !preset.is_at(url)));
        Self {
            key,
            model: preset.model.to_owned(),
            tools: preset.tools,
            ..Self::new(preset.name, wire, base_url.unwrap_or_else(|| preset.base_url.to_owned()))
        }
    }

    /// Everything that is wrong and can be known without asking anybody; for the operator.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Err(why) = self.base() {
            wrong.push(format!("the address of `{}` {why}", self.name));
        }
        if let Err(why) = self.header_map() {
            wrong.push(why);
        }
        if !(1..=1_000).contains(&self.streams_per_connection) {
            wrong.push(format!("`{}` must have from 1 to 1,000 streams on a connection", self.name));
        }
        let Timeouts { connect, first_byte, first_token, idle, progress, whole, usage } = self.timeouts;
        if [connect, first_byte, first_token, idle, progress, whole, usage].iter().any(|t| t.is_zero()) {
            wrong.push(format!("`{}` is given no time at all: a timeout must be more than 0", self.name));
        }
        wrong
    }

    pub(super) fn base(&self) -> Result<Base, &'static str> {
        Base::parse(&self.base_url, self.allow_private)
    }

    /// What is sent with each request: the key and the operator's own.
    pub(super) fn header_map(&self) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        if let Some(key) = &self.key {
            let (name, text) = match self.wire.key() {
                KeyHeader::Bearer => ("authorization", format!("Bearer {}", key.expose_secret())),
                KeyHeader::Named(name) => (name, key.expose_secret().to_owned()),
            };
            let name = HeaderName::from_bytes(name.as_bytes());
            let (true, Ok(name), Ok(value)) =
                (key::is_sayable(key.expose_secret()), name, HeaderValue::try_from(text))
            else {
                return Err(format!(
                    "the key of `{}` cannot stand in a header: it has odd letters",
                    self.name
                ));
            };
            map.insert(name, secret(value));
        }
        if self.headers.len() > limit::PROVIDER_HEADERS {
            return Err(format!("`{}` has more than {} headers", self.name, limit::PROVIDER_HEADERS));
        }
        for (name, value) in &self.headers {
            let bad = |why| format!("the header `{}` of `{}` {why}", name.escape_debug(), self.name);
            let known: HeaderName = name.parse().map_err(|_| bad("has a name that no header can have"))?;
            if OURS.contains(&known.as_str()) {
                return Err(bad("is ours to write"));
            }
            if map.contains_key(&known) {
                return Err(bad("is there twice, or is where the key stands"));
            }
            let value = HeaderValue::from_str(value.expose_secret())
                .map_err(|_| bad("has a value that no header can have"))?;
            map.insert(known, secret(value));
        }
        Ok(map)
    }
}

/// Headers that say how a request is to be read; with others of them it would be another request.
const OURS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Neither `Debug` nor the libraries' logs show it, and HTTP/2 does not keep it in its tables.
fn secret(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
