//! What the product does: writer, viewers, workflows, cancel. Sees ports, never backends.

pub mod assistant;
pub mod stop_words;
