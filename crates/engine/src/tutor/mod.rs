//! What a tutor knows of the person whom it teaches: how he feels, what he can do, how hard the next step should be, and
//! what his question is about.
//!
//! Nothing here talks to a client, and nothing waits for a model except [`emotion::asked`]: the workflow calls these beside
//! the answer. Everything is a guess from words, written down as one in `docs/tutor-learning.md` with its formulas and
//! with how well it was measured to do.

pub mod ability;
pub mod category;
pub mod cognitive;
pub mod difficulty;
pub mod emotion;
mod plain;
mod topic;
