//! Every statement, in one place. The tables are explained in `schema/`.

// ── runs and sessions ────────────────────────────────────────────────────────────────────────────

pub(super) const SESSION: &str = "SELECT ordinal FROM sessions WHERE owner = ?1 AND id = ?2";
pub(super) const NEW_SESSION: &str = "INSERT INTO sessions (owner, id, created_at) VALUES (?1, ?2, ?3)";
pub(super) const TURN: &str = "SELECT id, fingerprint FROM runs WHERE session = ?1 AND message_id = ?2";
pub(super) const NEW_RUN: &str = "
    INSERT INTO runs (id, owner, session, message_id, fingerprint, workflow, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub(super) const NEW_MESSAGE: &str = "
    INSERT INTO messages (session, run, role, content, checksum, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// The columns that make a run, in the order in which `runs::run_of` reads them.
macro_rules! runs {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.owner, s.id, r.message_id, r.workflow, r.provider, r.model, r.created_at,
                    r.tail, r.term, r.outcome, r.hidden
             FROM runs r JOIN sessions s ON s.ordinal = r.session ",
            $rest
        )
    };
}
pub(super) const RUN: &str = runs!("WHERE r.id = ?1");
pub(super) const OWNERS_RUN: &str = runs!("WHERE r.id = ?1 AND r.owner = ?2");
pub(super) const LIVE: &str = runs!("WHERE r.outcome IS NULL ORDER BY r.ordinal");
pub(super) const ORDINAL: &str = "SELECT ordinal FROM runs WHERE id = ?1 AND owner = ?2";
pub(super) const OWNERS_RUNS: &str =
    runs!("WHERE r.owner = ?1 AND r.ordinal < ?2 ORDER BY r.ordinal DESC LIMIT ?3");
pub(super) const SESSIONS_RUNS: &str =
    runs!("WHERE r.session = ?1 AND r.ordinal < ?2 ORDER BY r.ordinal DESC LIMIT ?3");
/// `?3` is the outcome, a word that is no outcome for those that live, or null for all.
pub(super) const RUNS_PAGE: &str = runs!(
    "WHERE r.owner = ?1 AND r.workflow = ?2 AND r.hidden = 0
       AND (?3 IS NULL OR coalesce(r.outcome, 'live') = ?3)
     ORDER BY r.ordinal DESC LIMIT ?4 OFFSET ?5"
);
pub(super) const RUNS_LISTED: &str = "
    SELECT count(*) FROM runs WHERE owner = ?1 AND workflow = ?2 AND hidden = 0";
pub(super) const RUNS_LISTED_OF: &str = "
    SELECT count(*) FROM runs
    WHERE owner = ?1 AND workflow = ?2 AND hidden = 0 AND coalesce(outcome, 'live') = ?3";
pub(super) const HIDE_RUN: &str = "UPDATE runs SET hidden = 1 WHERE id = ?1 AND owner = ?2 AND hidden = 0";
// From the sessions, of which an index knows the message: a session is one look, and all runs would be many.
pub(super) const RUN_OF_MESSAGE: &str = runs!("WHERE s.owner = ?1 AND s.id = ?3 AND r.message_id = ?2");
pub(super) const LAST_OF_MESSAGE: &str =
    runs!("WHERE r.owner = ?1 AND r.message_id = ?2 ORDER BY r.ordinal DESC LIMIT 1");
pub(super) const HISTORY: &str = "
    SELECT m.role, m.content, m.checksum, r.id, r.outcome, m.at
    FROM messages m JOIN runs r ON r.ordinal = m.run
    WHERE m.session = ?1 ORDER BY m.ordinal DESC LIMIT ?2";
pub(super) const SAID: &str = "
    SELECT m.role, m.content, m.checksum, r.id, r.outcome, m.at
    FROM messages m JOIN runs r ON r.ordinal = m.run
    WHERE m.session = ?1
      AND m.run BETWEEN (SELECT ordinal FROM runs WHERE id = ?2) AND (SELECT ordinal FROM runs WHERE id = ?3)
    ORDER BY m.run, m.ordinal";
pub(super) const SESSIONS_SIZE: &str = "
    SELECT created_at, (SELECT count(*) FROM messages WHERE session = ?1) FROM sessions WHERE ordinal = ?1";

