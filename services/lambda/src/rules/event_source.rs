//! What event source mappings can read from, and how each kind is set up.

use crate::refusal::Refusal;

/// A kind of event source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// An SQS queue.
    Queue,
    /// An SQS queue that keeps order.
    FifoQueue,
    /// A Kinesis stream or consumer.
    Kinesis,
    /// A DynamoDB stream.
    DynamoDb,
    /// Amazon MSK.
    ManagedKafka,
    /// Apache Kafka elsewhere.
    SelfManagedKafka,
    /// Amazon MQ.
    Broker,
    /// Amazon DocumentDB.
    DocumentDb,
}

impl SourceKind {
    /// Tells a source's kind by its ARN.
    ///
    /// # Errors
    /// When nothing can be read from there.
    pub fn of_arn(arn: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let (service, resource) = match parts[..] {
            [_, _, service, _, _, resource] => (service, resource),
            _ => ("", ""),
        };
        match service {
            "sqs" if resource.ends_with(".fifo") => Ok(Self::FifoQueue),
            "sqs" => Ok(Self::Queue),
            "kinesis" if resource.starts_with("stream/") => Ok(Self::Kinesis),
            "dynamodb" if resource.contains("/stream/") => Ok(Self::DynamoDb),
            "kafka" => Ok(Self::ManagedKafka),
            "mq" => Ok(Self::Broker),
            "rds" | "docdb" | "docdb-elastic" => Ok(Self::DocumentDb),
            _ => Err(Refusal::invalid("Unrecognized event source.")),
        }
    }

    /// Records are read from a position on.
    pub fn has_position(self) -> bool {
        !matches!(self, Self::Queue | Self::FifoQueue | Self::Broker)
    }

    /// A stream of shards, with the settings that only these have.
    pub fn has_shards(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    /// Records that can be given up after so many retries or so long, and told of then.
    pub fn can_give_up(self) -> bool {
        self.has_shards() || matches!(self, Self::ManagedKafka | Self::SelfManagedKafka)
    }

    /// Pollers of its own can be kept for it, so many at least and at most.
    fn pollers_min(self) -> Option<i32> {
        match self {
            Self::Queue | Self::FifoQueue => Some(2),
            Self::ManagedKafka | Self::SelfManagedKafka => Some(1),
            _ => None,
        }
    }

    /// `BatchSize` where none is given.
    pub fn batch_size_default(self) -> i32 {
        if matches!(self, Self::Queue | Self::FifoQueue) { 10 } else { 100 }
    }
}

/// The youngest age at which records may be given up.
const RECORD_AGE_S_MIN: i32 = 60;

/// What is asked of a mapping, as far as its kind has a say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// `BatchSize`.
    pub batch_size: Option<i32>,
    /// `MaximumBatchingWindowInSeconds`.
    pub batching_window_s: Option<i32>,
    /// `StartingPosition` is given.
    pub position: bool,
    /// `StartingPosition` is `AT_TIMESTAMP`.
    pub at_timestamp: bool,
    /// `StartingPositionTimestamp` is given.
    pub timestamp: bool,
    /// A setting that only streams of shards have is given: parallelization, bisecting,
    /// tumbling windows.
    pub shard_settings: bool,
    /// `MaximumRecordAgeInSeconds`.
    pub record_age_s: Option<i32>,
    /// `MaximumRetryAttempts` is given.
    pub retries: bool,
    /// `ProvisionedPollerConfig`: the least and the most, where it is given.
    pub pollers: Option<(Option<i32>, Option<i32>)>,
    /// `ScalingConfig`'s `MaximumConcurrency`.
    pub maximum_concurrency: Option<i32>,
}

