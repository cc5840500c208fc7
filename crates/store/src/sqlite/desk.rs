//! Appointments, questions that wait for a person, and opinions.

use async_trait::async_trait;
use headwater_core::port::desk::{
    Appointment, AppointmentStatus, Desk, Escalation, Feedback, NewAppointment, gravity,
};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, RunId, SessionId, UserId, limit};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::fault::{Fault, from_sql, to_sql};
use super::{SqliteStore, sql};
use crate::rules;

#[async_trait]
impl Desk for SqliteStore {
    async fn book(&self, new: NewAppointment, capacity: usize) -> Result<Option<Appointment>, StoreError> {
        self.writer.write(move |connection| book(connection, &new, capacity)).await
    }

    async fn cancel_appointment(&self, owner: &UserId, id: &str) -> Result<Option<Appointment>, StoreError> {
        let (owner, id) = (owner.clone(), id.to_owned());
        let cancel = move |connection: &Connection| {
            Ok(appointments(connection, sql::CANCEL_APPOINTMENT, [owner.as_str(), &id])?.pop())
        };
        self.writer.write(cancel).await
    }

    async fn appointments(
        &self,
        owner: &UserId,
        from: &str,
        until: &str,
        limit: usize,
    ) -> Result<Vec<Appointment>, StoreError> {
        let (owner, from, until) = (owner.clone(), from.to_owned(), until.to_owned());
        self.read_with(move |connection| {
            let wanted = params![owner.as_str(), from, until, to_sql(limit)];
            appointments(connection, sql::APPOINTMENTS, wanted)
        })
        .await
    }

    async fn taken(&self, from: &str, until: &str) -> Result<Vec<(String, usize)>, StoreError> {
        let (from, until) = (from.to_owned(), until.to_owned());
        self.read_with(move |connection| {
            let mut statement = connection.prepare_cached(sql::TAKEN)?;
            let mut rows = statement.query([from, until])?;
            let mut taken = Vec::new();
            while let Some(row) = rows.next()? {
                taken.push((row.get(0)?, from_sql(row.get(1)?)?));
            }
            Ok(taken)
        })
        .await
    }

    async fn escalate(&self, new: Escalation) -> Result<Escalation, StoreError> {
        self.writer.write(move |connection| escalate(connection, &new)).await
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Escalation>, StoreError> {
        let of = (i64::MIN, to_sql(limit));
        self.read_with(move |connection| escalations(connection, sql::WAITING, of)).await
    }

    async fn waiting_since(&self, since: Millis, limit: usize) -> Result<Vec<Escalation>, StoreError> {
        let of = (since.0, to_sql(limit));
        let newest = self.read_with(move |connection| escalations(connection, sql::WAITING_NEWEST, of)).await;
        newest.map(|mut found| {
            found.reverse();
            found
        })
    }

    async fn close_escalation(&self, id: &str, at: Millis) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let close = move |connection: &Connection| {
            Ok(connection.prepare_cached(sql::CLOSE_ESCALATION)?.execute(params![id, at.0])? > 0)
        };
        self.writer.write(close).await
    }

    async fn give_feedback(&self, feedback: Feedback) -> Result<(), StoreError> {
        let give = move |connection: &Connection| {
            let row = params![
                feedback.owner.as_str(),
                feedback.message_id,
                feedback.positive,
                feedback.comment,
                feedback.at.0
            ];
            connection.prepare_cached(sql::GIVE_FEEDBACK)?.execute(row)?;
            let owner = feedback.owner.as_str();
            let mut kept = connection.prepare_cached(sql::FEEDBACK_OF)?;
            let kept: i64 = kept.query_row([owner], |row| row.get(0))?;
            let more = kept - to_sql(limit::FEEDBACK_PER_USER);
            if more > 0 {
                let oldest = params![owner, feedback.message_id, more];
                connection.prepare_cached(sql::FORGET_FEEDBACK)?.execute(oldest)?;
            }
            Ok(())
        };
        self.writer.write(give).await
    }

