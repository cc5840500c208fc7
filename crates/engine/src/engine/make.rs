//! How a run comes to be: found where the same turn was asked for before, otherwise stored, given its place
//! and its writer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use headwater_core::code::{Code, Error};
use headwater_core::event::Outcome;
use headwater_core::port::store::{Created, NewRun};
use headwater_core::run::Run;
use headwater_core::{MessageId, Principal, SessionId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Engine, first_event, store_failed};
use crate::ask::{Special, StartRun, Started, check, fingerprint, new_run_id, reused, session_for};
use crate::hub::{Asker, Life, LiveRun, Place};
use crate::mask::{Kinds, mask};
use crate::quota::Taken;
use crate::workflow::{Past, Turn, Workflow};
use crate::writer::{self, Writer};

impl Engine {
    /// Makes a run, or finds the one that was made for the same message id. When this returns, the run
    /// and the person's message are durable; the caller follows it from 0.
    ///
    /// # Errors
    /// Codes of the request ([`Code::EmptyMessage`], [`Code::TooLarge`], [`Code::UnknownWorkflow`], [`Code::UnknownModel`],
    /// [`Code::MessageIdReused`]), of capacity ([`Code::TooManyRuns`], [`Code::Draining`]) and
    /// [`Code::StoreFailed`].
    pub async fn start(&self, who: &Principal, ask: StartRun) -> Result<Started, Error> {
        let (started, asker) = self.start_for(who, ask).await?;
        asker.comes();
        Ok(started)
    }

