//! Metric values come in.

use std::sync::Arc;
use std::time::Duration;

use haar_cloudwatch_contract::model::{
    Dimension, MetricDatum, PutMetricData, PutMetricDataInput, StatisticSet,
};
use haar_kernel::{Answer, Call, Flow};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::rules::digest::Digest;
use crate::rules::period::Resolution;
use crate::rules::unit::Unit;
use crate::store::{MetricKey, Point};
use crate::{Cloudwatch, refusal};

/// Most metrics in one request, and most different values of one metric.
const DATUM_COUNT_MAX: usize = 1000;
const VALUE_COUNT_MAX: usize = 150;
/// Bytes of a whole request.
pub(crate) const PUT_BYTES_MAX: usize = 1 << 20;
/// Values lie within ±2^360.
const VALUE_EXPONENT_MAX: i32 = 360;
/// Values may be so old and so far ahead.
const AGE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
const AHEAD_MAX: Duration = Duration::from_secs(2 * 3600);

/// AWS docs: *CloudWatch API Reference > PutMetricData*.
impl Flow<PutMetricData> for Cloudwatch {
    async fn flow(self: Arc<Self>, call: Call, input: PutMetricDataInput) -> Answer<PutMetricData> {
        check_namespace(&input.namespace)?;
        let plain = input.metric_data.into_iter().flatten();
        let of_entities = input.entity_metric_data.into_iter().flatten();
        let of_entities = of_entities.flat_map(|entity| entity.metric_data.unwrap_or_default());
        let data: Vec<MetricDatum> = plain.chain(of_entities).collect();
        if data.is_empty() {
            return Err(refusal::missing("The parameter MetricData is required."));
        }
        if data.len() > DATUM_COUNT_MAX {
            return Err(refusal::invalid(format!(
                "The collection MetricData must not have a size greater than {DATUM_COUNT_MAX}."
            )));
        }
        let mut points = Vec::with_capacity(data.len());
        for (index, datum) in data.iter().enumerate() {
            let path = format!("MetricData.member.{}", index + 1);
            points.push(read_datum(&call, &input.namespace, datum, &path)?);
        }
        for (metric, point) in &points {
            self.store.record(metric, point);
        }
        self.store.sync().await.map_err(refusal::fault)?;
        Ok(Default::default())
    }
}

fn read_datum(
    call: &Call,
    namespace: &str,
    datum: &MetricDatum,
    path: &str,
) -> Result<(MetricKey, Point), AwsError> {
    check_text(&format!("{path}.MetricName"), &datum.metric_name)?;
    let dimensions = read_dimensions(datum.dimensions.as_deref().unwrap_or_default(), path)?;
    let place = (&call.account, &call.region);
    let metric = MetricKey::new(place, namespace, &datum.metric_name, dimensions);
    let resolution = match datum.storage_resolution {
        None | Some(60) => Resolution::Minute,
        Some(1) => Resolution::Second,
        Some(other) => {
            return Err(refusal::invalid(format!(
                "The value {other} for parameter {path}.StorageResolution is invalid; it must be \
                 1 or 60."
            )));
        }
    };
    let point = Point {
        at: read_time(datum.timestamp, path, call.now)?,
        resolution,
        unit: datum.unit.and_then(|unit| Unit::parse(unit.as_str())).unwrap_or(Unit::NONE),
        digest: read_values(datum, path)?,
    };
    Ok((metric, point))
}

/// Dimensions of a request; their names and values have no control characters.
pub(super) fn read_dimensions(
    dimensions: &[Dimension],
    path: &str,
) -> Result<Vec<(String, String)>, AwsError> {
    let mut read: Vec<(String, String)> = Vec::with_capacity(dimensions.len());
    for (index, Dimension { name, value }) in dimensions.iter().enumerate() {
        let at = format!("{path}.Dimensions.member.{}", index + 1);
        check_text(&format!("{at}.Name"), name)?;
        check_text(&format!("{at}.Value"), value)?;
        if read.iter().any(|(known, _)| known == name) {
            return Err(refusal::invalid(format!(
                "The parameter {path}.Dimensions must not name {name} more than once."
            )));
        }
        read.push((name.clone(), value.clone()));
    }
    Ok(read)
}

