//! Makes runs, answers for them, stops them: what every protocol calls.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use headwater_core::code::{Code, Error};
use headwater_core::cursor::{Cursor, check_position};
use headwater_core::event::{Body, Event, Outcome, Seq};
use headwater_core::port::desk::Feedback;
use headwater_core::port::provider::ProviderInfo;
use headwater_core::port::store::{Created, NewRun, ReadError, StoreError};
use headwater_core::port::{SharedBus, SharedStore};
use headwater_core::run::{Message, Run, Tail};
use headwater_core::{Principal, RunId, SessionId, UserId, limit};
use tokio::sync::oneshot;

use crate::allowance::Allowances;
use crate::ask::{StartRun, Started, check, fingerprint, new_run_id, session_for};
use crate::clock::Clock;
use crate::follow::{Around, Follow};
use crate::hub::{Hub, Life, LiveRun, Place};
use crate::mask::{Kinds, mask};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::tools::Clerk;
use crate::workflow::{Turn, Workflow};
use crate::writer::{self, Writer};

/// Makes runs, answers for them, stops them. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: SharedStore,
    bus: SharedBus,
    workflows: BTreeMap<String, Arc<dyn Workflow>>,
    hub: Arc<Hub>,
    tasks: Tasks,
    clock: Clock,
    settings: Settings,
    metrics: Metrics,
    /// Runs that each user may still start.
    starts: Allowances<UserId>,
}

impl Engine {
    /// An engine over these ports.
    #[must_use]
    pub fn new(
        store: SharedStore,
        bus: SharedBus,
        workflows: Vec<Arc<dyn Workflow>>,
        tasks: Tasks,
        settings: Settings,
    ) -> Self {
        let workflows = workflows.into_iter().map(|w| (w.name().to_owned(), w)).collect();
        let starts = Allowances::new(settings.starts);
        let (hub, clock, metrics) = (Arc::default(), Clock::default(), Metrics::default());
        let inner = Inner { store, bus, workflows, hub, tasks, clock, settings, metrics, starts };
        Self { inner: Arc::new(inner) }
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// The one place that spawns.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    /// What is kept.
    #[must_use]
    pub fn store(&self) -> &SharedStore {
        &self.inner.store
    }

    /// What is counted and timed here.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Requests that wait for each provider, by its name.
    #[must_use]
    pub fn backlogs(&self) -> BTreeMap<String, usize> {
        self.inner.workflows.values().map(|w| (w.provider().name, w.backlog())).collect()
    }

    /// How many runs live here.
    #[must_use]
    pub fn live(&self) -> usize {
        self.inner.hub.live()
    }

    /// Who answers in a workflow.
    #[must_use]
    pub fn provider(&self, workflow: &str) -> Option<ProviderInfo> {
        self.inner.workflows.get(workflow).map(|w| w.provider())
    }

    /// Who carries a workflow's tools out, where it has any.
    #[must_use]
    pub fn clerk(&self, workflow: &str) -> Option<&Clerk> {
        self.inner.workflows.get(workflow).and_then(|w| w.clerk())
    }

    /// Makes a run, or finds the one that was made for the same message id. When this returns, the run
    /// and the person's message are durable; the caller follows it from 0.
    ///
    /// # Errors
    /// Codes of the request ([`Code::EmptyMessage`], [`Code::TooLarge`], [`Code::UnknownWorkflow`],
    /// [`Code::MessageIdReused`]), of capacity ([`Code::TooManyRuns`], [`Code::Draining`]) and
    /// [`Code::StoreFailed`].
    pub async fn start(&self, who: &Principal, ask: StartRun) -> Result<Started, Error> {
        let workflow = self.inner.workflows.get(&ask.workflow).ok_or_else(|| {
            let known: Vec<_> = self.inner.workflows.keys().map(String::as_str).collect();
            Error::new(
                Code::UnknownWorkflow,
                format!("there is no workflow of that name; there are: {}", known.join(", ")),
            )
        })?;
        check(&ask, workflow.as_ref())?;
        let session = ask.session.clone().unwrap_or_else(|| session_for(who, ask.message_id.as_ref()));
        let new = NewRun {
            id: new_run_id(),
            owner: who.user.clone(),
            session: session.clone(),
            message_id: ask.message_id.clone(),
            fingerprint: fingerprint(&ask),
            workflow: ask.workflow.clone(),
            // The fingerprint is of what was sent, so that a repetition is known by it.
            message: mask(&ask.message, workflow.masks()).into_owned(),
            at: self.inner.clock.wall(),
        };
        let (tell, told) = oneshot::channel();
        let (engine, workflow, who) = (self.clone(), Arc::clone(workflow), who.clone());
        // A task of its own: a caller that goes away while the store works must not leave a run behind
        // that is stored and that nobody writes.
        self.inner.tasks.spawn("start", async move {
            let started = engine.make(&who, session, ask, new, workflow).await;
            let _ = tell.send(started);
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
        let _lane = self.inner.hub.lane(&who.user, &session).await;
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
        self.inner.starts.take(&who.user).map_err(|wait| Error::too_fast("questions", wait))?;
        // Known here before it is stored: whoever finds it in the store finds its writer.
        let (live, before) = place.take(new.id.clone(), &session);
        let id = new.id.clone();
        match self.inner.store.create(new).await {
            Ok(Created::New(run)) => {
                let before = before.filter(|_| workflow.remembers());
                self.begin((who.clone(), run, ask), workflow, live, before, place);
                Ok(Started { run: id, session, joined: false })
            }
            Ok(Created::Joined(run)) => {
                live.lost();
                Ok(joined(run))
            }
            Ok(Created::Reused) => {
                live.lost();
                Err(reused())
            }
            Err(error) => {
                live.lost();
                drop(place);
                // It may have been stored all the same; nobody would write it.
                if let Ok(Some(run)) = self.inner.store.run(&who.user, &id).await {
                    let _ = self.end_orphan(&run, Outcome::Interrupted).await;
                }
                Err(store_failed(error))
            }
        }
    }

    fn begin(
        &self,
        (who, run, ask): (Principal, Run, StartRun),
        workflow: Arc<dyn Workflow>,
        live: Arc<LiveRun>,
        before: Option<Arc<LiveRun>>,
        place: Place,
    ) {
        let (emit, said) = writer::queue();
        let emit = emit.masking(workflow.masks());
        let rest = emit.clone();
        let first = first_event(&run);
        let turn = Turn {
            who,
            run: run.id.clone(),
            session: run.session.clone(),
            ask,
            clock: self.inner.clock,
            store: Arc::clone(&self.inner.store),
            emit,
        };
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
            done.map_err(|e| Error::new(e.code, mask(&e.message, Kinds::ALL)))
        });
        let writer = Writer {
            live: Arc::clone(&live),
            store: Arc::clone(&self.inner.store),
            bus: Arc::clone(&self.inner.bus),
            clock: self.inner.clock,
            settings: self.inner.settings.clone(),
            metrics: self.inner.metrics.clone(),
            workflow: run.workflow.clone(),
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
        });
    }

