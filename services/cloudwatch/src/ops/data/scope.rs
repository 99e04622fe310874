//! What the queries of one request stand for.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_cloudwatch_contract::model::{MetricDataQuery, MetricStat};
use haar_kernel::Call;
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::super::put::read_dimensions;
use super::super::statistics::read_period;
use crate::refusal;
use crate::rules::insights::{Gathered, Insight, Periods};
use crate::rules::math::{Expression, MathError, Scope, Series, Value, evaluate};
use crate::rules::period::{Resolution, first_period};
use crate::rules::search::Search;
use crate::rules::statistic::Statistic;
use crate::rules::unit::Unit;
use crate::store::{Listed, MetricKey, MetricStore, Span};

/// Period of what no query gives a period to.
const PERIOD_S: u32 = 300;
/// Most metrics that one search finds.
const SEARCH_COUNT_MAX: usize = 500;
/// Most metrics that one `SELECT` looks at. AWS docs: *CloudWatch Metrics Insights quotas*.
const INSIGHT_METRIC_COUNT_MAX: usize = 10_000;

/// How far back a `SELECT` looks. AWS docs: *CloudWatch Metrics Insights quotas*.
const INSIGHT_AGE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// Shortest period of a `SELECT`.
const INSIGHT_PERIOD_S_MIN: i32 = 60;

/// Reads metrics and evaluates expressions, each query once.
pub(super) struct DataScope<'a> {
    store: &'a MetricStore,
    call: &'a Call,
    queries: &'a [MetricDataQuery],
    range: (Timestamp, Timestamp),
    /// None while a query is being evaluated.
    known: BTreeMap<String, Option<Value>>,
    /// What went wrong first, in the customer's words.
    refused: Option<AwsError>,
}

impl<'a> DataScope<'a> {
    /// A scope over the queries of a request.
    pub(super) fn new(
        store: &'a MetricStore,
        call: &'a Call,
        queries: &'a [MetricDataQuery],
        range: (Timestamp, Timestamp),
    ) -> Self {
        Self { store, call, queries, range, known: BTreeMap::new(), refused: None }
    }

    /// The value of a query, or what is wrong with it.
    pub(super) fn value(&mut self, id: &str) -> Result<Value, AwsError> {
        self.variable(id).map_err(|error| {
            let text = || refusal::validation(format!("Error in expression '{id}' [{error}]"));
            self.refused.take().unwrap_or_else(text)
        })
    }

    /// What `${PROP('…')}` in a query's label stands for.
    pub(super) fn properties(&self, query: &MetricDataQuery) -> BTreeMap<String, String> {
        let mut properties = BTreeMap::from([
            ("AccountId".to_owned(), self.call.account.to_string()),
            ("Region".to_owned(), self.call.region.to_string()),
        ]);
        let mut note = |name: &str, value: &str| properties.insert(name.into(), value.into());
        if let Some(stat) = &query.metric_stat {
            note("Stat", &stat.stat);
            note("Period", &stat.period.to_string());
            note("MetricName", stat.metric.metric_name.as_deref().unwrap_or_default());
            note("Namespace", stat.metric.namespace.as_deref().unwrap_or_default());
            for dimension in stat.metric.dimensions.iter().flatten() {
                note(&format!("Dim.{}", dimension.name), &dimension.value);
            }
        }
        properties
    }

    fn compute(&mut self, query: &MetricDataQuery) -> Result<Value, MathError> {
        if let Some(stat) = &query.metric_stat {
            let read = self.read_stat(stat);
            return read.map(Value::One).map_err(|error| self.refuse(error));
        }
        let text = query.expression.as_deref().unwrap_or_default();
        if Insight::is_meant(text) {
            let insight = Insight::parse(text).ok_or(MathError::Syntax)?;
            let period_s = query.period.unwrap_or(self.period_s() as i32);
            return self.gather(&insight, period_s).map_err(|error| self.refuse(error));
        }
        evaluate(&Expression::parse(text)?, self)
    }

    /// Remembers an error that has its own words; the caller's are not shown then.
    fn refuse(&mut self, error: AwsError) -> MathError {
        self.refused.get_or_insert(error);
        MathError::Syntax
    }

    fn read_stat(&self, stat: &MetricStat) -> Result<Series, AwsError> {
        let metric = &stat.metric;
        let (Some(namespace), Some(name)) = (&metric.namespace, &metric.metric_name) else {
            return Err(refusal::validation(
                "The parameters Namespace and MetricName of a Metric are required.",
            ));
        };
        let dimensions = metric.dimensions.as_deref().unwrap_or_default();
        let dimensions = read_dimensions(dimensions, "Metric")?;
        let place = (&self.call.account, &self.call.region);
        let key = MetricKey::new(place, namespace, name, dimensions);
        let unit = stat.unit.and_then(|unit| Unit::parse(unit.as_str()));
        self.read(&key, (&stat.stat, stat.period), unit)
    }

    /// A metric's series, labelled with its name.
    fn read(
        &self,
        key: &MetricKey,
        (stat, period_s): (&str, i32),
        unit: Option<Unit>,
    ) -> Result<Series, AwsError> {
        let Some(statistic) = Statistic::parse(stat) else {
            return Err(refusal::validation(format!(
                "The value {stat} for parameter Stat is not supported."
            )));
        };
        let period = read_period(period_s, "Period")?;
        let periods = self.periods(key, (self.range, period), unit)?;
        let points = periods.iter().filter_map(|(at, digest)| Some((*at, statistic.of(digest)?)));
        let period_s = u32::try_from(period_s).unwrap_or(PERIOD_S);
        let series = Series { label: key.name.clone(), period_s, ..Series::default() };
        Ok(series.with(points))
    }

