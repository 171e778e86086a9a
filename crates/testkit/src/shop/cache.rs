//! The shop's cache of prices: bounded, least recently used out first.

use std::collections::BTreeMap;

/// A cache from a key to a price in cents.
#[derive(Debug)]
pub(super) struct PriceCache {
    capacity: usize,
    entries: BTreeMap<String, (u64, u64)>,
    /// The time of an entry's last use, as a counter, to its key.
    uses: BTreeMap<u64, String>,
    clock: u64,
}

impl PriceCache {
    /// An empty cache for at most `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, entries: BTreeMap::new(), uses: BTreeMap::new(), clock: 0 }
    }

    /// The price of a key, which becomes the most recently used one.
    pub(super) fn get(&mut self, key: &str) -> Option<u64> {
        self.clock += 1;
        let (price, used) = self.entries.get_mut(key)?;
        self.uses.remove(used);
        *used = self.clock;
        self.uses.insert(self.clock, key.to_owned());
        Some(*price)
    }

    /// Keeps a price, in place of the least recently used one where the cache is full.
    pub(super) fn put(&mut self, key: &str, price: u64) {
        self.clock += 1;
        if let Some((_, used)) = self.entries.insert(key.to_owned(), (price, self.clock)) {
            self.uses.remove(&used);
        }
        self.uses.insert(self.clock, key.to_owned());
        if self.entries.len() > self.capacity
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    /// Forgets everything and says how much that was.
    pub(super) fn flush(&mut self) -> usize {
        let dropped = self.entries.len();
        self.entries.clear();
        self.uses.clear();
        dropped
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::PriceCache;

    #[test]
    fn a_full_cache_drops_what_was_used_longest_ago() {
        let mut cache = PriceCache::new(2);
        cache.put("a", 1);
        cache.put("b", 2);
        assert_eq!(cache.get("a"), Some(1), "a fits");
        cache.put("c", 3);
        assert_eq!(cache.get("b"), None, "b was used before a");
        assert_eq!((cache.get("a"), cache.get("c")), (Some(1), Some(3)), "the others stay");
        assert_eq!(cache.flush(), 2, "two were left");
        assert_eq!(cache.len(), 0, "a flushed cache is empty");
    }

    #[test]
    fn putting_a_key_again_replaces_its_price() {
        let mut cache = PriceCache::new(2);
        cache.put("a", 1);
        cache.put("a", 2);
        cache.put("b", 3);
        assert_eq!((cache.len(), cache.get("a")), (2, Some(2)), "one entry for each key");
    }
}
