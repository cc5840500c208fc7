//! Every fixed cap, with its reason. What an operator may change is a setting whose default stands here.

use std::time::Duration;

use crate::rate::Rate;

// ── what comes in ────────────────────────────────────────────────────────────────────────────────

/// Bytes of an id from outside: room for a UUID with a prefix several times over, and small enough to be
/// a database key.
pub const ID_BYTES: usize = 128;
/// Bytes of a WebSocket message of somebody who is signed in: a long question with a pasted page.
pub const WS_MESSAGE_BYTES: usize = 64 * 1024;
/// Bytes of a frame before sign-in: an `auth` frame with a generous token. Strangers get little.
pub const WS_MESSAGE_BYTES_BEFORE_AUTH: usize = 4 * 1024;
/// Bytes of a JSON body over HTTP; a little more than a message, for its fields.
pub const HTTP_BODY_BYTES: usize = 80 * 1024;
/// Bytes of a person's message.
pub const MESSAGE_BYTES: usize = 32 * 1024;
/// Bytes of a `system` text in a `generate` run.
pub const SYSTEM_BYTES: usize = 16 * 1024;
/// Bytes of one request head: a JWT in the address or in a header, with room.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
pub const HTTP_HEADERS: usize = 64;
/// How long a request head may take: a phone on a bad line needs one or two seconds.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may be silent between two requests: a page that asks now and then keeps its one.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take: two round trips on a bad line.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How long a request body may take after its head; bodies are small here.
pub const HTTP_BODY_TIME: Duration = Duration::from_secs(10);
/// Password length in bytes. Longer ones are refused, never cut: a hash of a cut password lies.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;
/// Bytes of an e-mail address (RFC 5321).
pub const EMAIL_BYTES: usize = 254;
/// Bytes of a person's name.
pub const NAME_BYTES: usize = 200;
/// Bytes of a comment to an answer: a paragraph.
pub const FEEDBACK_BYTES: usize = 4 * 1024;
/// Opinions that are kept of one person; beyond them his oldest goes. More than anybody gives in years, and at
/// most 8 MB of comments: a message's name is the client's own, so nothing else bounds how many there are.
pub const FEEDBACK_PER_USER: usize = 2_000;
/// Password hashes at once; each takes 19 MiB, so a flood of log-ins cannot take the memory.
pub const PASSWORD_HASHES_AT_ONCE: usize = 4;

// ── signing in ───────────────────────────────────────────────────────────────────────────────────

/// How long a token may live, whoever made it: a sign-out of all of a user's tokens is remembered as long.
pub const TOKEN_TIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// How long a refresh token that was used may be used again, for the same pair: an answer that was lost on
/// the way is asked for again within seconds; a thief who comes as fast gets what its owner has, and is
/// noticed with the next use.
pub const REFRESH_GRACE: Duration = Duration::from_secs(10);
/// Sign-outs and used refresh tokens that are remembered, some 100 bytes each. One for each sign-in of the last
/// week that went on beyond its first half hour, and one for each sign-out.
pub const REVOCATIONS: usize = 500_000;
/// Of one user: the next sign-out is one of all his sign-ins. Programs that sign in and out at each start do
/// so a hundred times a day.
pub const REVOCATIONS_PER_USER: usize = 1_024;
/// How long a ticket may wait for its connection: a page opens it at once.
pub const TICKET_TIME: Duration = Duration::from_secs(30);
/// Tickets that wait, some 400 bytes each.
pub const TICKETS: usize = 10_000;
/// Tickets of one user that wait; the next one takes the place of the oldest.
pub const TICKETS_PER_USER: usize = 64;
/// Protocols of a WebSocket handshake that are looked at for a token.
pub const SUBPROTOCOLS: usize = 16;

// ── connections ──────────────────────────────────────────────────────────────────────────────────

/// Connections at once, whoever they belong to; each costs about 9 KB here and in the kernel.
pub const CONNECTIONS: usize = 20_000;
/// How long a socket may stay without signing in: people paste tokens into the page.
pub const AUTH_DEADLINE: Duration = Duration::from_secs(5 * 60);
/// Failed `auth` frames on one socket before it is closed: nobody mistypes a token ten times.
pub const AUTH_ATTEMPTS: u32 = 10;
/// Read buffer of a socket: frames from clients are small; the library's default of 128 KiB is not.
pub const WS_READ_BUFFER: usize = 1024;
/// Write buffer of a socket: joins the frames of one step in one write.
pub const WS_WRITE_BUFFER: usize = 4 * 1024;
/// The most that the socket's write buffer may hold: one frame that repeats the longest answer with every
/// byte of it escaped, and one batch beside it.
pub const WS_WRITE_BUFFER_MAX: usize = 8 * ANSWER_BYTES;
/// Replies (not run events) that wait for one socket. A client that does not read them is not listened to
/// until it does, or until the write has stood still for too long.
pub const REPLIES: usize = 64;
/// Commands of one socket in progress at once, of those that keep an order and of the others each (each may
/// wait for the store); what comes beyond is refused,
/// so that pings and frames of other kinds are heard whatever the store does.
pub const COMMANDS: usize = 16;
/// Runs that one native connection follows at once.
pub const FOLLOWS: usize = 64;
/// Turns that wait on one chat connection behind the one that streams (contract: 8 deep, then refused).
pub const QUEUED_TURNS: usize = 8;
/// A write without progress for so long closes the socket (1013): the client is gone or hopeless.
pub const WRITE_STALL: Duration = Duration::from_secs(10);
/// How often a silent socket is pinged: below the idle time of common proxies (60 s).
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// A socket that says nothing for so long, not even a pong, is gone.
pub const PONG_DEADLINE: Duration = Duration::from_secs(60);
/// How long the store's word on its readiness is news: a balancer asks every few seconds.
pub const READINESS_NEWS: Duration = Duration::from_secs(1);
/// How long a close handshake may take before the socket is dropped.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);

