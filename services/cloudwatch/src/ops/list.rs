//! Which metrics there are.

use std::sync::Arc;
use std::time::Duration;

use haar_cloudwatch_contract::model::{
    Dimension, DimensionFilter, ListMetrics, ListMetricsInput, ListMetricsOutput, Metric,
};
use haar_kernel::{Answer, Call, Flow, mint_token, read_token};
use haar_wire::AwsError;

use crate::store::{Listed, MetricKey};
use crate::{Cloudwatch, refusal};

/// Metrics on one page.
const PAGE_COUNT: usize = 500;
/// Metrics without a value for so long are not listed.
const SILENCE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// What `RecentlyActive` asks for.
const RECENTLY: Duration = Duration::from_secs(3 * 3600);

/// AWS docs: *CloudWatch API Reference > ListMetrics*.
impl Flow<ListMetrics> for Cloudwatch {
    async fn flow(self: Arc<Self>, call: Call, input: ListMetricsInput) -> Answer<ListMetrics> {
        self.store.write_out().await.map_err(refusal::fault)?;
        let silence = if input.recently_active.is_some() { RECENTLY } else { SILENCE_MAX };
        let since = call.now - silence;
        let filters = input.dimensions.unwrap_or_default();
        let scope = format!("cloudwatch.metrics/{}", call.account);
        let after =
            input.next_token.as_deref().map(|token| read_place(&scope, token)).transpose()?;

        let place = (&call.account, &call.region);
        let mut page: Vec<Listed> = Vec::new();
        let mut next_token = None;
        for listed in self.store.list(place, input.namespace.as_deref(), after.as_ref()) {
            let listed = listed.map_err(refusal::fault)?;
            let named = input.metric_name.as_ref().is_none_or(|name| *name == listed.key.name);
            if !named || listed.last_at < since || !has_dimensions(&listed.key, &filters) {
                continue;
            }
            if page.len() == PAGE_COUNT {
                next_token = page.last().map(|last| mint_place(&scope, &last.key));
                break;
            }
            page.push(listed);
        }
        let metrics = page.into_iter().map(|listed| metric(listed.key)).collect();
        Ok(ListMetricsOutput { metrics: Some(metrics), next_token, owning_accounts: None })
    }
}

fn has_dimensions(key: &MetricKey, filters: &[DimensionFilter]) -> bool {
    filters.iter().all(|filter| {
        key.dimensions.iter().any(|(name, value)| {
            *name == filter.name && filter.value.as_ref().is_none_or(|wanted| wanted == value)
        })
    })
}

/// A metric as the customer sees it.
pub(super) fn metric(key: MetricKey) -> Metric {
    let dimensions = key.dimensions.into_iter();
    Metric {
        namespace: Some(key.namespace),
        metric_name: Some(key.name),
        dimensions: Some(dimensions.map(|(name, value)| Dimension { name, value }).collect()),
    }
}

fn mint_place(scope: &str, key: &MetricKey) -> String {
    mint_token(scope, &String::from_utf8_lossy(&key.encode()))
}

fn read_place(scope: &str, token: &str) -> Result<MetricKey, AwsError> {
    let refused = || refusal::invalid("The value of the parameter NextToken is invalid.");
    let key = read_token(scope, token).map_err(|_| refused())?;
    MetricKey::decode(key.as_bytes()).ok_or_else(refused)
}
