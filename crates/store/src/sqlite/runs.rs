//! Runs, sessions, messages and accounts.

use headwater_core::event::Outcome;
use headwater_core::port::provider::Role;
use headwater_core::port::store::{
    Conversation, Created, Exchange, NewRun, Revocation, RunPage, RunState, User,
};
use headwater_core::run::{Message, Run};
use headwater_core::{MessageId, Millis, RunId, SessionId, UserId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::fault::{Fault, from_sql, to_sql};
use super::{log, sql};

/// The words for who says a line.
pub(super) const USER: &str = "user";
pub(super) const ASSISTANT: &str = "assistant";

/// The run of the same turn, where it was asked for before.
pub(super) fn find(connection: &Connection, new: &NewRun) -> Result<Option<Created>, Fault> {
    let session = session(connection, &new.owner, &new.session)?;
    let (Some(session), Some(message)) = (session, &new.message_id) else { return Ok(None) };
    let mut statement = connection.prepare_cached(sql::TURN)?;
    let turn: Option<(String, String)> = statement
        .query_row(params![session, message.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match turn {
        None => None,
        Some((id, fingerprint)) if fingerprint == new.fingerprint => {
            Some(Created::Joined(run_by(connection, sql::RUN, [id])?))
        }
        Some(_) => Some(Created::Reused),
    })
}

/// The run of a message id, the newest where several sessions have one.
pub(super) fn of_message(
    connection: &Connection,
    owner: &UserId,
    session: Option<&SessionId>,
    message: &MessageId,
) -> Result<Option<Run>, Fault> {
    let (owner, message) = (owner.as_str(), message.as_str());
    let mut runs = match session {
        Some(session) => runs_by(connection, sql::RUN_OF_MESSAGE, params![owner, message, session.as_str()]),
        None => runs_by(connection, sql::LAST_OF_MESSAGE, params![owner, message]),
    }?;
    Ok(runs.pop())
}

pub(super) fn create(connection: &Connection, new: &NewRun) -> Result<Created, Fault> {
    if let Some(found) = find(connection, new)? {
        return Ok(found);
    }
    let session = session(connection, &new.owner, &new.session)?;
    let session = match session {
        Some(session) => session,
        None => {
            let key = params![new.owner.as_str(), new.session.as_str(), new.at.0];
            connection.prepare_cached(sql::NEW_SESSION)?.insert(key)?
        }
    };
    let run = connection.prepare_cached(sql::NEW_RUN)?.insert(params![
        new.id.as_str(),
        new.owner.as_str(),
        session,
        new.message_id.as_ref().map(MessageId::as_str),
        new.fingerprint,
        new.workflow,
        new.at.0,
    ])?;
    say(connection, session, run, USER, &new.message, new.at)?;
    Ok(Created::New(run_by(connection, sql::RUN, [new.id.as_str()])?))
}

/// Adds a line to a session.
pub(super) fn say(
    connection: &Connection,
    session: i64,
    run: i64,
    role: &str,
    content: &str,
    at: Millis,
) -> Result<(), Fault> {
    let checksum = crc32fast::hash(content.as_bytes());
    let mut statement = connection.prepare_cached(sql::NEW_MESSAGE)?;
    statement.execute(params![session, run, role, content, checksum, at.0])?;
    Ok(())
}

pub(super) fn session(
    connection: &Connection,
    owner: &UserId,
    session: &SessionId,
) -> Result<Option<i64>, Fault> {
    let mut statement = connection.prepare_cached(sql::SESSION)?;
    let key = [owner.as_str(), session.as_str()];
    Ok(statement.query_row(key, |row| row.get(0)).optional()?)
}

pub(super) fn damaged_id(_: headwater_core::id::IdError) -> Fault {
    Fault::Damaged("an id is none".into())
}

fn run_of(row: &Row<'_>) -> Result<Run, Fault> {
    let message_id: Option<String> = row.get(3)?;
    Ok(Run {
        id: RunId::parse(&row.get::<_, String>(0)?).map_err(damaged_id)?,
        owner: UserId::parse(&row.get::<_, String>(1)?).map_err(damaged_id)?,
        session: SessionId::parse(&row.get::<_, String>(2)?).map_err(damaged_id)?,
        message_id: message_id.map(|id| MessageId::parse(&id)).transpose().map_err(damaged_id)?,
        workflow: row.get(4)?,
        provider: row.get(5)?,
        model: row.get(6)?,
        created_at: Millis(row.get(7)?),
        hidden: row.get(11)?,
        tail: log::tail_of(row.get(8)?, row.get(9)?, row.get(10)?)?,
    })
}

pub(super) fn runs_by(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<Vec<Run>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(run_of(row)?);
    }
    Ok(runs)
}

fn run_by(connection: &Connection, statement: &str, params: impl Params) -> Result<Run, Fault> {
    let found = runs_by(connection, statement, params)?.pop();
    found.ok_or_else(|| Fault::Damaged("a run is in no session".into()))
}

pub(super) fn run(connection: &Connection, owner: &UserId, run: &RunId) -> Result<Option<Run>, Fault> {
    Ok(runs_by(connection, sql::OWNERS_RUN, [run.as_str(), owner.as_str()])?.pop())
}

pub(super) fn runs(
    connection: &Connection,
    owner: &UserId,
    of: Option<&SessionId>,
    before: Option<&RunId>,
    limit: usize,
) -> Result<Vec<Run>, Fault> {
    let below = match before {
        None => i64::MAX,
        Some(before) => {
            let mut statement = connection.prepare_cached(sql::ORDINAL)?;
            let key = [before.as_str(), owner.as_str()];
            match statement.query_row(key, |row| row.get(0)).optional()? {
                Some(ordinal) => ordinal,
                // What this owner does not have cannot be a place in his list.
                None => return Ok(Vec::new()),
            }
        }
    };
    let Some(of) = of else {
        return runs_by(connection, sql::OWNERS_RUNS, params![owner.as_str(), below, to_sql(limit)]);
    };
    match session(connection, owner, of)? {
        Some(session) => runs_by(connection, sql::SESSIONS_RUNS, params![session, below, to_sql(limit)]),
        None => Ok(Vec::new()),
    }
}

/// A page of one owner's list, and how many runs are in all of it.
pub(super) fn page(
    connection: &Connection,
    owner: &UserId,
    workflow: &str,
    state: RunState,
    (offset, limit): (usize, usize),
) -> Result<RunPage, Fault> {
    let state = match state {
        RunState::Any => None,
        RunState::Live => Some("live"),
        RunState::Ended(outcome) => Some(outcome.as_str()),
    };
    let total: i64 = match state {
        None => connection
            .prepare_cached(sql::RUNS_LISTED)?
            .query_row([owner.as_str(), workflow], |row| row.get(0))?,
        Some(state) => connection
            .prepare_cached(sql::RUNS_LISTED_OF)?
            .query_row([owner.as_str(), workflow, state], |row| row.get(0))?,
    };
    let of = params![owner.as_str(), workflow, state, to_sql(limit), to_sql(offset)];
    Ok(RunPage { runs: runs_by(connection, sql::RUNS_PAGE, of)?, total: from_sql(total)? })
}

pub(super) fn hide(connection: &Connection, owner: &UserId, run: &RunId) -> Result<bool, Fault> {
    let hidden = connection.prepare_cached(sql::HIDE_RUN)?.execute([run.as_str(), owner.as_str()])?;
    Ok(hidden > 0)
}

pub(super) fn live(connection: &Connection) -> Result<Vec<Run>, Fault> {
    runs_by(connection, sql::LIVE, [])
}

pub(super) fn history(
    connection: &Connection,
    owner: &UserId,
    of: &SessionId,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let Some(session) = session(connection, owner, of)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(sql::HISTORY)?;
    let mut rows = statement.query(params![session, to_sql(limit)])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(message_of(row)?);
    }
    messages.reverse();
    Ok(messages)
}

