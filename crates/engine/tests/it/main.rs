//! The engine over a store in memory and a provider whose every delta a test says by hand. Time is paused:
//! it moves only when nothing else can, so nothing here depends on how fast the machine is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]

mod ability;
mod assist;
mod care;
mod documents;
mod ending;
mod feeling;
mod hidden;
mod house;
mod knowing;
mod models;
mod retaining;
mod rooms;
mod sharing;
mod starting;
mod teams;
mod thinking;
mod tools;
mod tutoring;
mod tutoring_context;
mod using;
mod viewing;
mod writing;
mod yard;
