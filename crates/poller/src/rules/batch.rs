//! How much is given at once.

use std::time::Duration;

/// Bytes of a batch at most: what a synchronous invocation takes. AWS docs: *Batching behavior*.
pub const BATCH_BYTES_MAX: usize = 6 << 20;
/// Bytes around the records.
const ENVELOPE: usize = 256;

/// What bounds a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Records.
    pub count_max: usize,
    /// How long records are gathered, from the first on.
    pub window: Duration,
}

/// How full a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    count: usize,
    bytes: usize,
}

impl Fill {
    /// True when a record of that size goes in too; a first one always does.
    pub fn holds(self, size: usize, bounds: Bounds) -> bool {
        self.count == 0
            || (self.count < bounds.count_max && self.bytes + size + ENVELOPE <= BATCH_BYTES_MAX)
    }

    /// Takes one in.
    pub fn add(&mut self, size: usize) {
        self.count += 1;
        self.bytes += size;
    }

    /// True when no more can go in.
    pub fn is_full(self, bounds: Bounds) -> bool {
        self.count >= bounds.count_max || self.bytes + ENVELOPE >= BATCH_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bound_by_count_and_by_bytes_and_takes_one_record_of_any_size() {
        let bounds = Bounds { count_max: 3, window: Duration::ZERO };
        let mut fill = Fill::default();
        assert!(fill.holds(100 << 20, bounds));
        fill.add(BATCH_BYTES_MAX - 1000);
        assert!(fill.holds(500, bounds) && !fill.holds(800, bounds) && !fill.is_full(bounds));
        let mut fill = Fill::default();
        for _ in 0..3 {
            assert!(fill.holds(1, bounds) && !fill.is_full(bounds));
            fill.add(1);
        }
        assert!(fill.is_full(bounds) && !fill.holds(1, bounds));
    }
}
