//! What a target must and must not have.

use haar_scheduler_contract::model::Target;
use serde_json::Value;

/// A target that is an operation: `arn:aws:scheduler:::aws-sdk:sqs:sendMessage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Universal<'a> {
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
}

/// Reads a universal target's ARN; `None` for one that names a resource.
pub(crate) fn universal(arn: &str) -> Option<Universal<'_>> {
    let named = arn.strip_prefix("arn:aws:scheduler:::aws-sdk:")?;
    let (service, operation) = named.split_once(':')?;
    Some(Universal { service, operation })
}

/// Services that universal targets may also call by an SDK's other name.
const ALIASES: &[&str] = &[
    "applicationdiscoveryservice",
    "cloudwatchlogs",
    "cognitoidentityprovider",
    "configservice",
    "costandusagereportservice",
    "costexplorer",
    "databasemigrationservice",
    "directoryservice",
    "directoryservicedata",
    "elasticloadbalancing",
    "elasticloadbalancingv2",
    "elasticsearchservice",
    "eventbridge",
    "iotdataplane",
    "iotjobsdataplane",
    "lexmodelbuildingservice",
    "lexmodelsv2",
    "lexruntimeservice",
    "lexruntimev2",
    "marketplaceentitlementservice",
    "marketplacemetering",
    "migrationhub",
    "serverlessapplicationrepository",
    "sfn",
    "simpledb",
];

/// Services that are called by such a name only.
const ALIASED: &[&str] = &["events", "logs"];

/// Resources that schedules reach without naming an operation: the service, and how the resource
/// begins. AWS docs: *Using templated targets in EventBridge Scheduler*.
const TEMPLATED: &[(&str, &str)] = &[
    ("codebuild", "project/"),
    ("codepipeline", ""),
    ("ecs", "cluster/"),
    ("events", "event-bus/"),
    ("firehose", "deliverystream/"),
    ("inspector", "target/"),
    ("kinesis", "stream/"),
    ("lambda", "function:"),
    ("sagemaker", "pipeline/"),
    ("sns", ""),
    ("sqs", ""),
    ("states", "stateMachine:"),
];

/// Bytes of an input at most. AWS docs: *Quotas for EventBridge Scheduler > Invocation payload*.
const INPUT_BYTES_MAX: usize = 256 * 1024;

/// Whether a service has an operation, as far as is known here; `None` for services without a
/// room.
pub(crate) type Has<'h> = &'h dyn Fn(&str, &str) -> Option<bool>;

/// Operations that only read begin so: no schedule may call them. AWS docs: *Using universal
/// targets > Unsupported actions*.
const READING: &[&str] = &[
    "get",
    "describe",
    "list",
    "poll",
    "receive",
    "search",
    "scan",
    "query",
    "select",
    "read",
    "lookup",
    "discover",
    "validate",
    "batchget",
    "batchdescribe",
    "batchread",
    "transactget",
    "adminget",
    "adminlist",
    "testmigration",
    "retrieve",
    "testconnection",
    "translatedocument",
    "isauthorized",
    "invokemodel",
];

/// Judges a target.
///
/// # Errors
/// The text of a `ValidationException`.
pub(crate) fn check(target: &Target, has: Has<'_>) -> Result<(), String> {
    let arn = target.arn.as_str();
    if target.input.as_ref().is_some_and(|input| input.len() > INPUT_BYTES_MAX) {
        return Err(format!("The Input of a target must not exceed {INPUT_BYTES_MAX} bytes."));
    }
    if let Some(named) = universal(arn) {
        check_operation(named, has)?;
        if let Some(input) = &target.input
            && !serde_json::from_str::<Value>(input).is_ok_and(|input| input.is_object())
        {
            return Err("Invalid RequestJson provided. Reason The field Input must be a JSON \
                        object."
                .to_owned());
        }
        return templated(target, "");
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, service, _, _, resource] if is_templated(service, resource) => {
            templated(target, service)?;
            needs(target, service, resource)
        }
        _ => Err("Provided Arn is not in correct format.".to_owned()),
    }
}

fn is_templated(service: &str, resource: &str) -> bool {
    let fits = |(of, begin): &(&str, &str)| *of == service && resource.starts_with(begin);
    !resource.is_empty() && TEMPLATED.iter().any(fits)
}

/// Whether universal targets may name a service so, in small letters.
fn is_service(lower: &str) -> bool {
    ALIASES.contains(&lower) || (haar_wire::is_service(lower) && !ALIASED.contains(&lower))
}

