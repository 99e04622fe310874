//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::refusal::{invalid, no_subscription, no_topic};
use crate::state::{SubscriptionKey, SubscriptionRow, TopicKey, TopicRow};

/// The topic that an ARN names, there or not; `parameter` names the ARN to the caller.
pub(crate) fn topic_key(arn: &str, parameter: &str) -> Result<TopicKey, AwsError> {
    let count = arn.split(':').count();
    if arn.is_empty() || count < 6 {
        return Err(invalid(format!(
            "{parameter} Reason: An ARN must have at least 6 elements, not {}",
            if arn.is_empty() { 0 } else { count }
        )));
    }
    let key = TopicKey::of_arn(arn).filter(|_| count == 6);
    key.ok_or_else(|| invalid(parameter))
}

/// The topic that an ARN names.
pub(crate) fn find_topic(snapshot: &Snapshot, arn: &str) -> Result<Arc<TopicRow>, AwsError> {
    let key = topic_key(arn, "TopicArn")?;
    snapshot.get::<TopicRow>(&key).ok_or_else(no_topic)
}

/// The subscription that an ARN names.
pub(crate) fn find_subscription(
    snapshot: &Snapshot,
    arn: &str,
) -> Result<Arc<SubscriptionRow>, AwsError> {
    let key = SubscriptionKey::of_arn(arn).ok_or_else(|| {
        invalid(format!(
            "SubscriptionArn Reason: An ARN must have at least 6 elements, not {}",
            arn.split(':').count()
        ))
    })?;
    snapshot.get::<SubscriptionRow>(&key).ok_or_else(no_subscription)
}
