//! What the product does: one writer a live run, viewers that read the log, workflows, cancel. Sees
//! ports, never backends.
//!
//! The life of a run, in reading order: [`engine`] makes it and answers for it, [`hub`] knows which runs
//! live here, [`writer`] numbers and stores what the [`workflow`] says, [`follow`] reads it back for one
//! viewer, [`recover`] ends what a crash left.

pub mod allowance;
pub mod ask;
pub mod assistant;
pub mod clock;
pub mod cut;
pub mod documents;
pub mod engine;
pub mod eval;
pub mod follow;
pub mod handoff;
pub mod hub;
pub mod ingest;
pub mod mask;
pub mod meter;
pub mod metrics;
pub mod models;
pub mod quota;
pub mod recover;
pub mod retention;
pub mod retrieve;
pub mod settings;
pub mod stop_words;
pub mod tasks;
pub mod tools;
pub mod tutor;
pub mod workflow;
pub mod writer;

pub use allowance::Allowances;
pub use ask::{StartRun, Started};
pub use clock::Clock;
pub use engine::{Engine, View};
pub use follow::{Follow, Followed};
pub use models::Models;
pub use quota::{Period, Quota};
pub use settings::{Settings, Unwatched};
pub use tasks::Tasks;
