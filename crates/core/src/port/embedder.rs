//! The port to whoever turns text into vectors of meaning.
//!
//! # Contract
//! - Every vector has [`Embedder::dimensions`] numbers, all finite, and length 1 (so that a dot product
//!   is the cosine). The same text gives the same vector under the same [`Embedder::id`].
//! - `embed` keeps the order of its inputs. Text beyond what the model reads is cut, not refused.
//! - Work runs off the async threads; dropping the future may let started work finish, unseen.

use std::sync::Arc;

use async_trait::async_trait;

use super::provider::ProviderError;

/// Turns text into vectors; see the module's contract.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// Names model and version; vectors of different ids are never compared. At most 64 bytes.
    fn id(&self) -> &str;

    /// Numbers in each vector.
    fn dimensions(&self) -> usize;

    /// How many tokens of a text the model reads. The default is the usual estimate for English, a token
    /// every four characters, rounded up.
    fn count_tokens(&self, text: &str) -> usize {
        text.chars().count().div_ceil(4)
    }

    /// One vector for each text, in order.
    ///
    /// # Errors
    /// [`ProviderError`], where the model is not there or failed.
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderError>;
}

/// An embedder that is shared by all runs.
pub type SharedEmbedder = Arc<dyn Embedder>;
