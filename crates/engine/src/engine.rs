//! Makes runs, answers for them, stops them: what every protocol calls.

mod make;
mod read;
mod room;
mod shared;
pub mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headwater_core::code::{Code, Error};
use headwater_core::event::{Body, Outcome, TeamPlan};
use headwater_core::port::desk::Feedback;
use headwater_core::port::provider::ProviderInfo;
use headwater_core::port::store::{RunPage, RunState, StoreError};
use headwater_core::port::{SharedBus, SharedStore};
use headwater_core::run::Run;
use headwater_core::{Principal, RunId, SessionId, UserId, limit};

pub use self::read::{From, View};
pub(crate) use self::read::{history, unreadable};
pub use self::room::{Entered, StoppedTurn};
use crate::allowance::Allowances;
use crate::clock::Clock;
use crate::hub::{Hub, Life};
use crate::metrics::Metrics;
use crate::models::{Listed, Models};
use crate::quota::Quota;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::tools::Clerk;
use crate::workflow::Workflow;

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
    /// And lessons.
    lessons: Allowances<UserId>,
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
        let (starts, lessons) = (Allowances::new(settings.starts), Allowances::new(settings.lessons));
        let (hub, clock, metrics) = (Arc::default(), Clock::default(), Metrics::default());
        let inner = Inner { store, bus, workflows, hub, tasks, clock, settings, metrics, starts, lessons };
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

    /// Requests that wait for each provider, by its own name, whatever aliases lead to it.
    #[must_use]
    pub fn backlogs(&self) -> BTreeMap<String, usize> {
        let workflows = self.inner.workflows.values();
        let named = workflows.clone().filter_map(|w| w.models()).flat_map(Models::providers);
        let named = named.flat_map(|provider| provider.backlogs());
        named.chain(workflows.flat_map(|w| w.backlogs())).collect()
    }

    /// Which models a client may ask for by name, the default first.
    #[must_use]
    pub fn models(&self) -> Vec<Listed> {
        self.inner.workflows.values().find_map(|w| w.models()).map(Models::list).unwrap_or_default()
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

    /// The teams of a workflow, as they are before they work.
    #[must_use]
    pub fn lineup(&self, workflow: &str) -> Vec<TeamPlan> {
        self.inner.workflows.get(workflow).map(|w| w.lineup()).unwrap_or_default()
    }

    /// Who carries a workflow's tools out, where it has any.
    #[must_use]
    pub fn clerk(&self, workflow: &str) -> Option<&Clerk> {
        self.inner.workflows.get(workflow).and_then(|w| w.clerk())
    }

    /// A run that this user sees: his own, or one of a session that is shared with him.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where it is somebody else's.
    pub async fn run(&self, who: &Principal, run: &RunId) -> Result<Run, Error> {
        let found = self.inner.store.visible_run(&who.user, run).await.map_err(store_failed)?;
        found.ok_or_else(|| Error::not_found("Run"))
    }

    /// A run of this user's own: only he may stop it or change anything about it.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where it is somebody else's, shared or not.
    pub async fn own_run(&self, who: &Principal, run: &RunId) -> Result<Run, Error> {
        let found = self.inner.store.run(&who.user, run).await.map_err(store_failed)?;
        found.ok_or_else(|| Error::not_found("Run"))
    }

    /// Where sockets of one session meet.
    #[must_use]
    pub fn bus(&self) -> &SharedBus {
        &self.inner.bus
    }

    /// The newest run of this user's own session.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn newest_run(&self, who: &Principal, session: &SessionId) -> Result<Run, Error> {
        let found = self.inner.store.newest_run(&who.user, session).await.map_err(store_failed)?;
        found.ok_or_else(|| Error::not_found("Session"))
    }

    /// This user's runs, newest first, or those of the session that the named owner shares with him.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`]: an owner without a session; [`Code::NotFound`]: another's session that is not there or
    /// not shared with him; [`Code::StoreFailed`].
    pub async fn runs(
        &self,
        who: &Principal,
        owner: Option<&UserId>,
        session: Option<&SessionId>,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let limit = limit.clamp(1, limit::RUNS_PAGE);
        let owner = match session {
            Some(session) => self.whose(who, owner, session).await?,
            None if owner.is_some() => {
                let words = "`owner` says whose session is meant: name the session, too";
                return Err(Error::new(Code::InvalidRequest, words));
            }
            None => who.user.clone(),
        };
        if !self.is_place(who, &owner, session, before).await? {
            return Ok(Vec::new());
        }
        self.inner.store.runs(&owner, session, before, limit).await.map_err(store_failed)
    }

    /// How much this user has used of a quota.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn used(&self, who: &Principal, quota: &Quota) -> Result<u64, Error> {
        let used = quota.used(&self.inner.store, &who.user, self.inner.clock.wall()).await;
        used.map_err(store_failed)
    }

    /// This user's runs of one workflow that he has not hidden, newest first: `limit` of them after the first `offset`.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn runs_page(
        &self,
        who: &Principal,
        workflow: &str,
        state: RunState,
        (offset, limit): (usize, usize),
    ) -> Result<RunPage, Error> {
        let limit = limit.clamp(1, limit::RUNS_PAGE);
        let page = self.inner.store.runs_page(&who.user, workflow, state, offset, limit).await;
        page.map_err(store_failed)
    }

    /// Takes a run of this user's own off his list, for good; its log stays. `false` where it is off already.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn hide_run(&self, who: &Principal, run: &RunId) -> Result<bool, Error> {
        self.inner.store.hide_run(&who.user, run).await.map_err(store_failed)
    }

    /// Keeps what somebody thought of an answer.
    ///
    /// # Errors
    /// [`Code::StoreFailed`].
    pub async fn give_feedback(&self, feedback: Feedback) -> Result<(), Error> {
        self.inner.store.give_feedback(feedback).await.map_err(store_failed)
    }

    /// Stops a run and waits until its ending is durable: no text follows this answer. Stopping what has
    /// ended says how it ended.
    ///
    /// # Errors
    /// [`Code::NotFound`], [`Code::StoreFailed`].
    pub async fn stop(&self, who: &Principal, run: &RunId) -> Result<Outcome, Error> {
        let found = self.own_run(who, run).await?;
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
        let found = self.own_run(who, run).await?;
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

/// The first event of every run's log.
pub(crate) fn first_event(run: &Run) -> Body {
    Body::RunStarted { session_id: run.session.clone(), workflow: run.workflow.clone() }
}

pub(crate) fn store_failed(error: StoreError) -> Error {
    tracing::error!(%error, "the store failed");
    Error::new(Code::StoreFailed, "the server cannot read or write its data at the moment; try again later")
}