/// Refuses what a kind of source does not take. `new` is true for a mapping that is created.
///
/// # Errors
/// With AWS's words.
pub fn check(kind: SourceKind, asked: &Asked, new: bool) -> Result<(), Refusal> {
    if new {
        check_position(kind, asked)?;
    }
    check_batch(kind, asked)?;
    // AWS docs: -1 for any age, or 60 seconds to seven days. The words are *ours*.
    if asked.record_age_s.is_some_and(|age| (0..RECORD_AGE_S_MIN).contains(&age)) {
        return Err(Refusal::invalid("MaximumRecordAgeInSeconds must be -1, or 60 at least."));
    }
    let gives_up = asked.retries || asked.record_age_s.is_some();
    if (asked.shard_settings && !kind.has_shards()) || (gives_up && !kind.can_give_up()) {
        return Err(unsupported());
    }
    check_pollers(kind, asked)?;
    if asked.maximum_concurrency.is_some()
        && !matches!(kind, SourceKind::Queue | SourceKind::FifoQueue)
    {
        return Err(Refusal::invalid(
            "Unsupported 'scalingConfig' parameter for given event source mapping type.",
        ));
    }
    Ok(())
}

/// Refuses settings that only other kinds have: whether each is given, and who has it.
///
/// # Errors
/// With AWS's words.
pub fn check_others(kind: SourceKind, given: &[(bool, &[SourceKind])]) -> Result<(), Refusal> {
    match given.iter().any(|(is_given, kinds)| *is_given && !kinds.contains(&kind)) {
        true => Err(unsupported()),
        false => Ok(()),
    }
}

fn unsupported() -> Refusal {
    Refusal::invalid("Unsupported parameter for given event source mapping type.")
}

/// AWS docs: *API Reference > ProvisionedPollerConfig*. The words are *ours*.
fn check_pollers(kind: SourceKind, asked: &Asked) -> Result<(), Refusal> {
    let Some((least, most)) = asked.pollers else { return Ok(()) };
    let Some(min) = kind.pollers_min() else { return Err(unsupported()) };
    for (name, given) in [("MinimumPollers", least), ("MaximumPollers", most)] {
        if given.is_some_and(|given| given < min) {
            return Err(Refusal::invalid(format!(
                "{name} must be {min} at least for given event source mapping type."
            )));
        }
    }
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        return Err(Refusal::invalid("MinimumPollers must not be greater than MaximumPollers."));
    }
    match asked.maximum_concurrency {
        Some(_) => Err(Refusal::invalid(
            "ScalingConfig and ProvisionedPollerConfig cannot both be specified.",
        )),
        None => Ok(()),
    }
}

fn check_position(kind: SourceKind, asked: &Asked) -> Result<(), Refusal> {
    if !kind.has_position() {
        if !asked.position {
            return Ok(());
        }
        let name = if kind == SourceKind::Broker { "AMAZON_MQ" } else { "SQS" };
        let text = format!("StartingPosition is not valid for {name} event sources.");
        return Err(Refusal::invalid(text));
    }
    if !asked.position {
        return Err(Refusal::constraint_null("startingPosition"));
    }
    if asked.at_timestamp && !asked.timestamp {
        return Err(Refusal::invalid("Need to specify a timestamp"));
    }
    if asked.at_timestamp && kind == SourceKind::DynamoDb {
        return Err(Refusal::invalid(
            "Unsupported starting position for arn type. Please specify either TRIM_HORIZON or LATEST",
        ));
    }
    if asked.timestamp && !asked.at_timestamp {
        return Err(Refusal::invalid(
            "Timestamp must not be specified when starting position is not AT_TIMESTAMP",
        ));
    }
    Ok(())
}

