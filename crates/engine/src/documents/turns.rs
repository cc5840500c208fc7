//! Whose documents are being indexed: each user takes his turns one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use headwater_core::{UserId, limit};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// The turns of everybody who has a document under way.
#[derive(Debug, Default)]
pub(super) struct Turns {
    known: Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

impl Turns {
    /// A user's turns, [`limit::INDEXING_PER_USER`] at once; the same for as long as somebody holds them.
    pub(super) fn of(&self, user: &UserId) -> Arc<Semaphore> {
        let mut known = self.known.lock();
        if let Some(turns) = known.get(user).and_then(Weak::upgrade) {
            return turns;
        }
        // Only uploads hold any, and of these there are few.
        known.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(limit::INDEXING_PER_USER));
        known.insert(user.clone(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_of_one_user_and_forgotten_with_the_last() {
        let turns = Turns::default();
        let [ann, bob] = ["ann", "bob"].map(|name| UserId::parse(name).unwrap());
        let first = turns.of(&ann);
        assert!(Arc::ptr_eq(&first, &turns.of(&ann)));
        assert!(!Arc::ptr_eq(&first, &turns.of(&bob)));
        drop(first);
        let _bobs = turns.of(&bob);
        assert_eq!(turns.known.lock().len(), 1);
    }
}
