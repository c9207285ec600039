//! What has been read and compiled, kept until anything changes.
//!
//! One counter, the generation, moves with every committed change; an entry of another generation is as good as none. Changes
//! are rare and compiling a principal takes microseconds, so nothing finer is needed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

pub(crate) struct Cache<V> {
    /// When so many are reached, the cache starts anew.
    entries_max: usize,
    entries: RwLock<HashMap<String, (u64, Arc<V>)>>,
}

impl<V> Cache<V> {
    pub(crate) fn new(entries_max: usize) -> Cache<V> {
        Cache { entries_max, entries: RwLock::new(HashMap::new()) }
    }

    pub(crate) fn get(&self, key: &str, generation: u64) -> Option<Arc<V>> {
        let entries = self.entries.read();
        entries.get(key).filter(|(of, _)| *of == generation).map(|(_, value)| Arc::clone(value))
    }

    /// `generation` is the one from before the value was read.
    pub(crate) fn put(&self, key: &str, generation: u64, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut entries = self.entries.write();
        if entries.len() >= self.entries_max {
            entries.clear();
        }
        entries.insert(key.to_owned(), (generation, Arc::clone(&value)));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn an_entry_of_another_generation_is_none() {
        let cache = Cache::new(8);
        cache.put("a", 1, 10);
        assert_eq!(cache.get("a", 1).as_deref(), Some(&10));
        assert_eq!(cache.get("a", 2), None);
        for n in 0..100 {
            cache.put(&n.to_string(), 1, n);
        }
        assert!(cache.entries.read().len() <= 8);
    }
}
