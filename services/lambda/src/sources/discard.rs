//! Records of batches that were given up, for the on-failure destination. AWS docs: *Retain
//! discarded batch records for a Kinesis Data Streams event source in Lambda*, and the same for
//! DynamoDB.

use bytes::Bytes;
use haar_kernel::targets::{Consignment, Sender};
use haar_poller::{Discarded, letters};
use haar_types::Timestamp;
use serde_json::{Value, json};

use super::consumer::payload_of;
use super::identity::Poll;

/// Sends a batch's record to the mapping's destination; true when it arrived there.
pub(super) async fn tell(poll: &Poll, discarded: &Discarded<'_>) -> bool {
    let config = poll.row.settings.destination_config.as_ref();
    let destination = config.and_then(|config| config.on_failure.as_ref()?.destination.clone());
    let Some(destination) = destination.filter(|arn| !arn.is_empty()) else { return false };
    let now = poll.room.doors.clock.now();
    let mut document =
        document(discarded, poll.source(), &poll.row.function.arn().to_string(), now);
    let mut parameters = None;
    if destination.starts_with("arn:aws:s3:") {
        let payload = payload_of(discarded, poll.source());
        document["payload"] = json!(String::from_utf8_lossy(&payload));
        let id = poll.room.doors.ids.uuid();
        let key = object_key(&poll.row.key.uuid, discarded.shard, now, &id);
        parameters = Some(json!({ "Key": key }));
    }
    let body = Bytes::from(document.to_string());
    let letter = || {
        let source_arn = poll.row.function.arn().to_string();
        let sender = Sender { principal: poll.principal()?, source_arn };
        let region = poll.row.key.region.clone();
        let mut consignment = Consignment::new(destination.clone(), sender, region, body.clone());
        consignment.parameters.clone_from(&parameters);
        Ok(consignment)
    };
    letters::tell(&poll.room.doors, letter).await
}

/// The record. It names the function as the mapping does.
fn document(discarded: &Discarded<'_>, source: &str, function: &str, now: Timestamp) -> Value {
    let last = discarded.last;
    let of_last = |member: &str| last.map(|last| last[member].clone()).unwrap_or_default();
    let mut context = json!({
        "requestId": of_last("requestId"),
        "functionArn": function,
        "condition": discarded.condition,
        "approximateInvokeCount": discarded.attempt_count,
    });
    if context["requestId"].is_null() {
        context["requestId"] = json!("");
    }
    let mut document = json!({
        "requestContext": context,
        "responseContext": of_last("response"),
        "version": "1.0",
        "timestamp": now.iso_millis(),
    });
    let (member, info) = discarded.batch_info(source);
    document[member] = info;
    document
}

/// Where a bucket keeps the record.
fn object_key(mapping: &str, shard: &str, now: Timestamp, id: &str) -> String {
    let (day, time) = (now.strftime("%Y/%m/%d"), now.strftime("%Y-%m-%dT%H.%M.%S"));
    format!("aws/lambda/{mapping}/{shard}/{day}/{time}-{id}")
}

#[cfg(test)]
mod tests {
    use haar_poller::Item;

    use super::*;

    fn item(id: &str, at: i64) -> Item {
        Item {
            id: id.to_owned(),
            record: json!({}),
            group: String::new(),
            at: Timestamp(at),
            size: 1,
            handle: String::new(),
            is_wanted: true,
        }
    }

    #[test]
    fn a_discarded_batch_is_told_of_as_aws_tells_it() {
        let facts = json!({
            "requestId": "r",
            "response": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" }
        });
        let discarded = Discarded {
            items: &[item("7", 1_573_690_800_500), item("9", 1_573_690_860_000)],
            shard: "shardId-000000000006",
            condition: "RetryAttemptsExhausted",
            attempt_count: 3,
            last: Some(&facts),
        };
        let source = "arn:aws:kinesis:us-east-2:123456789012:stream/s";
        let told = document(&discarded, source, "arn:f", Timestamp(1_573_691_886_021));
        let expected = json!({
            "requestContext": {
                "requestId": "r",
                "functionArn": "arn:f",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3
            },
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
            },
            "version": "1.0",
            "timestamp": "2019-11-14T00:38:06.021Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-000000000006",
                "startSequenceNumber": "7",
                "endSequenceNumber": "9",
                "approximateArrivalOfFirstRecord": "2019-11-14T00:20:00.500Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:21:00Z",
                "batchSize": 2,
                "streamArn": source
            }
        });
        assert_eq!(told, expected);
        let table = "arn:aws:dynamodb:us-east-2:123456789012:table/t/stream/x";
        let told = document(&discarded, table, "arn:f", Timestamp(0));
        assert_eq!(told["DDBStreamBatchInfo"]["batchSize"], 2);
    }

    #[test]
    fn a_bucket_keeps_records_by_mapping_shard_and_day() {
        let key = object_key("u", "s", Timestamp(1_573_691_886_021), "id");
        assert_eq!(key, "aws/lambda/u/s/2019/11/14/2019-11-14T00.38.06-id");
    }
}
