//! A delivery on its way to a target: attempts, retries, dead letters.

mod attempt;
mod call;
mod carrier;
mod dead_letter;
mod failure;
mod http;
mod sender;

use bytes::Bytes;
use haar_events_contract::model::Target;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use carrier::Porter;
pub(crate) use http::Http;
pub(crate) use sender::SERVICE_PRINCIPAL;

use crate::state::RuleKey;

/// What one rule sends to one of its targets because of one event. Rule and target are as they
/// were when the event came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) rule: RuleKey,
    pub(crate) target: Target,
    /// The role of the target, else of the rule.
    pub(crate) role_arn: Option<String>,
    pub(crate) event: Value,
    pub(crate) ingested_at: Timestamp,
    /// Buses that the event came from.
    pub(crate) hop_count: u32,
}

impl Delivery {
    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("a delivery is plain data").into()
    }
}
