//! Keeps what a turn meant, so that later ones find it again. After the ending: the answer is in the store only then,
//! and nobody waits.

use std::sync::Arc;

use headwater_core::limit;
use headwater_core::port::SharedEmbedder;
use headwater_core::port::provider::Role;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::mask::{Kinds, mask};
use crate::workflow::Past;

/// Who keeps it.
pub(super) struct Memory {
    embedder: Option<SharedEmbedder>,
    waiting: Semaphore,
    at_once: Semaphore,
}

impl Memory {
    pub(super) fn new(embedder: Option<SharedEmbedder>) -> Self {
        let (waiting, at_once) =
            (Semaphore::new(limit::REMEMBER_WAITING), Semaphore::new(limit::REMEMBERING));
        Self { embedder, waiting, at_once }
    }

    /// Keeps what this run's question and answer mean.
    pub(super) async fn remember(&self, past: Past) {
        let Some(embedder) = &self.embedder else { return };
        let Ok(_waits) = self.waiting.try_acquire() else {
            tracing::warn!(run = %past.run, "too many turns wait to be remembered; this one will not be found by its meaning");
            return;
        };
        let kept = async {
            let _place = self.at_once.acquire().await.map_err(|e| e.to_string())?;
            self.keep(embedder, &past).await
        };
        match timeout(limit::REMEMBER_TIME, kept).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // It may quote what it was given.
                let error = mask(&error, Kinds::ALL).into_owned();
                tracing::warn!(run = %past.run, %error, "a turn could not be remembered; it will not be found by its meaning");
            }
            Err(_) => {
                tracing::warn!(run = %past.run, "a turn could not be remembered in time; it will not be found by its meaning");
            }
        }
    }

    async fn keep(&self, embedder: &SharedEmbedder, past: &Past) -> Result<(), String> {
        // Turns that were made since stand behind it.
        let most = limit::HISTORY_MESSAGES + 1 + limit::QUEUED_TURNS;
        let lines =
            past.store.history(&past.who.user, &past.session, most).await.map_err(|e| e.to_string())?;
        let own = lines.into_iter().filter(|m| m.run == past.run && !m.content.trim().is_empty());
        let (roles, texts): (Vec<Role>, Vec<String>) = own.map(|m| (m.role, m.content)).unzip();
        if texts.is_empty() {
            return Ok(());
        }
        let vectors = Arc::clone(embedder).embed(texts).await.map_err(|e| e.message)?;
        let meanings = roles.into_iter().zip(vectors).collect();
        past.store.remember(&past.run, embedder.id(), meanings).await.map_err(|e| e.to_string())
    }
}
