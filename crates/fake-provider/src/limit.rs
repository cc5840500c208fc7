//! What is bounded, and why. They stand here and not in `headwater-core`, because this crate knows none of
//! ours: it must be able to disagree with them.

/// Bytes of a request's body. The largest prompts of our tests have 1 MiB; a real host takes 32.
pub const BODY_BYTES: usize = 8 << 20;

/// Calls that are kept; older ones are forgotten, and only counted.
pub const CALLS_KEPT: usize = 10_000;

/// Bytes of all bodies that are kept: a load test with large prompts must not fill the memory.
pub const BODIES_KEPT_BYTES: usize = 64 << 20;

/// Scripts that wait for their request.
pub const QUEUE: usize = 10_000;

/// Names of models whose calls are counted for `…-times-N`.
pub const COUNTED_NAMES: usize = 1024;

/// Tokens of an answer: a thousand seconds at a thousand a second.
pub const TOKENS: u32 = 1_000_000;

/// Bytes of a text that is to be said, and of the arguments of one tool.
pub const TEXT_BYTES: usize = 1 << 20;

/// Tools that one answer calls, citations that it gives, names of models that are listed.
pub const ITEMS: usize = 256;

/// Pieces that the arguments of one tool come in: each is an event.
pub const PIECES: u32 = 1000;

/// Pings before the first token.
pub const PINGS: u32 = 10_000;

/// Bytes of the event that is too large: above every reader's cap.
pub const HUGE_BYTES: u32 = 64 << 20;

/// Any time that a script gives, in milliseconds: a day.
pub const TIME_MS: u64 = 86_400_000;

/// Streams of one HTTP/2 connection, as the large hosts announce.
pub const STREAMS: u32 = 100;
