//! Random calls against a model that is too simple to be wrong: three runs, vectors of numbers.

use headwater_core::Millis;
use headwater_core::event::{Outcome, Seq, Term};
use headwater_core::port::store::{AppendError, Batch, Created, Expired, ReadError, Store};
use headwater_core::run::Tail;
use proptest::prelude::*;

use crate::given::{Model, check, ending, named, new_run, run_id, seqs, session_id, token, user_id};

#[derive(Debug, Clone)]
enum Call {
    /// Makes run `run` for message `message`, with this fingerprint.
    Create {
        run: usize,
        message: usize,
        fingerprint: usize,
    },
    /// Appends `count` events, beginning `off` away from the tail, in a term `back` before the newest.
    Append {
        run: usize,
        off: i64,
        count: u64,
        back: u64,
        end: bool,
    },
    Read {
        run: usize,
        from: Seq,
        events: usize,
        bytes: usize,
    },
    TakeOver {
        run: usize,
    },
    /// Removes the logs of at most `most` runs that ended.
    Expire {
        most: usize,
    },
    /// Closes the store and opens it again, where it has a file.
    Reopen,
}

#[derive(Debug, Clone)]
struct Modelled {
    name: usize,
    message: usize,
    fingerprint: usize,
    tail: Seq,
    term: Term,
    outcome: Option<Outcome>,
    trimmed: bool,
}

#[derive(Debug, Default)]
struct Runs {
    /// In the order of making.
    runs: Vec<Modelled>,
    lines: usize,
}

impl Runs {
    fn find(&mut self, name: usize) -> Option<&mut Modelled> {
        self.runs.iter_mut().find(|run| run.name == name)
    }
}

impl Model for Runs {
    type Call = Call;

    const CALLS: usize = 40;

    fn call() -> impl Strategy<Value = Call> {
        let run = 0..3_usize;
        prop_oneof![
            3 => (0..3_usize, 0..3_usize, 0..2_usize)
                .prop_map(|(run, message, fingerprint)| Call::Create { run, message, fingerprint }),
            8 => (run.clone(), prop_oneof![9 => Just(0_i64), 1 => -2..3_i64], 0..6_u64,
                  prop_oneof![9 => Just(0_u64), 1 => Just(1_u64)], prop::bool::weighted(0.15))
                .prop_map(|(run, off, count, back, end)| Call::Append { run, off, count, back, end }),
            6 => (run.clone(), 0..30_u64, 0..12_usize, 0..800_usize)
                .prop_map(|(run, from, events, bytes)| Call::Read { run, from, events, bytes }),
            1 => run.prop_map(|run| Call::TakeOver { run }),
            1 => (1..3_usize).prop_map(|most| Call::Expire { most }),
            1 => Just(Call::Reopen),
        ]
    }

    fn reopens(call: &Call) -> bool {
        matches!(call, Call::Reopen)
    }

