//! Statistics by the names that customers give them.
//!
//! AWS docs: *Amazon CloudWatch User Guide > CloudWatch statistics definitions*.

use super::digest::Digest;

/// One figure that sums up the values of a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99.9`: the value that this share (in percent) of values does not exceed.
    Percentile(f64),
    /// `tm90`, `TM(2%:98%)`, `TM(150:1000)`, `IQM`: mean of the values within bounds.
    TrimmedMean(Bounds),
    /// `tc…`: their count.
    TrimmedCount(Bounds),
    /// `ts…`: their sum.
    TrimmedSum(Bounds),
    /// `wm…`: mean with values out of bounds moved to the bound.
    WinsorizedMean(Bounds),
    /// `PR(100:2000)`: share of values within bounds, in percent.
    PercentileRank(Bounds),
}

/// Which values a statistic takes in; above the lower and up to the upper bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bounds {
    /// By rank, in percent of all values.
    Percent(f64, f64),
    /// By size.
    Absolute(f64, f64),
}

impl Statistic {
    /// Reads a name such as `Average`, `p95` or `TM(:98%)`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "SampleCount" => return Some(Self::SampleCount),
            "Average" => return Some(Self::Average),
            "Sum" => return Some(Self::Sum),
            "Minimum" => return Some(Self::Minimum),
            "Maximum" => return Some(Self::Maximum),
            _ => {}
        }
        let lower = name.to_ascii_lowercase();
        if lower == "iqm" {
            return Some(Self::TrimmedMean(Bounds::Percent(25.0, 75.0)));
        }
        if let Some(bounds) = lower.strip_prefix("pr(").and_then(|rest| rest.strip_suffix(')')) {
            let bounds = parse_bounds(bounds)?;
            return matches!(bounds, Bounds::Absolute(..)).then_some(Self::PercentileRank(bounds));
        }
        let make = match lower.get(..2) {
            Some("tm") => Self::TrimmedMean,
            Some("tc") => Self::TrimmedCount,
            Some("ts") => Self::TrimmedSum,
            Some("wm") => Self::WinsorizedMean,
            _ => return lower.strip_prefix('p').and_then(percent).map(Self::Percentile),
        };
        let rest = &lower[2..];
        let bounds = match rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(bounds) => parse_bounds(bounds)?,
            None => Bounds::Percent(0.0, percent(rest)?),
        };
        Some(make(bounds))
    }

    /// The figure for a period; None where it cannot be known.
    pub(crate) fn of(self, digest: &Digest) -> Option<f64> {
        match self {
            Self::SampleCount => Some(digest.count),
            Self::Average => Some(digest.average()),
            Self::Sum => Some(digest.sum),
            Self::Minimum => Some(digest.minimum),
            Self::Maximum => Some(digest.maximum),
            Self::Percentile(percent) => digest.distribution().map(|values| {
                percentile(values, digest.count, percent).clamp(digest.minimum, digest.maximum)
            }),
            Self::TrimmedMean(bounds) => {
                let (count, sum) = trimmed(digest.distribution()?, digest.count, bounds);
                (count > 0.0).then(|| sum / count)
            }
            Self::TrimmedCount(bounds) => {
                Some(trimmed(digest.distribution()?, digest.count, bounds).0)
            }
            Self::TrimmedSum(bounds) => {
                Some(trimmed(digest.distribution()?, digest.count, bounds).1)
            }
            Self::WinsorizedMean(bounds) => {
                Some(winsorized_mean(digest.distribution()?, digest.count, bounds))
            }
            Self::PercentileRank(bounds) => {
                let (count, _) = trimmed(digest.distribution()?, digest.count, bounds);
                Some(100.0 * count / digest.count)
            }
        }
    }
}

/// A number from 0 to 100 with at most ten decimals.
fn percent(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value: f64 = text.parse().ok().filter(|_| digits && decimals <= 10)?;
    (0.0..=100.0).contains(&value).then_some(value)
}