// ── floods ───────────────────────────────────────────────────────────────────────────────────────

/// Frames that one socket may send, whatever is in them: far above anybody who types, and what fits into
/// one burst of a client that comes back. Pongs and empty fragments count; nothing else sees those.
pub const WS_FRAMES: Rate = Rate::per_second(50, 500);
/// Bytes that one socket may send. The burst takes sixteen of the longest messages.
pub const WS_BYTES: Rate = Rate::per_second(128 * 1024, 1024 * 1024);
/// Pings that one socket may send: each has to be answered.
pub const WS_PINGS: Rate = Rate::per_second(10, 10);
/// How long a message in fragments may take from its first to its last: what has come of it is kept.
pub const WS_FRAGMENTS_TIME: Duration = Duration::from_secs(10);
/// Addresses or users that are counted one by one in each allowance, some 60 bytes each. Who has not been
/// heard of for a while is forgotten; beyond this many newcomers share one allowance.
pub const ALLOWANCE_KEYS: usize = 100_000;

// ── what one address and one user may: the defaults of settings ─────────────────────────────────

/// Connections of one address at once: an office behind one, with six connections a browser.
pub const CONNECTIONS_PER_ADDRESS: usize = 200;
/// Sockets of one user at once: his tabs on all his machines.
pub const CONNECTIONS_PER_USER: usize = 20;
/// Sockets of one address on which nobody has signed in yet.
pub const UNAUTHENTICATED_PER_ADDRESS: usize = 50;
/// New connections of one address: as many as it may come back, see [`RETURNS`]. A front-end was seen that opens 133
/// sockets in 6 s, each on a connection of its own, and neither it nor twenty of it behind one address may run into
/// this. A connection costs some tenths of a millisecond with TLS; how many stay is bounded by their number.
pub const CONNECTS: Rate = Rate::per_second(500, 2_500);
/// Requests of one address, for everything that has no allowance of its own.
pub const REQUESTS: Rate = Rate::per_second(100, 1_000);
/// Frames of one user, and of one socket, that ask for work (a message, a run to follow, a list). Stops,
/// pings and sign-ins are not among them: those are always heard.
pub const MESSAGES: Rate = Rate::per_minute(100, 100);
/// The same of one address, whoever its people are.
pub const MESSAGES_PER_ADDRESS: Rate = Rate::per_minute(600, 600);
/// Runs that one user may start; each costs a model's time.
pub const STARTS: Rate = Rate::per_minute(20, 20);
/// Lessons that one user may start, which are not among those: their contract lets a client send 100 messages a minute,
/// and each may be a question, or its repetition over HTTP.
pub const LESSONS: Rate = Rate::per_minute(100, 100);
/// Runs that one address may start: guests are many users.
pub const STARTS_PER_ADDRESS: Rate = Rate::per_minute(120, 120);
/// Sign-ins that one address may try; each costs a password hash.
pub const SIGN_INS: Rate = Rate::per_minute(10, 20);
/// Accounts that one address may make.
pub const REGISTRATIONS: Rate = Rate::per_minute(5, 5);
/// Wrong passwords for one e-mail address before nobody may sign in there, and for how long (contract of the tutor).
pub const SIGN_IN_FAILURES: u32 = 5;
/// See [`SIGN_IN_FAILURES`]. Also how long a wrong one counts.
pub const SIGN_IN_LOCK: Duration = Duration::from_secs(15 * 60);
/// Addresses whose wrong passwords are counted in memory (some 50 bytes each). Each has cost a password hash: at 4 at
/// once of some 30 ms fewer than this can fail before the first are forgotten. As many that nobody has are kept in the store
/// (some 250 bytes each, with their index), and of each its digest and its time in memory, in a table and in a queue (some
/// 70 bytes together, twice that while one of them grows: 28 MB at worst).
pub const SIGN_IN_ADDRESSES: usize = 200_000;

// ── runs ─────────────────────────────────────────────────────────────────────────────────────────

/// Live runs of one user, those that wait for the one before them in their session included: one chat with
/// a full queue (1 + 8) and a second window beside it. More is a script, not a person.
pub const RUNS_PER_USER: usize = 16;
/// Live runs of the whole node; each costs a task and a few small buffers.
pub const RUNS: usize = 2_000;
/// How long a run may take from start to ending.
pub const RUN_TIME: Duration = Duration::from_secs(15 * 60);
/// Bytes that a model says in one run, what it thinks and whom it cites included: far beyond any model's window,
/// and a bound on what a broken one can fill.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Tokens of an answer where nobody says otherwise.
pub const ANSWER_TOKENS: u32 = 1_024;
/// Tokens of an answer that a client may ask for.
pub const ANSWER_TOKENS_MAX: u32 = 32_768;
/// Messages of one `generate` run whose client brings the conversation itself: longer ones are cut by whoever keeps
/// them, since a model's window ends as well.
pub const MESSAGES_OF_RUN: usize = 100;
/// Bytes of all of them: as much as a `message` and a `system` text together, which fits into one frame.
pub const MESSAGES_BYTES: usize = MESSAGE_BYTES + SYSTEM_BYTES;
/// Texts of one request that end an answer, as the most common wire format allows.
pub const STOPS: usize = 4;
/// Bytes of each of them.
pub const STOP_BYTES: usize = 256;
/// Bytes of a model's alias or a provider's name: they are typed by people and stand in requests, metrics and logs.
pub const MODEL_ALIAS_BYTES: usize = 64;
/// Earlier messages of a session that are read for a prompt; the token budget cuts further.
pub const HISTORY_MESSAGES: usize = 20;
/// Messages in one answer of the history route.
pub const HISTORY_PAGE: usize = 500;
/// Runs in one page of a list.
pub const RUNS_PAGE: usize = 100;
/// Runs in one answer of the tutor's history: of each the beginning of its log and its end are read beside what is
/// said, which for so many takes some 50 ms.
pub const HISTORY_RUNS: usize = 250;
/// Runs in one page of a list for which nobody named a number.
pub const RUNS_PAGE_UNASKED: usize = 50;

