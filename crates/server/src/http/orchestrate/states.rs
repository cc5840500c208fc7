//! The states of jobs that were asked for lately, so that who asks every two seconds does not read the log each time:
//! each is taken up where it stands and told what came since.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_core::code::{Code, Error};
use headwater_core::run::Run;
use headwater_core::{Principal, RunId, limit};
use headwater_engine::Engine;
use headwater_engine::engine::From;
use parking_lot::Mutex;

use super::shapes::Line;
use super::view::Fold;

/// See the module. Bounded by number and by bytes; who was not asked for longest goes.
#[derive(Debug, Default)]
pub(super) struct States {
    kept: Mutex<Kept>,
    /// Of jobs that are over, what a list shows: they do not change any more.
    lines: Mutex<HashMap<RunId, Line>>,
}

#[derive(Debug, Default)]
struct Kept {
    states: HashMap<RunId, Entry>,
    bytes: usize,
    /// Counts up: when an entry was asked for.
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    fold: Arc<Fold>,
    weight: usize,
    asked: u64,
}

impl States {
    /// The state of this job now. `run` was found for this user a moment ago.
    ///
    /// # Errors
    /// Those of reading a log.
    pub(super) async fn of(&self, engine: &Engine, who: &Principal, run: &Run) -> Result<Arc<Fold>, Error> {
        let mut fold = self.kept.lock().get(&run.id).unwrap_or_default();
        if fold.seq >= run.tail.seq {
            return Ok(fold);
        }
        let state = Arc::make_mut(&mut fold);
        while state.seq < run.tail.seq {
            let (_, events) = engine.page(who, &run.id, &From::After(state.seq)).await?;
            if events.is_empty() {
                break;
            }
            events.iter().for_each(|event| state.push(event));
        }
        self.kept.lock().put(&run.id, Arc::clone(&fold));
        Ok(fold)
    }

    /// What a list shows of this job of the user's.
    ///
    /// # Errors
    /// As [`States::of`], but for a log that is no longer kept: that there was such a job is known all the same.
    pub(super) async fn line(&self, engine: &Engine, who: &Principal, run: &Run) -> Result<Line, Error> {
        let Some(outcome) = run.tail.outcome else {
            return Ok(self.of(engine, who, run).await?.line(run.id.as_str()));
        };
        if let Some(line) = self.lines.lock().get(&run.id) {
            return Ok(line.clone());
        }
        let line = match self.of(engine, who, run).await {
            Ok(state) => state.line(run.id.as_str()),
            Err(error) if error.code == Code::CursorExpired => {
                Fold { ended: Some(outcome), ..Fold::default() }.line(run.id.as_str())
            }
            Err(error) => return Err(error),
        };
        let mut lines = self.lines.lock();
        // All at once: whoever lists again makes his own anew.
        if lines.len() >= limit::JOB_LINES {
            lines.clear();
        }
        lines.insert(run.id.clone(), line.clone());
        Ok(line)
    }
}

impl Kept {
    fn get(&mut self, run: &RunId) -> Option<Arc<Fold>> {
        self.asked += 1;
        let entry = self.states.get_mut(run)?;
        entry.asked = self.asked;
        Some(Arc::clone(&entry.fold))
    }

    fn put(&mut self, run: &RunId, fold: Arc<Fold>) {
        // Of two that read at once the one that is further.
        if self.states.get(run).is_some_and(|entry| entry.fold.seq > fold.seq) {
            return;
        }
        self.asked += 1;
        let weight = fold.weight();
        let entry = Entry { fold, weight, asked: self.asked };
        self.bytes += weight;
        if let Some(before) = self.states.insert(run.clone(), entry) {
            self.bytes -= before.weight;
        }
        while self.states.len() > limit::JOB_STATES || self.bytes > limit::JOB_STATES_BYTES {
            let oldest = self.states.iter().min_by_key(|(_, entry)| entry.asked).map(|(run, _)| run.clone());
            let Some(entry) = oldest.and_then(|run| self.states.remove(&run)) else { break };
            self.bytes -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Planted fault: the weight of what is replaced not given back.
    #[test]
    fn what_is_kept_is_bounded_and_the_least_used_goes() {
        let mut kept = Kept::default();
        let run = |n: usize| RunId::parse(&format!("run_{n}")).unwrap();
        let state = |bytes: usize| Arc::new(Fold { brief: "x".repeat(bytes), ..Fold::default() });
        for n in 0..limit::JOB_STATES + 5 {
            kept.put(&run(n), state(10));
            let _ = kept.get(&run(0));
        }
        assert_eq!(kept.states.len(), limit::JOB_STATES);
        assert!(kept.get(&run(0)).is_some() && kept.get(&run(1)).is_none());
        kept.put(&run(0), state(10));
        kept.put(&run(7777), state(limit::JOB_STATES_BYTES - 10 * kept.states[&run(0)].weight));
        assert!(kept.bytes <= limit::JOB_STATES_BYTES && kept.get(&run(7777)).is_some());
        assert_eq!(kept.bytes, kept.states.values().map(|entry| entry.weight).sum::<usize>());
        // One that is too large alone is kept by nobody.
        kept.put(&run(1), state(limit::JOB_STATES_BYTES));
        assert!(kept.bytes <= limit::JOB_STATES_BYTES);
    }
}
