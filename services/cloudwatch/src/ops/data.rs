//! Many metrics and expressions on them, in one answer.

mod scope;

use std::sync::Arc;

use haar_cloudwatch_contract::model::{
    GetMetricData, GetMetricDataInput, GetMetricDataOutput, MetricDataQuery, MetricDataResult,
    ScanBy, StatusCode,
};
use haar_kernel::{Answer, Call, Flow, mint_token, read_token};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::rules::insights::Insight;
use crate::rules::label;
use crate::rules::math::{Series, Value};
use crate::{Cloudwatch, refusal};
use scope::DataScope;

/// Most queries in one request.
const QUERY_COUNT_MAX: usize = 500;
/// Most points in one answer, and what is taken where the caller says nothing.
const POINT_COUNT_MAX: usize = 100_800;

/// AWS docs: *CloudWatch API Reference > GetMetricData*.
impl Flow<GetMetricData> for Cloudwatch {
    async fn flow(self: Arc<Self>, call: Call, input: GetMetricDataInput) -> Answer<GetMetricData> {
        check_queries(&input)?;
        let scope_name = format!("cloudwatch.data/{}", call.account);
        let skip = match &input.next_token {
            Some(token) => read_skip(&scope_name, token)?,
            None => 0,
        };
        self.store.write_out().await.map_err(refusal::fault)?;
        let (room, input) = (Arc::clone(&self), Arc::new(input));
        let asked_for = Arc::clone(&input);
        let work = move || Ok(room.find_series(&call, &asked_for));
        let found = self.store.aside(work).await.map_err(refusal::fault)??;
        let asked = input.max_datapoints.and_then(|count| usize::try_from(count).ok());
        let count_max = asked.unwrap_or(POINT_COUNT_MAX).clamp(1, POINT_COUNT_MAX);
        let per_series = (count_max / found.len().max(1)).max(1);
        let ascending = input.scan_by == Some(ScanBy::TimestampAscending);
        let more = found.iter().any(|(_, series)| series.points.len() > skip + per_series);
        let results = found
            .into_iter()
            .map(|(id, series)| result(id, &series, ascending, (skip, per_series)))
            .collect();
        let next = (skip + per_series).to_string();
        Ok(GetMetricDataOutput {
            metric_data_results: Some(results),
            next_token: more.then(|| mint_token(&scope_name, &next)),
            messages: Some(Vec::new()),
        })
    }
}

impl Cloudwatch {
    /// The series that are asked for, with their queries' ids. Reads as many records as there are.
    fn find_series(
        &self,
        call: &Call,
        input: &GetMetricDataInput,
    ) -> Result<Vec<(String, Series)>, AwsError> {
        let range = (input.start_time, input.end_time);
        let mut scope = DataScope::new(&self.store, call, &input.metric_data_queries, range);
        let mut found = Vec::new();
        for query in &input.metric_data_queries {
            if query.return_data == Some(false) {
                continue;
            }
            for series in series_of(&mut scope, query)? {
                found.push((query.id.clone(), series));
            }
        }
        Ok(found)
    }
}

fn read_skip(scope: &str, token: &str) -> Result<usize, AwsError> {
    let skip = read_token(scope, token).map_err(|_| refusal::bad_token())?;
    skip.parse().map_err(|_| refusal::bad_token())
}

fn check_queries(input: &GetMetricDataInput) -> Result<(), AwsError> {
    if input.start_time >= input.end_time {
        return Err(refusal::validation(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let queries = &input.metric_data_queries;
    if queries.is_empty() || queries.len() > QUERY_COUNT_MAX {
        return Err(refusal::validation(format!(
            "The collection MetricDataQueries must have a size from 1 to {QUERY_COUNT_MAX}."
        )));
    }
    let texts = queries.iter().filter_map(|query| query.expression.as_deref());
    if texts.filter(|text| Insight::is_meant(text)).count() > 1 {
        return Err(refusal::validation(
            "Only one Metrics Insights query is allowed in a GetMetricData request.",
        ));
    }
    for (index, query) in queries.iter().enumerate() {
        let path = format!("MetricDataQueries.member.{}", index + 1);
        let lower = query.id.starts_with(|first: char| first.is_ascii_lowercase());
        if !lower || !query.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(refusal::validation(format!(
                "The value {} for parameter {path}.Id is not matching the expected pattern \
                 ^[a-z][a-zA-Z0-9_]*$.",
                query.id
            )));
        }
        if queries[..index].iter().any(|other| other.id == query.id) {
            return Err(refusal::validation(
                "The values for parameter id in MetricDataQueries are not unique.",
            ));
        }
        if query.metric_stat.is_some() == query.expression.is_some() {
            return Err(refusal::validation(format!(
                "Exactly one of the parameters {path}.MetricStat and {path}.Expression must be \
                 specified."
            )));
        }
    }
    Ok(())
}

/// A query's series with their labels.
fn series_of(scope: &mut DataScope<'_>, query: &MetricDataQuery) -> Result<Vec<Series>, AwsError> {
    let value = scope.value(&query.id)?;
    let many = matches!(value, Value::Many(_));
    let is_insight = query.expression.as_deref().is_some_and(Insight::is_meant);
    let Some(mut list) = value.into_series() else {
        return Err(refusal::validation(format!(
            "Error in expression '{}' [Expression must return a time series]",
            query.id
        )));
    };
    for series in &mut list {
        series.label = match &query.label {
            Some(template) => label::fill(template, series, &scope.properties(query)),
            None if query.metric_stat.is_some() => std::mem::take(&mut series.label),
            // a group is told by its values alone
            None if many && is_insight => std::mem::take(&mut series.label),
            None if many && !series.label.is_empty() => format!("{} {}", query.id, series.label),
            None => query.id.clone(),
        };
    }
    Ok(list)
}

fn result(
    id: String,
    series: &Series,
    ascending: bool,
    (skip, count): (usize, usize),
) -> MetricDataResult {
    let mut points: Vec<(i64, f64)> = series.points.iter().map(|(at, v)| (*at, *v)).collect();
    if !ascending {
        points.reverse();
    }
    let partial = points.len() > skip + count;
    let page = points.into_iter().skip(skip).take(count);
    let (timestamps, values) = page.map(|(at, value)| (Timestamp(at * 1000), value)).unzip();
    MetricDataResult {
        id: Some(id),
        label: Some(series.label.clone()),
        timestamps: Some(timestamps),
        values: Some(values),
        status_code: Some(if partial { StatusCode::PartialData } else { StatusCode::Complete }),
        messages: None,
    }
}