// ── the writer ───────────────────────────────────────────────────────────────────────────────────

/// Deltas between a workflow and its writer. When full the model waits; memory does not grow.
pub const WRITER_QUEUE: usize = 64;
/// How long events may wait for company before they are flushed, after the first: below what an eye
/// sees, and 20 runs then share a commit.
pub const FLUSH_AFTER: Duration = Duration::from_millis(20);
/// Events in one flush.
pub const FLUSH_EVENTS: usize = 256;
/// Bytes in one flush.
pub const FLUSH_BYTES: usize = 64 * 1024;
/// Appends of different runs in one commit of the store.
pub const COMMIT_BATCHES: usize = 256;
/// Appends that wait for the store's writer. When full, writers wait, and with them their models.
pub const STORE_QUEUE: usize = 1_024;
/// Flushes of expired runs that are removed in one commit: at most 16 MiB, some milliseconds in which an
/// append waits.
pub const TRIM_BATCHES: usize = 256;
/// How long after its start a server looks for runs that are too old, and how often then: first of all
/// people come back to their answers.
pub const EXPIRE_FIRST: Duration = Duration::from_secs(60);
/// See [`EXPIRE_FIRST`].
pub const EXPIRE_EVERY: Duration = Duration::from_secs(3_600);
/// Runs that are too old and go in one commit, and the pause before the next: a few hundred a second, and
/// almost all of the writer's time for answers.
pub const EXPIRE_RUNS: usize = 16;
/// See [`EXPIRE_RUNS`].
pub const EXPIRE_PAUSE: Duration = Duration::from_millis(50);
/// How long what was used of a daily or monthly quota is kept: longer than a month, though a clock be set back.
pub const QUOTA_KEPT: Duration = Duration::from_secs(62 * 24 * 3_600);
/// Counters of such quotas that go in one commit: a row each, so that it takes no longer than an answer's own.
pub const FORGET_COUNTERS: usize = 256;
/// Records that count no more and go in one commit, likewise.
pub const FORGET_RECORDS: usize = 256;

// ── viewers ──────────────────────────────────────────────────────────────────────────────────────

/// Bytes of recent events that a live run keeps for its viewers; older ones are read from the store.
pub const RING_BYTES: usize = 256 * 1024;
/// Events that a viewer is handed at once.
pub const BATCH_EVENTS: usize = 512;
/// Bytes of events that a viewer is handed at once: its bounded buffer.
pub const BATCH_BYTES: usize = 64 * 1024;
/// More tokens and thoughts than this in one batch mean that a viewer is behind: dialects that may merge
/// then do. Below it each keeps its own frame.
pub const MERGE_ABOVE: usize = 8;
/// Answer bytes from which the chat dialect merges every batch: its frames repeat the whole answer, which
/// is quadratic.
pub const MERGE_PARTIAL_ABOVE: usize = 8 * 1024;
/// How often a viewer of a live run asks the store for the tail, because a hint may be lost.
pub const TAIL_CHECK: Duration = Duration::from_millis(1_500);
/// How often a silent stream says that it lives: below the idle time of common proxies.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// Reads of the store for viewers at once, so that many that are behind cannot starve the writer.
pub const STORE_READERS: usize = 4;
/// Searches of documents at once, beside [`STORE_READERS`]: one looks at up to [`PASSAGES_PER_USER`] passages, some
/// tenths of a second in which no viewer may wait for it.
pub const STORE_SEARCHERS: usize = 2;

// ── models and knowledge ─────────────────────────────────────────────────────────────────────────