/// Those that begin with `AWS/` are AWS's own.
fn check_namespace(namespace: &str) -> Result<(), AwsError> {
    check_text("Namespace", namespace)?;
    match namespace.starts_with("AWS/") {
        true => Err(refusal::invalid(format!(
            "The value {namespace} for parameter Namespace is invalid."
        ))),
        false => Ok(()),
    }
}

fn check_text(path: &str, text: &str) -> Result<(), AwsError> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(refusal::invalid(format!("The value {text} for parameter {path} is invalid.")));
    }
    Ok(())
}

fn read_time(
    timestamp: Option<Timestamp>,
    path: &str,
    now: Timestamp,
) -> Result<Timestamp, AwsError> {
    let at = timestamp.unwrap_or(now);
    let bound = match () {
        () if at > now + AHEAD_MAX => "no more than two hours in the future",
        () if at < now - AGE_MAX => "no more than two weeks in the past",
        () => return Ok(at),
    };
    Err(refusal::invalid(format!("The parameter {path}.Timestamp must specify a time {bound}.")))
}

fn read_values(datum: &MetricDatum, path: &str) -> Result<Digest, AwsError> {
    let values = datum.values.as_deref().filter(|values| !values.is_empty());
    match (datum.value, &datum.statistic_values, values) {
        (Some(value), None, None) => {
            check_number(value, &format!("{path}.Value"))?;
            Ok(Digest::of(value, 1.0))
        }
        (None, Some(set), None) => read_set(set, path),
        (None, None, Some(values)) => read_list(values, datum.counts.as_deref(), path),
        (None, None, None) => Err(refusal::missing(format!(
            "At least one of the parameters {path}.Value, {path}.Values and \
             {path}.StatisticValues must be specified."
        ))),
        (Some(_), Some(_), _) => Err(exclusive(path, "Value", "StatisticValues")),
        (Some(_), None, Some(_)) => Err(exclusive(path, "Value", "Values")),
        (None, Some(_), Some(_)) => Err(exclusive(path, "StatisticValues", "Values")),
    }
}

fn exclusive(path: &str, one: &str, other: &str) -> AwsError {
    refusal::combination(format!(
        "The parameters {path}.{one} and {path}.{other} are mutually exclusive and you have \
         specified both."
    ))
}

fn read_set(set: &StatisticSet, path: &str) -> Result<Digest, AwsError> {
    let StatisticSet { sample_count, sum, minimum, maximum } = set;
    for (name, value) in
        [("SampleCount", sample_count), ("Sum", sum), ("Minimum", minimum), ("Maximum", maximum)]
    {
        check_number(*value, &format!("{path}.StatisticValues.{name}"))?;
    }
    if *sample_count <= 0.0 || minimum > maximum {
        return Err(refusal::invalid(format!(
            "The parameter {path}.StatisticValues must have a positive SampleCount and a Minimum \
             that is not greater than its Maximum."
        )));
    }
    Ok(Digest::of_set(*sample_count, *sum, *minimum, *maximum))
}

fn read_list(values: &[f64], counts: Option<&[f64]>, path: &str) -> Result<Digest, AwsError> {
    if values.len() > VALUE_COUNT_MAX {
        return Err(refusal::invalid(format!(
            "The collection {path}.Values must not have a size greater than {VALUE_COUNT_MAX}."
        )));
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(refusal::invalid(format!(
            "The collections {path}.Values and {path}.Counts must have the same size."
        )));
    }
    let mut digest = Digest::default();
    for (index, value) in values.iter().enumerate() {
        check_number(*value, &format!("{path}.Values.member.{}", index + 1))?;
        let count = counts.map_or(1.0, |counts| counts[index]);
        let at = format!("{path}.Counts.member.{}", index + 1);
        check_number(count, &at)?;
        if count < 0.0 {
            return Err(refusal::invalid(format!(
                "The value {count} for parameter {at} is invalid."
            )));
        }
        digest.merge(&Digest::of(*value, count));
    }
    Ok(digest)
}

fn check_number(value: f64, path: &str) -> Result<(), AwsError> {
    if value.is_finite() && value.abs() <= 2_f64.powi(VALUE_EXPONENT_MAX) {
        return Ok(());
    }
    Err(refusal::invalid(format!("The value {value} for parameter {path} is invalid.")))
}
