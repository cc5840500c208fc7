//! Of which addresses that nobody has the store keeps wrong passwords: as it does of accounts, or after a restart a
//! locked account would be told from an address that is none. But anybody can name such addresses without end, so this
//! knows what is kept and says what goes: what counts no more, and beyond [`limit::SIGN_IN_ADDRESSES`] the oldest.
//! What is kept of accounts is not among it: there are no more of those than accounts, and no stranger pushes one out.

use std::collections::{HashMap, VecDeque};

use headwater_core::{Millis, limit};
use parking_lot::Mutex;

use super::lockout::Failures;

/// How many go when one more is kept: more than come, so that what is left of a flood goes with time, and few, since
/// whoever was wrong waits for it.
const GO_AT_ONCE: usize = 2;

#[derive(Debug)]
struct Kept {
    /// When the last wrong one came, by the key of its record.
    last: HashMap<Box<str>, Millis>,
    /// The same in the order in which they came; of a key's only the last one counts.
    queue: VecDeque<(Box<str>, Millis)>,
    most: usize,
}

/// See the module. One for the whole server.
#[derive(Debug)]
pub(super) struct Strangers(Mutex<Kept>);

impl Default for Strangers {
    fn default() -> Self {
        Self::with_room(limit::SIGN_IN_ADDRESSES)
    }
}

impl Strangers {
    fn with_room(most: usize) -> Self {
        Self(Mutex::new(Kept { last: HashMap::new(), queue: VecDeque::new(), most }))
    }

    /// What the store has when the server starts.
    pub(super) fn load(&self, mut kept: Vec<(String, Millis)>) {
        kept.sort_by_key(|(_, at)| *at);
        for (key, at) in kept {
            self.keep(&key, at);
        }
    }

    /// The store keeps a wrong one of this time under this key.
    pub(super) fn keep(&self, key: &str, at: Millis) {
        let mut kept = self.0.lock();
        kept.last.insert(key.into(), at);
        kept.queue.push_back((key.into(), at));
    }

    /// Keys that the store is to forget now; they are not known here any more.
    pub(super) fn go(&self, now: Millis) -> Vec<Box<str>> {
        let mut kept = self.0.lock();
        let mut gone = Vec::new();
        while gone.len() < GO_AT_ONCE
            && let Some((key, at)) = kept.queue.front()
        {
            let last = kept.last.get(key) == Some(at);
            if last
                && kept.last.len() <= kept.most
                && (Failures { count: 0, last: *at }).current(now).is_some()
            {
                break;
            }
            if let Some((key, _)) = kept.queue.pop_front().filter(|_| last) {
                kept.last.remove(&key);
                gone.push(key);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000_000_000);

    fn gone(strangers: &Strangers, now: Millis) -> Vec<String> {
        strangers.go(now).into_iter().map(String::from).collect()
    }

    // Planted faults: no bound; the first wrong one of an address taken for its last.
    #[test]
    fn what_counts_no_more_goes_and_beyond_the_cap_the_oldest() {
        let strangers = Strangers::with_room(3);
        let at = |seconds: i64| Millis(NOW.0 + seconds * 1_000);
        strangers.load(vec![("b".into(), at(1)), ("a".into(), at(0))]);
        strangers.keep("c", at(2));
        strangers.keep("a", at(3));
        assert!(gone(&strangers, at(4)).is_empty());
        strangers.keep("d", at(4));
        assert_eq!(gone(&strangers, at(4)), ["b"], "a was wrong again");
        assert!(gone(&strangers, at(4)).is_empty());
        let over = |seconds| at(seconds).after(limit::SIGN_IN_LOCK);
        assert_eq!(gone(&strangers, over(2)), ["c"]);
        strangers.keep("e", over(2));
        // No more at once, however many there are.
        assert_eq!(gone(&strangers, over(9_999)), ["a", "d"]);
        assert_eq!(gone(&strangers, over(9_999)), ["e"]);
        assert!(strangers.0.lock().last.is_empty() && strangers.0.lock().queue.is_empty());
        // What is from the future, since a clock was set back, does not stay for ever.
        strangers.keep("f", over(9_999));
        assert_eq!(gone(&strangers, NOW), ["f"]);
    }
}
