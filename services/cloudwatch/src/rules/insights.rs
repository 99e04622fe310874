//! Metrics Insights: which observations a `SELECT` gathers, into which series, in which order.
//!
//! AWS docs: *Amazon CloudWatch User Guide > Query components and syntax in CloudWatch Metrics
//! Insights*. Tags and `AWS.AccountId` as labels are not offered.

mod parser;

use std::collections::BTreeMap;

use super::digest::Digest;
use super::math::Series;

/// Most series of one query, and what `LIMIT` may ask for.
const SERIES_COUNT_MAX: usize = 500;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Insight {
    /// Gathers the observations of a period.
    function: Function,
    /// The metric's name.
    metric: String,
    namespace: String,
    /// `SCHEMA(…)`: the metric has these dimensions and no others.
    schema: Option<Vec<String>>,
    conditions: Vec<Condition>,
    /// A series for each combination of these dimensions' values.
    group_by: Vec<String>,
    order_by: Option<Order>,
    limit: usize,
}

/// What one figure is made of many values by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Avg,
    Count,
    Max,
    Min,
    Sum,
}

/// `InstanceId = 'i-1'`, `InstanceId != 'i-1'`.
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    dimension: String,
    is_equal: bool,
    value: String,
}

/// Series by one figure of each.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Order {
    function: Function,
    is_descending: bool,
}

/// Digests by the seconds at which their periods begin.
pub(crate) type Periods = BTreeMap<i64, Digest>;

/// What a query gathers: figures of periods by the values that it groups by.
#[derive(Debug, Default)]
pub(crate) struct Gathered(BTreeMap<Vec<String>, BTreeMap<i64, Figures>>);

/// All that a query asks of a period's observations.
#[derive(Clone, Copy, Debug)]
struct Figures {
    count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

impl Insight {
    /// Whether an expression is such a query.
    pub(crate) fn is_meant(text: &str) -> bool {
        let first = text.split_whitespace().next();
        first.is_some_and(|word| word.eq_ignore_ascii_case("SELECT"))
    }

    /// Reads a query; None where it makes no sense.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parser::parse(text)
    }

    /// The only namespace that it asks for.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it has a series for each value of something.
    pub(crate) fn is_grouped(&self) -> bool {
        !self.group_by.is_empty()
    }

    /// The series that a metric belongs to, by its values; None where it is not asked for. A
    /// metric without a dimension that is asked about belongs to none.
    pub(crate) fn group_of(
        &self,
        metric: &str,
        dimensions: &[(String, String)],
    ) -> Option<Vec<String>> {
        let value = |wanted: &String| {
            dimensions.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
        };
        let of_schema = self.schema.as_ref().is_none_or(|names| {
            names.len() == dimensions.len() && names.iter().all(|name| value(name).is_some())
        });
        let is_met = |condition: &Condition| {
            let found = value(&condition.dimension);
            found.is_some_and(|found| (*found == condition.value) == condition.is_equal)
        };
        if metric != self.metric || !of_schema || !self.conditions.iter().all(is_met) {
            return None;
        }
        self.group_by.iter().map(|name| value(name).cloned()).collect()
    }

    /// The series in the order that was asked for, else in that of their values.
    pub(crate) fn series(&self, gathered: Gathered, period_s: u32) -> Vec<Series> {
        let mut all: Vec<Series> = gathered
            .0
            .into_iter()
            .map(|(values, periods)| {
                let points = periods.iter().map(|(at, figures)| (*at, self.function.of(figures)));
                Series { label: values.join(" "), period_s, ..Series::default() }.with(points)
            })
            .collect();
        if let Some(order) = self.order_by {
            all.sort_by(|one, other| {
                let [one, other] = [one, other].map(|series| order.function.over(series));
                if order.is_descending { other.total_cmp(&one) } else { one.total_cmp(&other) }
            });
        }
        all.truncate(self.limit);
        all
    }
}

impl Gathered {
    /// Adds a metric's periods to a group; one without any makes no group.
    pub(crate) fn add(&mut self, group: Vec<String>, periods: &Periods) {
        if periods.is_empty() {
            return;
        }
        let sums = self.0.entry(group).or_default();
        for (at, digest) in periods {
            let figures = Figures::of(digest);
            sums.entry(*at).and_modify(|known| known.merge(figures)).or_insert(figures);
        }
    }
}

