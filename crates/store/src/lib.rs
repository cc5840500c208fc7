//! Keeps what must not be lost: the logs of runs, and what belongs to them.
//!
//! [`SqliteStore`] is the default: one file, and the server needs nothing else. [`MemoryStore`] keeps the
//! same contract (see [`headwater_core::port::store`]) for as long as the process lives, and can be told
//! to fail. Both pass one suite, `tests/contract`.

mod memory;
mod rules;
mod sqlite;
mod vector;
mod words;

pub use memory::{Fail, Faults, MemoryStore};
pub use sqlite::{
    Checked, Copied, CopyError, Durability, OpenError, Restored, SqliteStore, backup, check, restore,
};
