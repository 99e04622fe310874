//! What is kept of the values that a metric took in one period.

use serde::{Deserialize, Serialize};

/// Distinct values that are kept as they are; more are put into buckets.
const EXACT_COUNT_MAX: usize = 256;

/// Buckets are 0.5 % wide, so a percentile is off by at most 0.25 %. *Ours*.
const BUCKET_GROWTH: f64 = 1.005;

/// Count, sum, extremes and distribution of values.
///
/// Exact but for the distribution, and that too up to 256 distinct values; beyond, each value
/// is known to within 0.25 %. Digests of neighbouring periods merge into one of a longer period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// How many values.
    pub(crate) count: f64,
    /// Their sum.
    pub(crate) sum: f64,
    /// The least.
    pub(crate) minimum: f64,
    /// The greatest.
    pub(crate) maximum: f64,
    /// Values in ascending order, with how often they occurred.
    values: Vec<(f64, f64)>,
    /// `values` are middles of buckets.
    is_coarse: bool,
    /// Part of the values came as a statistic set, so that their distribution is unknown.
    has_gaps: bool,
}

impl Digest {
    /// `count` values of the same size.
    pub(crate) fn of(value: f64, count: f64) -> Self {
        Self {
            count,
            sum: value * count,
            minimum: value,
            maximum: value,
            values: vec![(value, count)],
            is_coarse: false,
            has_gaps: false,
        }
    }

    /// A statistic set. Its distribution is known only where all its values are the same.
    pub(crate) fn of_set(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        if minimum == maximum || count == 1.0 {
            return Self { count, sum, ..Self::of(maximum, count) };
        }
        Self { count, sum, minimum, maximum, has_gaps: true, ..Self::default() }
    }

    /// Adds `count` values of the same size.
    pub(crate) fn add(&mut self, value: f64, count: f64) {
        if self.count == 0.0 {
            *self = Self::of(value, count);
            return;
        }
        self.count += count;
        self.sum += value * count;
        self.minimum = self.minimum.min(value);
        self.maximum = self.maximum.max(value);
        let value = if self.is_coarse { bucket_middle(value) } else { value };
        match self.values.binary_search_by(|(known, _)| known.total_cmp(&value)) {
            Ok(at) => self.values[at].1 += count,
            Err(at) => self.values.insert(at, (value, count)),
        }
        self.coarsen_if_large();
    }

    /// Takes in the values of another digest.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            self.clone_from(other);
            return;
        }
        if let [(value, count)] = other.values[..]
            && !other.is_coarse
            && !other.has_gaps
        {
            self.add(value, count);
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self.has_gaps |= other.has_gaps;
        self.values.extend_from_slice(&other.values);
        if self.is_coarse || other.is_coarse {
            self.coarsen();
        } else {
            self.sort();
            self.coarsen_if_large();
        }
    }

    /// Mean of the values.
    pub(crate) fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// The distribution: values in ascending order with how often they occurred.
    ///
    /// None where it is unknown, and where a value is negative. AWS docs: *GetMetricStatistics*.
    pub(crate) fn distribution(&self) -> Option<&[(f64, f64)]> {
        let known = !self.has_gaps && self.minimum >= 0.0 && !self.values.is_empty();
        known.then_some(self.values.as_slice())
    }

    fn coarsen_if_large(&mut self) {
        if !self.is_coarse && self.values.len() > EXACT_COUNT_MAX {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.is_coarse = true;
        for (value, _) in &mut self.values {
            *value = bucket_middle(*value);
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.values.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        self.values.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 += later.1;
            }
            same
        });
    }
}

/// The middle of the bucket that a value falls into; a middle is its own bucket's middle.
fn bucket_middle(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let bucket = (value.abs().ln() / BUCKET_GROWTH.ln()).round();
    BUCKET_GROWTH.powf(bucket).copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::statistic::Statistic;

    #[test]
    fn few_distinct_values_are_kept_exactly() {
        let mut digest = Digest::default();
        for value in [3.0, 1.0, 2.0, 1.0] {
            digest.add(value, 1.0);
        }
        assert_eq!(digest.distribution().unwrap(), [(1.0, 2.0), (2.0, 1.0), (3.0, 1.0)]);
        assert_eq!((digest.count, digest.sum, digest.average()), (4.0, 7.0, 1.75));
    }

    #[test]
    fn many_distinct_values_keep_percentiles_within_a_quarter_percent() {
        let mut digest = Digest::default();
        for value in 1..=100_000 {
            digest.add(f64::from(value), 1.0);
        }
        assert!(digest.distribution().unwrap().len() < 2_500);
        for (name, exact) in [("p50", 50_000.0), ("p90", 90_000.0), ("p99.9", 99_900.0)] {
            let found = Statistic::parse(name).unwrap().of(&digest).unwrap();
            assert!((found / exact - 1.0).abs() < 0.0051, "{name}: {found}");
        }
        assert_eq!(digest.sum, 5_000_050_000.0);
        assert_eq!((digest.minimum, digest.maximum), (1.0, 100_000.0));
    }

    #[test]
    fn merging_is_as_good_as_adding() {
        let (mut all, mut left, mut right) =
            (Digest::default(), Digest::default(), Digest::default());
        for value in 0..300 {
            all.add(f64::from(value), 1.0);
            let half = if value % 2 == 0 { &mut left } else { &mut right };
            half.add(f64::from(value), 1.0);
        }
        left.merge(&right);
        assert_eq!(left, all);
    }

    #[test]
    fn a_statistic_set_has_no_distribution_unless_its_values_are_equal() {
        assert!(Digest::of_set(2.0, 3.0, 1.0, 2.0).distribution().is_none());
        let mut equal = Digest::of_set(2.0, 4.0, 2.0, 2.0);
        assert_eq!(equal.distribution().unwrap(), [(2.0, 2.0)]);
        equal.merge(&Digest::of_set(2.0, 3.0, 1.0, 2.0));
        assert!(equal.distribution().is_none());
        assert!(Digest::of(-1.0, 1.0).distribution().is_none());
    }
}
