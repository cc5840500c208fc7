//! How many of something each key has open. As large as what is open, and no larger.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts what each key has open, up to a cap.
#[derive(Debug)]
pub(super) struct Places<K: Hash + Eq + Clone> {
    most: Option<usize>,
    taken: Mutex<HashMap<K, usize>>,
}

/// One that is open; given back when it is dropped.
#[derive(Debug)]
pub struct Place<K: Hash + Eq + Clone> {
    /// Of what; `None` where nothing is counted.
    of: Option<(Arc<Places<K>>, K)>,
}

impl<K: Hash + Eq + Clone> Places<K> {
    pub(super) fn new(most: Option<usize>) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place of this key's; `None` where it has as many as it may.
    pub(super) fn take(self: &Arc<Self>, key: &K) -> Option<Place<K>> {
        let Some(most) = self.most else { return Some(Place { of: None }) };
        let mut taken = self.taken.lock();
        match taken.get_mut(key) {
            Some(n) if *n >= most => return None,
            Some(n) => *n += 1,
            None if most == 0 => return None,
            None => {
                taken.insert(key.clone(), 1);
            }
        }
        Some(Place { of: Some((Arc::clone(self), key.clone())) })
    }
}

impl<K: Hash + Eq + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let Some((places, key)) = &self.of else { return };
        let mut taken = places.taken.lock();
        if let Some(n) = taken.get_mut(key) {
            *n -= 1;
            if *n == 0 {
                taken.remove(key);
            }
            // After a flood, what it left behind.
            if taken.capacity() > 1024 && taken.len() < taken.capacity() / 8 {
                taken.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_and_nothing_is_left_behind() {
        let places = Places::new(Some(2));
        let (a, b) = (places.take(&'a').unwrap(), places.take(&'a').unwrap());
        assert!(places.take(&'a').is_none());
        let c = places.take(&'b').unwrap();
        drop(a);
        let d = places.take(&'a').unwrap();
        drop((b, c, d));
        assert!(places.taken.lock().is_empty());
        let uncounted = Places::new(None);
        let many: Vec<_> = (0..1000).map(|_| uncounted.take(&'a').unwrap()).collect();
        assert!(many.len() == 1000 && uncounted.taken.lock().is_empty());
    }
}
