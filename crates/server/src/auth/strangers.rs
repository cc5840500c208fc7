//! Of which addresses that nobody has the store keeps wrong passwords: as it does of accounts, or after a restart a
//! locked account would be told from an address that is none. But anybody can name such addresses without end, so this
//! knows what is kept and says what goes: what counts no more, and beyond [`limit::SIGN_IN_ADDRESSES`] the oldest.
//! What is kept of accounts is not among it: there are no more of those than accounts, and no stranger pushes one out.
//! After a flood nobody may be wrong for long: once an hour all goes that counts no more.

use std::collections::{HashMap, VecDeque};

use headwater_core::port::records::Record;
use headwater_core::port::store::StoreError;
use headwater_core::{Millis, limit};
use headwater_engine::retention::in_slices;
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::lockout::{Name, counting, key, read_key};
use super::{Auth, SIGN_IN};

/// How many go when one more is kept: more than come, so that what is left of a flood goes with time, and few, since
/// whoever was wrong waits for it.
const GO_AT_ONCE: usize = 2;

#[derive(Debug)]
struct Kept {
    /// When the last wrong one came, by address.
    last: HashMap<Name, Millis>,
    /// The same in the order in which they came; of an address's only the last one counts.
    queue: VecDeque<(Name, Millis)>,
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

    /// What the store has when the server starts, as far as it counts.
    pub(super) fn load(&self, kept: &[Record], now: Millis) {
        let counting = counting(now);
        let kept = kept.iter().filter(|record| counting.contains(&record.at));
        let mut kept: Vec<_> = kept.filter_map(|record| Some((record.at, read_key(&record.key)?))).collect();
        kept.sort_unstable();
        for (at, name) in kept {
            self.keep(name, at);
        }
    }

    /// The store keeps a wrong one of this time at this address.
    pub(super) fn keep(&self, name: Name, at: Millis) {
        let mut kept = self.0.lock();
        kept.last.insert(name, at);
        kept.queue.push_back((name, at));
    }

    /// Those that the store is to forget now; they are not known here any more.
    fn go(&self, now: Millis) -> Vec<Name> {
        let mut kept = self.0.lock();
        let mut gone = Vec::new();
        while gone.len() < GO_AT_ONCE
            && let Some((name, at)) = kept.queue.front()
        {
            let last = kept.last.get(name) == Some(at);
            if last && kept.last.len() <= kept.most && counting(now).contains(at) {
                break;
            }
            if let Some((name, _)) = kept.queue.pop_front().filter(|_| last) {
                kept.last.remove(&name);
                gone.push(name);
            }
        }
        gone
    }

    /// All that counts no more is not known here any more, and its room is free.
    fn forget(&self, now: Millis) {
        let (mut kept, counting) = (self.0.lock(), counting(now));
        let Kept { last, queue, .. } = &mut *kept;
        last.retain(|_, at| counting.contains(at));
        queue.retain(|(name, at)| last.get(name) == Some(at));
        last.shrink_to_fit();
        queue.shrink_to_fit();
    }
}

impl Auth {
    /// Whoever was wrong, the same is done. One that comes in this moment is whole again with its next wrong one: each
    /// stores the whole count.
    pub(super) async fn forget_strangers(&self) {
        for name in self.strangers.go(self.clock.wall()) {
            if let Err(error) = self.store.delete_record(&self.nobody, SIGN_IN, &key(name)).await {
                // It goes when it counts no more.
                tracing::warn!(%error, "wrong passwords that count no more could not be forgotten");
            }
        }
    }

    /// Forgets what counts no more of wrong passwords at addresses that nobody has, now and once an hour, until
    /// `stopping`. In small steps with pauses between them, as [`headwater_engine::retention`].
    pub async fn keep_forgetting(&self, stopping: CancellationToken) {
        let sweeping = async {
            loop {
                if let Err(error) = self.forget_all_old().await {
                    tracing::warn!(%error, "wrong passwords that count no more could not be forgotten; in an hour again");
                }
                sleep(limit::EXPIRE_EVERY).await;
            }
        };
        stopping.run_until_cancelled(sweeping).await;
    }