/// Bytes of one event of a provider's stream.
pub const PROVIDER_EVENT_BYTES: usize = 1024 * 1024;
/// Bytes of what a provider wants back with a line of its own ([`crate::port::provider::Replay`]), a whole
/// answer's: signatures and encrypted thoughts are some kilobytes each.
pub const REPLAY_BYTES: usize = 1024 * 1024;
/// Parts of one answer that a provider has begun and not ended: they come one after the other, and in no
/// known stream are two open at once.
pub const PROVIDER_BLOCKS: usize = 16;
/// Places that one answer of a model names as its sources: a provider's search comes back with tens, and several
/// may be made for one answer.
pub const CITATIONS: usize = 128;
/// Bytes of an address, a title or a quote in one of them; addresses that lead through a search engine have
/// a kilobyte.
pub const CITATION_BYTES: usize = 4096;
/// Bytes of a provider's refusal that are read for its reason.
pub const PROVIDER_FAILURE_BYTES: usize = 64 * 1024;
/// Bytes of one answer on the wire: the longest that models write, at half a kilobyte of envelope a token, twice.
pub const PROVIDER_ANSWER_BYTES: u64 = 256 * 1024 * 1024;
/// How long a connection to a provider may take, TLS included: two round trips around the world, with a lost packet.
pub const PROVIDER_CONNECT: Duration = Duration::from_secs(5);
/// How long a provider may take to the head of its answer. Some send it only with the first word, and a
/// model that thinks first takes a minute.
pub const PROVIDER_FIRST_BYTE: Duration = Duration::from_secs(120);
/// How long a provider may take to the first thing that a person sees (what a model thinks is that, too). Where a
/// model keeps its thoughts to itself this is all of its thinking.
pub const PROVIDER_FIRST_TOKEN: Duration = Duration::from_secs(300);
/// How long a provider may send not one byte in the middle of an answer. Most send comments or pings every few
/// seconds; a model that thinks behind a host without them is silent for a minute. That the other end is gone is
/// noticed earlier, see [`PROVIDER_PING`].
pub const PROVIDER_IDLE: Duration = Duration::from_secs(120);
/// How long a provider may only say that it is still there, in the middle of an answer: longer than it may say
/// nothing, for a model that thinks again between two tools.
pub const PROVIDER_PROGRESS: Duration = Duration::from_secs(180);
/// How long one answer may take in all: a minute less than [`RUN_TIME`], so that the run can say who was slow.
pub const PROVIDER_WHOLE: Duration = Duration::from_secs(14 * 60);
/// How long the usage may take after the reason of the end; it need not come at all.
pub const PROVIDER_USAGE: Duration = Duration::from_secs(5);
/// How long a provider may take to list its models: somebody waits at a terminal.
pub const PROVIDER_PROBE: Duration = Duration::from_secs(10);
/// Bytes of a list of models; the longest known has some hundreds of models and a megabyte.
pub const PROVIDER_LIST_BYTES: usize = 8 * 1024 * 1024;
/// The longest that a provider's wish to be left alone is believed; longer is a mistake, or for a person to see.
pub const PROVIDER_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
/// Answers at once on one HTTP/2 connection, below the 100 that the big vendors allow: the next one would wait in
/// a queue that nobody sees. The distance is for those that were dropped here and not yet there.
pub const PROVIDER_STREAMS: usize = 80;
/// Answers of one provider at once, after which no connection is opened for more: more than a node has [`RUNS`], twice.
pub const PROVIDER_ANSWERS: usize = 64 * PROVIDER_STREAMS;
/// Bytes of one answer that may wait here, on HTTP/2, for a reader who does not read: seconds of text, and enough for
/// a hundred times a model's speed to the other side of the world. A connection may hold that for each of its answers,
/// or one reader would stop his neighbours.
pub const PROVIDER_WINDOW: u32 = 64 * 1024;
/// How often a connection with answers under way is asked whether it still lives, on HTTP/2 by pings, else by TCP:
/// below the idle time of common proxies, and not so often that a vendor takes it for an attack.
pub const PROVIDER_PING: Duration = Duration::from_secs(30);
/// How long the answer to that may take.
pub const PROVIDER_PONG: Duration = Duration::from_secs(15);
/// Headers of the operator's own in each request to a provider: a gateway wants two or three.
pub const PROVIDER_HEADERS: usize = 32;
/// Bytes of a file with a key; the longest keys are tokens of some kilobytes.
pub const KEY_FILE_BYTES: u64 = 16 * 1024;
/// Bytes of a file with certificates: the system's own has a quarter of a megabyte.
pub const CA_FILE_BYTES: u64 = 1024 * 1024;
/// Bytes of a classifier's reply that are read: it is asked for one word.
pub const CLASSIFIER_BYTES: usize = 64;
/// How long a classifier may take: the router has an answer already, and somebody waits.
pub const CLASSIFIER_TIME: Duration = Duration::from_secs(5);
/// Bytes of a message that are looked at for how its writer feels, half of them from its beginning and half from its
/// end: ten sentences each, and as much as the embedding model reads.
pub const FEELING_BYTES: usize = 2 * 1024;
/// Subjects of one user in which it is kept what he can do, some 200 bytes each: more than a school teaches. Clients name
/// them as they like, so beyond them the one goes that was longest not touched.
pub const SUBJECTS_PER_USER: usize = 200;
/// Times that what was learned of somebody is put on top of what others put there meanwhile: each of his live runs
/// ([`RUNS_PER_USER`]) can do so once, on two nodes.
pub const ABILITY_TRIES: u32 = 32;
/// Tool calls in one answer of a model: a person's wish takes two or three; more is a model in a loop.
pub const TOOL_CALLS: usize = 8;
/// Bytes of one call's arguments: the longest wish is a booking with a note of a few sentences.
pub const TOOL_ARGUMENTS_BYTES: usize = 16 * 1024;
/// Levels of a call's arguments that a provider sends one by one: far more than any tool has.
pub const TOOL_ARGUMENT_LEVELS: usize = 32;
/// Levels of a tool's schema that are rewritten for a provider that knows less of JSON Schema; what refers to
/// itself ends here.
pub const TOOL_SCHEMA_LEVELS: usize = 16;
/// Parts of such a schema, references written out: a tool with more parameters is one that no model can call.
pub const TOOL_SCHEMA_PARTS: usize = 1_000;
/// Times in one run that a model may call tools before it must answer with what it has: look, book, tell
/// takes two; a third and fourth where a slot was taken meanwhile.
pub const TOOL_ROUNDS: usize = 5;
/// Bytes of a note or a vehicle in an appointment.
pub const APPOINTMENT_TEXT_BYTES: usize = 500;
/// Appointments ahead that one person may hold: a household's cars, not a script that empties the calendar.
pub const APPOINTMENTS_OPEN: usize = 5;
/// Appointments in one answer of a tool, newest first: what a person reads, and a model's prompt holds.
pub const APPOINTMENTS_TOLD: usize = 20;
/// Appointments in one answer of the route.
pub const APPOINTMENTS_PAGE: usize = 100;
/// Services of one workshop: its price list has to fit a prompt.
pub const SERVICES: usize = 64;
/// Days ahead that a workshop may take appointments for.
pub const WORKSHOP_DAYS: usize = 366;
/// Bytes of an answer that the masking of personal data may hold back, because they may still become an
/// address or a number: the longest address (128 bytes before the `@`, 253 behind it) with one that
/// overlaps it. In prose it is the word that is being written.
pub const MASK_HELD_BYTES: usize = 512;
/// Characters of a chunk of a document (contract).
pub const CHUNK_CHARS: usize = 1_000;
/// Characters that neighbouring chunks share (contract).
pub const CHUNK_OVERLAP: usize = 200;
/// Bytes of what is said about a document beside its text, as JSON: each hit of a search carries it.
pub const DOCUMENT_METADATA_BYTES: usize = 8 * 1024;
/// Passages of a document in one commit of the store, and the bytes of text after which no more are taken:
/// with their vectors some 300 KiB, a few milliseconds in which an append waits.
pub const DOCUMENT_SLICE: usize = 64;
/// See [`DOCUMENT_SLICE`].
pub const DOCUMENT_SLICE_BYTES: usize = 256 * 1024;
/// Passages that a search may return (contract).
pub const SEARCH_TOP_K: usize = 20;
/// Candidates of each kind that are scored before the best are taken.
pub const SEARCH_CANDIDATES: usize = 64;