/// `2%:98%`, `:98%`, `150:1000`, `150:`.
fn parse_bounds(text: &str) -> Option<Bounds> {
    let (low, high) = text.split_once(':')?;
    let (low, high) = (low.trim(), high.trim());
    let bounds = if low.ends_with('%') || high.ends_with('%') {
        let bound = |text: &str, open: f64| match text {
            "" => Some(open),
            _ => percent(text.strip_suffix('%')?),
        };
        Bounds::Percent(bound(low, 0.0)?, bound(high, 100.0)?)
    } else {
        if low.is_empty() && high.is_empty() {
            return None;
        }
        let bound = |text: &str, open: f64| match text {
            "" => Some(open),
            _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
        };
        Bounds::Absolute(bound(low, f64::NEG_INFINITY)?, bound(high, f64::INFINITY)?)
    };
    let (Bounds::Percent(low, high) | Bounds::Absolute(low, high)) = bounds;
    (low < high).then_some(bounds)
}

/// Nearest rank: the least value that so many percent of values do not exceed. *Ours*.
fn percentile(values: &[(f64, f64)], count: f64, percent: f64) -> f64 {
    // The tolerance keeps 99.9 % of 1,000 from being a hair more than 999.
    let rank = percent / 100.0 * count * (1.0 - 1e-12);
    let mut seen = 0.0;
    for (value, weight) in values {
        seen += weight;
        if seen >= rank {
            return *value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

/// Count and sum of the values within bounds; a value on a rank's edge counts in part.
fn trimmed(values: &[(f64, f64)], count: f64, bounds: Bounds) -> (f64, f64) {
    let (mut kept, mut sum, mut seen) = (0.0, 0.0, 0.0);
    for (value, weight) in values {
        let share = match bounds {
            Bounds::Absolute(low, high) if *value > low && *value <= high => *weight,
            Bounds::Absolute(..) => 0.0,
            Bounds::Percent(low, high) => {
                let (low, high) = (low / 100.0 * count, high / 100.0 * count);
                ((seen + weight).min(high) - seen.max(low)).max(0.0)
            }
        };
        seen += weight;
        kept += share;
        sum += share * value;
    }
    (kept, sum)
}

fn winsorized_mean(values: &[(f64, f64)], count: f64, bounds: Bounds) -> f64 {
    let (low, high) = match bounds {
        Bounds::Absolute(low, high) => (low, high),
        Bounds::Percent(low, high) => {
            (percentile(values, count, low), percentile(values, count, high))
        }
    };
    values.iter().map(|(value, weight)| value.clamp(low, high) * weight).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> Digest {
        let mut digest = Digest::default();
        (1..=100).for_each(|value| digest.add(f64::from(value), 1.0));
        digest
    }

    #[track_caller]
    fn check(name: &str, expected: f64) {
        let found = Statistic::parse(name).unwrap().of(&hundred()).unwrap();
        assert!((found - expected).abs() < 1e-9, "{name}: {found}");
    }

    #[test]
    fn statistics_of_the_first_hundred_numbers() {
        for (name, expected) in [
            ("SampleCount", 100.0),
            ("Average", 50.5),
            ("Sum", 5050.0),
            ("Minimum", 1.0),
            ("Maximum", 100.0),
            ("p50", 50.0),
            ("p99.9", 100.0),
            ("p0", 1.0),
            ("p100", 100.0),
            ("tm90", 45.5),
            ("TM(10%:90%)", 50.5),
            ("TM(10:20)", 15.5),
            ("TM(90:)", 95.5),
            ("IQM", 50.5),
            ("tc90", 90.0),
            ("TC(:50)", 50.0),
            ("ts90", 4095.0),
            ("PR(:30)", 30.0),
            ("PR(10:20)", 10.0),
            ("WM(:50)", (1275.0 + 50.0 * 50.0) / 100.0),
            ("wm98", 50.5 - 0.03),
        ] {
            check(name, expected);
        }
    }

    #[test]
    fn what_is_no_statistic_is_refused() {
        for name in [
            "average",
            "p",
            "p101",
            "p-1",
            "pnan",
            "p1e1",
            "PR(10%:20%)",
            "TM()",
            "TM(:)",
            "tm",
            "TM(3:2)",
            "p1.12345678901",
            "TM(1:2%)",
            "pr90",
            "x99",
            "é",
            "pé",
        ] {
            assert_eq!(Statistic::parse(name), None, "{name}");
        }
    }
}