pub(super) fn conversation(
    connection: &Connection,
    owner: &UserId,
    of: &SessionId,
    before: Option<&RunId>,
    limit: usize,
) -> Result<Option<Conversation>, Fault> {
    let Some(session) = session(connection, owner, of)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(sql::SESSIONS_SIZE)?;
    let (started, messages): (i64, i64) =
        statement.query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut exchanges: Vec<Exchange> = runs(connection, owner, Some(of), before, limit)?
        .into_iter()
        .rev()
        .map(|run| Exchange { run, messages: Vec::new() })
        .collect();
    if let (Some(first), Some(last)) = (exchanges.first(), exchanges.last()) {
        let mut statement = connection.prepare_cached(sql::SAID)?;
        let key = params![session, first.run.id.as_str(), last.run.id.as_str()];
        let mut rows = statement.query(key)?;
        // Both come in the order of the runs.
        let mut at = 0;
        while let Some(row) = rows.next()? {
            let message = message_of(row)?;
            while exchanges.get(at).is_some_and(|e| e.run.id != message.run) {
                at += 1;
            }
            if let Some(exchange) = exchanges.get_mut(at) {
                exchange.messages.push(message);
            }
        }
    }
    let messages = usize::try_from(messages).unwrap_or_default();
    Ok(Some(Conversation { exchanges, messages, started: Millis(started) }))
}

