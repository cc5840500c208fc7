-- What is said about a document beside its text: a JSON object, given back as it came.
ALTER TABLE documents ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

-- A document that is on its way in, or on its way out, has the owner char(1), which nobody can be called,
-- and a name of its own: no question that asks for an owner finds it. A start removes what a crash left of such.
