//! Lambda's own metrics. AWS docs: *Types of metrics for Lambda functions*.

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_types::Timestamp;

use super::FunctionTarget;

/// Records one value for the function, for the function's resource, and for all functions.
pub(crate) fn record(
    metrics: &dyn MetricSink,
    target: &FunctionTarget,
    alias: Option<&str>,
    (metric, unit, value): (&str, &str, f64),
    at: Timestamp,
) {
    let name = target.function_name.as_str();
    let resource = match alias {
        Some(alias) => format!("{name}:{alias}"),
        None if target.version == "$LATEST" => name.to_owned(),
        None => format!("{name}:{}", target.version),
    };
    let both = [("FunctionName", name), ("Resource", resource.as_str())];
    for dimensions in [&[][..], &both[..1], &both[..]] {
        let (account, region) = (&target.account, &target.region);
        metrics.record(Sample {
            account,
            region,
            namespace: "AWS/Lambda",
            metric,
            dimensions,
            unit,
            value,
            at,
        });
    }
}

/// Records one value for all functions of an account together.
pub(crate) fn record_account(
    metrics: &dyn MetricSink,
    target: &FunctionTarget,
    metric: &str,
    value: f64,
    at: Timestamp,
) {
    let (account, region, dimensions) = (&target.account, &target.region, &[][..]);
    let (namespace, unit) = ("AWS/Lambda", "Count");
    metrics.record(Sample { account, region, namespace, metric, dimensions, unit, value, at });
}
