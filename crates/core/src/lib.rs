//! What a run, an event, a viewer, an error and a limit *are*.
//!
//! Nothing here has a runtime, a clock, a socket or a vendor: every method takes what it needs, the time
//! included, so that the whole behaviour can be tested as a calculation. In reading order:
//!
//! - [`id`], [`time`]: names of things, and points in time that somebody else read off a clock
//! - [`event`], [`log`]: one numbered entry, and the rules by which numbers are assigned
//! - [`run`]: one generation, and how it ends
//! - [`viewer`]: one client's position in a log, and what to do next
//! - [`cursor`]: a position as a client holds it
//! - [`access`]: who may see what
//! - [`code`], [`limit`], [`rate`]: everything that the outside can be told, and everything that is bounded
//! - [`port`]: what the engine needs from outside, as traits with their contracts

pub mod access;
pub mod code;
pub mod cursor;
pub mod event;
pub mod id;
pub mod limit;
pub mod log;
pub mod port;
pub mod rate;
pub mod run;
pub mod time;
pub mod viewer;

pub use access::Principal;
pub use code::{Code, Error};
pub use cursor::Cursor;
pub use event::{Body, Event, Outcome, Seq};
pub use id::{MessageId, RunId, SessionId, UserId};
pub use time::Millis;
