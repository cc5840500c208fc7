//! Random bookings against a model that is too simple to be wrong: one list.

use std::collections::BTreeMap;

use headwater_core::port::desk::AppointmentStatus;
use headwater_core::port::store::Store;
use proptest::prelude::*;

use crate::desk::appointment;
use crate::given::{Model, check, user_id};

#[derive(Debug, Clone)]
enum Call {
    Book {
        owner: usize,
        slot: usize,
        service: usize,
        capacity: usize,
    },
    /// Calls the `which`-th appointment that was ever made off, as `owner`.
    Cancel {
        owner: usize,
        which: usize,
    },
    /// Closes the store and opens it again, where it has a file.
    Reopen,
}

#[derive(Debug)]
struct Modelled {
    id: String,
    owner: usize,
    slot: usize,
    service: usize,
    booked: bool,
}

fn slot(n: usize) -> String {
    format!("2026-03-1{n}T09:00")
}

/// All that was ever booked, in that order.
#[derive(Default)]
struct Booked(Vec<Modelled>);

impl Model for Booked {
    type Call = Call;

    const CALLS: usize = 50;

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            6 => (0..3_usize, 0..3_usize, 0..2_usize, 0..4_usize)
                .prop_map(|(owner, slot, service, capacity)| Call::Book { owner, slot, service, capacity }),
            3 => (0..3_usize, 0..12_usize).prop_map(|(owner, which)| Call::Cancel { owner, which }),
            1 => Just(Call::Reopen),
        ]
    }

    fn reopens(call: &Call) -> bool {
        matches!(call, Call::Reopen)
    }

    async fn apply(&mut self, store: &dyn Store, call: &Call) {
        match *call {
            Call::Book { owner, slot: at, service, capacity } => {
                let new = appointment(&format!("u{owner}"), &slot(at), &format!("s{service}"));
                let said = store.book(new, capacity).await.unwrap();
                let booked = || self.0.iter().filter(|a| a.booked && a.slot == at);
                if let Some(same) = booked().find(|a| a.owner == owner && a.service == service) {
                    assert_eq!(said.unwrap().id, same.id);
                } else if booked().count() >= capacity {
                    assert_eq!(said, None);
                } else {
                    let made = said.unwrap();
                    assert_eq!((made.slot, made.status), (slot(at), AppointmentStatus::Booked));
                    assert!(self.0.iter().all(|a| a.id != made.id), "a name is used once");
                    self.0.push(Modelled { id: made.id, owner, slot: at, service, booked: true });
                }
            }
            Call::Cancel { owner, which } => {
                let id = self.0.get(which).map_or_else(|| "APT-none".to_owned(), |a| a.id.clone());
                let said = store.cancel_appointment(&user_id(&format!("u{owner}")), &id).await.unwrap();
                match self.0.get_mut(which).filter(|a| a.owner == owner) {
                    None => assert_eq!(said, None),
                    Some(a) => {
                        a.booked = false;
                        assert_eq!(said.map(|s| (s.id, s.status)), Some((id, AppointmentStatus::Cancelled)));
                    }
                }
            }
            Call::Reopen => {}
        }
    }

    async fn compare(&self, store: &dyn Store) {
        let mut taken = BTreeMap::new();
        for a in self.0.iter().filter(|a| a.booked) {
            *taken.entry(slot(a.slot)).or_insert(0) += 1;
        }
        assert_eq!(store.taken("", "~").await.unwrap(), taken.into_iter().collect::<Vec<_>>());
        for owner in 0..3 {
            let mut mine: Vec<_> = self.0.iter().filter(|a| a.owner == owner).collect();
            mine.sort_by_key(|a| a.slot);
            let listed = store.appointments(&user_id(&format!("u{owner}")), "", "~", 1_000).await.unwrap();
            let listed: Vec<_> = listed
                .iter()
                .map(|a| (a.id.as_str(), a.slot.clone(), a.status == AppointmentStatus::Booked))
                .collect();
            assert_eq!(
                listed,
                mine.iter().map(|a| (a.id.as_str(), slot(a.slot), a.booked)).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn memory_books_as_the_model() {
    check::<Booked>(1_000, false);
}

#[test]
fn sqlite_books_as_the_model() {
    check::<Booked>(60, true);
}
