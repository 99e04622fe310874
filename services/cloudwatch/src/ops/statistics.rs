//! Statistics of one metric.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_cloudwatch_contract::model::{
    Datapoint, GetMetricStatistics, GetMetricStatisticsInput, GetMetricStatisticsOutput,
    StandardUnit,
};
use haar_kernel::{Answer, Call, Flow};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::put::read_dimensions;
use crate::rules::digest::Digest;
use crate::rules::period::{first_period, is_legal};
use crate::rules::statistic::Statistic;
use crate::rules::unit::Unit;
use crate::store::{MetricKey, Span};
use crate::{Cloudwatch, refusal};

/// Most points in one answer.
const POINT_COUNT_MAX: u128 = 1440;

/// AWS docs: *CloudWatch API Reference > GetMetricStatistics*.
impl Flow<GetMetricStatistics> for Cloudwatch {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetMetricStatisticsInput,
    ) -> Answer<GetMetricStatistics> {
        let period = read_period(input.period, "Period")?;
        check_range(&input, period)?;
        let wanted = read_statistics(&input)?;
        let dimensions = input.dimensions.as_deref().unwrap_or_default();
        let dimensions = read_dimensions(dimensions, "Dimensions")?;
        let place = (&call.account, &call.region);
        let metric = MetricKey::new(place, &input.namespace, &input.metric_name, dimensions);

        self.store.write_out().await.map_err(refusal::fault)?;
        let span = Span {
            start: first_period(input.start_time, period, call.now),
            end: input.end_time,
            period,
            unit: input.unit.and_then(|unit| Unit::parse(unit.as_str())),
        };
        let read = self.store.read(&metric, span).map_err(refusal::fault)?;
        let points = read.iter().map(|((at, unit), digest)| point(*at, *unit, digest, &wanted));
        Ok(GetMetricStatisticsOutput {
            label: Some(input.metric_name),
            datapoints: Some(points.collect()),
        })
    }
}

/// A period that customers may ask for.
pub(super) fn read_period(period_s: i32, path: &str) -> Result<Duration, AwsError> {
    if !is_legal(period_s) {
        return Err(refusal::invalid(format!(
            "The value {period_s} for parameter {path} is invalid; valid values are 1, 5, 10, 20, \
             30 and multiples of 60."
        )));
    }
    Ok(Duration::from_secs(u64::try_from(period_s).unwrap_or(60)))
}

fn check_range(input: &GetMetricStatisticsInput, period: Duration) -> Result<(), AwsError> {
    if input.start_time >= input.end_time {
        return Err(refusal::combination(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let range = input.end_time.since(input.start_time).as_millis();
    let count = range.div_ceil(period.as_millis());
    if count > POINT_COUNT_MAX {
        return Err(refusal::combination(format!(
            "You have requested up to {} datapoints, which exceeds the limit of 1,440. You may \
             reduce the datapoints requested by increasing Period, or decreasing the time range.",
            grouped(count)
        )));
    }
    Ok(())
}

/// `2,880`.
fn grouped(count: u128) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

type Wanted = Vec<(String, Statistic)>;

fn read_statistics(input: &GetMetricStatisticsInput) -> Result<Wanted, AwsError> {
    let simple = input.statistics.as_deref().unwrap_or_default();
    let extended = input.extended_statistics.as_deref().unwrap_or_default();
    if simple.is_empty() && extended.is_empty() {
        return Err(refusal::combination("Must specify either Statistics or ExtendedStatistics"));
    }
    let names = simple.iter().map(|name| name.as_str()).chain(extended.iter().map(String::as_str));
    names
        .map(|name| {
            let parsed = Statistic::parse(name);
            let refused = || {
                refusal::invalid(format!(
                    "The value {name} for parameter ExtendedStatistics is not supported."
                ))
            };
            parsed.map(|statistic| (name.to_owned(), statistic)).ok_or_else(refused)
        })
        .collect()
}

fn point(at: Timestamp, unit: Unit, digest: &Digest, wanted: &Wanted) -> Datapoint {
    let mut point = Datapoint {
        timestamp: Some(at),
        unit: unit.name().parse::<StandardUnit>().ok(),
        ..Datapoint::default()
    };
    let mut extended = BTreeMap::new();
    for (name, statistic) in wanted {
        let value = statistic.of(digest);
        match statistic {
            Statistic::SampleCount => point.sample_count = value,
            Statistic::Average => point.average = value,
            Statistic::Sum => point.sum = value,
            Statistic::Minimum => point.minimum = value,
            Statistic::Maximum => point.maximum = value,
            _ => extended.extend(value.map(|value| (name.clone(), value))),
        }
    }
    point.extended_statistics = (!extended.is_empty()).then_some(extended);
    point
}
