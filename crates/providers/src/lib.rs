//! Who is called: the local model, hosts over HTTP, and the scripted one. All are a
//! [`Provider`](headwater_core::port::provider::Provider), whose contract is written there.

mod address;
pub mod anthropic;
pub mod chain;
mod failure;
pub mod gemini;
pub mod host;
pub mod key;
#[cfg(feature = "local")]
pub mod local;
pub mod metrics;
pub mod ollama;
pub mod openai;
pub mod preset;
pub mod price;
pub mod responses;
pub mod scripted;
pub mod webhook;
pub mod wire;