fn check_batch(kind: SourceKind, asked: &Asked) -> Result<(), Refusal> {
    let size = asked.batch_size.unwrap_or_else(|| kind.batch_size_default());
    let window = asked.batching_window_s.unwrap_or(0);
    match kind {
        SourceKind::FifoQueue if size > 10 => Err(Refusal::invalid(
            "Batch size must be less than or equal to 10 for FIFO event source mappings.",
        )),
        SourceKind::FifoQueue if window > 0 => {
            Err(Refusal::invalid("Batching window is not supported for FIFO queues"))
        }
        SourceKind::Queue if size > 10 && window == 0 => Err(Refusal::invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is \
             greater than 10",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    #[test]
    fn a_source_is_told_by_its_arn() {
        let kind = |arn: &str| SourceKind::of_arn(arn);
        assert_eq!(kind(QUEUE), Ok(SourceKind::Queue));
        assert_eq!(kind("arn:aws:sqs:us-east-1:000000000000:q.fifo"), Ok(SourceKind::FifoQueue));
        let table =
            "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000";
        assert_eq!(kind(table), Ok(SourceKind::DynamoDb));
        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
        assert_eq!(kind(stream), Ok(SourceKind::Kinesis));
        let refused = Err(Refusal::invalid("Unrecognized event source."));
        assert_eq!(kind("arn:aws:s3:::bucket"), refused);
        assert_eq!(kind("arn:aws:dynamodb:us-east-1:000000000000:table/t"), refused);
    }

    #[test]
    fn streams_need_a_position_and_queues_take_none() {
        let none = Asked::default();
        let some = Asked { position: true, ..none };
        assert_eq!(check(SourceKind::Queue, &none, true), Ok(()));
        let text = "StartingPosition is not valid for SQS event sources.";
        assert_eq!(check(SourceKind::Queue, &some, true), Err(Refusal::invalid(text)));
        assert!(check(SourceKind::Kinesis, &none, true).is_err());
        assert_eq!(check(SourceKind::Kinesis, &none, false), Ok(()));
        assert_eq!(check(SourceKind::Kinesis, &some, true), Ok(()));
        let at = Asked { at_timestamp: true, ..some };
        assert!(check(SourceKind::Kinesis, &at, true).is_err());
        let timed = Asked { timestamp: true, ..at };
        assert_eq!(check(SourceKind::Kinesis, &timed, true), Ok(()));
        assert!(check(SourceKind::DynamoDb, &timed, true).is_err());
    }

    #[test]
    fn large_batches_of_a_queue_need_a_window_and_fifo_has_neither() {
        let large = Asked { batch_size: Some(11), ..Asked::default() };
        assert!(check(SourceKind::Queue, &large, true).is_err());
        assert!(check(SourceKind::FifoQueue, &large, true).is_err());
        let windowed = Asked { batching_window_s: Some(1), ..large };
        assert_eq!(check(SourceKind::Queue, &windowed, true), Ok(()));
    }

    #[test]
    fn records_are_given_up_after_a_minute_at_least_or_never() {
        let of = |age| Asked { position: true, record_age_s: Some(age), ..Asked::default() };
        for age in [-1, 60, 604_800] {
            assert_eq!(check(SourceKind::Kinesis, &of(age), true), Ok(()), "{age}");
        }
        for age in [0, 59] {
            assert!(check(SourceKind::Kinesis, &of(age), true).is_err(), "{age}");
        }
    }

    #[test]
    fn what_only_shards_have_is_refused_elsewhere() {
        let asked = Asked { shard_settings: true, ..Asked::default() };
        assert!(check(SourceKind::Queue, &asked, true).is_err());
        let asked = Asked { position: true, ..asked };
        assert_eq!(check(SourceKind::Kinesis, &asked, true), Ok(()));
        let limited = Asked { maximum_concurrency: Some(2), position: true, ..Asked::default() };
        assert!(check(SourceKind::Kinesis, &limited, true).is_err());
    }

    #[test]
    fn queues_give_nothing_up_by_age_or_retries_and_have_two_pollers_at_least() {
        let none = Asked::default();
        for asked in [Asked { retries: true, ..none }, Asked { record_age_s: Some(60), ..none }] {
            assert_eq!(check(SourceKind::Queue, &asked, true), Err(unsupported()));
            let asked = Asked { position: true, ..asked };
            assert_eq!(check(SourceKind::DynamoDb, &asked, true), Ok(()));
        }
        let pollers = |least, most| Asked { pollers: Some((least, most)), ..none };
        assert_eq!(check(SourceKind::Queue, &pollers(Some(2), Some(2)), true), Ok(()));
        assert!(check(SourceKind::Queue, &pollers(Some(1), None), true).is_err());
        assert!(check(SourceKind::Queue, &pollers(Some(9), Some(8)), true).is_err());
        let both = Asked { maximum_concurrency: Some(2), ..pollers(None, None) };
        assert!(check(SourceKind::Queue, &both, true).is_err());
        let stream = Asked { position: true, ..pollers(None, None) };
        assert_eq!(check(SourceKind::Kinesis, &stream, true), Err(unsupported()));
    }
}