// ── providers that stand in for one another ──────────────────────────────────────────────────────

/// Links of one chain: more than anybody has vendors, and what one request can cost where all fail.
pub const CHAIN_LINKS: usize = 8;
/// How long a chain may take to the first visible word, all its links, retries and pauses together: two hosts'
/// whole time for the head of an answer. Each link is given its share of what is left.
pub const CHAIN_FIRST_WORD: Duration = Duration::from_secs(240);
/// Reports and replays of an answer that are kept while its first visible word is awaited. Usage that follows
/// usage takes no place; an answer with more than this has begun, whatever can be seen of it.
pub const CHAIN_PEEKED: usize = 256;
/// Bytes of what is said of a chain's failures, all links together.
pub const CHAIN_FAILURE_BYTES: usize = 600;
/// Times that a link is asked once more, where nobody says otherwise: what clears up by itself does at once.
pub const RETRIES: u32 = 2;
/// The most that an operator may ask for.
pub const RETRIES_MOST: u32 = 5;
/// The longest pause before the first retry; each further one may be twice as long. The pause is drawn
/// evenly from nothing to this, so that who failed together does not come back together.
pub const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest such pause.
pub const RETRY_MOST: Duration = Duration::from_secs(8);
/// The longest that a provider may ask to be left alone and is waited for: somebody sits before an empty
/// answer. Beyond it the next link is asked, or the person is told when to come back.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The longest wait of a provider's that a person is told of: a day. Longer ones are mistakes.
pub const RETRY_AFTER_TOLD: Duration = Duration::from_secs(24 * 60 * 60);
/// Of a hundred requests to a link, how many may be retries: an outage then costs a tenth more, not three
/// times as much.
pub const RETRY_PERCENT: u32 = 10;
/// Retries that a link has saved up at most from earlier requests.
pub const RETRIES_SAVED: u32 = 10;
/// Retries of a link beside that share: a house with a request a minute has no hundred to take ten of.
pub const RETRIES_SPARE: Rate = Rate::per_minute(10, 5);
/// Failures in a row after which a link is left alone: twice a request with all its retries, less one.
pub const BREAKER_FAILURES: u32 = 5;
/// How far back the share of failures looks.
pub const BREAKER_WINDOW: Duration = Duration::from_secs(60);
/// Answers and failures in that time below which a share means nothing.
pub const BREAKER_LEAST: u32 = 20;
/// The share of failures, in hundredths, from which a link is left alone though some are answered.
pub const BREAKER_PERCENT: u32 = 50;
/// How long a link is left alone before one request tries it; twice as long after each try that fails.
pub const BREAKER_OPEN: Duration = Duration::from_secs(10);
/// The longest that it is left alone.
pub const BREAKER_OPEN_MOST: Duration = Duration::from_secs(120);
/// Bytes of a table of prices.
pub const PRICES_BYTES: usize = 256 * 1024;
/// Rows of a table of prices: every model of every vendor, several times over.
pub const PRICES_ROWS: usize = 4_096;
/// Dollars of a price for a million tokens: a hundred times the dearest; more is a price for something else.
pub const PRICE_DOLLARS: u64 = 100_000;
/// Problems of one file that are told at once.
pub const PRICES_PROBLEMS: usize = 20;

// ── hand-off ─────────────────────────────────────────────────────────────────────────────────────

/// Escalations of one user that wait: more conversations than a person has; a script asks in many.
pub const ESCALATIONS_PER_USER: usize = 20;
/// Escalations that wait to be told outside, and that are read again at a start: more than a desk of
/// people works off in a day.
pub const HANDOFF_QUEUE: usize = 256;
/// How long telling one may take, the look-up of the name included: a webhook answers at once or is broken.
pub const HANDOFF_TIME: Duration = Duration::from_secs(5);
/// Times that one is tried; with the pauses below a quarter of an hour, which outlasts a deployment.
pub const HANDOFF_TRIES: u32 = 8;
/// The pause after the first failure; each further one is four times as long.
pub const HANDOFF_RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
pub const HANDOFF_RETRY_MOST: Duration = Duration::from_secs(300);
/// How old an escalation may be to be told again after a restart; what is older is no news.
pub const HANDOFF_AGE: Duration = Duration::from_secs(24 * 60 * 60);

// ── documents of people ──────────────────────────────────────────────────────────────────────────