    async fn feedback(&self, owner: &UserId, message_id: &str) -> Result<Option<Feedback>, StoreError> {
        let (owner, message_id) = (owner.clone(), message_id.to_owned());
        self.read_with(move |connection| {
            let mut statement = connection.prepare_cached(sql::FEEDBACK)?;
            let given = statement
                .query_row([owner.as_str(), &message_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            Ok(given.optional()?.map(|(positive, comment, at)| Feedback {
                owner,
                message_id,
                positive,
                comment,
                at: Millis(at),
            }))
        })
        .await
    }

    async fn feedback_counts(&self) -> Result<(u64, u64), StoreError> {
        self.read_with(|connection| {
            let mut statement = connection.prepare_cached(sql::FEEDBACK_COUNTS)?;
            let counts: (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((from_sql(counts.0)?, from_sql(counts.1)?))
        })
        .await
    }
}

/// One write from the look at the slot to the row: of two that want the last place one gets it.
fn book(
    connection: &Connection,
    new: &NewAppointment,
    capacity: usize,
) -> Result<Option<Appointment>, Fault> {
    let same = params![new.owner.as_str(), new.slot, new.service];
    if let Some(booked) = appointments(connection, sql::SAME_APPOINTMENT, same)?.pop() {
        return Ok(Some(booked));
    }
    let booked: i64 = connection.prepare_cached(sql::BOOKED)?.query_row([&new.slot], |row| row.get(0))?;
    if booked >= to_sql(capacity) {
        return Ok(None);
    }
    let mut named = connection.prepare_cached(sql::APPOINTMENT_NAMED)?;
    let id = rules::free_name(&new.id, |id| Ok::<_, Fault>(named.exists([id])?))?
        .ok_or_else(|| Fault::Refused(rules::no_name_left(&new.id)))?;
    let row = params![
        id,
        new.owner.as_str(),
        new.slot,
        new.service,
        new.vehicle,
        new.notes,
        new.run.as_str(),
        new.at.0
    ];
    Ok(appointments(connection, sql::NEW_APPOINTMENT, row)?.pop())
}

fn appointments(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<Vec<Appointment>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let appointment = |row: &Row<'_>| {
        let cancelled: bool = row.get(5)?;
        Ok(Appointment {
            id: row.get(0)?,
            slot: row.get(1)?,
            service: row.get(2)?,
            vehicle: row.get(3)?,
            notes: row.get(4)?,
            status: if cancelled { AppointmentStatus::Cancelled } else { AppointmentStatus::Booked },
            created_at: Millis(row.get(6)?),
        })
    };
    Ok(statement.query_map(params, appointment)?.collect::<rusqlite::Result<_>>()?)
}

fn escalate(connection: &Connection, new: &Escalation) -> Result<Escalation, Fault> {
    let of = [new.owner.as_str(), new.session.as_str()];
    if let Some(waiting) = escalations(connection, sql::OPEN_ESCALATION, of)?.pop() {
        if gravity(&new.reason) <= gravity(&waiting.reason) {
            return Ok(waiting);
        }
        let graver = params![waiting.id, new.reason, new.run.as_str()];
        connection.prepare_cached(sql::GRAVER)?.execute(graver)?;
        return Ok(Escalation { reason: new.reason.clone(), run: new.run.clone(), ..waiting });
    }
    let mut open =
        escalations(connection, sql::WAITING_OF, (new.owner.as_str(), to_sql(limit::ESCALATIONS_PER_USER)))?;
    if open.len() >= limit::ESCALATIONS_PER_USER {
        return Ok(open.swap_remove(0));
    }
    connection.prepare_cached(sql::NEW_ESCALATION)?.execute(params![
        new.id,
        new.owner.as_str(),
        new.session.as_str(),
        new.run.as_str(),
        new.reason,
        new.created_at.0,
    ])?;
    Ok(Escalation { closed_at: None, ..new.clone() })
}

fn escalations(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<Vec<Escalation>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let damaged = |_| Fault::Damaged("an id of an escalation is none".into());
    let mut escalations = Vec::new();
    while let Some(row) = rows.next()? {
        let closed_at: Option<i64> = row.get(6)?;
        escalations.push(Escalation {
            id: row.get(0)?,
            owner: UserId::parse(&row.get::<_, String>(1)?).map_err(damaged)?,
            session: SessionId::parse(&row.get::<_, String>(2)?).map_err(damaged)?,
            run: RunId::parse(&row.get::<_, String>(3)?).map_err(damaged)?,
            reason: row.get(4)?,
            created_at: Millis(row.get(5)?),
            closed_at: closed_at.map(Millis),
        });
    }
    Ok(escalations)
}