/// An operation that no schedule may call, or that there is none of. A service that AWS has and
/// haar has not is taken: its invocations fail.
fn check_operation(named: Universal<'_>, has: Has<'_>) -> Result<(), String> {
    let Universal { service, operation } = named;
    let lower = service.to_ascii_lowercase();
    if !is_service(&lower) {
        return Err(format!("{service} is not a supported service for a target."));
    }
    let lower = operation.to_ascii_lowercase();
    let only_reads = READING.iter().any(|begin| lower.starts_with(begin));
    match only_reads || has(service, operation) == Some(false) {
        true => Err(format!("{operation} is not a supported api for a target.")), // words: *ours*
        false => Ok(()),
    }
}

/// Parameters belong to one kind of target each.
fn templated(target: &Target, service: &str) -> Result<(), String> {
    let given = [
        ("ecs", "EcsParameters", target.ecs_parameters.is_some()),
        ("events", "EventBridgeParameters", target.event_bridge_parameters.is_some()),
        ("kinesis", "KinesisParameters", target.kinesis_parameters.is_some()),
        ("sqs", "SqsParameters", target.sqs_parameters.is_some()),
        (
            "sagemaker",
            "SageMakerPipelineParameters",
            target.sage_maker_pipeline_parameters.is_some(),
        ),
    ];
    match given.iter().find(|(of, _, is_given)| *is_given && *of != service) {
        Some((_, name, _)) => Err(format!("{name} is not a valid parameter for {}.", target.arn)),
        None => Ok(()),
    }
}

fn needs(target: &Target, service: &str, resource: &str) -> Result<(), String> {
    let missing = |name: &str| Err(format!("{name} must be specified for {}.", target.arn));
    match service {
        "ecs" if target.ecs_parameters.is_none() => missing("EcsParameters"),
        "events" if target.event_bridge_parameters.is_none() => missing("EventBridgeParameters"),
        "events" if target.input.is_none() => missing("Input"),
        "kinesis" if target.kinesis_parameters.is_none() => missing("KinesisParameters"),
        "sqs" if resource.ends_with(".fifo") => {
            let sqs = target.sqs_parameters.as_ref();
            match sqs.and_then(|sqs| sqs.message_group_id.as_ref()) {
                Some(_) => Ok(()),
                None => missing("SqsParameters"),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &Target) -> Result<(), String> {
        super::check(target, &|service, operation| (service == "sqs").then(|| operation != "fly"))
    }

    fn target(arn: &str) -> Target {
        Target { arn: arn.to_owned(), ..Target::default() }
    }

    #[test]
    fn universal_targets_are_operations_that_write() {
        let arn = "arn:aws:scheduler:::aws-sdk:sqs:sendMessage";
        let found = universal(arn).unwrap();
        assert_eq!((found.service, found.operation), ("sqs", "sendMessage"));
        assert_eq!(check(&target(arn)), Ok(()));
        assert!(check(&target("arn:aws:scheduler:::aws-sdk:s3:getObject")).is_err());
        let universal = |named: &str| target(&format!("arn:aws:scheduler:::aws-sdk:{named}"));
        assert_eq!(check(&universal("eventbridge:putEvents")), Ok(()));
        assert_eq!(check(&universal("rds:stopDBInstance")), Ok(()));
        let text = "fly is not a supported api for a target.";
        assert_eq!(check(&universal("sqs:fly")), Err(text.to_owned()));
        for none in ["foo", "events"] {
            let text = format!("{none} is not a supported service for a target.");
            assert_eq!(check(&universal(&format!("{none}:putEvents"))), Err(text));
        }
        let large = Target { input: Some("x".repeat(262_145)), ..target("arn:aws:sqs:r:1:q") };
        assert!(check(&large).is_err());
        let text = Target { input: Some("no json".to_owned()), ..target(arn) };
        assert!(check(&text).unwrap_err().starts_with("Invalid RequestJson"));
    }

    #[test]
    fn parameters_belong_to_their_kind_of_target() {
        assert_eq!(check(&target("arn:aws:sqs:us-east-1:000000000000:q")), Ok(()));
        for arn in [
            "queue",
            "arn:aws:foo:us-east-1:000000000000:bar",
            "arn:aws:batch:us-east-1:000000000000:job-queue/q",
            "arn:aws:events:us-east-1:000000000000:api-destination/d/0",
            "arn:aws:lambda:us-east-1:000000000000:layer:l",
            "arn:aws:sqs:us-east-1:000000000000:",
        ] {
            let text = "Provided Arn is not in correct format.".to_owned();
            assert_eq!(check(&target(arn)), Err(text), "{arn}");
        }
        for arn in ["sqs:us-east-1:000000000000:q.fifo", "ecs:us-east-1:000000000000:cluster/c"] {
            assert!(check(&target(&format!("arn:aws:{arn}"))).unwrap_err().contains("must be"));
        }
        let kinesis_parameters = Some(Default::default());
        let queue = target("arn:aws:sqs:us-east-1:000000000000:q");
        assert!(check(&Target { kinesis_parameters, ..queue }).is_err());
    }
}
