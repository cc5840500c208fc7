//! What messages mean, and finding them by it.

use async_trait::async_trait;
use headwater_core::RunId;
use headwater_core::limit;
use headwater_core::port::provider::Role;
use headwater_core::port::recall::{Recall, RecallQuery};
use headwater_core::port::store::StoreError;
use headwater_core::run::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Fault, to_sql};
use super::{SqliteStore, runs, sql};
use crate::vector::{self, Best};

#[async_trait]
impl Recall for SqliteStore {
    async fn remember(
        &self,
        run: &RunId,
        embedder: &str,
        meanings: Vec<(Role, Vec<f32>)>,
    ) -> Result<(), StoreError> {
        let (run, embedder) = (run.clone(), embedder.to_owned());
        // Made before it waits for the one thread that everybody waits for.
        let stored =
            meanings.iter().filter_map(|(role, vector)| Some((word(*role)?, vector::encode(vector))));
        let stored: Vec<_> = stored.collect();
        self.writer.write(move |connection| remember(connection, &run, &embedder, &stored)).await
    }

    async fn recall(&self, query: RecallQuery) -> Result<Vec<(Message, f64)>, StoreError> {
        // Reads a whole session's vectors: what viewers read does not wait for it.
        self.searchers.read(move |connection| recall(connection, &query, limit::RECALL_MEANINGS)).await
    }
}

/// Who says a line of a session.
fn word(role: Role) -> Option<&'static str> {
    match role {
        Role::User => Some(runs::USER),
        Role::Assistant => Some(runs::ASSISTANT),
        Role::System | Role::Tool => None,
    }
}

fn remember(
    connection: &Connection,
    run: &RunId,
    embedder: &str,
    meanings: &[(&'static str, Vec<u8>)],
) -> Result<(), Fault> {
    let mut message = connection.prepare_cached(sql::MESSAGE_OF_RUN)?;
    let mut remember = connection.prepare_cached(sql::REMEMBER)?;
    for (role, vector) in meanings {
        let of = message.query_row([run.as_str(), role], |row| Ok((row.get(0)?, row.get(1)?)));
        // Not there, or no longer.
        let Some((message, session)): Option<(i64, i64)> = of.optional()? else { continue };
        remember.execute(params![message, session, embedder, vector])?;
    }
    Ok(())
}

/// The best of the newest `most` meanings.
fn recall(connection: &Connection, query: &RecallQuery, most: usize) -> Result<Vec<(Message, f64)>, Fault> {
    let Some(session) = runs::session(connection, &query.owner, &query.session)? else {
        return Ok(Vec::new());
    };
    let mut newest = connection.prepare_cached(sql::NEWEST_BUT)?;
    let newest = newest.query_row([session, to_sql(query.skip_newest)], |row| row.get(0)).optional()?;
    let Some(newest): Option<i64> = newest else { return Ok(Vec::new()) };
    let mut meanings = connection.prepare_cached(sql::MEANINGS)?;
    let mut rows = meanings.query(params![session, query.embedder, newest, to_sql(most)])?;
    let (mut best, mut vector) = (Best::new(query.limit), Vec::new());
    while let Some(row) = rows.next()? {
        if !vector::decode(row.get_ref(1)?.as_blob().map_err(|_| damaged())?, &mut vector) {
            return Err(damaged());
        }
        let cosine = vector::cosine(&vector, &query.vector).filter(|cosine| *cosine >= query.least);
        if let Some(cosine) = cosine {
            // Of equals the lower number is better, and the newer message shall be.
            best.offer(-row.get::<_, i64>(0)?, cosine);
        }
    }
    let mut recalled = connection.prepare_cached(sql::RECALLED)?;
    let mut found = Vec::new();
    for (message, cosine) in best.into_ids() {
        let mut rows = recalled.query([-message])?;
        let row = rows.next()?.ok_or_else(|| Fault::Damaged("a meaning is of no message".into()))?;
        found.push((runs::message_of(row)?, cosine));
    }
    Ok(found)
}

pub(super) fn damaged() -> Fault {
    Fault::Damaged("the meaning of a message is none".into())
}

#[cfg(test)]
mod tests {
    use headwater_core::port::store::NewRun;
    use headwater_core::{Millis, SessionId, UserId};

    use super::super::Durability;
    use super::super::migrate::{MIGRATIONS, migrate};
    use super::super::open::reconnect;
    use super::*;

    // Planted fault: the oldest looked at first; what was said last was no longer found in a long session.
    #[test]
    fn of_a_long_session_the_newest_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        std::fs::write(&path, "").unwrap();
        let mut connection = reconnect(&path, Durability::ProcessSafe).unwrap();
        migrate(&mut connection, &MIGRATIONS).unwrap();
        let (owner, session) = (UserId::parse("u").unwrap(), SessionId::parse("s").unwrap());
        for n in 0..9 {
            let new = NewRun {
                id: RunId::parse(&format!("r{n}")).unwrap(),
                owner: owner.clone(),
                session: session.clone(),
                message_id: None,
                fingerprint: String::new(),
                workflow: "tutor".into(),
                message: n.to_string(),
                at: Millis(1),
            };
            runs::create(&connection, &new).unwrap();
            // Those of another embedder do not count.
            let embedder = if n % 3 == 0 { "f" } else { "e" };
            remember(&connection, &new.id, embedder, &[(runs::USER, vector::encode(&[1.0]))]).unwrap();
        }
        let query = |skip_newest| RecallQuery {
            owner: owner.clone(),
            session: session.clone(),
            embedder: "e".into(),
            vector: vec![1.0],
            skip_newest,
            least: 0.0,
            limit: 100,
        };
        let found = |skip, most| {
            let found = recall(&connection, &query(skip), most).unwrap();
            found.into_iter().map(|(message, _)| message.content).collect::<Vec<_>>()
        };
        assert_eq!(found(0, 100), ["8", "7", "5", "4", "2", "1"]);
        assert_eq!(found(0, 3), ["8", "7", "5"]);
        assert_eq!(found(2, 3), ["5", "4", "2"]);
        assert!(found(0, 0).is_empty());
    }
}
