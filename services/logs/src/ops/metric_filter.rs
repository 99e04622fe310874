//! Metric filters, and filter patterns tried on sample messages.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_logs_contract::model::{
    DeleteMetricFilter, DeleteMetricFilterRequest, DescribeMetricFilters,
    DescribeMetricFiltersRequest, DescribeMetricFiltersResponse, MetricFilter,
    MetricFilterMatchRecord, MetricTransformation, PutMetricFilter, PutMetricFilterRequest,
    StandardUnit, TestMetricFilter, TestMetricFilterRequest, TestMetricFilterResponse,
};
use haar_wire::AwsError;

use super::subscription_filter::{check_supported, page_of};
use crate::Logs;
use crate::lookup::{find_group, group_key};
use crate::refusal;
use crate::rules::filter_pattern::FilterPattern;
use crate::state::{FilterKey, MetricFilterRow, Transformation, filters_of};

/// Metric filters of a group.
const PER_GROUP_MAX: usize = 100;

/// AWS docs: *CloudWatch Logs API Reference > PutMetricFilter*.
impl Command<PutMetricFilter> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutMetricFilterRequest,
    ) -> Answer<PutMetricFilter> {
        check_supported(input.apply_on_transformed_logs == Some(true), "applyOnTransformedLogs")?;
        check_supported(input.field_selection_criteria.is_some(), "fieldSelectionCriteria")?;
        let dimensions = input.emit_system_field_dimensions.is_some();
        check_supported(dimensions, "emitSystemFieldDimensions")?;
        FilterPattern::parse(&input.filter_pattern)
            .map_err(|error| refusal::invalid(error.to_string()))?;
        let group = group_key(call, &input.log_group_name);
        find_group(tx, &group)?;
        let key = FilterKey::new(&group, &input.filter_name);
        let known = tx.get::<MetricFilterRow>(&key);
        if known.is_none() && filters_of::<MetricFilterRow>(tx, &group).count() >= PER_GROUP_MAX {
            return Err(refusal::too_many());
        }
        let transformations = input.metric_transformations.into_iter().map(transformation);
        tx.put(MetricFilterRow {
            key,
            pattern: input.filter_pattern,
            transformations: transformations.collect::<Result<_, _>>()?,
            created_at: known.map_or(call.now, |known| known.created_at),
        });
        Ok(Default::default())
    }
}

fn transformation(given: MetricTransformation) -> Result<Transformation, AwsError> {
    let is_number = given.metric_value.parse::<f64>().is_ok_and(f64::is_finite);
    if !is_number && !given.metric_value.starts_with('$') {
        let value = given.metric_value;
        return Err(refusal::invalid(format!(
            "Invalid metric transformation: the metric value \
             {value} is neither a number nor a field of the log event."
        )));
    }
    let dimensions = given.dimensions.unwrap_or_default();
    if !dimensions.is_empty() && given.default_value.is_some() {
        return Err(refusal::invalid(
            "Invalid metric transformation: dimensions and default value are mutually exclusive \
             properties.",
        ));
    }
    Ok(Transformation {
        namespace: given.metric_namespace,
        metric: given.metric_name,
        value: given.metric_value,
        default: given.default_value,
        dimensions,
        unit: given.unit.map(|unit| unit.as_str().to_owned()).unwrap_or_default(),
    })
}

/// AWS docs: *CloudWatch Logs API Reference > DescribeMetricFilters*.
impl Query<DescribeMetricFilters> for Logs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeMetricFiltersRequest,
    ) -> Answer<DescribeMetricFilters> {
        let group = group_key(call, input.log_group_name.as_deref().unwrap_or_default());
        let named = input.log_group_name.is_some();
        if named {
            find_group(snapshot, &group)?;
        }
        let (metric, namespace) = (input.metric_name, input.metric_namespace);
        if metric.is_some() != namespace.is_some() {
            let text = "metricName and metricNamespace must be given together.";
            return Err(refusal::invalid(text));
        }
        let prefix = input.filter_name_prefix.unwrap_or_default();
        let rows = snapshot
            .range::<MetricFilterRow>(FilterKey::new(&group, "")..)
            .take_while(|row| {
                let key = &row.key.group;
                (&key.account, &key.region) == (&group.account, &group.region)
                    && (!named || *key == group)
            })
            .filter(|row| row.key.name.starts_with(&prefix))
            .filter(|row| {
                metric.is_none()
                    || row.transformations.iter().any(|one| {
                        Some(&one.metric) == metric.as_ref()
                            && Some(&one.namespace) == namespace.as_ref()
                    })
            });
        let token = input.next_token.as_deref();
        let (rows, next_token) = page_of(rows, ("metric", &group), token, input.limit)?;
        let metric_filters = Some(rows.iter().map(|row| shown(row)).collect());
        Ok(DescribeMetricFiltersResponse { metric_filters, next_token })
    }
}

fn shown(row: &MetricFilterRow) -> MetricFilter {
    let transformations = row.transformations.iter().map(|one| MetricTransformation {
        metric_name: one.metric.clone(),
        metric_namespace: one.namespace.clone(),
        metric_value: one.value.clone(),
        default_value: one.default,
        dimensions: Some(one.dimensions.clone()).filter(|all| !all.is_empty()),
        unit: one.unit.parse::<StandardUnit>().ok(),
    });
    MetricFilter {
        filter_name: Some(row.key.name.clone()),
        filter_pattern: Some(row.pattern.clone()),
        metric_transformations: Some(transformations.collect()),
        creation_time: Some(row.created_at.0),
        log_group_name: Some(row.key.group.name.clone()),
        apply_on_transformed_logs: Some(false),
        ..MetricFilter::default()
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DeleteMetricFilter*.
impl Command<DeleteMetricFilter> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteMetricFilterRequest,
    ) -> Answer<DeleteMetricFilter> {
        let group = group_key(call, &input.log_group_name);
        find_group(tx, &group)?;
        let key = FilterKey::new(&group, &input.filter_name);
        if !tx.contains::<MetricFilterRow>(&key) {
            return Err(refusal::no_filter("metric"));
        }
        tx.remove::<MetricFilterRow>(&key);
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > TestMetricFilter*.
impl Query<TestMetricFilter> for Logs {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: TestMetricFilterRequest,
    ) -> Answer<TestMetricFilter> {
        let pattern = FilterPattern::parse(&input.filter_pattern)
            .map_err(|error| refusal::invalid(error.to_string()))?;
        let numbered = (1..).zip(input.log_event_messages);
        let matches =
            numbered.filter(|(_, message)| pattern.matches(message)).map(|(number, message)| {
                MetricFilterMatchRecord {
                    event_number: Some(number),
                    extracted_values: Some(pattern.extract(&message)),
                    event_message: Some(message),
                }
            });
        Ok(TestMetricFilterResponse { matches: Some(matches.collect()) })
    }
}