/// Bytes of an uploaded file (contract: 50 MB).
pub const UPLOAD_BYTES: u64 = 50 * 1024 * 1024;
/// Bytes of an upload beside its file: the other fields, and the borders between them.
pub const UPLOAD_OVERHEAD: u64 = 64 * 1024;
/// Bytes of one field beside the file.
pub const UPLOAD_FIELD_BYTES: usize = 4 * 1024;
/// Fields of one upload, the file included; there are seven that mean something.
pub const UPLOAD_FIELDS: usize = 32;
/// Bytes of the headers of one field: a long file name, percent-encoded.
pub const UPLOAD_HEAD_BYTES: usize = 4 * 1024;
/// How long an upload may stand still: phones lose the network for some seconds and come back.
pub const UPLOAD_STALL: Duration = Duration::from_secs(20);
/// What every upload may take, before its pace is looked at.
pub const UPLOAD_GRACE: Duration = Duration::from_secs(60);
/// Bytes a second that an upload must bring on average after [`UPLOAD_GRACE`]: a bad line of 2010. A slower
/// one is somebody who holds a place.
pub const UPLOAD_PACE: u64 = 4 * 1024;
/// Bytes that are still read and thrown away after an upload was refused, so that a client which writes
/// everything before it reads hears why.
pub const UPLOAD_DISCARD: u64 = 64 * 1024 * 1024;
/// How long that may take.
pub const UPLOAD_DISCARD_TIME: Duration = Duration::from_secs(5);
/// Uploads of one user at once, from the first byte until it is indexed.
pub const UPLOADS_PER_USER: usize = 4;
/// Uploads of the node at once; each may hold [`UPLOAD_BYTES`] of disk and [`DOCUMENT_TEXT_BYTES`] of memory.
pub const UPLOADS: usize = 32;
/// Uploads whose state can be asked for, those that are over included; the oldest of these go first.
pub const UPLOADS_KEPT: usize = 1_000;
/// How long the end of an upload can be asked for.
pub const UPLOAD_NEWS: Duration = Duration::from_secs(60 * 60);
/// Bytes of a body with a text to be indexed; longer ones are files.
pub const INGEST_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of text of one document: some 1,500 pages.
pub const DOCUMENT_TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Passages of one document: the longest text at twice the usual fineness. A vector is 1.5 KB.
pub const DOCUMENT_CHUNKS: usize = 10_000;
/// Documents of one user.
pub const DOCUMENTS_PER_USER: usize = 500;
/// Passages of one user, over all his documents: 200 MB with their meaning, all of which a search of his looks at.
pub const PASSAGES_PER_USER: usize = 100_000;
/// Bytes of a document's name: a file's name and a short path.
pub const SOURCE_BYTES: usize = 512;
/// Bytes of a document's kind.
pub const DOCUMENT_TYPE_BYTES: usize = 64;
/// Bytes of what a user wants kept with his document, as JSON; a part of [`DOCUMENT_METADATA_BYTES`].
pub const OWN_METADATA_BYTES: usize = 4 * 1024;
/// Characters of a passage that may be asked for: below, passages say too little to be found by meaning;
/// above, an answer has no room for two.
pub const CHUNK_CHARS_ASKED: std::ops::RangeInclusive<usize> = 100..=8_000;
/// Documents whose text is read and indexed at once: there is one embedding model, and each holds some ten
/// times [`DOCUMENT_TEXT_BYTES`] at worst.
pub const INDEXING: usize = 4;
/// Of these, documents of one user: whoever sends many lets others have their turn.
pub const INDEXING_PER_USER: usize = 1;
/// Passages of one document that are embedded at once; between two such groups others get their turn.
pub const EMBED_GROUP: usize = 16;
/// How often and how far apart an embedder that is busy is asked again before indexing gives up.
pub const EMBED_RETRIES: u32 = 120;
/// See [`EMBED_RETRIES`].
pub const EMBED_RETRY: Duration = Duration::from_millis(500);

/// Reading the text out of files that come from strangers, in a process of its own.
pub mod extract {
    use std::time::Duration;

    /// Files that are read at once; each may take [`MEMORY`].
    pub const AT_ONCE: usize = 2;
    /// Bytes of address space of the reading process: twenty times the largest file.
    pub const MEMORY: u64 = 1024 * 1024 * 1024;
    /// Seconds of processor that the reading process gets. A book of 1,000 pages takes two.
    pub const CPU_SECONDS: u64 = 60;
    /// How long reading may take by the clock, on a machine with other things to do.
    pub const TIME: Duration = Duration::from_secs(180);
    /// Pages of a PDF.
    pub const PAGES: usize = 5_000;
    /// Bytes of a part of a DOCX after inflation. XML takes ten times the bytes of its text.
    pub const PART_BYTES: u64 = 64 * 1024 * 1024;
    /// Entries of a DOCX; pictures make many.
    pub const ENTRIES: usize = 10_000;
    /// Levels of nested elements in a DOCX that are followed.
    pub const DEPTH: usize = 256;
}

// ── stopping ─────────────────────────────────────────────────────────────────────────────────────

/// How long a drain waits for live runs before it ends them as interrupted.
pub const DRAIN: Duration = Duration::from_secs(30);
/// Sockets that are closed at once when the server stops. More are spread over a millisecond each, so that
/// their clients do not come back in one moment …
pub const FAREWELLS_AT_ONCE: usize = 200;
/// … but never over more than this: whoever stops a server waits for it.
pub const FAREWELLS_TIME: Duration = Duration::from_secs(5);
/// How long the endings of interrupted runs may take to be stored: a disk that needs more is broken.
pub const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Bytes of a record's key (a session's name fits), and of its JSON: what was learned about somebody, a queue of small
/// frames. Larger things are documents or logs.
pub const RECORD_KEY_BYTES: usize = 256;
/// See [`RECORD_KEY_BYTES`].
pub const RECORD_BYTES: usize = 256 * 1024;

/// Answers of `ai_stream` that one user may ask for, as the original allows.
pub const GENERATIONS: u64 = 50;

/// Levels of an outline that may be asked for: deeper ones are no outline.
pub const OUTLINE_LEVELS: i64 = 10;
/// Bytes of a point of an outline.
pub const BULLET_BYTES: usize = 4 * 1024;
/// Points beside it that may be named.
pub const BULLETS: usize = 100;
/// Bytes of what stands above it.
pub const PARENT_BYTES: usize = 8 * 1024;