    /// A run of this user.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where it is somebody else's.
    pub async fn run(&self, who: &Principal, run: &RunId) -> Result<Run, Error> {
        let found = self.inner.store.run(&who.user, run).await.map_err(store_failed)?;
        found.ok_or_else(|| Error::not_found("Run"))
    }

    /// The newest run of this user's session.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn newest_run(&self, who: &Principal, session: &SessionId) -> Result<Run, Error> {
        let found = self.inner.store.newest_run(&who.user, session).await.map_err(store_failed)?;
        found.ok_or_else(|| Error::not_found("Session"))
    }

    /// This user's runs, newest first.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn runs(
        &self,
        who: &Principal,
        session: Option<&SessionId>,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let limit = limit.clamp(1, limit::RUNS_PAGE);
        self.inner.store.runs(&who.user, session, before, limit).await.map_err(store_failed)
    }

    /// The newest `most` messages of this user's session, turn by turn, oldest first.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn history(
        &self,
        who: &Principal,
        session: &SessionId,
        most: usize,
    ) -> Result<Vec<Message>, Error> {
        history(&self.inner.store, who, session, most).await
    }

    /// Keeps what somebody thought of an answer.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn give_feedback(&self, feedback: Feedback) -> Result<(), Error> {
        self.inner.store.give_feedback(feedback).await.map_err(store_failed)
    }

    /// Follows a run from a position. What this user may not see does not exist for him.
    ///
    /// # Errors
    /// [`Code::NotFound`], the cursor codes, [`Code::StoreFailed`].
    pub async fn follow(&self, who: &Principal, run: &RunId, from: &From) -> Result<Follow, Error> {
        Ok(self.view(who, run, from, false).await?.follow)
    }

    /// The same, with the run as it stands. `whole`: the position is checked, and the log is read from its
    /// beginning all the same.
    ///
    /// # Errors
    /// As [`Engine::follow`].
    pub async fn view(&self, who: &Principal, run: &RunId, from: &From, whole: bool) -> Result<View, Error> {
        // Subscribe first, look second: what comes between is hinted at.
        let hints = self.inner.bus.subscribe(run);
        let found = self.run(who, run).await?;
        let after = from.position(run, found.tail)?;
        let live = self.inner.hub.get(run);
        let begin = if whole { 0 } else { after };
        let around = Around {
            store: Arc::clone(&self.inner.store),
            clock: self.inner.clock,
            metrics: self.inner.metrics.clone(),
        };
        let follow = Follow::new(run.clone(), begin, found.tail, hints, live, around);
        Ok(View { run: found, after, follow })
    }

    /// One page of a run's log, for clients that poll.
    ///
    /// # Errors
    /// As [`Engine::follow`].
    pub async fn page(
        &self,
        who: &Principal,
        run: &RunId,
        from: &From,
    ) -> Result<(Run, Vec<Arc<Event>>), Error> {
        let found = self.run(who, run).await?;
        let after = from.position(run, found.tail)?;
        let read = self.inner.store.read(run, after + 1, limit::BATCH_EVENTS, limit::BATCH_BYTES).await;
        Ok((found, read.map_err(|error| unreadable(error, store_failed))?))
    }

    /// Stops a run and waits until its ending is durable: no text follows this answer. Stopping what has
    /// ended says how it ended.
    ///
    /// # Errors
    /// [`Code::NotFound`], [`Code::StoreFailed`].
    pub async fn stop(&self, who: &Principal, run: &RunId) -> Result<Outcome, Error> {
        let found = self.run(who, run).await?;
        if let Some(outcome) = found.tail.outcome {
            return Ok(outcome);
        }
        if let Some(live) = self.inner.hub.get(run) {
            live.stop.cancel();
            if let Life::Ended(outcome) = live.over().await {
                return Ok(outcome);
            }
        }
        // It ended between the two looks, or lives nowhere: the log knows.
        let found = self.run(who, run).await?;
        match found.tail.outcome {
            Some(outcome) => Ok(outcome),
            None => self.end_orphan(&found, Outcome::Cancelled).await,
        }
    }

    /// Stops taking runs, waits for the live ones at most `within`, then ends them as interrupted.
    pub async fn drain(&self, within: Duration) {
        self.inner.hub.drain();
        let all = self.inner.hub.all();
        let over = async {
            for run in &all {
                run.over().await;
            }
        };
        let mut over = std::pin::pin!(over);
        if tokio::time::timeout(within, &mut over).await.is_err() {
            for run in &all {
                run.interrupt.cancel();
            }
            // What cannot be stored by then is ended by whoever starts next.
            let _ = tokio::time::timeout(limit::LAST_FLUSH, over).await;
        }
    }
}

