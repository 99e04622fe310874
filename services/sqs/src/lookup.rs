//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_types::Region;
use haar_wire::AwsError;

use crate::refusal::{bad_address, missing, no_queue};
use crate::rules::url;
use crate::state::{QueueKey, QueueRow};

/// The queue that a URL names, there or not.
pub(crate) fn key_of(call: &Call, queue_url: &str) -> Result<QueueKey, AwsError> {
    if queue_url.is_empty() {
        return Err(missing("QueueUrl"));
    }
    let (account, name) = url::read(queue_url).ok_or_else(|| bad_address(queue_url))?;
    let region = region_of(queue_url).unwrap_or_else(|| call.region.clone());
    Ok(QueueKey { account, region, name: name.to_owned() })
}

/// The region that a queue's host names: `sqs.eu-west-1.localhost`.
fn region_of(queue_url: &str) -> Option<Region> {
    let (_, rest) = queue_url.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    let mut labels = host.split('.');
    let region = if labels.next()? == "sqs" { labels.next()? } else { return None };
    region.parse().ok().filter(|_| region.contains('-'))
}

/// The queue that a URL names.
pub(crate) fn find(
    snapshot: &Snapshot,
    call: &Call,
    queue_url: &str,
) -> Result<Arc<QueueRow>, AwsError> {
    let key = key_of(call, queue_url)?;
    snapshot.get::<QueueRow>(&key).ok_or_else(no_queue)
}
