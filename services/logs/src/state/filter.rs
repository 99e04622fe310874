//! What groups pass on: subscription filters and metric filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::{Row, Snapshot};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::GroupKey;

/// Names a filter of a group's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct FilterKey {
    pub(crate) group: GroupKey,
    pub(crate) name: String,
}

impl FilterKey {
    /// Names a filter.
    pub(crate) fn new(group: &GroupKey, name: &str) -> Self {
        Self { group: group.clone(), name: name.to_owned() }
    }
}

/// Sends matching events on. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SubscriptionRow {
    /// Key.
    pub(crate) key: FilterKey,
    pub(crate) pattern: String,
    /// A function or a stream.
    pub(crate) destination_arn: String,
    /// Who may put records into a stream.
    pub(crate) role_arn: Option<String>,
    /// Records of a stream are spread at random, not by log stream.
    pub(crate) is_random: bool,
    pub(crate) created_at: Timestamp,
}

impl Row for SubscriptionRow {
    type Key = FilterKey;
    const TABLE: &'static str = "logs.subscription";

    fn key(&self) -> FilterKey {
        self.key.clone()
    }
}

/// Makes values of metrics from matching events. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MetricFilterRow {
    /// Key.
    pub(crate) key: FilterKey,
    pub(crate) pattern: String,
    pub(crate) transformations: Vec<Transformation>,
    pub(crate) created_at: Timestamp,
}

/// What becomes of a matching event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transformation {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    /// A number, or what in the event is one: `$.latency`, `$bytes`.
    pub(crate) value: String,
    /// The value where events come and none matches.
    pub(crate) default: Option<f64>,
    /// Names, and what in the event are their values.
    pub(crate) dimensions: BTreeMap<String, String>,
    pub(crate) unit: String,
}

impl Row for MetricFilterRow {
    type Key = FilterKey;
    const TABLE: &'static str = "logs.metric_filter";

    fn key(&self) -> FilterKey {
        self.key.clone()
    }
}

/// A group's filters of a kind, by name.
pub(crate) fn filters_of<'a, R: Row<Key = FilterKey>>(
    snapshot: &'a Snapshot,
    group: &'a GroupKey,
) -> impl DoubleEndedIterator<Item = Arc<R>> + 'a {
    // No group's name is another's with a NUL behind it.
    let behind = GroupKey { name: format!("{}\0", group.name), ..group.clone() };
    snapshot.range::<R>(FilterKey::new(group, "")..FilterKey::new(&behind, ""))
}
