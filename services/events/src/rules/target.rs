//! What a target must and must not have.

use haar_events_contract::model::Target;
use haar_pattern::Path;
use serde_json::Value;

/// Targets of a rule at most. *Amazon EventBridge quotas*.
pub(crate) const TARGETS_MAX: usize = 5;

/// Services that targets may be of; those that haar cannot deliver to fail at delivery. AWS docs:
/// *Amazon EventBridge User Guide > Event bus targets*.
const SERVICES: &[&str] = &[
    "apigateway",
    "appsync",
    "batch",
    "codebuild",
    "codepipeline",
    "ec2",
    "ecs",
    "events",
    "execute-api",
    "firehose",
    "glue",
    "imagebuilder",
    "inspector",
    "kinesis",
    "lambda",
    "logs",
    "redshift",
    "redshift-serverless",
    "sagemaker",
    "sns",
    "sqs",
    "ssm",
    "ssm-incidents",
    "states",
];

/// Services whose targets are reached with a role alone.
const NEEDS_ROLE: &[&str] = &["ecs", "kinesis", "batch", "states", "codebuild", "ssm", "firehose"];

/// Judges a target.
///
/// # Errors
/// The text of a `ValidationException`.
pub(crate) fn check(target: &Target, rule_role: Option<&str>) -> Result<(), String> {
    let (id, arn) = (&target.id, &target.arn);
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, _, _, resource] = parts[..] else { return Err(bad_arn(arn)) };
    if parts[0] != "arn" || !SERVICES.contains(&service) || resource.is_empty() {
        return Err(bad_arn(arn));
    }
    check_input(target)?;
    let role = target.role_arn.as_deref().or(rule_role);
    if role.is_none() && (NEEDS_ROLE.contains(&service) || resource.starts_with("api-destination/"))
    {
        return Err(format!("RoleArn is required for target {arn}."));
    }
    if service == "ecs" && target.ecs_parameters.is_none() {
        return Err(format!("Parameter(s) EcsParameters must be specified for target: {id}."));
    }
    if service == "sqs" && resource.ends_with(".fifo") {
        let group = target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.as_ref());
        if group.is_none() {
            return Err(format!("Parameter(s) SqsParameters must be specified for target: {id}."));
        }
    } else if target.sqs_parameters.is_some() {
        return Err(format!("Parameter(s) SqsParameters not valid for target: {id}."));
    }
    if let Some(kinesis) = &target.kinesis_parameters
        && Path::parse(&kinesis.partition_key_path).is_none()
    {
        return Err(format!("Parameter PartitionKeyPath is not valid for target {id}."));
    }
    let dead_letters = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref());
    match dead_letters {
        // AWS docs: *Using dead-letter queues*: standard queues alone
        Some(queue) if !queue.contains(":sqs:") || queue.ends_with(".fifo") => {
            Err(format!("Parameter DeadLetterConfig.Arn is not valid for target {id}."))
        }
        _ => Ok(()),
    }
}

fn bad_arn(arn: &str) -> String {
    format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
}

fn check_input(target: &Target) -> Result<(), String> {
    let id = &target.id;
    let given =
        [target.input.is_some(), target.input_path.is_some(), target.input_transformer.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        ));
    }
    if let Some(input) = &target.input
        && let Err(error) = serde_json::from_str::<Value>(input)
    {
        let place = format!("line {}, column {}", error.line(), error.column());
        return Err(format!("JSON syntax error in input for target {id}: ({place})"));
    }
    if let Some(path) = &target.input_path
        && Path::parse(path).is_none()
    {
        return Err(format!("Invalid InputPath for target {id}."));
    }
    let Some(transformer) = &target.input_transformer else { return Ok(()) };
    for (name, path) in transformer.input_paths_map.iter().flatten() {
        if name.to_ascii_lowercase().starts_with("aws.") {
            return Err(format!("Invalid InputTransformer for target {id}: reserved key {name}."));
        }
        if Path::parse(path).is_none() {
            return Err(format!("Invalid InputPath for target {id}."));
        }
    }
    for name in placeholders(&transformer.input_template) {
        let known = transformer.input_paths_map.iter().flatten().any(|(own, _)| own == name);
        if !known && !name.starts_with("aws.events.") {
            return Err(format!(
                "InputTemplate for target {id} contains invalid placeholder {name}."
            ));
        }
    }
    Ok(())
}

/// The names between angle brackets.
fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    let pieces = template.split('<').skip(1);
    let names = pieces.filter_map(|piece| piece.split_once('>').map(|(name, _)| name));
    names.filter(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use haar_events_contract::model::{DeadLetterConfig, InputTransformer, SqsParameters};

    use super::*;

    fn target(arn: &str) -> Target {
        Target { id: "1".to_owned(), arn: arn.to_owned(), ..Target::default() }
    }

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    #[test]
    fn targets_are_judged_by_what_they_are() {
        assert_eq!(check(&target(QUEUE), None), Ok(()));
        assert!(check(&target("mock-arn"), None).unwrap_err().contains("correct format"));
        let nothing = target("arn:aws:foo:us-east-1:000000000000:bar");
        assert!(check(&nothing, None).unwrap_err().contains("correct format"));
        let dead = |name: &str| Target {
            dead_letter_config: Some(DeadLetterConfig { arn: Some(format!("{QUEUE}{name}")) }),
            ..target(QUEUE)
        };
        assert_eq!(check(&dead(""), None), Ok(()));
        let text = "Parameter DeadLetterConfig.Arn is not valid for target 1.";
        assert_eq!(check(&dead(".fifo"), None), Err(text.to_owned()));
        let cluster = target("arn:aws:ecs:us-east-1:000000000000:cluster/c");
        assert!(check(&cluster, None).unwrap_err().starts_with("RoleArn is required"));
        assert!(check(&cluster, Some("arn:aws:iam::1:role/r")).unwrap_err().contains("EcsPara"));
        let fifo = target("arn:aws:sqs:us-east-1:000000000000:q.fifo");
        assert!(check(&fifo, None).unwrap_err().contains("SqsParameters must"));
        let sqs_parameters = Some(SqsParameters { message_group_id: Some("g".to_owned()) });
        assert_eq!(check(&Target { sqs_parameters: sqs_parameters.clone(), ..fifo }, None), Ok(()));
        assert!(check(&Target { sqs_parameters, ..target(QUEUE) }, None).is_err());
    }

    #[test]
    fn inputs_are_read_before_they_are_needed() {
        let input = |text: &str| Target { input: Some(text.to_owned()), ..target(QUEUE) };
        assert_eq!(check(&input("{\"a\": 1}"), None), Ok(()));
        assert!(check(&input("{"), None).unwrap_err().starts_with("JSON syntax error"));
        let both = Target { input_path: Some("$".to_owned()), ..input("1") };
        assert!(check(&both, None).unwrap_err().starts_with("Only one of"));
        let template = |template: &str| Target {
            input_transformer: Some(InputTransformer {
                input_paths_map: Some([("a".to_owned(), "$.detail".to_owned())].into()),
                input_template: template.to_owned(),
            }),
            ..target(QUEUE)
        };
        assert_eq!(check(&template("\"<a> <aws.events.rule-name>\""), None), Ok(()));
        assert!(check(&template("\"<b>\""), None).unwrap_err().contains("placeholder b"));
    }
}
