//! What a pipe reads from: its kind, its parameters, how it is polled.
//!
//! AWS docs: *Amazon EventBridge Pipes sources*; the bounds are those of event source mappings.

use std::time::Duration;

use haar_pipes_contract::model::{
    DynamoDBStreamStartPosition, KinesisStreamStartPosition, OnPartialBatchItemFailureStreams,
    PipeSourceParameters,
};
use haar_poller::rules::batch::Bounds;
use haar_poller::rules::retry;
use haar_poller::{Filters, Position, QueueSettings, StreamSettings};
use haar_wire::AwsError;

use crate::refusal::{invalid_field, missing_field, not_here};

/// Messages of a batch without a window.
const UNWINDOWED_MAX: usize = 10;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Queue,
    FifoQueue,
    Kinesis,
    DynamoDb,
}

impl SourceKind {
    /// Batches unless a pipe says so.
    fn batch_usual(self) -> usize {
        match self {
            Self::Queue | Self::FifoQueue => 10,
            Self::Kinesis | Self::DynamoDb => 100,
        }
    }

    /// The member of records that holds the sender's own text.
    pub(crate) fn payload(self) -> Option<&'static str> {
        match self {
            Self::Queue | Self::FifoQueue => Some("body"),
            Self::Kinesis => Some("data"),
            Self::DynamoDb => None,
        }
    }
}

/// Reads a source's kind off its ARN.
pub(crate) fn kind(arn: &str) -> Result<SourceKind, AwsError> {
    if arn.starts_with("smk://") {
        return Err(not_here("self-managed Kafka clusters as sources"));
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        [_, _, "sqs", _, _, name] if name.ends_with(".fifo") => Ok(SourceKind::FifoQueue),
        [_, _, "sqs", _, _, _] => Ok(SourceKind::Queue),
        [_, _, "kinesis", _, _, named] if named.starts_with("stream/") => Ok(SourceKind::Kinesis),
        [_, _, "dynamodb", _, _, named] if named.contains("/stream/") => Ok(SourceKind::DynamoDb),
        [_, _, "kafka", ..] => Err(not_here("Kafka clusters as sources")),
        [_, _, "mq", ..] => Err(not_here("message brokers of Amazon MQ as sources")),
        _ => Err(invalid_field("Source", format!("{arn} is not a supported source."))),
    }
}

/// Refuses parameters that the source does not have, or lacks.
pub(crate) fn check(
    kind: SourceKind,
    arn: &str,
    given: &PipeSourceParameters,
) -> Result<(), AwsError> {
    let is_queue = matches!(kind, SourceKind::Queue | SourceKind::FifoQueue);
    let members = [
        ("SqsQueueParameters", given.sqs_queue_parameters.is_some(), is_queue),
        (
            "KinesisStreamParameters",
            given.kinesis_stream_parameters.is_some(),
            kind == SourceKind::Kinesis,
        ),
        (
            "DynamoDBStreamParameters",
            given.dynamo_db_stream_parameters.is_some(),
            kind == SourceKind::DynamoDb,
        ),
        ("ActiveMQBrokerParameters", given.active_mq_broker_parameters.is_some(), false),
        ("RabbitMQBrokerParameters", given.rabbit_mq_broker_parameters.is_some(), false),
        (
            "ManagedStreamingKafkaParameters",
            given.managed_streaming_kafka_parameters.is_some(),
            false,
        ),
        ("SelfManagedKafkaParameters", given.self_managed_kafka_parameters.is_some(), false),
    ];
    for (member, is_given, is_own) in members {
        let name = format!("SourceParameters.{member}");
        if is_given && !is_own {
            return Err(invalid_field(&name, format!("Parameter is not valid for source {arn}.")));
        }
        if is_own && !is_given && !is_queue {
            return Err(missing_field(&name));
        }
    }
    if let Some(kinesis) = &given.kinesis_stream_parameters {
        let needs_time = kinesis.starting_position == KinesisStreamStartPosition::AtTimestamp;
        let name = "SourceParameters.KinesisStreamParameters.StartingPositionTimestamp";
        match (needs_time, kinesis.starting_position_timestamp.is_some()) {
            (true, false) => return Err(missing_field(name)),
            (false, true) => {
                let text = "Parameter is valid with the starting position AT_TIMESTAMP only.";
                return Err(invalid_field(name, text));
            }
            _ => {}
        }
    }
    if let Some(letters) = dead_letters(given)
        && !(letters.contains(":sqs:") || letters.contains(":sns:"))
    {
        let text = "Dead letters go to an Amazon SQS queue or an Amazon SNS topic.";
        return Err(invalid_field("SourceParameters.DeadLetterConfig.Arn", text));
    }
    filters(given)
        .map(drop)
        .map_err(|error| invalid_field("SourceParameters.FilterCriteria", error.to_string()))
}

