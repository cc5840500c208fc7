//! Which documents there are, and finding their passages by words and by meaning.

use std::collections::{BTreeSet, HashMap};

use headwater_core::port::store::{ChunkHit, ChunkQuery, Document};
use headwater_core::{Millis, UserId};
use rusqlite::{Connection, Row, params};

use super::fault::{Fault, from_sql, to_sql};
use super::{documents, sql};
use crate::vector::{self, Best};
use crate::words;

pub(super) fn list(connection: &Connection, owner: Option<&UserId>) -> Result<Vec<Document>, Fault> {
    let mut statement = connection.prepare_cached(sql::DOCUMENTS)?;
    let mut rows = statement.query([documents::owner_of(owner)])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(Document {
            id: row.get(0)?,
            source: row.get(1)?,
            document_type: row.get(2)?,
            owner: Some(row.get::<_, String>(7)?)
                .filter(|o| !o.is_empty())
                .map(|o| headwater_core::UserId::parse(&o))
                .transpose()
                .map_err(|e| Fault::Damaged(e.to_string()))?,
            digest: row.get(3)?,
            metadata: row.get(8)?,
            chunks: from_sql(row.get(4)?)?,
            first_indexed: Millis(row.get(5)?),
            last_indexed: Millis(row.get(6)?),
        });
    }
    Ok(documents)
}

pub(super) fn search(connection: &Connection, query: &ChunkQuery) -> Result<Vec<ChunkHit>, Fault> {
    let by_words = by_words(connection, query)?;
    let by_meaning = by_meaning(connection, query)?;
    let found: BTreeSet<i64> = by_words.keys().copied().chain(by_meaning).collect();
    let mut statement = connection.prepare_cached(sql::HIT)?;
    found
        .into_iter()
        .map(|chunk| {
            let mut rows = statement.query([chunk])?;
            let row = rows.next()?.ok_or_else(|| Fault::Damaged("a word is in no passage".into()))?;
            hit(row, chunk, by_words.get(&chunk).copied(), query)
        })
        .collect()
}

fn by_words(connection: &Connection, query: &ChunkQuery) -> Result<HashMap<i64, f64>, Fault> {
    // Letters and digits in quotes: nothing in there can be an operator.
    let wanted: Vec<String> = words::plain(&query.words).iter().map(|word| format!("\"{word}\"")).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut statement = connection.prepare_cached(sql::BY_WORDS)?;
    let (kind, source) = (query.document_type.as_deref(), query.source.as_deref());
    let asked = params![
        wanted.join(" OR "),
        query.owner.as_str(),
        kind,
        source,
        to_sql(query.candidates),
        query.folder
    ];
    let scores = statement.query_map(asked, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(scores.collect::<rusqlite::Result<_>>()?)
}

fn by_meaning(connection: &Connection, query: &ChunkQuery) -> Result<Vec<i64>, Fault> {
    let Some((embedder, wanted)) = &query.vector else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(sql::BY_MEANING)?;
    let (kind, source) = (query.document_type.as_deref(), query.source.as_deref());
    let mut rows = statement.query(params![embedder, query.owner.as_str(), kind, source, query.folder])?;
    let mut best = Best::new(query.candidates);
    let mut vector = Vec::new();
    while let Some(row) = rows.next()? {
        let chunk: i64 = row.get(0)?;
        if let Some(cosine) = cosine(row, 1, wanted, &mut vector)? {
            best.offer(chunk, cosine);
        }
    }
    Ok(best.into_ids().into_iter().map(|(chunk, _)| chunk).collect())
}

fn cosine(row: &Row<'_>, column: usize, wanted: &[f32], vector: &mut Vec<f32>) -> Result<Option<f64>, Fault> {
    let stored = row.get_ref(column)?.as_blob();
    if !stored.is_ok_and(|stored| vector::decode(stored, vector)) {
        return Err(Fault::Damaged("the meaning of a passage is none".into()));
    }
    Ok(vector::cosine(wanted, vector))
}

fn hit(row: &Row<'_>, chunk_id: i64, bm25: Option<f64>, query: &ChunkQuery) -> Result<ChunkHit, Fault> {
    let made_by: String = row.get(7)?;
    let cosine = match &query.vector {
        Some((embedder, wanted))
            if *embedder == made_by && row.get_ref(8)? != rusqlite::types::ValueRef::Null =>
        {
            cosine(row, 8, wanted, &mut Vec::new())?
        }
        _ => None,
    };
    Ok(ChunkHit {
        chunk_id,
        document_id: row.get(0)?,
        source: row.get(1)?,
        document_type: row.get(2)?,
        metadata: row.get(9)?,
        index: from_sql(row.get(3)?)?,
        heading: row.get(4)?,
        content: row.get(5)?,
        bm25,
        cosine,
        indexed_at: Millis(row.get(6)?),
    })
}