pub(super) fn message_of(row: &Row<'_>) -> Result<Message, Fault> {
    let (role, content, run): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
    let run = RunId::parse(&run).map_err(damaged_id)?;
    let damaged = |what| Fault::Damaged(format!("a message of run {run}: {what}"));
    if row.get::<_, i64>(2)? != i64::from(crc32fast::hash(content.as_bytes())) {
        return Err(damaged("the checksum is another"));
    }
    let role = match role.as_str() {
        USER => Role::User,
        ASSISTANT => Role::Assistant,
        _ => return Err(damaged("nobody says it")),
    };
    let outcome: Option<String> = row.get(4)?;
    let outcome = match outcome {
        None => None,
        Some(word) => Some(Outcome::parse(&word).ok_or_else(|| damaged("the run's outcome is none"))?),
    };
    Ok(Message { role, content, run, outcome, at: Millis(row.get(5)?) })
}

pub(super) fn create_user(connection: &Connection, user: &User) -> Result<bool, Fault> {
    if user_by(connection, sql::USER_BY_EMAIL, &user.email)?.is_some() {
        return Ok(false);
    }
    let row = params![user.id.as_str(), user.email, user.name, user.password_hash, user.created_at.0];
    connection.prepare_cached(sql::NEW_USER)?.execute(row)?;
    Ok(true)
}

pub(super) fn user_by_email(connection: &Connection, email: &str) -> Result<Option<User>, Fault> {
    user_by(connection, sql::USER_BY_EMAIL, email)
}

pub(super) fn user(connection: &Connection, id: &UserId) -> Result<Option<User>, Fault> {
    user_by(connection, sql::USER, id.as_str())
}

fn user_by(connection: &Connection, statement: &str, key: &str) -> Result<Option<User>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(User {
        id: UserId::parse(&row.get::<_, String>(0)?).map_err(damaged_id)?,
        email: row.get(1)?,
        name: row.get(2)?,
        password_hash: row.get(3)?,
        created_at: Millis(row.get(4)?),
    }))
}

pub(super) fn revoke(connection: &Connection, revocation: &Revocation) -> Result<(), Fault> {
    let row = params![revocation.key, revocation.issued_until.0, revocation.expires.0];
    connection.prepare_cached(sql::REVOKE)?.execute(row)?;
    Ok(())
}

pub(super) fn revocations(connection: &Connection, now: Millis) -> Result<Vec<Revocation>, Fault> {
    let mut statement = connection.prepare_cached(sql::REVOCATIONS)?;
    let revocations = statement.query_map([now.0], |row| {
        Ok(Revocation { key: row.get(0)?, issued_until: Millis(row.get(1)?), expires: Millis(row.get(2)?) })
    })?;
    Ok(revocations.collect::<rusqlite::Result<_>>()?)
}
