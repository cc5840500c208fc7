//! Every cap of the local model, each with its reason.

/// Tokens that one stream may hold, prompt and answer together. A token's keys and values take
/// 46 KB in the default model, so a full stream is 94 MB; and a 135M model is lost long before that.
pub(super) const CONTEXT_TOKENS: usize = 2048;

/// Streams that take turns. Each adds up to 94 MB (see [`CONTEXT_TOKENS`]) and slows the others.
pub(super) const STREAMS: usize = 8;

/// Requests that wait for a turn. At ten seconds an answer the last of them waits about a minute;
/// beyond that "busy" at once is the kinder answer.
pub(super) const WAITING: usize = 32;

/// Deltas between the model and one reader. A reader this far behind (a third of a second) is
/// skipped until it polls; the others go on.
pub(super) const DELTAS: usize = 32;

/// Prompt tokens computed in one go while nobody else waits: large enough that unpacking the weights
/// is cheap beside using them (a few per cent), small enough that a new request waits half a second.
pub(super) const CHUNK_ALONE: usize = 256;

/// Prompt tokens in one go while others stream: their pause between two words stays about 0.1 s.
pub(super) const CHUNK_SHARED: usize = 32;

/// Warmed prompt beginnings that are kept: one for each agent of the shipped workflows, and a spare.
pub(super) const WARMED: usize = 6;

/// Ended streams whose computation is kept, for the next turn of the same session.
pub(super) const RECENT: usize = 4;

/// Tokens of one kept computation; what is longer is cut at its end (47 MB in the default model).
pub(super) const KEPT_TOKENS: usize = 1024;

/// Stop texts of one request, as the port allows, and the bytes of each.
pub(super) const STOPS: usize = 4;
/// See [`STOPS`].
pub(super) const STOP_BYTES: usize = 256;

/// Bytes of a model file that may be its header. A 128k-word vocabulary with its merges takes 8 MB;
/// parsed it grows some 30-fold in the worst case, so a lying header costs at most 0.5 GB for a moment.
pub(super) const HEADER_BYTES: u64 = 16 * 1024 * 1024;

/// Weights of a model. Beyond it the two cores this is meant for would need a second a word.
pub(super) const WEIGHTS: usize = 4_000_000_000;

/// Texts that may wait for vectors, as calls: indexing sends few large ones, questions many small ones.
pub(super) const EMBED_WAITING: usize = 64;

/// Texts in one call for vectors, and the bytes of each that are looked at (256 tokens are read).
pub(super) const EMBED_TEXTS: usize = 256;
/// See [`EMBED_TEXTS`].
pub(super) const EMBED_BYTES: usize = 8 * 1024;
/// Tokens of one text that the embedding model reads; it was trained on no more.
pub(super) const EMBED_TOKENS: usize = 256;
/// Tokens that go through the embedding model at once; more no longer makes it faster.
pub(super) const EMBED_BATCH_TOKENS: usize = 256;