    async fn apply(&mut self, store: &dyn Store, call: &Call) {
        match *call {
            Call::Create { run, message, fingerprint } => {
                let new = new_run(&format!("r{run}"), "u", "s");
                let new = named(new, &format!("m{message}"), &format!("f{fingerprint}"));
                let created = store.create(new).await;
                if let Some(before) = self.runs.iter().find(|r| r.message == message) {
                    match created.unwrap() {
                        Created::Joined(joined) => {
                            assert_eq!(before.fingerprint, fingerprint);
                            assert_eq!(joined.id, run_id(&format!("r{}", before.name)));
                            assert_eq!(joined.tail.seq, before.tail);
                        }
                        Created::Reused => assert_ne!(before.fingerprint, fingerprint),
                        Created::New(run) => panic!("made twice: {run:?}"),
                    }
                } else if self.find(run).is_some() {
                    assert!(created.is_err(), "the id is taken");
                } else {
                    assert!(matches!(created.unwrap(), Created::New(_)));
                    let made = Modelled {
                        name: run,
                        message,
                        fingerprint,
                        tail: 0,
                        term: 1,
                        outcome: None,
                        trimmed: false,
                    };
                    self.runs.push(made);
                    self.lines += 1;
                }
            }
            Call::Append { run, off, count, back, end } => {
                let id = run_id(&format!("r{run}"));
                let stands = self.find(run).cloned();
                let tail = stands.as_ref().map_or(0, |s| s.tail);
                let term = stands.as_ref().map_or(1, |s| s.term.saturating_sub(back));
                let first = (tail + 1).saturating_add_signed(off);
                let mut events: Vec<_> = (first..first + count).map(token).collect();
                if end {
                    events.push(ending(first + count, Outcome::Completed));
                }
                let empty = events.is_empty();
                let appended = count + u64::from(end);
                let batch = Batch { events, answer: end.then(|| "answer".to_owned()) };
                let expected = match &stands {
                    None => Err(AppendError::Conflict),
                    Some(s) if s.term != term => Err(AppendError::StaleTerm),
                    Some(s) if s.outcome.is_some() => Err(AppendError::Ended),
                    Some(_) if empty || off != 0 => Err(AppendError::Conflict),
                    Some(_) => Ok(()),
                };
                assert_eq!(store.append(&id, term, batch).await, expected);
                if expected.is_ok() {
                    self.lines += usize::from(end);
                    let stands = self.find(run).unwrap();
                    stands.tail += appended;
                    stands.outcome = end.then_some(Outcome::Completed);
                }
            }
            Call::Read { run, from, events, bytes } => {
                let read = store.read(&run_id(&format!("r{run}")), from, events, bytes).await;
                let Some(stands) = self.find(run) else {
                    assert!(read.is_err());
                    return;
                };
                if stands.trimmed && from <= stands.tail {
                    assert_eq!(read, Err(ReadError::Trimmed { first: stands.tail + 1 }));
                    return;
                }
                let read = read.unwrap();
                let all: Vec<Seq> = (from.max(1)..=stands.tail).collect();
                let got = seqs(&read);
                assert_eq!(got, all[..got.len()], "in order, without holes");
                assert!(got.len() <= events);
                assert!(got.len() == 1 || read.iter().map(|e| e.body.weight()).sum::<usize>() <= bytes);
                assert!(!got.is_empty() || all.is_empty() || events == 0);
                // As many as fit: one more would be too many, or there is none.
                if got.len() < all.len() && got.len() < events {
                    let more: usize = read.iter().map(|e| e.body.weight()).sum();
                    let next = *all.get(got.len()).unwrap();
                    let weight = if next == stands.tail && stands.outcome.is_some() {
                        ending(next, Outcome::Completed).body.weight()
                    } else {
                        token(next).body.weight()
                    };
                    assert!(more + weight > bytes);
                }
            }
            Call::TakeOver { run } => {
                let taken = store.take_over(&run_id(&format!("r{run}"))).await;
                match self.find(run) {
                    None => assert!(taken.is_err()),
                    Some(stands) => {
                        stands.term += 1;
                        let tail = Tail { seq: stands.tail, term: stands.term, outcome: stands.outcome };
                        assert_eq!(taken.unwrap(), tail);
                    }
                }
            }
            Call::Expire { most } => {
                let expired = store.expire(Millis(i64::MAX), most).await.unwrap();
                let ended = self.runs.iter_mut().filter(|r| r.outcome.is_some() && !r.trimmed);
                // What each had: a question and an answer.
                let runs = ended.take(most).map(|r| r.trimmed = true).count();
                self.lines -= 2 * runs;
                assert_eq!(expired, Expired { runs, more: runs == most });
            }
            Call::Reopen => {}
        }
    }

    async fn compare(&self, store: &dyn Store) {
        let name = |n: &Modelled| format!("r{}", n.name);
        for run in &self.runs {
            let tail = Tail { seq: run.tail, term: run.term, outcome: run.outcome };
            assert_eq!(store.tail(&run_id(&name(run))).await.unwrap(), tail);
        }
        let (u, s) = (user_id("u"), session_id("s"));
        let listed = store.runs(&u, Some(&s), None, 10).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|r| r.id.to_string()).collect();
        assert_eq!(listed, self.runs.iter().rev().map(name).collect::<Vec<_>>());
        let live = store.live().await.unwrap();
        let live: Vec<_> = live.iter().map(|r| r.id.to_string()).collect();
        assert_eq!(live, self.runs.iter().filter(|r| r.outcome.is_none()).map(name).collect::<Vec<_>>());
        assert_eq!(store.history(&u, &s, 100).await.unwrap().len(), self.lines);
    }
}

#[test]
fn memory_is_as_the_model() {
    check::<Runs>(1_000, false);
}

#[test]
fn sqlite_is_as_the_model() {
    check::<Runs>(100, true);
}