/// Where records are told of that are given up.
pub(crate) fn dead_letters(given: &PipeSourceParameters) -> Option<&str> {
    let kinesis = given.kinesis_stream_parameters.as_ref();
    let table = given.dynamo_db_stream_parameters.as_ref();
    let config = kinesis
        .and_then(|given| given.dead_letter_config.as_ref())
        .or_else(|| table.and_then(|given| given.dead_letter_config.as_ref()));
    config?.arn.as_deref()
}

/// The filters of a pipe.
pub(crate) fn filters(given: &PipeSourceParameters) -> Result<Filters, haar_pattern::PatternError> {
    let criteria = given.filter_criteria.as_ref();
    let filters = criteria.and_then(|criteria| criteria.filters.as_deref()).unwrap_or_default();
    Filters::compile(filters.iter().filter_map(|filter| filter.pattern.as_deref()))
}

/// Completes how much is read at once, and refuses more than what comes behind takes. Without a
/// size it is the source's usual one, or what the target takes: *ours*, AWS documents the first.
pub(crate) fn complete(
    kind: SourceKind,
    given: &mut PipeSourceParameters,
    most: usize,
) -> Result<(), AwsError> {
    let (size, window) = match kind {
        SourceKind::Queue | SourceKind::FifoQueue => {
            let given = given.sqs_queue_parameters.get_or_insert_default();
            (&mut given.batch_size, given.maximum_batching_window_in_seconds)
        }
        SourceKind::Kinesis => {
            let given = given.kinesis_stream_parameters.get_or_insert_default();
            (&mut given.batch_size, given.maximum_batching_window_in_seconds)
        }
        SourceKind::DynamoDb => {
            let given = given.dynamo_db_stream_parameters.get_or_insert_default();
            (&mut given.batch_size, given.maximum_batching_window_in_seconds)
        }
    };
    let usual = kind.batch_usual().min(most);
    let asked = number(*size).map_or(usual, |size| size as usize);
    *size = i32::try_from(asked).ok();
    let (has_window, name) = (window.unwrap_or(0) > 0, "SourceParameters.BatchSize");
    if asked > most {
        let text = format!(
            "BatchSize {asked} is larger than what the enrichment or target takes: {most}."
        );
        return Err(invalid_field(name, text));
    }
    let is_queue = matches!(kind, SourceKind::Queue | SourceKind::FifoQueue);
    if is_queue && asked > UNWINDOWED_MAX && !has_window {
        let text = "Maximum batch window in seconds must be greater than 0 if maximum batch size \
                    is greater than 10";
        return Err(invalid_field(name, text));
    }
    if kind == SourceKind::FifoQueue && (asked > UNWINDOWED_MAX || has_window) {
        let text = "Batching window is not supported for FIFO queues";
        return Err(invalid_field(name, text));
    }
    Ok(())
}

fn number(given: Option<i32>) -> Option<u32> {
    given.and_then(|given| u32::try_from(given).ok())
}

fn seconds(given: Option<i32>) -> Option<Duration> {
    number(given).map(|given| Duration::from_secs(u64::from(given)))
}

fn bounds(size: Option<i32>, window: Option<i32>) -> Bounds {
    let count_max = number(size).unwrap_or(1).max(1) as usize;
    Bounds { count_max, window: seconds(window).unwrap_or_default() }
}

/// How a queue is polled.
pub(crate) fn queue_settings(given: &PipeSourceParameters, wait_divisor: u32) -> QueueSettings {
    let given = given.sqs_queue_parameters.clone().unwrap_or_default();
    QueueSettings {
        bounds: bounds(given.batch_size, given.maximum_batching_window_in_seconds),
        reports: true,
        concurrency_max: None,
        pollers: None,
        wait_divisor,
    }
}

