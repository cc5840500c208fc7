-- What is said about a document beside its text: a JSON object, given back as it came.
ALTER TABLE documents ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

-- A document that is on its way in, or on its way out, has the owner char(1), which nobody can be called,
-- and a name of its own: no question that asks for an owner finds it. A start removes what a crash left of such.

-- The index of words anew, over the texts in `chunks` themselves. Without them the index could only mark what
-- was removed as dead, and clear up later: half a second in which nothing else is written, after a large document.
-- This one writes what goes as it wrote what came. The text of a passage goes after its words.
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (
    heading, content, content = 'chunks', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO words (words) VALUES ('rebuild');