// ── logs ─────────────────────────────────────────────────────────────────────────────────────────

pub(super) const LOG: &str = "SELECT ordinal, session, tail, term, outcome, trimmed FROM runs WHERE id = ?1";
pub(super) const NEW_BATCH: &str = "
    INSERT INTO batches (run, first_seq, last_seq, version, checksum, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const MOVE_TAIL: &str = "
    UPDATE runs SET tail = ?2, outcome = ?3, provider = coalesce(?4, provider), model = coalesce(?5, model)
    WHERE ordinal = ?1";
pub(super) const BATCHES: &str = "
    SELECT first_seq, last_seq, version, checksum, payload FROM batches
    WHERE run = ?1 AND last_seq >= ?2 ORDER BY last_seq";
pub(super) const TAKE_OVER: &str = "
    UPDATE runs SET term = term + 1 WHERE id = ?1 RETURNING ordinal, session, tail, term, outcome, trimmed";
/// Which logs go next; each goes in two steps, see `trim`.
pub(super) const TO_TRIM: &str = "
    SELECT ordinal FROM runs WHERE outcome IS NOT NULL AND trimmed = 0 AND created_at < ?1
    ORDER BY created_at, ordinal LIMIT ?2";
/// Before the messages that they are of.
pub(super) const TRIM_MEANINGS: &str = "
    DELETE FROM meanings WHERE message IN (SELECT ordinal FROM messages WHERE run = ?1)";
pub(super) const TRIM_MESSAGES: &str = "DELETE FROM messages WHERE run = ?1";
pub(super) const TRIM: &str = "UPDATE runs SET trimmed = 1 WHERE ordinal = ?1";
pub(super) const TRIM_BATCHES: &str = "
    DELETE FROM batches WHERE ordinal IN (
        SELECT b.ordinal FROM runs r JOIN batches b ON b.run = r.ordinal WHERE r.trimmed = 1 LIMIT ?1)";
pub(super) const TRIMMED: &str = "UPDATE runs SET trimmed = 2 WHERE trimmed = 1";

// ── users ────────────────────────────────────────────────────────────────────────────────────────

pub(super) const NEW_USER: &str = "
    INSERT INTO users (id, email, name, password_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const USER_BY_EMAIL: &str =
    "SELECT id, email, name, password_hash, created_at FROM users WHERE email = ?1";
pub(super) const USER: &str = "SELECT id, email, name, password_hash, created_at FROM users WHERE id = ?1";

/// A revocation that came late takes nothing back.
pub(super) const REVOKE: &str = "
    INSERT INTO revocations (key, issued_until, expires) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET issued_until = max(issued_until, excluded.issued_until),
                                    expires = max(expires, excluded.expires)";
pub(super) const REVOCATIONS: &str =
    "SELECT key, issued_until, expires FROM revocations WHERE expires > ?1 ORDER BY key";
pub(super) const FORGET_REVOCATIONS: &str = "DELETE FROM revocations WHERE expires <= ?1";

// ── small things of users ────────────────────────────────────────────────────────────────────────

/// The columns that make a record, in the order in which `records::record_of` reads them.
macro_rules! records {
    ($rest:literal) => {
        concat!("SELECT owner, kind, key, value, version, checksum, at FROM records ", $rest)
    };
}
pub(super) const RECORD: &str = records!("WHERE owner = ?1 AND kind = ?2 AND key = ?3");
pub(super) const RECORDS: &str = records!("WHERE owner = ?1 AND kind = ?2 ORDER BY key LIMIT ?3");
pub(super) const EVERY_RECORD: &str = records!("");
pub(super) const VERSION_OF_RECORD: &str =
    "SELECT version FROM records WHERE owner = ?1 AND kind = ?2 AND key = ?3";
pub(super) const PUT_RECORD: &str = "
    INSERT INTO records (owner, kind, key, value, version, checksum, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (owner, kind, key)
    DO UPDATE SET value = excluded.value, version = excluded.version, checksum = excluded.checksum,
                  at = excluded.at";
pub(super) const DELETE_RECORD: &str = "DELETE FROM records WHERE owner = ?1 AND kind = ?2 AND key = ?3";
/// Looks at every record of theirs, and so is for those who read.
pub(super) const RECORDS_BUT: &str = "
    SELECT ordinal FROM records WHERE owner = ?1 AND kind = ?2 AND NOT (at >= ?3 AND at < ?4) LIMIT ?5";
pub(super) const FORGET_RECORD: &str =
    "DELETE FROM records WHERE ordinal = ?1 AND NOT (at >= ?2 AND at < ?3)";
pub(super) const COUNTER: &str = "SELECT value FROM counters WHERE owner = ?1 AND kind = ?2 AND key = ?3";
pub(super) const COUNT: &str = "
    INSERT INTO counters (owner, kind, key, value, at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (owner, kind, key) DO UPDATE SET value = excluded.value, at = excluded.at";
/// Looks at every counter, and so is for those who read.
pub(super) const OLD_COUNTERS: &str = "SELECT owner, key FROM counters WHERE kind = ?1 AND at < ?2 LIMIT ?3";
pub(super) const FORGET_COUNTER: &str =
    "DELETE FROM counters WHERE owner = ?1 AND kind = ?2 AND key = ?3 AND at < ?4";

// ── who sees whose sessions ──────────────────────────────────────────────────────────────────────

pub(super) const IS_MEMBER: &str = "SELECT 1 FROM shares WHERE session = ?1 AND member = ?2";
pub(super) const MEMBERS: &str = "SELECT member FROM shares WHERE session = ?1 ORDER BY member";
pub(super) const MEMBERS_OF: &str = "SELECT count(*) FROM shares WHERE session = ?1";
pub(super) const SHARE: &str = "INSERT INTO shares (session, name, member, at) VALUES (?1, ?2, ?3, ?4)";
pub(super) const UNSHARE: &str = "DELETE FROM shares WHERE session = ?1 AND member = ?2";
pub(super) const SHARED_WITH: &str = "
    SELECT s.owner, s.id, h.at FROM shares h JOIN sessions s ON s.ordinal = h.session
    WHERE h.member = ?1 ORDER BY h.ordinal DESC LIMIT ?2";
pub(super) const VISIBLE_RUN: &str = runs!(
    "WHERE r.id = ?1 AND (r.owner = ?2 OR EXISTS (
        SELECT 1 FROM shares h WHERE h.session = r.session AND h.member = ?2))"
);

// ── what messages mean ───────────────────────────────────────────────────────────────────────────

pub(super) const MESSAGE_OF_RUN: &str = "
    SELECT m.ordinal, m.session FROM messages m JOIN runs r ON r.ordinal = m.run
    WHERE r.id = ?1 AND m.role = ?2 ORDER BY m.ordinal LIMIT 1";
pub(super) const REMEMBER: &str = "
    INSERT INTO meanings (message, session, embedder, vector) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (message) DO UPDATE SET embedder = excluded.embedder, vector = excluded.vector";
/// The newest message of a session after so many newer ones.
pub(super) const NEWEST_BUT: &str = "
    SELECT ordinal FROM messages WHERE session = ?1 ORDER BY ordinal DESC LIMIT 1 OFFSET ?2";
pub(super) const MEANINGS: &str = "
    SELECT message, vector FROM meanings
    WHERE session = ?1 AND embedder = ?2 AND message <= ?3 ORDER BY message DESC LIMIT ?4";
pub(super) const RECALLED: &str = "
    SELECT m.role, m.content, m.checksum, r.id, r.outcome, m.at
    FROM messages m JOIN runs r ON r.ordinal = m.run WHERE m.ordinal = ?1";
pub(super) const EVERY_MEANING: &str = "
    SELECT v.vector, m.session = v.session FROM meanings v LEFT JOIN messages m ON m.ordinal = v.message";

// ── the desk ─────────────────────────────────────────────────────────────────────────────────────

/// The columns that make an appointment, in the order in which `desk::appointments` reads them.
macro_rules! appointment {
    ($before:literal, $rest:literal) => {
        concat!($before, " id, slot, service, vehicle, notes, cancelled, created_at ", $rest)
    };
}
pub(super) const SAME_APPOINTMENT: &str = appointment!(
    "SELECT",
    "FROM appointments WHERE owner = ?1 AND slot = ?2 AND service = ?3 AND cancelled = 0"
);
pub(super) const BOOKED: &str = "SELECT count(*) FROM appointments WHERE slot = ?1 AND cancelled = 0";
pub(super) const APPOINTMENT_NAMED: &str = "SELECT 1 FROM appointments WHERE id = ?1";
pub(super) const NEW_APPOINTMENT: &str = appointment!(
    "INSERT INTO appointments (id, owner, slot, service, vehicle, notes, run, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING",
    ""
);
pub(super) const CANCEL_APPOINTMENT: &str =
    appointment!("UPDATE appointments SET cancelled = 1 WHERE owner = ?1 AND id = ?2 RETURNING", "");
pub(super) const APPOINTMENTS: &str = appointment!(
    "SELECT",
    "FROM appointments WHERE owner = ?1 AND slot >= ?2 AND slot < ?3 ORDER BY slot, ordinal LIMIT ?4"
);
pub(super) const TAKEN: &str = "
    SELECT slot, count(*) FROM appointments
    WHERE cancelled = 0 AND slot >= ?1 AND slot < ?2 GROUP BY slot ORDER BY slot";

/// The columns that make an escalation, in the order in which `desk::escalations` reads them.
macro_rules! escalation {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner, session, run, reason, created_at, closed_at
             FROM escalations WHERE closed_at IS NULL ",
            $rest
        )
    };
}
pub(super) const OPEN_ESCALATION: &str = escalation!("AND owner = ?1 AND session = ?2");
pub(super) const WAITING: &str = escalation!("AND created_at >= ?1 ORDER BY created_at, ordinal LIMIT ?2");
pub(super) const WAITING_NEWEST: &str =
    escalation!("AND created_at >= ?1 ORDER BY created_at DESC, ordinal DESC LIMIT ?2");
