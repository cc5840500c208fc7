//! Who is called: the local model, OpenAI-compatible hosts, and the scripted one. All are a
//! [`Provider`](headwater_core::port::provider::Provider), whose contract is written there.

#[cfg(feature = "local")]
pub mod local;
pub mod openai;
pub mod preset;
pub mod scripted;
pub mod webhook;
