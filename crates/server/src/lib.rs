//! The outside of Headwater: HTTP, sign-in, the embedded pages, and the loop that accepts connections.

pub mod app;
pub mod auth;
pub mod edge;
pub mod escalation;
pub mod gate;
pub mod http;
pub mod metrics;
pub mod wire;
pub mod ws;
