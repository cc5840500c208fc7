//! Who is called: the local model, hosts over HTTP, and the scripted one. All are a
//! [`Provider`](headwater_core::port::provider::Provider), whose contract is written there.

mod failure;
pub mod host;
#[cfg(feature = "local")]
pub mod local;
pub mod metrics;
pub mod openai;
pub mod preset;
pub mod responses;
pub mod scripted;
pub mod webhook;
pub mod wire;
