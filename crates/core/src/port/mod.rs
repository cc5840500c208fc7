//! What the engine needs from outside, as traits with their contracts in prose above them. Each has at
//! least two backends, and one suite of tests that every backend must pass.

pub mod bus;
pub mod desk;
pub mod embedder;
pub mod extract;
pub mod handoff;
pub mod provider;
pub mod recall;
pub mod records;
pub mod sharing;
pub mod store;

pub use bus::{Bus, Happening, Heard, Hint, Notice, Room, SharedBus};
pub use embedder::{Embedder, SharedEmbedder};
pub use extract::{Extract, SharedExtract};
pub use handoff::{Handoff, SharedHandoff};
pub use provider::{Delta, Deltas, Provider, ProviderError, ProviderErrorKind, SharedProvider};
pub use store::{SharedStore, Store};
