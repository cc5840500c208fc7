-- Small things of users, who sees whose sessions, what messages mean, and runs that their owner took off his list.

CREATE TABLE records (
    ordinal     INTEGER PRIMARY KEY,
    owner       TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 1),
    -- CRC-32 of everything above but the ordinal.
    checksum    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    UNIQUE (owner, kind, key)
) STRICT;

CREATE TABLE counters (
    owner       TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    value       INTEGER NOT NULL CHECK (value >= 1),
    -- When it was last moved.
    at          INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE shares (
    -- The order of sharing.
    ordinal     INTEGER PRIMARY KEY,
    session     INTEGER NOT NULL REFERENCES sessions (ordinal),
    -- That of the session, repeated: whoever has many sessions shared with him is asked for one of them by its name.
    name        TEXT    NOT NULL,
    member      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    UNIQUE (session, member)
) STRICT;
CREATE INDEX shares_of_member ON shares (member, ordinal);
CREATE INDEX shares_by_name ON shares (member, name, ordinal);

-- Apart from the texts, as the vectors of passages are. A meaning goes with its message.
CREATE TABLE meanings (
    message     INTEGER PRIMARY KEY REFERENCES messages (ordinal),
    session     INTEGER NOT NULL REFERENCES sessions (ordinal),
    embedder    TEXT    NOT NULL,
    -- 32-bit floats, little-endian.
    vector      BLOB    NOT NULL
) STRICT;
CREATE INDEX meanings_of_session ON meanings (session, embedder, message);

ALTER TABLE runs ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1));
-- Without the outcome, whose place would be written anew with every flush of every run: a page of one outcome looks at the
-- runs. With `hidden` as a column and not as a condition, so that counting reads the index alone.
CREATE INDEX runs_listed ON runs (owner, workflow, hidden, ordinal);
