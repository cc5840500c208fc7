//! Documents on their way in and out. A large one has tens of thousands of passages, and the one thread
//! that writes is everybody's: so it goes in slices, each a commit, under an owner whom nobody asks for,
//! and is shown, or taken out of sight, in one small commit.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use headwater_core::port::store::{NewDocument, StoreError};
use headwater_core::{UserId, limit};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Fault, from_sql, to_sql};
use super::sql;
use super::writer::Writer;
use crate::{rules, vector};

/// What stands for "everybody" where an owner is asked for; no user can be called that.
const SHARED: &str = "";
/// The owner of what nobody sees: no user can be called that either.
const NOBODY: &str = "\u{1}";

pub(super) fn owner_of(owner: Option<&UserId>) -> &str {
    owner.map_or(SHARED, UserId::as_str)
}

/// What is in nobody's sight, by its name there, and no longer wanted.
#[derive(Debug, Default)]
pub(super) struct Documents {
    names: AtomicU64,
    unwanted: Mutex<Vec<String>>,
}

/// Names out of sight that become unwanted when their user is done with them, however that ends.
struct Hidden<'a> {
    of: &'a Documents,
    names: Vec<String>,
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        self.of.unwanted.lock().append(&mut self.names);
    }
}

impl Documents {
    /// A name that no document out of sight has: the start removed those of the life before.
    fn name(&self) -> String {
        self.names.fetch_add(1, Ordering::Relaxed).to_string()
    }

    pub(super) async fn put(&self, writer: &Writer, new: NewDocument) -> Result<(), StoreError> {
        rules::describes(&new.metadata)?;
        self.clear(writer).await;
        let (coming, going) = (self.name(), self.name());
        let mut hidden = Hidden { of: self, names: vec![coming.clone(), going.clone()] };
        let coming = Arc::new(Coming { new, coming, going });
        let mut document = None;
        for slice in slices(&coming.new) {
            let this = Arc::clone(&coming);
            let step = move |connection: &Connection| this.store(connection, document, slice.clone());
            match writer.write(step).await? {
                Step::Hidden(ordinal) => {
                    document = Some(ordinal);
                    continue;
                }
                Step::Same if document.is_none() => hidden.names.clear(),
                Step::Same => hidden.names.retain(|name| *name == coming.coming),
                Step::Shown { replaced: true } => hidden.names.retain(|name| *name == coming.going),
                Step::Shown { replaced: false } => hidden.names.clear(),
            }
            break;
        }
        drop(hidden);
        self.clear(writer).await;
        Ok(())
    }

    pub(super) async fn delete(
        &self,
        writer: &Writer,
        owner: Option<UserId>,
        source: String,
    ) -> Result<Option<usize>, StoreError> {
        let going = self.name();
        let mut hidden = Hidden { of: self, names: vec![going.clone()] };
        let hide = move |connection: &Connection| {
            let Some(kept) = find(connection, owner_of(owner.as_ref()), &source)? else { return Ok(None) };
            rename(connection, kept.ordinal, NOBODY, &going)?;
            from_sql(kept.chunks).map(Some)
        };
        let chunks = writer.write(hide).await?;
        if chunks.is_none() {
            hidden.names.clear();
        }
        drop(hidden);
        self.clear(writer).await;
        Ok(chunks)
    }

    /// Removes what is unwanted, slice by slice. A name stays listed until nothing of it is left; where that
    /// fails the next call goes on, and nobody's answer depends on it.
    async fn clear(&self, writer: &Writer) {
        loop {
            let Some(name) = self.unwanted.lock().last().cloned() else { return };
            loop {
                let going = name.clone();
                match writer.write(move |connection| remove_some(connection, &going)).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "passages that nobody sees any more could not be removed");
                        return;
                    }
                }
            }
            self.unwanted.lock().retain(|other| *other != name);
        }
    }
}

/// Removes what the life before left out of sight. Before anybody else writes.
pub(super) fn remove_left_over(connection: &Connection) -> Result<(), Fault> {
    let names: Vec<String> = {
        let mut statement = connection.prepare_cached(sql::DOCUMENTS_OF)?;
        let names = statement.query_map([NOBODY], |row| row.get(0))?;
        names.collect::<rusqlite::Result<_>>()?
    };
    for name in names {
        let mut more = true;
        while more {
            let step = connection.unchecked_transaction()?;
            more = remove_some(&step, &name)?;
            step.commit()?;
        }
        tracing::info!("a document that was half stored, or half removed, was removed");
    }
    Ok(())
}