    /// The same for a caller who may go away before he follows it: he drops [`Asker`] then, and a run that stops
    /// unwatched does not wait for him.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_for(&self, who: &Principal, ask: StartRun) -> Result<(Started, Asker), Error> {
        let workflow = self.inner.workflows.get(&ask.workflow).ok_or_else(|| {
            let known: Vec<_> = self.inner.workflows.keys().map(String::as_str).collect();
            Error::new(
                Code::UnknownWorkflow,
                format!("there is no workflow of that name; there are: {}", known.join(", ")),
            )
        })?;
        check(&ask, workflow.as_ref())?;
        let session = ask.session.clone().unwrap_or_else(|| session_for(who, ask.message_id.as_ref()));
        self.may_ask_in(who, ask.owner.as_ref(), &session).await?;
        let new = NewRun {
            id: new_run_id(),
            owner: who.user.clone(),
            session: session.clone(),
            message_id: ask.message_id.clone(),
            fingerprint: fingerprint(&ask),
            workflow: ask.workflow.clone(),
            // The fingerprint is of what was sent, so that a repetition is known by it.
            message: mask(ask.said(), workflow.masks()).into_owned(),
            at: self.inner.clock.wall(),
        };
        let (tell, told) = oneshot::channel();
        let (engine, workflow, who) = (self.clone(), Arc::clone(workflow), who.clone());
        // A task of its own: a caller that goes away while the store works must not leave a run behind
        // that is stored and that nobody writes.
        self.inner.tasks.spawn("start", async move {
            let started = engine.make(&who, session, ask, new, workflow).await;
            // Not received, by a caller who is gone, it is dropped with the asker in it.
            let _ = tell.send(started.map(|started| {
                let live = if started.joined { None } else { engine.inner.hub.get(&started.run) };
                (started, Asker::of(live))
            }));
        });
        told.await.unwrap_or_else(|_| Err(Error::new(Code::Internal, "the run could not be started")))
    }

    async fn make(
        &self,
        who: &Principal,
        session: SessionId,
        ask: StartRun,
        new: NewRun,
        workflow: Arc<dyn Workflow>,
    ) -> Result<Started, Error> {
        let joined = |run: Run| Started { run: run.id, session: run.session, joined: true };
        // A lesson may be sent again without its session, while the first is being made in another lane than this one's.
        let lesson = matches!(ask.special, Special::Lesson(_));
        let message = new.message_id.as_ref().filter(|_| lesson);
        let _message = match message {
            Some(message) => Some(self.inner.hub.message_lane(&who.user, message).await),
            None => None,
        };
        let _lane = self.inner.hub.lane(&who.user, &session).await;
        if let Some(message) = message.filter(|_| ask.anywhere && ask.session.is_none())
            && let Some(run) = self.made_for(&new, message).await?
        {
            return Ok(joined(run));
        }
        // Repetitions need no place: who comes back for his answer gets it, however full the house is.
        if new.message_id.is_some() {
            match self.inner.store.find(&new).await.map_err(store_failed)? {
                Some(Created::Joined(run)) => return Ok(joined(run)),
                Some(Created::Reused) => return Err(reused()),
                Some(Created::New(_)) | None => {}
            }
        }
        let mut place = self.inner.hub.reserve(&who.user, &self.inner.settings)?;
        // Nor do they count: only what is new costs a model's time.
        let allowance = if lesson { &self.inner.lessons } else { &self.inner.starts };
        allowance.take(&who.user).map_err(|wait| Error::too_fast("questions", wait))?;
        let taken = match ask.quota {
            Some(quota) => {
                let taken = quota.take(&self.inner.store, &who.user, self.inner.clock.wall()).await;
                Some(taken.map_err(store_failed)??)
            }
            None => None,
        };
        let give_back = async |taken: Option<Taken>| {
            if let Some(taken) = taken {
                taken.give_back(&self.inner.store, self.inner.clock.wall()).await;
            }
        };
        // Known here before it is stored: whoever finds it in the store finds its writer.
        let (live, before) = place.take(new.id.clone(), &session);
        let id = new.id.clone();
        match self.inner.store.create(new).await {
            Ok(Created::New(run)) => {
                let before = before.filter(|_| workflow.remembers());
                self.begin((who.clone(), run, ask), workflow, live, before, (place, taken));
                self.tell_of(who, &session, &id);
                Ok(Started { run: id, session, joined: false })
            }
            Ok(Created::Joined(run)) => {
                live.lost();
                give_back(taken).await;
                Ok(joined(run))
            }
            Ok(Created::Reused) => {
                live.lost();
                give_back(taken).await;
                Err(reused())
            }
            Err(error) => {
                live.lost();
                drop(place);
                give_back(taken).await;
                // It may have been stored all the same; nobody would write it.
                if let Ok(Some(run)) = self.inner.store.run(&who.user, &id).await {
                    let _ = self.end_orphan(&run, Outcome::Interrupted).await;
                }
                Err(store_failed(error))
            }
        }
    }

    /// The run of the same turn in whichever of the user's sessions used the message id last. Another turn of that name
    /// there is none of this one's business: keys are a session's own.
    async fn made_for(&self, new: &NewRun, message: &MessageId) -> Result<Option<Run>, Error> {
        let store = &self.inner.store;
        let last = store.run_of_message(&new.owner, None, message).await.map_err(store_failed)?;
        let Some(last) = last else { return Ok(None) };
        let there = NewRun { session: last.session, ..new.clone() };
        Ok(match store.find(&there).await.map_err(store_failed)? {
            Some(Created::Joined(run)) => Some(run),
            Some(Created::New(_) | Created::Reused) | None => None,
        })
    }

    fn begin(
        &self,
        (who, run, ask): (Principal, Run, StartRun),
        workflow: Arc<dyn Workflow>,
        live: Arc<LiveRun>,
        before: Option<Arc<LiveRun>>,
        (place, taken): (Place, Option<Taken>),
    ) {
        let (emit, said) = writer::queue();
        let emit = emit.masking(workflow.masks());
        let (rest, held) = (emit.clone(), emit.held());
        let first = first_event(&run);
        let mut settings = self.inner.settings.clone();
        settings.unwatched = ask.unwatched.unwrap_or(settings.unwatched);
        let turn = Turn {
            who,
            run: run.id.clone(),
            session: run.session.clone(),
            ask,
            clock: self.inner.clock,
            store: Arc::clone(&self.inner.store),
            emit,
        };
        let past = Past {
            who: turn.who.clone(),
            run: run.id.clone(),
            session: run.session.clone(),
            store: Arc::clone(&self.inner.store),
        };
        let after = Arc::clone(&workflow);
        let work = Box::pin(async move {
            if let Some(before) = before {
                // Turns of one conversation are answered in the order in which they were asked.
                before.over().await;
            }
            // A mistake in a workflow or a provider fails this run and no other.
            let done = AssertUnwindSafe(workflow.run(turn)).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!("a workflow panicked");
                Err(Error::new(
                    Code::Internal,
                    "the server made a mistake while it answered; what was written is kept",
                ))
            });
            rest.rest().await;
            // A host may quote what it was asked.
            done.map_err(|e| Error { message: mask(&e.message, Kinds::ALL).into_owned(), ..e })
        });
        let writer = Writer {
            live: Arc::clone(&live),
            store: Arc::clone(&self.inner.store),
            bus: Arc::clone(&self.inner.bus),
            clock: self.inner.clock,
            settings,
            held,
            metrics: self.inner.metrics.clone(),
            workflow: run.workflow.clone(),
            taken: Mutex::new(taken),
        };
        self.inner.metrics.run_started(&run.workflow);
        let engine = self.clone();
        self.inner.tasks.spawn("run", async move {
            if AssertUnwindSafe(writer.drive(first, work, said)).catch_unwind().await.is_err() {
                tracing::error!(run = %run.id, "a writer panicked");
                let _ = engine.end_orphan(&run, Outcome::Interrupted).await;
                live.lost();
            }
            drop(place);
            if matches!(live.over().await, Life::Ended(_))
                && let Some(rest) = after.afterwards(past)
            {
                engine.do_afterwards(rest);
            }
        });
    }

    /// Under a name of its own: who stops the server is told of answers that were cut off, and this is none.
    fn do_afterwards(&self, rest: BoxFuture<'static, ()>) {
        let stopping = self.inner.tasks.stopping().clone();
        self.inner.tasks.spawn("afterwards", async move {
            // A mistake in it harms nobody: the run is over.
            let rest = AssertUnwindSafe(rest).catch_unwind();
            tokio::select! {
                done = rest => if done.is_err() {
                    tracing::error!("a workflow panicked after its run");
                },
                () = stopping.cancelled() => {}
            }
        });
    }
}
