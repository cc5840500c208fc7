//! Runs, their logs and their sessions, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_core::event::{Event, Outcome, Seq, Term};
use headwater_core::port::provider::Role;
use headwater_core::port::recall::RecallQuery;
use headwater_core::port::store::{
    AppendError, Batch, Conversation, Created, Exchange, Expired, NewRun, ReadError, RunPage, RunState,
    StoreError,
};
use headwater_core::run::{Message, Run, Tail};
use headwater_core::{MessageId, Millis, RunId, SessionId, UserId, limit};

use crate::rules::{self, Page};

/// Every run, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Logs {
    runs: Vec<Logged>,
    by_id: HashMap<RunId, usize>,
    sessions: HashMap<(UserId, SessionId), Session>,
}

#[derive(Debug)]
struct Logged {
    run: Run,
    fingerprint: String,
    events: Vec<Arc<Event>>,
    /// Its events are no longer kept.
    trimmed: bool,
}

#[derive(Debug, Default)]
struct Session {
    lines: Vec<Line>,
    by_message: HashMap<MessageId, usize>,
}

#[derive(Debug)]
struct Line {
    role: Role,
    content: String,
    run: usize,
    at: Millis,
    /// What it means, and who says so.
    meaning: Option<(String, Vec<f32>)>,
}

impl Logs {
    pub(super) fn find(&self, new: &NewRun) -> Option<Created> {
        let key = (new.owner.clone(), new.session.clone());
        let index = self.sessions.get(&key)?.by_message.get(new.message_id.as_ref()?)?;
        let logged = self.runs.get(*index)?;
        let same = logged.fingerprint == new.fingerprint;
        Some(if same { Created::Joined(logged.run.clone()) } else { Created::Reused })
    }

    pub(super) fn of_message(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        message: &MessageId,
    ) -> Option<Run> {
        let named = |run: &&Run| {
            run.owner == *owner
                && run.message_id.as_ref() == Some(message)
                && session.is_none_or(|session| run.session == *session)
        };
        self.runs.iter().rev().map(|logged| &logged.run).find(named).cloned()
    }

    pub(super) fn create(&mut self, new: NewRun) -> Result<Created, StoreError> {
        if let Some(found) = self.find(&new) {
            return Ok(found);
        }
        let key = (new.owner.clone(), new.session.clone());
        if self.by_id.contains_key(&new.id) {
            return Err(StoreError(format!("there is a run {} already", new.id)));
        }
        let index = self.runs.len();
        let session = self.sessions.entry(key).or_default();
        session.lines.push(Line {
            role: Role::User,
            content: new.message,
            run: index,
            at: new.at,
            meaning: None,
        });
        if let Some(message) = &new.message_id {
            session.by_message.insert(message.clone(), index);
        }
        let run = Run {
            id: new.id.clone(),
            owner: new.owner,
            session: new.session,
            message_id: new.message_id,
            workflow: new.workflow,
            provider: None,
            model: None,
            created_at: new.at,
            hidden: false,
            tail: Tail { seq: 0, term: 1, outcome: None },
        };
        self.by_id.insert(new.id, index);
        self.runs.push(Logged {
            run: run.clone(),
            fingerprint: new.fingerprint,
            events: Vec::new(),
            trimmed: false,
        });
        Ok(Created::New(run))
    }

    pub(super) fn append(&mut self, run: &RunId, term: Term, batch: Batch) -> Result<(), AppendError> {
        let index = *self.by_id.get(run).ok_or(AppendError::Conflict)?;
        let logged = self.runs.get_mut(index).ok_or(AppendError::Conflict)?;
        rules::admit(logged.run.tail, term, &batch)?;
        if let Some((provider, model)) = batch.answered_by() {
            logged.run.provider = Some(provider.to_owned());
            logged.run.model = Some(model.to_owned());
        }
        logged.run.tail.outcome = batch.outcome();
        if let Some(last) = batch.events.last() {
            logged.run.tail.seq = last.seq;
            let session = self.sessions.get_mut(&(logged.run.owner.clone(), logged.run.session.clone()));
            if let (Some(content), Some(session)) = (batch.answer, session) {
                session.lines.push(Line {
                    role: Role::Assistant,
                    content,
                    run: index,
                    at: last.at,
                    meaning: None,
                });
            }
        }
        logged.events.extend(batch.events);
        Ok(())
    }