/// Ranges of passages, each for one commit; one that is empty for a document without any.
fn slices(new: &NewDocument) -> Vec<Range<usize>> {
    let (mut slices, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (n, chunk) in new.chunks.iter().enumerate() {
        if n - start >= limit::DOCUMENT_SLICE || (bytes > limit::DOCUMENT_SLICE_BYTES && n > start) {
            slices.push(start..n);
            (start, bytes) = (n, 0);
        }
        bytes += chunk.heading.len() + chunk.content.len();
    }
    slices.push(start..new.chunks.len());
    slices
}

/// What became of a slice.
enum Step {
    /// It is stored, out of sight, in this document.
    Hidden(i64),
    /// It was the last, and the document is seen, perhaps in place of another.
    Shown { replaced: bool },
    /// The same document is there already; this one stays out of sight.
    Same,
}

/// A document on its way in.
struct Coming {
    new: NewDocument,
    /// What it is called out of sight.
    coming: String,
    /// What the one that it replaces will be called there.
    going: String,
}

impl Coming {
    /// Stores a slice of passages; the first one makes the row, the last one shows it.
    fn store(
        &self,
        connection: &Connection,
        document: Option<i64>,
        slice: Range<usize>,
    ) -> Result<Step, Fault> {
        let document = match document {
            Some(document) => document,
            None if self.before(connection)?.is_some_and(|kept| kept.digest == self.new.digest) => {
                return Ok(Step::Same);
            }
            None => self.begin(connection)?,
        };
        let mut chunks = connection.prepare_cached(sql::NEW_CHUNK)?;
        let mut words = connection.prepare_cached(sql::NEW_WORDS)?;
        let mut vectors = connection.prepare_cached(sql::NEW_VECTOR)?;
        for (position, chunk) in self.new.chunks.iter().enumerate().take(slice.end).skip(slice.start) {
            let id = chunks.insert(params![document, to_sql(position), chunk.heading, chunk.content])?;
            words.execute(params![id, chunk.heading, chunk.content])?;
            if let Some(vector) = &chunk.vector {
                vectors.execute(params![id, document, vector::encode(vector)])?;
            }
        }
        if slice.end < self.new.chunks.len() {
            Ok(Step::Hidden(document))
        } else {
            self.show(connection, document)
        }
    }

    fn before(&self, connection: &Connection) -> Result<Option<Kept>, Fault> {
        find(connection, owner_of(self.new.owner.as_ref()), &self.new.source)
    }

    fn begin(&self, connection: &Connection) -> Result<i64, Fault> {
        let new = &self.new;
        Ok(connection.prepare_cached(sql::NEW_DOCUMENT)?.insert(params![
            NOBODY,
            self.coming,
            new.id,
            new.document_type,
            new.digest,
            new.embedder,
            to_sql(new.chunks.len()),
            new.at.0,
            new.metadata,
        ])?)
    }

    fn show(&self, connection: &Connection, document: i64) -> Result<Step, Fault> {
        let before = self.before(connection)?;
        if let Some(kept) = &before {
            if kept.digest == self.new.digest {
                return Ok(Step::Same);
            }
            rename(connection, kept.ordinal, NOBODY, &self.going)?;
            connection.prepare_cached(sql::FIRST_INDEXED)?.execute([document, kept.first_indexed])?;
        }
        rename(connection, document, owner_of(self.new.owner.as_ref()), &self.new.source)?;
        Ok(Step::Shown { replaced: before.is_some() })
    }
}

/// A document that is there already.
struct Kept {
    ordinal: i64,
    digest: String,
    first_indexed: i64,
    chunks: i64,
}

fn find(connection: &Connection, owner: &str, source: &str) -> Result<Option<Kept>, Fault> {
    let mut statement = connection.prepare_cached(sql::DOCUMENT)?;
    let kept = statement.query_row([owner, source], |row| {
        Ok(Kept {
            ordinal: row.get(0)?,
            digest: row.get(1)?,
            first_indexed: row.get(2)?,
            chunks: row.get(3)?,
        })
    });
    Ok(kept.optional()?)
}

fn rename(connection: &Connection, document: i64, owner: &str, source: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql::MOVE_DOCUMENT)?.execute(params![document, owner, source])?;
    Ok(())
}

/// Removes a slice of a document that is out of sight; says whether more of it is left.
fn remove_some(connection: &Connection, name: &str) -> Result<bool, Fault> {
    let Some(kept) = find(connection, NOBODY, name)? else { return Ok(false) };
    let chunks: Vec<i64> = {
        let mut statement = connection.prepare_cached(sql::SOME_CHUNKS)?;
        let some = params![kept.ordinal, to_sql(limit::DOCUMENT_SLICE)];
        statement.query_map(some, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    for statement in sql::REMOVE_CHUNK {
        let mut statement = connection.prepare_cached(statement)?;
        for chunk in &chunks {
            statement.execute([chunk])?;
        }
    }
    let more = chunks.len() == limit::DOCUMENT_SLICE;
    if !more {
        connection.prepare_cached(sql::REMOVE_DOCUMENT)?.execute([kept.ordinal])?;
    }
    Ok(more)
}
