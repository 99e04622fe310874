//! Events as functions get them.

use bytes::Bytes;
use haar_poller::Delivery;
use serde_json::{Value, json};

/// A batch's event.
pub(super) fn event(delivery: &Delivery<'_>, source_arn: &str) -> Bytes {
    let records: Vec<&Value> = delivery.items.iter().map(|item| &item.record).collect();
    let mut event = json!({ "Records": records });
    if let (Some(window), Some(shard)) = (delivery.window, delivery.shard) {
        event["window"] = json!({ "start": window.start.iso(), "end": window.end.iso() });
        event["state"] = window.state.clone();
        event["shardId"] = json!(shard);
        event["eventSourceARN"] = json!(source_arn);
        event["isFinalInvokeForWindow"] = json!(window.is_final);
        event["isWindowTerminatedEarly"] = json!(window.is_terminated_early);
    }
    Bytes::from(event.to_string())
}
