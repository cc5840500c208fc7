//! Tells an operator's web address that a question waits for a person.
//!
//! The address is the operator's, but what it resolves to is the network's: names are looked up here, what
//! is private is refused, and the connection goes to the very address that was looked at, so a name that
//! changes its mind in between gains nothing. Redirects are not followed, proxies are not asked, and of the
//! answer only the status is read.

use std::sync::Arc;

use async_trait::async_trait;
use headwater_core::limit;
use headwater_core::port::handoff::{Handoff, HandoffError, Notice};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::address::{Judge, NotReached, literal};

/// Bytes of the shortest secret that is taken: below it a signature can be guessed.
pub const SECRET_BYTES: usize = 16;
/// The header with `sha256=` and the HMAC-SHA256 of the body in hexadecimal.
pub const SIGNATURE: &str = "x-headwater-signature";

/// Where to tell, and how to be believed.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// `https`, or `http` where private addresses are allowed.
    pub url: String,
    /// Signs each body; `None` leaves them unsigned. `Debug` does not show it.
    pub secret: Option<SecretString>,
    /// Whether the address may be of this machine or a private network.
    pub allow_private: bool,
}

/// The webhook; see the module.
#[derive(Debug)]
pub struct Webhook {
    url: reqwest::Url,
    secret: Option<SecretString>,
    client: reqwest::Client,
}

/// What is sent. Names and times only.
#[derive(Serialize)]
struct Told<'a> {
    escalation_id: &'a str,
    reason: &'a str,
    session_id: &'a str,
    run_id: &'a str,
    /// Milliseconds since 1970 UTC.
    created_at: i64,
    assistant: &'a str,
}

impl WebhookConfig {
    /// Checks what can be known before a name is looked up.
    ///
    /// # Errors
    /// What is wrong and what to do, for the operator.
    pub fn check(&self) -> Result<(), String> {
        self.url().map(|_| ())?;
        if self.secret.as_ref().is_some_and(|s| s.expose_secret().len() < SECRET_BYTES) {
            return Err(format!("the secret is shorter than {SECRET_BYTES} bytes"));
        }
        Ok(())
    }

    fn url(&self) -> Result<reqwest::Url, String> {
        let url: reqwest::Url = self.url.parse().map_err(|_| "it is no web address".to_owned())?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private => {}
            "http" => return Err("it must begin with https; http is for private addresses only".to_owned()),
            _ => return Err("it must begin with https".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it must not hold a user or a password".to_owned());
        }
        // A literal address is not looked up, so it is judged here.
        if let Some(ip) = literal(&url) {
            self.judge(&url).allows(ip).map_err(|why| match why {
                NotReached::NotPublic => {
                    "it leads to a private address; handoff_webhook_allow_private = \"yes\" allows that"
                        .to_owned()
                }
                other => other.to_string(),
            })?;
        }
        Ok(url)
    }

    /// Without encryption it may lead to private addresses only.
    fn judge(&self, url: &reqwest::Url) -> Judge {
        Judge { public: url.scheme() == "https", loopback: self.allow_private, private: self.allow_private }
    }
}

impl Webhook {
    /// A webhook that is ready to tell.
    ///
    /// # Errors
    /// As [`WebhookConfig::check`].
    pub fn new(config: WebhookConfig) -> Result<Self, String> {
        config.check()?;
        let url = config.url()?;
        let judge = config.judge(&url);
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(judge))
            .connect_timeout(limit::HANDOFF_TIME)
            .timeout(limit::HANDOFF_TIME)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|_| "the client cannot be built".to_owned())?;
        Ok(Self { url, secret: config.secret, client })
    }
}

#[async_trait]
impl Handoff for Webhook {
    async fn tell(&self, notice: &Notice) -> Result<(), HandoffError> {
        let told = Told {
            escalation_id: &notice.escalation_id,
            reason: &notice.reason,
            session_id: notice.session_id.as_str(),
            run_id: notice.run_id.as_str(),
            created_at: notice.created_at.0,
            assistant: &notice.assistant,
        };
        let body = serde_json::to_vec(&told).unwrap_or_default();
        let mut request = self.client.post(self.url.clone()).header("content-type", "application/json");
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, format!("sha256={}", hmac(secret.expose_secret(), &body)));
        }
        // The client's own words may hold the address, and with it a secret of the operator's.
        let response = request.body(body).send().await.map_err(|error| HandoffError {
            message: if error.is_timeout() { "the webhook did not answer in time" } else { REACH }.to_owned(),
            retry: true,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        // A client error is ours or the operator's, and stays; those that speak of now may pass.
        let passing = matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error();
        Err(HandoffError { message: format!("the webhook answered {}", status.as_u16()), retry: passing })
    }
}

const REACH: &str = "the webhook cannot be reached, or its name leads to a private address";

/// HMAC-SHA256 in hexadecimal.
fn hmac(secret: &str, body: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, body);
    tag.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