/// The newest messages of a session, turn by turn. A question that was asked while the one before it was
/// being answered is stored before that answer, and belongs behind it.
pub(crate) async fn history(
    store: &SharedStore,
    who: &Principal,
    session: &SessionId,
    most: usize,
) -> Result<Vec<Message>, Error> {
    let mut messages = store.history(&who.user, session, most).await.map_err(store_failed)?;
    let mut turns: HashMap<RunId, usize> = HashMap::new();
    for message in &messages {
        let next = turns.len();
        turns.entry(message.run.clone()).or_insert(next);
    }
    messages.sort_by_key(|m| turns.get(&m.run).copied());
    Ok(messages)
}

/// From where a run is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// After this number; 0 is the beginning.
    After(Seq),
    /// After the event of this cursor.
    Cursor(Cursor),
}

/// A run, seen from a position.
pub struct View {
    /// The run as it stood when the viewer came.
    pub run: Run,
    /// After which event it is followed.
    pub after: Seq,
    /// The viewer.
    pub follow: Follow,
}

impl From {
    fn position(&self, run: &RunId, tail: Tail) -> Result<Seq, Error> {
        match self {
            Self::After(seq) => check_position(*seq, tail.seq),
            Self::Cursor(cursor) => cursor.position_in(run, tail),
        }
    }
}

fn reused() -> Error {
    Error::new(Code::MessageIdReused, "this message id was used for another message; use a fresh one")
}

/// The first event of every run's log.
pub(crate) fn first_event(run: &Run) -> Body {
    Body::RunStarted { session_id: run.session.clone(), workflow: run.workflow.clone() }
}

/// Why a log cannot be read, in the words of the table; `backend` has those for a store that failed.
pub(crate) fn unreadable(error: ReadError, backend: impl FnOnce(StoreError) -> Error) -> Error {
    match error {
        ReadError::NotFound => Error::not_found("Run"),
        ReadError::Trimmed { first } => Error::new(
            Code::CursorExpired,
            format!(
                "what follows this position is no longer kept; the first event that is has number {first}"
            ),
        ),
        ReadError::Backend(why) => backend(why),
    }
}

pub(crate) fn store_failed(error: StoreError) -> Error {
    tracing::error!(%error, "the store failed");
    Error::new(Code::StoreFailed, "the server cannot read or write its data at the moment; try again later")
}
