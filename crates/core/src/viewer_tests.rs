//! 2,000 seeded runs over a bus that loses a third of its hints, and repeats, delays and reorders the
//! rest: every viewer sees every event once and in order. Four faults are planted in the shell; each must
//! be caught by the same check, or the check is worth nothing.

use super::*;
use crate::event::{Body, Outcome};
use crate::log::Log;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    /// Reads from one number too late (off-by-one cursor).
    OffByOne,
    /// Replays the log once, then trusts the hints alone to carry on from where they are.
    ReplayThenSubscribe,
    /// Never asks the store for the tail: a lost last hint hangs the viewer.
    NoCheck,
    /// Takes a batch again after a reconnect.
    NoSkip,
}

struct Rng(u64);
impl Rng {
    fn next(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn body(n: u64, last: bool) -> Body {
    if last {
        Body::RunEnded { outcome: Outcome::Completed, finish_reason: None, error: None, usage: None }
    } else {
        Body::Token { text: format!("{n} ") }
    }
}

/// One seeded run; `Err` says how the viewer was wronged.
fn simulate(seed: u64, fault: Fault) -> Result<(), String> {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let total = 1 + rng.next(40);
    let mut log = Log::at(1, 0, None);
    let mut stored: Vec<Arc<Event>> = Vec::new();
    let mut hints: Vec<(u64, Seq, bool)> = Vec::new();
    let mut now = Millis(0);
    let mut seen: Vec<Seq> = Vec::new();
    let mut viewer = Viewer::new(0, now);
    let mut replayed = false;
    for round in 0..20_000_u64 {
        now = now.after(Duration::from_millis(rng.next(30)));
        if log.outcome().is_none() && rng.next(3) == 0 {
            // One flush of one to four events, then one hint that may go missing.
            for _ in 0..=rng.next(4) {
                if log.outcome().is_none() {
                    let n = log.tail() + 1;
                    stored.push(Arc::new(
                        log.append(1, now, body(n, n == total)).map_err(|e| format!("{e:?}"))?,
                    ));
                }
            }
            for _ in 0..rng.next(3) {
                hints.push((round + rng.next(20), log.tail(), log.outcome().is_some()));
            }
        }
        while let Some(at) = hints.iter().position(|h| h.0 <= round) {
            let (_, tail, ended) = hints.swap_remove(at);
            if fault == Fault::ReplayThenSubscribe && replayed && tail > viewer.cursor() + 4 {
                // Live events are taken from the hint's place on: what lay between is lost.
                viewer.cursor = tail - 1;
            }
            viewer.on_hint(tail, ended);
        }
        if rng.next(50) == 0 {
            // The socket drops; a new viewer goes on from the client's own position.
            let after = seen.last().copied().unwrap_or(0);
            viewer = Viewer::new(if fault == Fault::NoSkip { after.saturating_sub(1) } else { after }, now);
        }
        match viewer.step(now) {
            Step::Read { from } => {
                let from = if fault == Fault::OffByOne && from > 1 { from + 1 } else { from };
                let limit = 1 + rng.next(5) as usize;
                let batch: Vec<_> = stored.iter().filter(|e| e.seq >= from).take(limit).cloned().collect();
                let skip = match viewer.on_batch(&batch, now) {
                    Ok(skip) => skip,
                    Err(gap) => return Err(format!("{gap:?}")),
                };
                seen.extend(batch[skip..].iter().map(|e| e.seq));
                replayed = true;
            }
            Step::Check if fault == Fault::NoCheck && !seen.is_empty() => {
                viewer.next_check = now.after(Duration::MAX)
            }
            Step::Check => viewer.on_tail(Tail { seq: log.tail(), term: 1, outcome: log.outcome() }, now),
            Step::Heartbeat | Step::Wait { .. } => {}
            Step::End => {
                let want: Vec<Seq> = (1..=total).collect();
                return if seen == want { Ok(()) } else { Err(format!("saw {seen:?} of {total}")) };
            }
        }
    }
    Err(format!("hangs: saw {} of {total}", seen.len()))
}

#[test]
fn two_thousand_runs_over_a_bus_that_loses_hints() {
    for seed in 1..=2_000 {
        simulate(seed, Fault::None).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

#[test]
fn planted_faults_are_caught() {
    for fault in [Fault::OffByOne, Fault::ReplayThenSubscribe, Fault::NoCheck, Fault::NoSkip] {
        let caught = (1..=200).filter(|seed| simulate(*seed, fault).is_err()).count();
        assert!(caught > 0, "{fault:?} was never caught");
    }
}

#[test]
fn a_hint_that_lies_costs_one_empty_read_and_no_spin() {
    let now = Millis(0);
    let mut viewer = Viewer::new(0, now);
    viewer.on_tail(Tail { seq: 0, term: 1, outcome: None }, now);
    viewer.on_hint(9, true);
    assert_eq!(viewer.step(now), Step::Read { from: 1 });
    assert_eq!(viewer.on_batch(&[], now), Ok(0));
    assert!(matches!(viewer.step(now), Step::Wait { .. }));
}

#[test]
fn a_silent_stream_is_kept_alive() {
    let mut now = Millis(0);
    let mut viewer = Viewer::new(0, now);
    let mut beats = 0;
    while now < Millis(61_000) {
        match viewer.step(now) {
            Step::Check => viewer.on_tail(Tail { seq: 0, term: 1, outcome: None }, now),
            Step::Heartbeat => beats += 1,
            Step::Wait { until } => now = until,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(beats, 4);
}
