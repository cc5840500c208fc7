-- What is sought by more than its own key.

-- A turn that is sent again without its session: one look, however many sessions its owner has.
CREATE INDEX runs_of_message ON runs (owner, message_id, ordinal) WHERE message_id IS NOT NULL;

-- Counters whose period is over.
CREATE INDEX counters_by_age ON counters (kind, at);
-- Those of a day or a month (`generations 2026-11`) are of a kind that is forgotten; they stood among those that count for
-- ever.
UPDATE counters SET kind = 'quota_period' WHERE kind = 'quota' AND key GLOB '* [0-9][0-9][0-9][0-9]-[0-9][0-9]*';