    /// A metric's digests. Without a unit, the values of all units count together.
    fn periods(
        &self,
        key: &MetricKey,
        ((start, end), period): ((Timestamp, Timestamp), Duration),
        unit: Option<Unit>,
    ) -> Result<Periods, AwsError> {
        let start = first_period(start, period, self.call.now);
        let span = Span { start, end, period, unit };
        let mut periods = Periods::new();
        for ((at, _), digest) in self.store.read(key, span).map_err(refusal::fault)? {
            periods.entry(at.seconds()).or_default().merge(&digest);
        }
        Ok(periods)
    }

    /// What a `SELECT` stands for: one series, or one for each group.
    fn gather(&self, insight: &Insight, period_s: i32) -> Result<Value, AwsError> {
        read_period(period_s, "Period")?;
        let period_s = period_s.max(INSIGHT_PERIOD_S_MIN);
        let period = read_period(period_s, "Period")?;
        let (start, end) = self.range;
        let start = start.max(self.call.now - INSIGHT_AGE_MAX);
        let gathered = match start < end {
            true => self.gather_all(insight, (start, end), period)?,
            false => Gathered::default(),
        };
        let seconds = u32::try_from(period_s).unwrap_or(PERIOD_S);
        let mut series = insight.series(gathered, seconds);
        Ok(match insight.is_grouped() {
            true => Value::Many(series),
            false => Value::One(
                series.pop().unwrap_or(Series { period_s: seconds, ..Series::default() }),
            ),
        })
    }

    /// The groups of a `SELECT`. What has no values in the range counts nowhere.
    fn gather_all(
        &self,
        insight: &Insight,
        range: (Timestamp, Timestamp),
        period: Duration,
    ) -> Result<Gathered, AwsError> {
        let place = (&self.call.account, &self.call.region);
        let oldest = first_period(range.0, period, self.call.now);
        let (mut gathered, mut found) = (Gathered::default(), 0);
        for listed in self.store.list(place, Some(insight.namespace()), None) {
            let Listed { key, last_at } = listed.map_err(refusal::fault)?;
            if last_at + Resolution::Minute.period() <= oldest {
                continue;
            }
            let Some(group) = insight.group_of(&key.name, &key.dimensions) else { continue };
            let periods = self.periods(&key, (range, period), None)?;
            found += usize::from(!periods.is_empty());
            gathered.add(group, &periods);
            if found == INSIGHT_METRIC_COUNT_MAX {
                break;
            }
        }
        Ok(gathered)
    }
}

impl Scope for DataScope<'_> {
    fn variable(&mut self, id: &str) -> Result<Value, MathError> {
        match self.known.get(id) {
            Some(Some(value)) => return Ok(value.clone()),
            Some(None) => return Err(MathError::Circular(id.to_owned())),
            None => {}
        }
        let queries = self.queries;
        let query = queries.iter().find(|query| query.id == id);
        let query = query.ok_or_else(|| MathError::Undefined(id.to_owned()))?;
        self.known.insert(id.to_owned(), None);
        let mut value = self.compute(query)?;
        if let (Value::One(series), Some(_)) = (&mut value, &query.expression) {
            series.label = id.to_owned();
        }
        self.known.insert(id.to_owned(), Some(value.clone()));
        Ok(value)
    }

    fn metric_ids(&self) -> Vec<String> {
        let metrics = self.queries.iter().filter(|query| query.metric_stat.is_some());
        metrics.map(|query| query.id.clone()).collect()
    }

    fn search(&mut self, terms: &str, stat: &str, period_s: u32) -> Result<Vec<Series>, MathError> {
        let search = Search::parse(terms).ok_or(MathError::Syntax)?;
        let place = (&self.call.account, &self.call.region);
        let mut found = Vec::new();
        for listed in self.store.list(place, search.namespace(), None) {
            let key = listed.map_err(|error| self.refuse(refusal::fault(error)))?.key;
            if !search.fits(&key.namespace, &key.name, &key.dimensions) {
                continue;
            }
            if found.len() == SEARCH_COUNT_MAX {
                break;
            }
            let period_s = i32::try_from(period_s).unwrap_or(i32::MAX);
            let read = self.read(&key, (stat, period_s), None);
            let mut series = read.map_err(|error| self.refuse(error))?;
            series.label = search_label(&key);
            found.push(series);
        }
        Ok(found)
    }

    fn range(&self) -> (i64, i64) {
        let (start, end) = self.range;
        let period = Duration::from_secs(u64::from(self.period_s()));
        let start = first_period(start, period, self.call.now).seconds();
        (start, end.0.div_euclid(1000) + i64::from(end.0.rem_euclid(1000) > 0))
    }

    fn period_s(&self) -> u32 {
        let stats = self.queries.iter().filter_map(|query| query.metric_stat.as_ref());
        let asked = self.queries.iter().filter_map(|query| query.period);
        let periods = stats.map(|stat| stat.period).chain(asked);
        periods.filter_map(|period| u32::try_from(period).ok()).max().unwrap_or(PERIOD_S)
    }
}

/// A found metric is labelled by its dimensions, or by its name where it has none.
fn search_label(key: &MetricKey) -> String {
    let values: Vec<&str> = key.dimensions.iter().map(|(_, value)| value.as_str()).collect();
    if values.is_empty() { key.name.clone() } else { values.join(" ") }
}
