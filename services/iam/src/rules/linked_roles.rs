//! Names of service-linked roles.

/// Roles whose name does not follow from the service's. AWS docs: *IAM User Guide > AWS services
/// that work with IAM*, and each service's page.
const NAMES: [(&str, &str); 16] = [
    ("autoscaling.amazonaws.com", "AutoScaling"),
    ("ecs.amazonaws.com", "ECS"),
    ("eks.amazonaws.com", "AmazonEKS"),
    ("rds.amazonaws.com", "RDS"),
    ("spot.amazonaws.com", "EC2Spot"),
    ("spotfleet.amazonaws.com", "EC2SpotFleet"),
    ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing"),
    ("elasticache.amazonaws.com", "ElastiCache"),
    ("events.amazonaws.com", "CloudWatchEvents"),
    ("ops.apigateway.amazonaws.com", "APIGateway"),
    ("replicator.lambda.amazonaws.com", "LambdaReplicator"),
    ("ecs.application-autoscaling.amazonaws.com", "ApplicationAutoScaling_ECSService"),
    ("lambda.application-autoscaling.amazonaws.com", "ApplicationAutoScaling_LambdaConcurrency"),
    ("dynamodb.application-autoscaling.amazonaws.com", "ApplicationAutoScaling_DynamoDBTable"),
    ("replication.dynamodb.amazonaws.com", "DynamoDBReplication"),
    ("apidestinations.events.amazonaws.com", "AmazonEventBridgeApiDestinations"),
];

/// Whether a service can have roles of its own. *Ours*: AWS has a list of its services, here all
/// that are named as they are pass.
pub(crate) fn has_linked_roles(service: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(is_plain);
    let name = service.strip_suffix(".amazonaws.com");
    name.is_some_and(|name| name.split('.').all(label))
}

/// `AWSServiceRoleForNAME`, with the suffix behind an underscore.
pub(crate) fn linked_role_name(service: &str, suffix: Option<&str>) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == service);
    let stem = known.map_or_else(|| stem(service), |(_, name)| (*name).to_owned());
    let suffix = suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default();
    format!("AWSServiceRoleFor{stem}{suffix}")
}

/// The service's first label, its words capitalised.
fn stem(service: &str) -> String {
    let label = service.split('.').next().unwrap_or(service);
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    label.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_after_their_service() {
        assert_eq!(linked_role_name("ecs.amazonaws.com", None), "AWSServiceRoleForECS");
        assert_eq!(linked_role_name("batch.amazonaws.com", None), "AWSServiceRoleForBatch");
        assert_eq!(
            linked_role_name("autoscaling.amazonaws.com", Some("blue")),
            "AWSServiceRoleForAutoScaling_blue"
        );
    }
}
