//! Names of service-linked roles.

/// Roles whose name does not follow from the service's. AWS docs: *IAM User Guide > AWS services
/// that work with IAM*, and each service's page.
const NAMES: [(&str, &str); 42] = [
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
    ("lex.amazonaws.com", "LexBots"),
    ("channels.lex.amazonaws.com", "LexChannels"),
    ("lexv2.amazonaws.com", "LexV2Bots"),
    ("channels.lexv2.amazonaws.com", "LexV2Channels"),
    ("es.amazonaws.com", "AmazonElasticsearchService"),
    ("opensearchservice.amazonaws.com", "AmazonOpenSearchService"),
    ("elasticbeanstalk.amazonaws.com", "ElasticBeanstalk"),
    ("ssm.amazonaws.com", "AmazonSSM"),
    ("guardduty.amazonaws.com", "AmazonGuardDuty"),
    ("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup"),
    ("eks-fargate.amazonaws.com", "AmazonEKSForFargate"),
    ("transitgateway.amazonaws.com", "VPCTransitGateway"),
    ("elasticfilesystem.amazonaws.com", "AmazonElasticFileSystem"),
    ("pullthroughcache.ecr.amazonaws.com", "ECRPullThroughCache"),
    ("replication.ecr.amazonaws.com", "ECRReplication"),
    ("cloudtrail.amazonaws.com", "CloudTrail"),
    ("globalaccelerator.amazonaws.com", "GlobalAccelerator"),
    ("securityhub.amazonaws.com", "SecurityHub"),
    ("sso.amazonaws.com", "SSO"),
    ("trustedadvisor.amazonaws.com", "TrustedAdvisor"),
    ("inspector2.amazonaws.com", "AmazonInspector2"),
    ("email.cognito-idp.amazonaws.com", "AmazonCognitoIdpEmailService"),
    ("mq.amazonaws.com", "AmazonMQ"),
    ("dax.amazonaws.com", "DAX"),
    ("fsx.amazonaws.com", "AmazonFSx"),
    ("rds.application-autoscaling.amazonaws.com", "ApplicationAutoScaling_RDSCluster"),
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
