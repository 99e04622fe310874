//! Which shards may be read, and by which of a shard's lanes a record goes.

use std::collections::{BTreeMap, BTreeSet};

/// The shards that may be begun: those whose parents are finished, or no longer there. `parents`
/// has each shard that is there with the shards that it came from.
pub fn ready(
    parents: &BTreeMap<String, Vec<String>>,
    begun: &BTreeSet<String>,
    finished: &BTreeSet<String>,
) -> Vec<String> {
    let may_begin = |parents_of: &Vec<String>| {
        parents_of.iter().all(|one| finished.contains(one) || !parents.contains_key(one))
    };
    let fresh = parents.iter().filter(|(id, _)| !begun.contains(*id) && !finished.contains(*id));
    fresh.filter(|(_, of)| may_begin(of)).map(|(id, _)| id.clone()).collect()
}

/// The lane of a partition key: the same for the same key while the count stays.
pub fn lane(key: &str, count: usize) -> usize {
    // FNV-1a: any hash that never changes will do.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % count.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_wait_for_all_of_their_parents_that_are_still_there() {
        let parents: BTreeMap<String, Vec<String>> =
            [("a", vec!["trimmed"]), ("b", vec![]), ("c", vec!["a", "b"]), ("d", vec!["c"])]
                .into_iter()
                .map(|(id, of)| (id.to_owned(), of.into_iter().map(str::to_owned).collect()))
                .collect();
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(ready(&parents, &set(&[]), &set(&[])), ["a", "b"]);
        assert!(ready(&parents, &set(&["a", "b"]), &set(&["a"])).is_empty());
        assert_eq!(ready(&parents, &set(&["a", "b"]), &set(&["a", "b"])), ["c"]);
        assert_eq!(ready(&parents, &set(&["c"]), &set(&["a", "b", "c"])), ["d"]);
    }

    #[test]
    fn a_key_keeps_its_lane_and_keys_are_spread() {
        assert_eq!(lane("k", 10), lane("k", 10));
        let used: BTreeSet<usize> = (0..100).map(|key| lane(&key.to_string(), 10)).collect();
        assert_eq!(used.len(), 10);
        assert_eq!(lane("any", 1), 0);
    }
}