    /// By their time in the store and not by what is known here: also those that could not be listed.
    async fn forget_all_old(&self) -> Result<(), StoreError> {
        let now = self.clock.wall();
        self.strangers.forget(now);
        let most = limit::FORGET_RECORDS;
        in_slices(most, || self.store.forget_records(&self.nobody, SIGN_IN, counting(now), most)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_core::port::records::{Expect, Records as _};
    use headwater_core::port::store::Store as _;
    use headwater_engine::Clock;
    use headwater_store::MemoryStore;

    use super::*;
    use crate::auth::secret::Secret;

    const NOW: Millis = Millis(1_000_000_000_000);

    fn name(letter: char) -> Name {
        [u8::try_from(letter).unwrap(); 16]
    }

    fn at(seconds: i64) -> Millis {
        Millis(NOW.0 + seconds * 1_000)
    }

    fn over(seconds: i64) -> Millis {
        at(seconds).after(limit::SIGN_IN_LOCK)
    }

    fn record(key: String, at: Millis) -> Record {
        Record { key, value: String::new(), version: 1, at }
    }

    fn gone(strangers: &Strangers, now: Millis) -> String {
        strangers.go(now).into_iter().map(|name| char::from(name[0])).collect()
    }

    // Planted faults: no bound; the first wrong one of an address taken for its last.
    #[test]
    fn what_counts_no_more_goes_and_beyond_the_cap_the_oldest() {
        let strangers = Strangers::with_room(3);
        strangers.load(&[record(key(name('b')), at(1)), record(key(name('a')), at(0))], at(1));
        strangers.keep(name('c'), at(2));
        strangers.keep(name('a'), at(3));
        assert!(gone(&strangers, at(4)).is_empty());
        strangers.keep(name('d'), at(4));
        assert_eq!(gone(&strangers, at(4)), "b", "a was wrong again");
        assert!(gone(&strangers, at(4)).is_empty());
        assert_eq!(gone(&strangers, over(2)), "c");
        strangers.keep(name('e'), over(2));
        // No more at once, however many there are.
        assert_eq!(gone(&strangers, over(9_999)), "ad");
        assert_eq!(gone(&strangers, over(9_999)), "e");
        assert!(strangers.0.lock().last.is_empty() && strangers.0.lock().queue.is_empty());
        // What is from the future, since a clock was set back, does not stay for ever.
        strangers.keep(name('f'), over(9_999));
        assert_eq!(gone(&strangers, NOW), "f");
    }

    // Planted faults: nothing loaded at the start; nothing forgotten with a wrong password.
    #[tokio::test]
    async fn beyond_the_cap_two_go_with_each_wrong_password() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new());
        let (secret, clock) = (Secret::load_or_create(folder.path()).unwrap(), Clock::default());
        let mut auth = Auth::new(&secret, store.clone(), clock);
        auth.strangers = Strangers::with_room(2);
        let now = clock.wall();
        for (n, letter) in ('a'..='d').enumerate() {
            let (key, value) = (key(name(letter)), format!(r#"{{"count":1,"last":{}}}"#, now.0));
            let at = Millis(now.0 - 9 + i64::try_from(n).unwrap());
            store.put_record(&auth.nobody, SIGN_IN, (&key, &value), Expect::Whatever, at).await.unwrap();
        }
        auth.load().await.unwrap();
        for (email, left) in [("new@b.co", 3), ("new@b.co", 2), ("newer@b.co", 2)] {
            assert!(auth.log_in(email, "Wrong-horse-1".into()).await.is_err());
            let kept = store.records(&auth.nobody, SIGN_IN, 9).await.unwrap();
            assert_eq!(kept.len(), left, "{email}");
            assert!(!kept.iter().any(|kept| kept.key == key(name('a'))), "the oldest goes first");
        }
        assert!(store.user(&auth.nobody).await.unwrap().is_none());
    }

    // Planted faults: what counts no more loaded; nothing forgotten by time.
    #[test]
    fn what_counts_no_more_takes_no_memory() {
        let strangers = Strangers::with_room(9);
        let kept = [
            record(key(name('a')), at(0)),
            record(key(name('b')), at(1)),
            record(key(name('c')), over(9_999)),
            record("no name of an address".into(), at(1)),
        ];
        strangers.load(&kept, over(0));
        assert_eq!(strangers.0.lock().queue, [(name('b'), at(1))]);
        strangers.keep(name('d'), at(2));
        strangers.keep(name('b'), at(3));
        strangers.forget(over(2));
        let kept = strangers.0.lock();
        assert_eq!((&kept.queue, kept.last.len()), (&VecDeque::from([(name('b'), at(3))]), 1));
        drop(kept);
        strangers.forget(over(3));
        let kept = strangers.0.lock();
        assert_eq!((kept.queue.capacity(), kept.last.capacity()), (0, 0));
    }
}