pub(super) const WAITING_OF: &str =
    escalation!("AND owner = ?1 ORDER BY created_at DESC, ordinal DESC LIMIT ?2");
pub(super) const GRAVER: &str = "UPDATE escalations SET reason = ?2, run = ?3 WHERE id = ?1";
pub(super) const NEW_ESCALATION: &str = "
    INSERT INTO escalations (id, owner, session, run, reason, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const CLOSE_ESCALATION: &str =
    "UPDATE escalations SET closed_at = ?2 WHERE id = ?1 AND closed_at IS NULL";

pub(super) const GIVE_FEEDBACK: &str = "
    INSERT INTO feedback (owner, message_id, positive, comment, at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (owner, message_id)
    DO UPDATE SET positive = excluded.positive, comment = excluded.comment, at = excluded.at";
pub(super) const FEEDBACK_OF: &str = "SELECT count(*) FROM feedback WHERE owner = ?1";
pub(super) const FORGET_FEEDBACK: &str = "
    DELETE FROM feedback WHERE rowid IN (
        SELECT rowid FROM feedback WHERE owner = ?1 AND message_id <> ?2 ORDER BY at, message_id LIMIT ?3)";
pub(super) const FEEDBACK: &str =
    "SELECT positive, comment, at FROM feedback WHERE owner = ?1 AND message_id = ?2";
pub(super) const FEEDBACK_COUNTS: &str =
    "SELECT coalesce(sum(positive), 0), coalesce(sum(1 - positive), 0) FROM feedback";

// ── documents ────────────────────────────────────────────────────────────────────────────────────

pub(super) const DOCUMENT: &str = "
    SELECT ordinal, digest, first_indexed, chunks FROM documents WHERE owner = ?1 AND source = ?2";
pub(super) const DOCUMENTS: &str = "
    SELECT id, source, document_type, digest, chunks, first_indexed, last_indexed, owner, metadata
    FROM documents WHERE owner IN ('', ?1) ORDER BY source, owner";
pub(super) const NEW_DOCUMENT: &str = "
    INSERT INTO documents (owner, source, id, document_type, digest, embedder, chunks, first_indexed,
                           last_indexed, metadata)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)";
/// Gives a document another owner and name: out of sight, or into it.
pub(super) const MOVE_DOCUMENT: &str = "UPDATE documents SET owner = ?2, source = ?3 WHERE ordinal = ?1";
pub(super) const FIRST_INDEXED: &str = "UPDATE documents SET first_indexed = ?2 WHERE ordinal = ?1";
pub(super) const DOCUMENTS_OF: &str = "SELECT source FROM documents WHERE owner = ?1";
pub(super) const NEW_CHUNK: &str =
    "INSERT INTO chunks (document, position, heading, content) VALUES (?1, ?2, ?3, ?4)";
pub(super) const NEW_WORDS: &str = "INSERT INTO words (rowid, heading, content) VALUES (?1, ?2, ?3)";
pub(super) const NEW_VECTOR: &str = "INSERT INTO vectors (chunk, document, vector) VALUES (?1, ?2, ?3)";
pub(super) const SOME_CHUNKS: &str = "SELECT id FROM chunks WHERE document = ?1 ORDER BY position LIMIT ?2";
/// What goes with a passage, in an order that the foreign keys permit.
pub(super) const REMOVE_CHUNK: [&str; 3] = [
    "DELETE FROM words WHERE rowid = ?1",
    "DELETE FROM vectors WHERE chunk = ?1",
    "DELETE FROM chunks WHERE id = ?1",
];
pub(super) const REMOVE_DOCUMENT: &str = "DELETE FROM documents WHERE ordinal = ?1";

pub(super) const BY_WORDS: &str = "
    SELECT words.rowid, -bm25(words) AS score
    FROM words JOIN chunks c ON c.id = words.rowid JOIN documents d ON d.ordinal = c.document
    WHERE words MATCH ?1 AND d.owner IN ('', ?2)
      AND (?3 IS NULL OR d.document_type = ?3) AND (?4 IS NULL OR d.source = ?4)
      AND (?6 IS NULL OR d.owner <> '' OR ?6 = rtrim(substr(d.source, 1, instr(d.source, '/')), '/'))
    ORDER BY score DESC, words.rowid LIMIT ?5";
pub(super) const BY_MEANING: &str = "
    SELECT v.chunk, v.vector FROM documents d JOIN vectors v ON v.document = d.ordinal
    WHERE d.embedder = ?1 AND d.owner IN ('', ?2)
      AND (?3 IS NULL OR d.document_type = ?3) AND (?4 IS NULL OR d.source = ?4)
      AND (?5 IS NULL OR d.owner <> '' OR ?5 = rtrim(substr(d.source, 1, instr(d.source, '/')), '/'))";
pub(super) const HIT: &str = "
    SELECT d.id, d.source, d.document_type, c.position, c.heading, c.content, d.last_indexed, d.embedder, v.vector,
           d.metadata
    FROM chunks c JOIN documents d ON d.ordinal = c.document LEFT JOIN vectors v ON v.chunk = c.id
    WHERE c.id = ?1";

// ── everything, to see that it is whole ──────────────────────────────────────────────────────────

macro_rules! every_log {
    ($trimmed:literal) => {
        concat!(
            "SELECT b.first_seq, b.last_seq, b.version, b.checksum, b.payload, r.id, r.tail, ",
            $trimmed,
            " FROM runs r LEFT JOIN batches b ON b.run = r.ordinal ORDER BY r.ordinal, b.last_seq"
        )
    };
}
pub(super) const EVERY_LOG: &str = every_log!("r.trimmed <> 0");
/// As schema 1 has it, which kept every log.
pub(super) const EVERY_LOG_OF_1: &str = every_log!("0");
pub(super) const EVERY_MESSAGE: &str = "
    SELECT m.role, m.content, m.checksum, r.id, r.outcome, m.at
    FROM messages m JOIN runs r ON r.ordinal = m.run";

// ── the file ─────────────────────────────────────────────────────────────────────────────────────

pub(super) const READABLE: &str = "SELECT checks FROM readiness";
pub(super) const WRITABLE: &str = "UPDATE readiness SET checks = checks + 1";
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const SNAPSHOT: &str = "BEGIN DEFERRED";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const SAVE: &str = "SAVEPOINT job";
pub(super) const KEEP: &str = "RELEASE job";
pub(super) const UNDO: &str = "ROLLBACK TO job";
/// Says how many pages the write-ahead log has, and does nothing.
pub(super) const WAL_PAGES: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Copies what no reader needs into the database; waits for nobody.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Copies everything, and begins the write-ahead log anew; waits for readers.
pub(super) const CHECKPOINT_WHOLE: &str = "PRAGMA wal_checkpoint(RESTART)";
