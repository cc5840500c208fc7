//! Who is told outside when a question waits for a person.

use std::sync::Arc;

use headwater_core::port::{SharedHandoff, SharedStore};
use headwater_engine::Tasks;
use headwater_engine::handoff::Teller;
use headwater_providers::webhook::{Webhook, WebhookConfig};
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// The webhook of the settings, checked as far as it can be without the network. Each value comes with
/// where it stands.
pub(crate) fn check(
    (url, url_from): (String, String),
    (private, private_from): (String, String),
    (secret, secret_from): (String, String),
    problems: &mut Vec<String>,
) -> Option<WebhookConfig> {
    let allow_private = match private.as_str() {
        "yes" => true,
        "no" => false,
        other => {
            problems.push(format!("{private_from}: must be yes or no, not `{other}`"));
            false
        }
    };
    if url.is_empty() {
        if !secret.is_empty() {
            problems.push(format!("{secret_from}: there is no handoff_webhook that it could sign"));
        }
        return None;
    }
    let config = WebhookConfig { url, secret: (!secret.is_empty()).then(|| secret.into()), allow_private };
    match config.check() {
        Ok(()) => Some(config),
        // Neither the address nor the secret is repeated: both may be secret.
        Err(why) => {
            problems.push(format!("{url_from}: {why}"));
            None
        }
    }
}

/// Starts to tell, where a webhook is set.
pub(crate) fn start(
    config: Option<&WebhookConfig>,
    tasks: &Tasks,
    store: &SharedStore,
    assistant: &str,
    shutdown: &CancellationToken,
) -> Result<Option<Teller>, Failure> {
    let Some(config) = config else { return Ok(None) };
    let webhook = Webhook::new(config.clone())
        .map_err(|why| Failure::Usage(vec![format!("handoff_webhook: {why}")]))?;
    let webhook: SharedHandoff = Arc::new(webhook);
    Ok(Some(Teller::start(tasks, Arc::clone(store), webhook, assistant, shutdown.clone())))
}
