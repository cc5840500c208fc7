//! HTTP: routes, and what every answer has in common.

pub mod assets;
pub mod auth_routes;
pub mod chat;
pub mod documents;
pub mod health;
pub mod layers;
pub mod refusal;
pub mod runs;
mod sse;
pub mod validate;
