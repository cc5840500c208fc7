-- Appointments, questions that wait for a person, opinions, revoked tokens; and logs that are no longer kept.
-- What names a run or a session here is text and no reference: it stands by itself, also without them.

CREATE TABLE appointments (
    ordinal     INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    owner       TEXT    NOT NULL,
    -- YYYY-MM-DDTHH:MM on the workshop's clock: sorts as text.
    slot        TEXT    NOT NULL,
    service     TEXT    NOT NULL,
    vehicle     TEXT,
    notes       TEXT    NOT NULL,
    run         TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    -- Called off; the row stays, for its owner to see.
    cancelled   INTEGER NOT NULL DEFAULT 0 CHECK (cancelled IN (0, 1))
) STRICT;
CREATE INDEX appointments_of_owner ON appointments (owner, slot, ordinal);
CREATE INDEX appointments_booked ON appointments (slot) WHERE cancelled = 0;
-- Asking twice is booking once.
CREATE UNIQUE INDEX appointments_once ON appointments (owner, slot, service) WHERE cancelled = 0;

CREATE TABLE escalations (
    ordinal     INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    owner       TEXT    NOT NULL,
    session     TEXT    NOT NULL,
    run         TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    closed_at   INTEGER
) STRICT;
-- One of a session waits at a time.
CREATE UNIQUE INDEX escalations_once ON escalations (owner, session) WHERE closed_at IS NULL;
CREATE INDEX escalations_waiting ON escalations (created_at, ordinal) WHERE closed_at IS NULL;

CREATE TABLE feedback (
    owner       TEXT    NOT NULL,
    message_id  TEXT    NOT NULL,
    positive    INTEGER NOT NULL CHECK (positive IN (0, 1)),
    comment     TEXT,
    at          INTEGER NOT NULL,
    PRIMARY KEY (owner, message_id)
) STRICT;

CREATE TABLE revocations (
    key          TEXT    NOT NULL PRIMARY KEY,
    issued_until INTEGER NOT NULL,
    expires      INTEGER NOT NULL
) STRICT;

-- 0: the log is kept. 1: it is being removed, and nobody reads it any more. 2: nothing of it is left.
-- The run itself stays: sending its turn again finds it, and its reader is told.
ALTER TABLE runs ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0 CHECK (trimmed IN (0, 1, 2));
CREATE INDEX runs_to_trim ON runs (created_at, ordinal) WHERE outcome IS NOT NULL AND trimmed = 0;
CREATE INDEX runs_in_trimming ON runs (ordinal) WHERE trimmed = 1;
CREATE INDEX messages_of_run ON messages (run);