/// Clients of whom it is remembered how far they were when they left, in up to [`FOLLOWS`] runs each: some 2 MB where each
/// has one. One that leaves again and again is one.
pub const DEPARTURES: usize = 10_000;

/// How long it is remembered how far the tutor's client was when its socket left: longer than its slowest reconnect,
/// or a lunch-break's sleep of a phone; who comes later reads the history.
pub const AWAY: Duration = Duration::from_secs(10 * 60);
/// Rooms that one socket may be in: a person looks at one conversation; his windows share a socket at worst.
pub const ROOMS: usize = 32;
/// Notices that wait for a user of shared sessions who has no socket open; beyond them the oldest goes.
pub const NOTICES_KEPT: usize = 100;
/// Characters at the beginning of a line of an answer that are held back until it is known whether it is code: an
/// opening fence with a long name of a language.
pub const FENCE_HELD: usize = 80;
/// Lists within lists whose indentation is kept apart when code is told from text: deeper ones share the last.
pub const FENCE_LISTS: usize = 16;
/// How long after its socket left a client that names no position is taken for one that comes back (contract): the
/// seed's client tries five times, two seconds apart.
pub const RETURN_WITHIN: Duration = Duration::from_secs(10);
/// How long such a client is shown nothing. A front-end was seen that opens a new socket every 45 ms: what is on its
/// way when it closes one is lost, and whether it has closed the one before is known by then.
pub const RETURN_SETTLES: Duration = Duration::from_millis(150);
/// How long a socket may wait for a run that is not there; as long as a run may take.
pub const RUN_AWAITED: Duration = RUN_TIME;
/// How often it looks whether the run has come without a hint: it was shared with him, or made on another node.
pub const AWAITED_LOOK: Duration = Duration::from_secs(5);
/// The pause between two looks, however much is hinted of a run that is another's.
pub const AWAITED_LOOK_LEAST: Duration = Duration::from_secs(1);
/// New sockets and looks at the state of jobs of one address, which has them instead of [`REQUESTS`]: twenty
/// front-ends behind one address, each of which opens 22 a second.
pub const RETURNS: Rate = Rate::per_second(500, 5_000);
/// Jobs whose state is kept for whoever asks again, and the bytes of all of them together: a state holds the code.
pub const JOB_STATES: usize = 256;
/// See [`JOB_STATES`].
pub const JOB_STATES_BYTES: usize = 32 * 1024 * 1024;
/// Jobs that are over of which is kept what a list shows, some 700 bytes each.
pub const JOB_LINES: usize = 10_000;
/// Jobs that are looked at for one page of those with a certain status, the newest first: how a job went stands in
/// its log, which is read whole the first time.
pub const JOBS_SEARCHED: usize = 500;
/// Times that a failed job is run anew, one after the other; a brief that fails as often is given anew by a person.
pub const JOB_RERUNS: usize = 16;
/// Entries of a list in the description of a project.
pub const WORKSPACE_ENTRIES: usize = 500;

/// Notices of a room that wait for one slow listener: they are small, and old ones are of no use.
pub const NOTICES: usize = 64;
/// How often a socket looks in the store for runs of which no notice came, in one of the rooms that it joined, which take
/// turns: in the worst case this times [`ROOMS`] in each of them, and a socket that is in all of them costs no more than
/// one that is in one. One indexed read, in another's session two: 5,000 sockets that joined cost 1,000 to 2,000 small
/// reads a second.
pub const ROOM_LOOK: Duration = Duration::from_secs(5);
/// The pause between two looks in a room where one follows from what was missed, or from a store that failed, for each room
/// that the socket joined: who is always too slow misses something with every notice.
pub const ROOM_LOOK_LEAST: Duration = Duration::from_secs(1);

/// Where every counter ends: the highest number that every store can keep.
pub const COUNT: u64 = i64::MAX as u64;
/// Meanings of one session that a recall looks at, the newest ones: some 15 MB, some hundredths of a second in one of
/// [`STORE_SEARCHERS`] places.
pub const RECALL_MEANINGS: usize = 10_000;
/// Sessions in the list of those that are shared with somebody: others decide how many there are.
pub const SHARED_PAGE: usize = 100;

/// Users with whom one session may be shared: a class, not an audience.
pub const MEMBERS: usize = 200;

/// How long a run that stops without viewers waits for its first one: whoever asked is about to follow it. It does
/// not wait for one who is gone when the run is made.
pub const FIRST_VIEWER: Duration = Duration::from_secs(10);

// ── jobs for teams ───────────────────────────────────────────────────────────────────────────────

/// Teams of a file, and thus calls of models at once for one job.
pub const TEAMS: usize = 4;
/// Rounds of refinement; each asks every team's model again.
pub const REFINEMENTS: u32 = 3;
/// Bytes of one answer of a team's or a phase's model, what it thinks included: five for each of its most tokens. So
/// one without end fails alone, and not the job by [`ANSWER_BYTES`], which holds two dozen: each team's first one and
/// its refinements, the planner's, the reviewer's of each round, and each team's code once more in the job's answer.
pub const TEAM_ANSWER_BYTES: usize = 5 * ANSWER_TOKENS_MAX as usize;
const _: () = {
    let rounds = REFINEMENTS as usize;
    let answers = TEAMS * (1 + rounds) + 1 + rounds + TEAMS;
    // The rest is for headings and what the teams say of their work.
    assert!(answers * TEAM_ANSWER_BYTES + 128 * 1024 <= ANSWER_BYTES);
};
/// Bytes of an answer that may wait until it is known whether they are code: letters before the code are shorter, and
/// what was taken for code too early is taken back.
pub const CODE_HELD_BYTES: usize = 4 * 1024;
/// Bytes of one thought: what a person reads at a glance, and no frame is large.
pub const THOUGHT_BYTES: usize = 2 * 1024;
/// Bytes of what a client says of the style and of the project, as JSON, each: both stand in every team's prompt.
pub const JOB_WISHES_BYTES: usize = 16 * 1024;
/// Lines that each of them makes in a prompt.
pub const JOB_WISHES: usize = 200;
// ── lessons ──────────────────────────────────────────────────────────────────────────────────────