impl Figures {
    fn of(digest: &Digest) -> Self {
        let Digest { count, sum, minimum, maximum, .. } = *digest;
        Self { count, sum, minimum, maximum }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

impl Function {
    /// The figure of a period's observations.
    fn of(self, figures: &Figures) -> f64 {
        match self {
            Self::Avg => figures.sum / figures.count,
            Self::Count => figures.count,
            Self::Max => figures.maximum,
            Self::Min => figures.minimum,
            Self::Sum => figures.sum,
        }
    }

    /// The figure of a whole series, which has points.
    fn over(self, series: &Series) -> f64 {
        let values = || series.points.values().copied();
        let count = series.points.len() as f64;
        match self {
            Self::Avg => values().sum::<f64>() / count,
            Self::Count => count,
            Self::Max => values().fold(f64::NEG_INFINITY, f64::max),
            Self::Min => values().fold(f64::INFINITY, f64::min),
            Self::Sum => values().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(query: &str, metric: &str, dimensions: &[(&str, &str)]) -> Option<Vec<String>> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let dimensions: Vec<_> = dimensions.iter().map(own).collect();
        Insight::parse(query).unwrap().group_of(metric, &dimensions)
    }

    #[test]
    fn a_metric_is_asked_for_by_name_schema_and_conditions() {
        let f: &[(&str, &str)] = &[("FunctionName", "f")];
        let both: &[(&str, &str)] = &[("FunctionName", "f"), ("Resource", "f:1")];
        let all = r#"SELECT SUM(Errors) FROM "AWS/Lambda""#;
        assert_eq!(group(all, "Errors", both), Some(vec![]));
        assert_eq!(group(all, "Duration", f), None);
        let alone = r#"SELECT SUM(Errors) FROM SCHEMA("AWS/Lambda")"#;
        assert_eq!(group(alone, "Errors", f), None);
        assert_eq!(group(alone, "Errors", &[]), Some(vec![]));
        let schema = r#"select sum(Errors) from schema("AWS/Lambda", FunctionName)
            where FunctionName != 'g' group by FunctionName"#;
        assert_eq!(group(schema, "Errors", f), Some(vec!["f".to_owned()]));
        assert_eq!(group(schema, "Errors", both), None);
        assert_eq!(group(schema, "Errors", &[("FunctionName", "g")]), None);
        let two = "SELECT AVG(x) FROM ns WHERE a = '1' AND b != '2' GROUP BY b, a";
        let found = group(two, "x", &[("a", "1"), ("b", "3")]);
        assert_eq!(found, Some(vec!["3".to_owned(), "1".to_owned()]));
        assert_eq!(group(two, "x", &[("a", "1")]), None);
    }

    #[test]
    fn series_are_ordered_and_limited() {
        let digest = |values: &[f64]| {
            let mut sum = Digest::default();
            values.iter().for_each(|value| sum.merge(&Digest::of(*value, 1.0)));
            sum
        };
        let gathered = || {
            let mut gathered = Gathered::default();
            let mut add = |group: &str, at, values: &[f64]| {
                gathered.add(vec![group.to_owned()], &[(at, digest(values))].into());
            };
            add("low", 0, &[1.0, 3.0]);
            add("high", 0, &[10.0]);
            add("high", 0, &[20.0]);
            add("mid", 60, &[5.0]);
            gathered
        };
        let shown = |query: &str| -> Vec<(String, Vec<f64>)> {
            let series = Insight::parse(query).unwrap().series(gathered(), 60);
            let shown = series.into_iter();
            shown.map(|one| (one.label, one.points.into_values().collect())).collect()
        };
        let max = shown("SELECT AVG(x) FROM ns GROUP BY g ORDER BY MAX() DESC LIMIT 2");
        assert_eq!(max, [("high".to_owned(), vec![15.0]), ("mid".to_owned(), vec![5.0])]);
        let plain = shown("SELECT COUNT(x) FROM ns GROUP BY g ORDER BY SUM()");
        let labels: Vec<&str> = plain.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!((labels[0], plain[2].1[0]), ("mid", 2.0));
    }
}
