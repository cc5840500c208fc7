//! The fake from outside, over sockets of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod docs;
mod failures;
mod formats;
mod records;
mod shapes;
mod two;
