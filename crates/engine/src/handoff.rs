//! Puts a question on the queue of people, and tells people outside of it, behind the run.
//!
//! The queue is the store's; a notice is only a hint that it grew. Which notices were delivered is not
//! stored: after a restart what still waits and is young is told again, so each is told at least once.

use std::sync::Arc;

use headwater_core::port::SharedStore;
use headwater_core::port::desk::Escalation;
use headwater_core::port::handoff::{Notice, SharedHandoff};
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, limit};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::assistant::handoff::Reason;
use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::workflow::Turn;

/// What stands for the queue's state on the wire; there is one state until a person takes it.
pub const QUEUED: &str = "queued";

/// Puts this turn's question on the queue, or finds the one of its session that waits there already.
///
/// # Errors
/// The store's; the answer does not depend on it.
pub(crate) async fn escalate(turn: &Turn, reason: Reason) -> Result<Escalation, StoreError> {
    let id = uuid::Uuid::new_v4().simple().to_string()[..16].to_uppercase();
    let new = Escalation {
        id: format!("ESC-{id}"),
        owner: turn.who.user.clone(),
        session: turn.session.clone(),
        run: turn.run.clone(),
        reason: reason.as_str().to_owned(),
        created_at: Clock::default().wall(),
        closed_at: None,
    };
    turn.store.escalate(new).await
}

/// Tells people outside of what was put on the queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Teller {
    to: mpsc::Sender<Notice>,
    assistant: Arc<str>,
}

/// A notice that is to be told, and when next.
struct Pending {
    notice: Notice,
    tries: u32,
    due: Instant,
}

impl Teller {
    /// Starts the task that tells, until `shutdown`. It begins with what still waits in the store.
    #[must_use]
    pub fn start(
        tasks: &Tasks,
        store: SharedStore,
        handoff: SharedHandoff,
        assistant: &str,
        shutdown: CancellationToken,
    ) -> Self {
        let (to, notices) = mpsc::channel(limit::HANDOFF_QUEUE);
        let teller = Self { to, assistant: assistant.into() };
        let own = teller.clone();
        tasks.spawn("handoff", async move {
            tokio::select! {
                () = own.work(store, handoff, notices) => {}
                // What was not told is told after the next start.
                () = shutdown.cancelled() => {}
            }
        });
        teller
    }

    /// Tells of an escalation, soon. Never waits.
    pub fn tell(&self, escalation: &Escalation) {
        if self.to.try_send(self.notice(escalation)).is_err() {
            tracing::warn!(
                id = escalation.id,
                "too many escalations wait to be told; this one is told after a restart"
            );
        }
    }

    fn notice(&self, escalation: &Escalation) -> Notice {
        Notice {
            escalation_id: escalation.id.clone(),
            reason: escalation.reason.clone(),
            session_id: escalation.session.clone(),
            run_id: escalation.run.clone(),
            created_at: escalation.created_at,
            assistant: self.assistant.to_string(),
        }
    }

    async fn work(&self, store: SharedStore, handoff: SharedHandoff, mut notices: mpsc::Receiver<Notice>) {
        let mut pending = self.left(&store).await;
        loop {
            let next = pending.iter().enumerate().min_by_key(|(_, p)| p.due).map(|(n, p)| (n, p.due));
            tokio::select! {
                Some(notice) = notices.recv(), if pending.len() < limit::HANDOFF_QUEUE => {
                    // What was read from the store at the start may come here too.
                    let new = Pending { notice, tries: 0, due: Instant::now() };
                    match pending.iter_mut().find(|p| p.notice.escalation_id == new.notice.escalation_id) {
                        Some(waiting) if waiting.notice == new.notice => {}
                        // A graver reason has come meanwhile; it does not wait out the pause of the one before.
                        Some(waiting) => *waiting = new,
                        None => pending.push(new),
                    }
                }
                () = due(next.map(|(_, due)| due)), if next.is_some() => {
                    let Some((n, _)) = next else { continue };
                    let one = pending.swap_remove(n);
                    pending.extend(attempt(&handoff, one).await);
                }
            }
        }
    }

    /// What waits in the store and is young enough to be news.
    async fn left(&self, store: &SharedStore) -> Vec<Pending> {
        let now = Clock::default().wall();
        let age = i64::try_from(limit::HANDOFF_AGE.as_millis()).unwrap_or(i64::MAX);
        match store.waiting_since(Millis(now.0.saturating_sub(age)), limit::HANDOFF_QUEUE).await {
            Ok(waiting) => {
                let pending = |e| Pending { notice: self.notice(e), tries: 0, due: Instant::now() };
                waiting.iter().map(pending).collect()
            }
            Err(error) => {
                tracing::error!(%error, "the escalations that wait cannot be read; they are not told again");
                Vec::new()
            }
        }
    }
}

/// Tells once. What is to be told again comes back.
async fn attempt(handoff: &SharedHandoff, mut one: Pending) -> Option<Pending> {
    let id = one.notice.escalation_id.clone();
    let told = tokio::time::timeout(limit::HANDOFF_TIME, handoff.tell(&one.notice)).await;
    let (why, retry) = match told {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => (error.message, error.retry),
        Err(_) => ("it took too long".to_owned(), true),
    };
    one.tries += 1;
    if !retry || one.tries >= limit::HANDOFF_TRIES {
        tracing::error!(
            id,
            why,
            tries = one.tries,
            "nobody was told of an escalation; it stays in the queue"
        );
        return None;
    }
    let wait = (limit::HANDOFF_RETRY_FIRST * 4u32.pow(one.tries - 1)).min(limit::HANDOFF_RETRY_MOST);
    tracing::warn!(id, why, seconds = wait.as_secs(), "an escalation could not be told; trying again");
    one.due = Instant::now() + wait;
    Some(one)
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
