//! Hints between writers and viewers.
//!
//! [`InProcess`] is what one node uses. [`Lossy`] is for tests: it does everything that the contract in
//! [`headwater_core::port::bus`] permits and a good network rarely does, the same way for the same seed.

mod channels;
mod in_process;
mod lossy;
mod rooms;

pub use in_process::InProcess;
pub use lossy::Lossy;
