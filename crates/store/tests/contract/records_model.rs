//! Random records and counters against two maps.

use std::collections::BTreeMap;

use headwater_core::Millis;
use headwater_core::port::records::{Counted, Expect};
use headwater_core::port::store::Store;
use proptest::prelude::*;

use crate::given::{Model, check, user_id};

type Name = (usize, usize, usize);

#[derive(Debug, Clone)]
enum Call {
    /// `expect`: 0 whatever, 1 absent, n + 2 version n.
    Put {
        name: Name,
        text: u32,
        expect: u64,
    },
    Delete {
        name: Name,
    },
    Count {
        name: Name,
        by: u64,
        most: u64,
    },
    /// Closes the store and opens it again, where it has a file.
    Reopen,
}

/// What was put, with its version; where each counter stands.
#[derive(Default)]
struct Shelf {
    records: BTreeMap<Name, (String, u64)>,
    counters: BTreeMap<Name, u64>,
}

fn name() -> impl Strategy<Value = Name> {
    (0..2_usize, 0..2_usize, 0..3_usize)
}

fn texts((owner, kind, key): Name) -> (headwater_core::UserId, String, String) {
    (user_id(&format!("u{owner}")), format!("k{kind}"), format!("{key}"))
}

impl Model for Shelf {
    type Call = Call;

    const CALLS: usize = 60;

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            6 => (name(), any::<u32>(), 0..6_u64).prop_map(|(name, text, expect)| Call::Put { name, text, expect }),
            2 => name().prop_map(|name| Call::Delete { name }),
            4 => (name(), 0..4_u64, 0..9_u64).prop_map(|(name, by, most)| Call::Count { name, by, most }),
            1 => Just(Call::Reopen),
        ]
    }

    fn reopens(call: &Call) -> bool {
        matches!(call, Call::Reopen)
    }

    async fn apply(&mut self, store: &dyn Store, call: &Call) {
        match call {
            Call::Put { name, text, expect } => {
                let (owner, kind, key) = texts(*name);
                let stands = self.records.get(name).map_or(0, |(_, version)| *version);
                let (asked, fits) = match expect {
                    0 => (Expect::Whatever, true),
                    1 => (Expect::Absent, stands == 0),
                    n => (Expect::Version(n - 2), stands > 0 && stands == n - 2),
                };
                let text = text.to_string();
                let said = store.put_record(&owner, &kind, (&key, &text), asked, Millis(1)).await.unwrap();
                assert_eq!(said, fits.then_some(stands + 1));
                if fits {
                    self.records.insert(*name, (text, stands + 1));
                }
            }
            Call::Delete { name } => {
                let (owner, kind, key) = texts(*name);
                let said = store.delete_record(&owner, &kind, &key).await.unwrap();
                assert_eq!(said, self.records.remove(name).is_some());
            }
            Call::Count { name, by, most } => {
                let (owner, kind, key) = texts(*name);
                let stands = self.counters.entry(*name).or_default();
                let room = *by == 0 || *stands + by <= *most;
                if room {
                    *stands += by;
                }
                let said = store.count(&owner, &kind, &key, *by, *most, Millis(1)).await.unwrap();
                assert_eq!(said, Counted { value: *stands, taken: room });
            }
            Call::Reopen => {}
        }
    }

    async fn compare(&self, store: &dyn Store) {
        for owner in 0..2 {
            for kind in 0..2 {
                let (user, word, _) = texts((owner, kind, 0));
                let listed = store.records(&user, &word, 100).await.unwrap();
                let listed: Vec<_> =
                    listed.into_iter().map(|record| (record.key, record.value, record.version)).collect();
                let mine = self.records.iter().filter(|((o, k, _), _)| (*o, *k) == (owner, kind));
                let mine: Vec<_> = mine
                    .map(|((.., key), (text, version))| (key.to_string(), text.clone(), *version))
                    .collect();
                assert_eq!(listed, mine);
            }
        }
        for (name, stands) in &self.counters {
            let (owner, kind, key) = texts(*name);
            let said = store.count(&owner, &kind, &key, 0, 0, Millis(1)).await.unwrap();
            assert_eq!(said, Counted { value: *stands, taken: true });
        }
    }
}

#[test]
fn memory_keeps_as_the_model() {
    check::<Shelf>(1_000, false);
}

#[test]
fn sqlite_keeps_as_the_model() {
    check::<Shelf>(60, true);
}
