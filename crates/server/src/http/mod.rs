//! HTTP: routes, and what every answer has in common.

mod admission;
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
pub mod refusal;
pub mod runs;
mod sse;
pub mod validate;
