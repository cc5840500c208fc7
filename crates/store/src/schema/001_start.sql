-- Words are those of the design: run, session, event, seq, tail, term. Times are milliseconds since 1970 UTC.
-- `ordinal` is the order of making, and the short key by which other tables point.

CREATE TABLE sessions (
    ordinal     INTEGER PRIMARY KEY,
    owner       TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (owner, id)
) STRICT;

CREATE TABLE runs (
    ordinal     INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    -- That of the session, repeated for the list of one owner's runs.
    owner       TEXT    NOT NULL,
    session     INTEGER NOT NULL REFERENCES sessions (ordinal),
    message_id  TEXT,
    fingerprint TEXT    NOT NULL,
    workflow    TEXT    NOT NULL,
    provider    TEXT,
    model       TEXT,
    created_at  INTEGER NOT NULL,
    tail        INTEGER NOT NULL DEFAULT 0 CHECK (tail >= 0),
    term        INTEGER NOT NULL DEFAULT 1 CHECK (term >= 1),
    outcome     TEXT    CHECK (outcome IN ('completed', 'failed', 'cancelled', 'interrupted')),
    UNIQUE (session, message_id)
) STRICT;
CREATE INDEX runs_of_owner ON runs (owner, ordinal);
CREATE INDEX runs_of_session ON runs (session, ordinal);
CREATE INDEX runs_alive ON runs (ordinal) WHERE outcome IS NULL;

-- One row for each flush of each run, never one for each token: rows, and their places in the index, cost more than tokens.
CREATE TABLE batches (
    ordinal     INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES runs (ordinal),
    first_seq   INTEGER NOT NULL CHECK (first_seq >= 1),
    last_seq    INTEGER NOT NULL CHECK (last_seq >= first_seq),
    -- Version of the list of event kinds that the writer knew.
    version     INTEGER NOT NULL,
    -- CRC-32 of everything in the row and the run's id.
    checksum    INTEGER NOT NULL,
    -- The events, JSON as on the wire.
    payload     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX batches_of_run ON batches (run, last_seq);

CREATE TABLE messages (
    ordinal     INTEGER PRIMARY KEY,
    session     INTEGER NOT NULL REFERENCES sessions (ordinal),
    run         INTEGER NOT NULL REFERENCES runs (ordinal),
    role        TEXT    NOT NULL CHECK (role IN ('user', 'assistant')),
    content     TEXT    NOT NULL,
    -- CRC-32 of the content.
    checksum    INTEGER NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_of_session ON messages (session, ordinal);

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    email         TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE documents (
    ordinal       INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL,
    -- Empty (which no user is called) is shared with everybody: NULLs would not be unique.
    owner         TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    document_type TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    embedder      TEXT    NOT NULL,
    chunks        INTEGER NOT NULL,
    first_indexed INTEGER NOT NULL,
    last_indexed  INTEGER NOT NULL,
    UNIQUE (owner, source)
) STRICT;

CREATE TABLE chunks (
    -- Never given out again: a hit of a replaced document means nothing, instead of something else.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document    INTEGER NOT NULL REFERENCES documents (ordinal),
    position    INTEGER NOT NULL,
    heading     TEXT    NOT NULL,
    content     TEXT    NOT NULL,
    UNIQUE (document, position)
) STRICT;

-- Apart from the texts: a search by meaning reads all of these and few of those.
CREATE TABLE vectors (
    chunk       INTEGER PRIMARY KEY REFERENCES chunks (id),
    document    INTEGER NOT NULL REFERENCES documents (ordinal),
    -- 32-bit floats, little-endian.
    vector      BLOB    NOT NULL
) STRICT;
CREATE INDEX vectors_of_document ON vectors (document);

-- The index of words alone; the texts are in `chunks`, under the same number.
CREATE VIRTUAL TABLE words USING fts5 (
    heading, content, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

-- One row that readiness writes to.
CREATE TABLE readiness (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    checks      INTEGER NOT NULL
) STRICT;
INSERT INTO readiness VALUES (1, 0);
