//! Who gets what comes through a pipe: its kind, its parameters, how many events it takes at once.
//!
//! AWS docs: *Amazon EventBridge Pipes targets*, *Batching and concurrency*.

use haar_pipes_contract::model::PipeTargetParameters;
use haar_wire::AwsError;

use crate::refusal::{invalid_field, missing_field, not_here};

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    Function,
    Queue,
    FifoQueue,
    Topic,
    Stream,
    Bus,
    Destination,
    LogGroup,
    Cluster,
}

impl TargetKind {
    /// Events that it takes at once.
    pub(crate) fn batch_max(self) -> usize {
        match self {
            Self::Function | Self::LogGroup => 10_000,
            Self::Stream => 500,
            Self::Queue | Self::FifoQueue | Self::Topic | Self::Bus => 10,
            Self::Destination | Self::Cluster => 1,
        }
    }

    /// The member of the target's parameters that is its own.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Function => "LambdaFunctionParameters",
            Self::Queue | Self::FifoQueue => "SqsQueueParameters",
            Self::Topic => "",
            Self::Stream => "KinesisStreamParameters",
            Self::Bus => "EventBridgeEventBusParameters",
            Self::Destination => "HttpParameters",
            Self::LogGroup => "CloudWatchLogsParameters",
            Self::Cluster => "EcsTaskParameters",
        }
    }
}

/// Reads a target's kind off its ARN.
pub(crate) fn kind(arn: &str) -> Result<TargetKind, AwsError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, _, _, resource] = parts[..] else {
        return Err(invalid_field("Target", format!("{arn} is not a supported target.")));
    };
    match (service, resource) {
        ("lambda", named) if named.starts_with("function:") => Ok(TargetKind::Function),
        ("sqs", name) if name.ends_with(".fifo") => Ok(TargetKind::FifoQueue),
        ("sqs", _) => Ok(TargetKind::Queue),
        ("sns", name) if name.ends_with(".fifo") => {
            let text = "SNS FIFO topics are not supported as targets.";
            Err(invalid_field("Target", text))
        }
        ("sns", _) => Ok(TargetKind::Topic),
        ("kinesis", named) if named.starts_with("stream/") => Ok(TargetKind::Stream),
        ("events", named) if named.starts_with("event-bus/") => Ok(TargetKind::Bus),
        ("events", named) if named.starts_with("api-destination/") => Ok(TargetKind::Destination),
        ("logs", named) if named.starts_with("log-group:") => Ok(TargetKind::LogGroup),
        ("ecs", named) if named.starts_with("cluster/") => Ok(TargetKind::Cluster),
        ("batch", _) => Err(not_here("job queues of AWS Batch as targets")),
        ("execute-api", _) => Err(not_here("APIs of API Gateway as targets")),
        ("firehose", _) => Err(not_here("Firehose streams as targets")),
        ("inspector", _) => Err(not_here("assessments of Inspector as targets")),
        ("redshift" | "redshift-serverless", _) => Err(not_here("Redshift queries as targets")),
        ("sagemaker", _) => Err(not_here("pipelines of SageMaker as targets")),
        ("states", _) => Err(not_here("state machines as targets")),
        ("timestream", _) => Err(not_here("tables of Timestream as targets")),
        _ => Err(invalid_field("Target", format!("{arn} is not a supported target."))),
    }
}

/// Refuses parameters that the target does not have, or lacks.
pub(crate) fn check(
    kind: TargetKind,
    arn: &str,
    given: Option<&PipeTargetParameters>,
) -> Result<(), AwsError> {
    let json = given.map(|given| haar_wire::to_json(given)).unwrap_or_default();
    for member in json.as_object().into_iter().flatten().map(|(member, _)| member.as_str()) {
        if member != "InputTemplate" && member != kind.member() {
            let name = format!("TargetParameters.{member}");
            return Err(invalid_field(&name, format!("Parameter is not valid for target {arn}.")));
        }
    }
    check_template(json["InputTemplate"].as_str().unwrap_or_default())?;
    let own = &json[kind.member()];
    let needed = match kind {
        TargetKind::Stream if own.is_null() => Some(""),
        TargetKind::Cluster if own.is_null() => Some(""),
        TargetKind::FifoQueue if own["MessageGroupId"].is_null() => Some(".MessageGroupId"),
        _ => None,
    };
    if let Some(within) = needed {
        return Err(missing_field(&format!("TargetParameters.{}{within}", kind.member())));
    }
    if kind == TargetKind::Bus && own["EndpointId"].is_string() {
        return Err(not_here("global endpoints of EventBridge"));
    }
    Ok(())
}

/// Refuses a template with a variable that has no end.
fn check_template(template: &str) -> Result<(), AwsError> {
    let mut begun = template.split('<').skip(1);
    let is_open = |piece: &str| {
        (piece.starts_with("$.") || piece.starts_with("aws.pipes.")) && !piece.contains('>')
    };
    match begun.any(is_open) {
        true => Err(invalid_field(
            "TargetParameters.InputTemplate",
            "The template has a variable without a closing bracket.",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arn(rest: &str) -> String {
        let (service, resource) = rest.split_once(' ').unwrap();
        format!("arn:aws:{service}:us-east-1:000000000000:{resource}")
    }

    #[test]
    fn a_target_is_known_by_its_arn() {
        for (rest, expected) in [
            ("lambda function:f:alias", TargetKind::Function),
            ("sqs q", TargetKind::Queue),
            ("sqs q.fifo", TargetKind::FifoQueue),
            ("sns t", TargetKind::Topic),
            ("kinesis stream/s", TargetKind::Stream),
            ("events event-bus/default", TargetKind::Bus),
            ("events api-destination/d/id", TargetKind::Destination),
            ("logs log-group:g", TargetKind::LogGroup),
            ("ecs cluster/c", TargetKind::Cluster),
        ] {
            assert_eq!(kind(&arn(rest)), Ok(expected), "{rest}");
        }
        for rest in ["states stateMachine:s", "batch job-queue/q", "firehose deliverystream/d"] {
            assert_eq!(kind(&arn(rest)).unwrap_err().name(), "NotImplemented", "{rest}");
        }
        for rest in ["sns t.fifo", "s3 b", "events rule/r"] {
            assert_eq!(kind(&arn(rest)).unwrap_err().name(), "ValidationException", "{rest}");
        }
    }

    #[test]
    fn parameters_belong_to_their_kind_of_target() {
        let checked = |kind, given: serde_json::Value| {
            let given: PipeTargetParameters = serde_json::from_value(given).unwrap();
            check(kind, "arn", Some(&given)).map_err(|error| error.message().to_owned())
        };
        assert!(check(TargetKind::Queue, "arn", None).is_ok());
        assert!(check(TargetKind::Stream, "arn", None).is_err());
        let key = json!({"KinesisStreamParameters": {"PartitionKey": "$.body.id"}});
        assert_eq!(checked(TargetKind::Stream, key.clone()), Ok(()));
        assert!(checked(TargetKind::Queue, key).unwrap_err().contains("KinesisStreamParameters"));
        assert_eq!(checked(TargetKind::Topic, json!({"InputTemplate": "x"})), Ok(()));
        assert_eq!(checked(TargetKind::Topic, json!({"InputTemplate": "a < b <$.a>"})), Ok(()));
        assert!(checked(TargetKind::Topic, json!({"InputTemplate": "<$.b> <$.a"})).is_err());
        let group = json!({"SqsQueueParameters": {"MessageDeduplicationId": "d"}});
        assert!(checked(TargetKind::FifoQueue, group).unwrap_err().contains("MessageGroupId"));
    }
}
