//! Who sees another's sessions.

use async_trait::async_trait;
use headwater_core::port::sharing::{Shared, Sharing};
use headwater_core::port::store::StoreError;
use headwater_core::run::Run;
use headwater_core::{Millis, RunId, SessionId, UserId, limit};
use rusqlite::{Connection, params};

use super::fault::{Fault, to_sql};
use super::{SqliteStore, runs, sql};

#[async_trait]
impl Sharing for SqliteStore {
    async fn share(
        &self,
        owner: &UserId,
        session: &SessionId,
        member: &UserId,
        at: Millis,
    ) -> Result<bool, StoreError> {
        let (owner, session, member) = (owner.clone(), session.clone(), member.clone());
        self.writer.write(move |connection| share(connection, &owner, &session, &member, at)).await
    }

    async fn unshare(
        &self,
        owner: &UserId,
        session: &SessionId,
        member: &UserId,
    ) -> Result<bool, StoreError> {
        let (owner, session, member) = (owner.clone(), session.clone(), member.clone());
        let unshare = move |connection: &Connection| {
            let Some(of) = runs::session(connection, &owner, &session)? else { return Ok(false) };
            Ok(connection.prepare_cached(sql::UNSHARE)?.execute(params![of, member.as_str()])? > 0)
        };
        self.writer.write(unshare).await
    }

    async fn members(&self, owner: &UserId, session: &SessionId) -> Result<Vec<UserId>, StoreError> {
        let (owner, session) = (owner.clone(), session.clone());
        self.read_with(move |connection| members(connection, &owner, &session)).await
    }

    async fn shared_with(&self, who: &UserId, limit: usize) -> Result<Vec<Shared>, StoreError> {
        let who = who.clone();
        self.read_with(move |connection| shared_with(connection, &who, limit)).await
    }

    async fn sees(&self, who: &UserId, owner: &UserId, session: &SessionId) -> Result<bool, StoreError> {
        let (who, owner, session) = (who.clone(), owner.clone(), session.clone());
        let sees = move |connection: &Connection| {
            let Some(of) = runs::session(connection, &owner, &session)? else { return Ok(false) };
            let mut member = connection.prepare_cached(sql::IS_MEMBER)?;
            Ok(who == owner || member.exists(params![of, who.as_str()])?)
        };
        self.read_with(sees).await
    }

    async fn visible_run(&self, who: &UserId, run: &RunId) -> Result<Option<Run>, StoreError> {
        let (who, run) = (who.clone(), run.clone());
        let visible = move |connection: &Connection| {
            Ok(runs::runs_by(connection, sql::VISIBLE_RUN, [run.as_str(), who.as_str()])?.pop())
        };
        self.read_with(visible).await
    }
}

/// One write from the count to the row: of two that want the last place one gets it.
fn share(
    connection: &Connection,
    owner: &UserId,
    session: &SessionId,
    member: &UserId,
    at: Millis,
) -> Result<bool, Fault> {
    let of = runs::session(connection, owner, session)?.filter(|_| owner != member);
    let Some(of) = of else { return Ok(false) };
    if connection.prepare_cached(sql::IS_MEMBER)?.exists(params![of, member.as_str()])? {
        return Ok(true);
    }
    let members: i64 = connection.prepare_cached(sql::MEMBERS_OF)?.query_row([of], |row| row.get(0))?;
    if members >= to_sql(limit::MEMBERS) {
        return Ok(false);
    }
    let row = params![of, session.as_str(), member.as_str(), at.0];
    connection.prepare_cached(sql::SHARE)?.execute(row)?;
    Ok(true)
}

fn members(connection: &Connection, owner: &UserId, session: &SessionId) -> Result<Vec<UserId>, Fault> {
    let Some(of) = runs::session(connection, owner, session)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(sql::MEMBERS)?;
    let mut rows = statement.query([of])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(user(&row.get::<_, String>(0)?)?);
    }
    Ok(members)
}

fn shared_with(connection: &Connection, who: &UserId, limit: usize) -> Result<Vec<Shared>, Fault> {
    let mut statement = connection.prepare_cached(sql::SHARED_WITH)?;
    let mut rows = statement.query(params![who.as_str(), to_sql(limit)])?;
    let mut shared = Vec::new();
    while let Some(row) = rows.next()? {
        shared.push(Shared {
            owner: user(&row.get::<_, String>(0)?)?,
            session: SessionId::parse(&row.get::<_, String>(1)?).map_err(runs::damaged_id)?,
            at: Millis(row.get(2)?),
        });
    }
    Ok(shared)
}

fn user(id: &str) -> Result<UserId, Fault> {
    UserId::parse(id).map_err(runs::damaged_id)
}