    fn by_id(&self, run: &RunId) -> Option<&Logged> {
        self.runs.get(*self.by_id.get(run)?)
    }

    pub(super) fn read(
        &self,
        run: &RunId,
        from: Seq,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Event>>, ReadError> {
        let Logged { run, events: log, trimmed, .. } = self.by_id(run).ok_or(ReadError::NotFound)?;
        if *trimmed && from <= run.tail.seq {
            return Err(ReadError::Trimmed { first: run.tail.seq + 1 });
        }
        // Event n stands at n - 1.
        let skip = usize::try_from(from.max(1) - 1).unwrap_or(usize::MAX);
        let mut page = Page::new(events, bytes);
        for event in log.iter().skip(skip) {
            page.take(Arc::clone(event));
            if page.is_full() {
                break;
            }
        }
        Ok(page.into_events())
    }

    pub(super) fn tail(&self, run: &RunId) -> Result<Tail, ReadError> {
        self.by_id(run).map(|logged| logged.run.tail).ok_or(ReadError::NotFound)
    }

    pub(super) fn take_over(&mut self, run: &RunId) -> Result<Tail, ReadError> {
        let index = self.by_id.get(run).ok_or(ReadError::NotFound)?;
        let logged = self.runs.get_mut(*index).ok_or(ReadError::NotFound)?;
        logged.run.tail.term += 1;
        Ok(logged.run.tail)
    }

    pub(super) fn run(&self, owner: &UserId, run: &RunId) -> Option<Run> {
        self.by_id(run).map(|logged| &logged.run).filter(|run| run.owner == *owner).cloned()
    }

    pub(super) fn runs(
        &self,
        owner: &UserId,
        session: Option<&SessionId>,
        before: Option<&RunId>,
        limit: usize,
    ) -> Vec<Run> {
        let end = match before {
            None => self.runs.len(),
            Some(before) => match self.by_id.get(before) {
                Some(index) if self.runs.get(*index).is_some_and(|l| l.run.owner == *owner) => *index,
                _ => return Vec::new(),
            },
        };
        let mine = self
            .runs
            .iter()
            .take(end)
            .rev()
            .map(|logged| &logged.run)
            .filter(|run| run.owner == *owner && session.is_none_or(|session| run.session == *session));
        mine.take(limit).cloned().collect()
    }

    pub(super) fn history(&self, owner: &UserId, session: &SessionId, limit: usize) -> Vec<Message> {
        let Some(session) = self.sessions.get(&(owner.clone(), session.clone())) else { return Vec::new() };
        let skip = session.lines.len().saturating_sub(limit);
        session
            .lines
            .iter()
            .skip(skip)
            .filter_map(|line| {
                let run = &self.runs.get(line.run)?.run;
                let (id, outcome): (RunId, Option<Outcome>) = (run.id.clone(), run.tail.outcome);
                Some(Message {
                    role: line.role,
                    content: line.content.clone(),
                    run: id,
                    outcome,
                    at: line.at,
                })
            })
            .collect()
    }

    pub(super) fn conversation(
        &self,
        owner: &UserId,
        session: &SessionId,
        before: Option<&RunId>,
        limit: usize,
    ) -> Option<Conversation> {
        if !self.has_session(owner, session) {
            return None;
        }
        let said = self.history(owner, session, usize::MAX);
        let mut runs = self.runs(owner, Some(session), before, limit);
        runs.reverse();
        let exchange = |run: Run| {
            let messages = said.iter().filter(|m| m.run == run.id).cloned().collect();
            Exchange { run, messages }
        };
        let mine = |logged: &&Logged| logged.run.owner == *owner && logged.run.session == *session;
        let first = self.runs.iter().find(mine).map(|logged| logged.run.created_at);
        Some(Conversation {
            exchanges: runs.into_iter().map(exchange).collect(),
            messages: said.len(),
            started: first.unwrap_or_default(),
        })
    }

    pub(super) fn page(
        &self,
        owner: &UserId,
        workflow: &str,
        state: RunState,
        offset: usize,
        limit: usize,
    ) -> RunPage {
        let wanted = |run: &&Run| {
            run.owner == *owner && run.workflow == workflow && !run.hidden && rules::listed(state, run.tail)
        };
        let runs: Vec<_> = self.runs.iter().rev().map(|logged| &logged.run).filter(wanted).collect();
        RunPage { total: runs.len(), runs: runs.into_iter().skip(offset).take(limit).cloned().collect() }
    }

    pub(super) fn hide(&mut self, owner: &UserId, run: &RunId) -> bool {
        let index = self.by_id.get(run).copied();
        let Some(logged) = index.and_then(|index| self.runs.get_mut(index)) else { return false };
        logged.run.owner == *owner && !std::mem::replace(&mut logged.run.hidden, true)
    }

    pub(super) fn has_session(&self, owner: &UserId, session: &SessionId) -> bool {
        self.sessions.contains_key(&(owner.clone(), session.clone()))
    }

    /// Whoever it belongs to.
    pub(super) fn any_run(&self, run: &RunId) -> Option<Run> {
        self.by_id(run).map(|logged| logged.run.clone())
    }

    pub(super) fn remember(&mut self, run: &RunId, embedder: &str, meanings: Vec<(Role, Vec<f32>)>) {
        let Some(&index) = self.by_id.get(run) else { return };
        let Some(logged) = self.runs.get(index) else { return };
        let key = (logged.run.owner.clone(), logged.run.session.clone());
        let Some(session) = self.sessions.get_mut(&key) else { return };
        for (role, vector) in meanings {
            if let Some(line) = session.lines.iter_mut().find(|l| l.run == index && l.role == role) {
                line.meaning = Some((embedder.to_owned(), vector));
            }
        }
    }

    pub(super) fn recall(&self, query: &RecallQuery) -> Vec<(Message, f64)> {
        let Some(session) = self.sessions.get(&(query.owner.clone(), query.session.clone())) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let of = |line: &'_ &Line| line.meaning.as_ref().is_some_and(|(by, _)| *by == query.embedder);
        let older = session.lines.iter().rev().skip(query.skip_newest).filter(of);
        for line in older.take(limit::RECALL_MEANINGS) {
            let Some((_, vector)) = &line.meaning else { continue };
            let Some(run) = self.runs.get(line.run).map(|logged| &logged.run) else { continue };
            let Some(cosine) = crate::vector::cosine(vector, &query.vector) else { continue };
            if cosine < query.least {
                continue;
            }
            let message = Message {
                role: line.role,
                content: line.content.clone(),
                run: run.id.clone(),
                outcome: run.tail.outcome,
                at: line.at,
            };
            found.push((message, cosine));
        }
        // Keeps the newer of equals in front.
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(query.limit);
        found
    }

    pub(super) fn live(&self) -> Vec<Run> {
        let live = self.runs.iter().map(|logged| &logged.run).filter(|run| run.tail.outcome.is_none());
        live.cloned().collect()
    }

    pub(super) fn expire(&mut self, before: Millis, limit: usize) -> Expired {
        let old = |logged: &Logged| {
            logged.run.tail.outcome.is_some() && !logged.trimmed && logged.run.created_at < before
        };
        let mut oldest: Vec<usize> =
            (0..).zip(&self.runs).filter(|(_, logged)| old(logged)).map(|(index, _)| index).collect();
        // Keeps those of one moment in the order of making.
        oldest.sort_by_key(|index| self.runs.get(*index).map(|logged| logged.run.created_at));
        oldest.truncate(limit);
        for index in &oldest {
            let Some(logged) = self.runs.get_mut(*index) else { continue };
            (logged.events, logged.trimmed) = (Vec::new(), true);
            let key = (logged.run.owner.clone(), logged.run.session.clone());
            if let Some(session) = self.sessions.get_mut(&key) {
                session.lines.retain(|line| line.run != *index);
            }
        }
        let runs = oldest.len();
        Expired { runs, more: runs > 0 && runs == limit }
    }
}
