//! HTTP: routes, and what every answer has in common.

pub(crate) mod admission;
pub mod ai;
pub mod appointments;
pub mod assets;
pub mod auth_routes;
pub mod chat;
pub mod documents;
pub mod feedback;
pub mod health;
pub mod layers;
pub mod metrics;
pub mod openapi;
pub mod orchestrate;
pub mod refusal;
pub mod runs;
pub mod sharing;
mod sse;
pub mod tutor;
pub mod validate;
