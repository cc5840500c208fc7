//! The server from outside its modules: routers without a socket, and the edge on real ones (port 0).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]

mod auth;
mod chat;
mod docs;
mod documents;
mod edge;
mod house;
mod layers;
mod native;
mod patience;
mod runs;