/// Bytes of a lesson's subject: a few words; it is the key of what is learned, and stands in the prompt.
pub const SUBJECT_BYTES: usize = 100;
/// Tokens of earlier messages in a lesson's prompt (contract).
pub const LESSON_TOKENS: usize = 8_000;
/// Earlier messages of a lesson that are about the same (contract).
pub const SIMILAR_MESSAGES: usize = 3;
/// How long a lesson waits for what a question means, and for earlier messages that mean the same: somebody
/// waits for the first word. Beyond it the turn goes on without them, and says so.
pub const MEANING_TIME: Duration = Duration::from_millis(150);
/// How long it waits for all of it, that included: the newest messages, what was learned, and then the knowledge base.
pub const CONTEXT_TIME: Duration = Duration::from_secs(1);
/// How long an answer that is whole waits until what it taught is stored: a store that needs longer is stuck.
pub const LEARN_TIME: Duration = Duration::from_secs(2);
/// Words of a piece where a provider gives its answer whole (contract), …
pub const PACE_WORDS: usize = 3;
/// … and the pause between two of them (contract).
pub const PACE: Duration = Duration::from_millis(30);
/// Words of an answer's first piece up to which it is taken for one of many: what streams begins with few.
pub const WHOLE_WORDS: usize = 30;
/// Reports that are kept of a provider while what it said is paced; usage that follows usage takes no place.
pub const PACE_AHEAD: usize = 16;
/// Bytes of a step of thinking below which the next sentence joins it: a step says something.
pub const STEP_LEAST: usize = 80;
/// Bytes of a step of thinking: what has no sentence's end by then is cut between two words.
pub const STEP_BYTES: usize = 600;
/// Turns whose meaning is kept at once: there is one embedding model, and questions go before.
pub const REMEMBERING: usize = 2;
/// Turns that wait for that; of the next only the meaning is lost.
pub const REMEMBER_WAITING: usize = 256;
/// How long one may wait and take: the embedding model indexes a book meanwhile.
pub const REMEMBER_TIME: Duration = Duration::from_secs(60);
/// Categories of questions in a tutor's file.
pub const CATEGORIES: usize = 32;
/// Bytes of one text of a tutor's file that a model is told: [`SYSTEM_BYTES`] with room for what is put into it.
pub const TUTOR_PROMPT_BYTES: usize = 12 * 1024;

/// The local model and the embeddings that run in this process.
pub mod local {
    /// Tokens that one stream may hold, prompt and answer together. A token's keys and values take
    /// 46 KB in the default model, so a full stream is 94 MB; and a 135M model is lost long before that.
    pub const CONTEXT_TOKENS: usize = 2048;

    /// Streams that take turns. Each adds up to 94 MB (see [`CONTEXT_TOKENS`]) and slows the others.
    pub const STREAMS: usize = 8;

    /// Requests that wait for a turn. At ten seconds an answer the last of them waits about a minute;
    /// beyond that "busy" at once is the kinder answer.
    pub const WAITING: usize = 32;

    /// Deltas between the model and one reader. A reader this far behind (a third of a second) is
    /// skipped until it polls; the others go on.
    pub const DELTAS: usize = 32;

    /// Prompt tokens computed in one go while nobody else waits: large enough that unpacking the weights
    /// is cheap beside using them (a few per cent), small enough that a new request waits half a second.
    pub const CHUNK_ALONE: usize = 256;

    /// Prompt tokens in one go while others stream: their pause between two words stays about 0.1 s.
    pub const CHUNK_SHARED: usize = 32;

    /// Warmed prompt beginnings that are kept: one for each agent of the shipped workflows, and a spare.
    pub const WARMED: usize = 6;

    /// Ended streams whose computation is kept, for the next turn of the same session.
    pub const RECENT: usize = 4;

    /// Tokens of one kept computation; what is longer is cut at its end (47 MB in the default model).
    pub const KEPT_TOKENS: usize = 1024;

    /// Stop texts of one request, as the port allows, and the bytes of each.
    pub const STOPS: usize = super::STOPS;
    /// See [`STOPS`].
    pub const STOP_BYTES: usize = super::STOP_BYTES;

    /// Bytes of a model file that may be its header. A 128k-word vocabulary with its merges takes 8 MB;
    /// parsed it grows some 30-fold in the worst case, so a lying header costs at most 0.5 GB for a moment.
    pub const HEADER_BYTES: u64 = 16 * 1024 * 1024;

    /// Weights of a model. Beyond it the two cores this is meant for would need a second a word.
    pub const WEIGHTS: usize = 4_000_000_000;

    /// Texts that may wait for vectors, as calls: indexing sends few large ones, questions many small ones.
    pub const EMBED_WAITING: usize = 64;

    /// Texts in one call for vectors, and the bytes of each that are looked at (256 tokens are read).
    pub const EMBED_TEXTS: usize = 256;
    /// See [`EMBED_TEXTS`].
    pub const EMBED_BYTES: usize = 8 * 1024;
    /// Tokens of one text that the embedding model reads; it was trained on no more.
    pub const EMBED_TOKENS: usize = 256;
    /// Tokens that go through the embedding model at once; more no longer makes it faster.
    pub const EMBED_BATCH_TOKENS: usize = 256;
}
