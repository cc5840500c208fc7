//! The server from outside its modules: routers without a socket, and the edge on real ones (port 0).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]

mod accounts;
mod ai_stream;
mod appointments;
mod auth;
mod care;
mod chat;
mod docs;
mod documents;
mod edge;
mod edge_tls;
mod farewell;
mod flood;
mod foreign;
mod gate;
mod guests;
mod house;
mod layers;
mod lecture;
mod lesson;
mod lessons;
mod metrics;
mod native;
mod observed;
mod orchestrate;
mod patience;
mod rooms;
mod rows;
mod runs;
mod sharing;
mod showing;
mod shown;
mod standing;
mod strangers;
mod telling;
mod tokens;
mod tutor;
mod tutor_http;
mod upstream;