/// How a stream is polled. Minus one is without bound.
pub(crate) fn stream_settings(given: &PipeSourceParameters, wait_divisor: u32) -> StreamSettings {
    let kinesis = given.kinesis_stream_parameters.as_ref();
    let table = given.dynamo_db_stream_parameters.clone().unwrap_or_default();
    let position = match kinesis {
        Some(kinesis) => match kinesis.starting_position {
            KinesisStreamStartPosition::Latest => Position::Latest,
            KinesisStreamStartPosition::TrimHorizon => Position::Horizon,
            KinesisStreamStartPosition::AtTimestamp => {
                Position::At(kinesis.starting_position_timestamp.unwrap_or_default())
            }
        },
        None if table.starting_position == DynamoDBStreamStartPosition::Latest => Position::Latest,
        None => Position::Horizon,
    };
    // the members are the same in both
    let (size, window, age, retries, lanes, partial) = match kinesis {
        Some(kinesis) => (
            kinesis.batch_size,
            kinesis.maximum_batching_window_in_seconds,
            kinesis.maximum_record_age_in_seconds,
            kinesis.maximum_retry_attempts,
            kinesis.parallelization_factor,
            kinesis.on_partial_batch_item_failure,
        ),
        None => (
            table.batch_size,
            table.maximum_batching_window_in_seconds,
            table.maximum_record_age_in_seconds,
            table.maximum_retry_attempts,
            table.parallelization_factor,
            table.on_partial_batch_item_failure,
        ),
    };
    StreamSettings {
        position,
        bounds: bounds(size, window),
        retry: retry::Settings {
            retries_max: number(retries),
            age_max: seconds(age),
            bisects: partial == Some(OnPartialBatchItemFailureStreams::AutomaticBisect),
            reports: true,
        },
        lanes: number(lanes).unwrap_or(1).max(1) as usize,
        window: None,
        wait_divisor,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
    const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01";

    fn parameters(json: serde_json::Value) -> PipeSourceParameters {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_source_is_known_by_its_arn() {
        assert_eq!(kind(QUEUE).unwrap(), SourceKind::Queue);
        assert_eq!(kind(&format!("{QUEUE}.fifo")).unwrap(), SourceKind::FifoQueue);
        assert_eq!(kind(&format!("{STREAM}/consumer/c:1")).unwrap(), SourceKind::Kinesis);
        assert_eq!(kind(TABLE).unwrap(), SourceKind::DynamoDb);
        for (arn, name) in [
            ("smk://kafka.test:9092", "NotImplemented"),
            ("arn:aws:kafka:us-east-1:000000000000:cluster/c", "NotImplemented"),
            ("arn:aws:mq:us-east-1:000000000000:broker:b", "NotImplemented"),
            ("arn:aws:s3:::b", "ValidationException"),
        ] {
            assert_eq!(kind(arn).unwrap_err().name(), name, "{arn}");
        }
    }

    #[test]
    fn streams_need_their_parameters_and_nobody_has_those_of_others() {
        let refused = |kind, given| check(kind, "arn", &parameters(given)).unwrap_err();
        assert_eq!(
            refused(SourceKind::Kinesis, json!({})).message(),
            r#"{"ValidationErrorFields":[{"Name":"SourceParameters.KinesisStreamParameters","Message":"Missing required parameter."}]}"#
        );
        let other = json!({"DynamoDBStreamParameters": {"StartingPosition": "LATEST"}});
        assert!(refused(SourceKind::Queue, other).message().contains("DynamoDBStreamParameters"));
        let no_time = json!({"KinesisStreamParameters": {"StartingPosition": "AT_TIMESTAMP"}});
        assert!(refused(SourceKind::Kinesis, no_time).message().contains("Timestamp"));
        let filter = json!({"FilterCriteria": {"Filters": [{"Pattern": "{\"a\": 1}"}]}});
        assert!(refused(SourceKind::Queue, filter).message().contains("FilterCriteria"));
        let letters = json!({"KinesisStreamParameters": {
            "StartingPosition": "LATEST", "DeadLetterConfig": {"Arn": "arn:aws:s3:::b"},
        }});
        assert!(refused(SourceKind::Kinesis, letters).message().contains("DeadLetterConfig"));
        assert!(check(SourceKind::Queue, QUEUE, &parameters(json!({}))).is_ok());
    }

    #[test]
    fn a_batch_is_what_the_source_has_and_the_target_takes() {
        let completed = |kind, given, most| {
            let mut given = parameters(given);
            complete(kind, &mut given, most).map(|()| given)
        };
        let stream = json!({"KinesisStreamParameters": {"StartingPosition": "LATEST"}});
        let size =
            |given: PipeSourceParameters| given.kinesis_stream_parameters.unwrap().batch_size;
        assert_eq!(completed(SourceKind::Kinesis, stream.clone(), 500).map(size), Ok(Some(100)));
        assert_eq!(completed(SourceKind::Kinesis, stream, 10).map(size), Ok(Some(10)));
        let queue = |size: i32, window: i32| {
            json!({"SqsQueueParameters": {
                "BatchSize": size, "MaximumBatchingWindowInSeconds": window,
            }})
        };
        assert!(completed(SourceKind::Queue, queue(100, 1), 10_000).is_ok());
        assert!(completed(SourceKind::Queue, queue(100, 0), 10_000).is_err());
        assert!(completed(SourceKind::Queue, queue(100, 1), 10).is_err());
        assert!(completed(SourceKind::FifoQueue, queue(5, 1), 10).is_err());
        assert!(completed(SourceKind::FifoQueue, queue(5, 0), 10).is_ok());
    }

    #[test]
    fn minus_one_is_without_bound() {
        let given = parameters(json!({"DynamoDBStreamParameters": {
            "StartingPosition": "LATEST",
            "MaximumRecordAgeInSeconds": -1,
            "MaximumRetryAttempts": 3,
            "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
            "ParallelizationFactor": 4,
        }}));
        let settings = stream_settings(&given, 1);
        assert_eq!((settings.position, settings.lanes), (Position::Latest, 4));
        let retry = settings.retry;
        assert_eq!((retry.retries_max, retry.age_max, retry.bisects), (Some(3), None, true));
    }
}
