//! The calls about images, networks, tasks and services.

use http::Method;
use serde_json::{Value, json};

use super::{Call, ROLE};

/// Names the tour's repository, task definitions, service and network.
pub(in super::super) const NAME: &str = "tour-web";

/// The log group of the tour's tasks.
pub(in super::super) const GROUP: &str = "/ecs/tour-web";

fn ecr(words: &[&str], operation: &str, document: &Value) -> Call {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    Call::new("ecr", &[&["ecr"], words].concat()).target(&target, "1.1", document)
}

fn ecs(words: &[&str], operation: &str, document: &Value) -> Call {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    Call::new("ecs", &[&["ecs"], words].concat()).target(&target, "1.1", document)
}

fn ec2(words: &[&str], operation: &str, fields: &[(&str, &str)]) -> Call {
    let all = [&[("Action", operation), ("Version", "2016-11-15")], fields].concat();
    Call::new("ec2", &[&["ec2"], words].concat()).form(&all)
}

pub(in super::super) fn create_repository() -> Call {
    let words = ["create-repository", "--repository-name", NAME];
    ecr(&words, "CreateRepository", &json!({ "repositoryName": NAME }))
}

/// What `aws ecr get-login-password` asks for.
pub(in super::super) fn authorization_token() -> Call {
    ecr(&["get-authorization-token"], "GetAuthorizationToken", &json!({}))
}

pub(in super::super) fn create_vpc() -> Call {
    ec2(
        &["create-vpc", "--cidr-block", "10.93.0.0/16"],
        "CreateVpc",
        &[("CidrBlock", "10.93.0.0/16")],
    )
}

pub(in super::super) fn create_subnet(vpc: &str) -> Call {
    let words = ["create-subnet", "--vpc-id", vpc, "--cidr-block", "10.93.1.0/24"];
    ec2(&words, "CreateSubnet", &[("VpcId", vpc), ("CidrBlock", "10.93.1.0/24")])
}

pub(in super::super) fn create_group(vpc: &str) -> Call {
    let mut words = vec!["create-security-group", "--group-name", NAME, "--vpc-id", vpc];
    words.extend(["--description", "web"]);
    let fields = [("GroupName", NAME), ("VpcId", vpc), ("GroupDescription", "web")];
    ec2(&words, "CreateSecurityGroup", &fields)
}

pub(in super::super) fn open_port(group: &str) -> Call {
    let mut words = vec!["authorize-security-group-ingress", "--group-id", group];
    words.extend(["--protocol", "tcp", "--port", "80", "--cidr", "0.0.0.0/0"]);
    ec2(
        &words,
        "AuthorizeSecurityGroupIngress",
        &[
            ("GroupId", group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "80"),
            ("IpPermissions.1.ToPort", "80"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ],
    )
}

pub(in super::super) fn create_cluster() -> Call {
    ecs(&["create-cluster"], "CreateCluster", &json!({}))
}

pub(in super::super) fn register(image: &str) -> Call {
    let document = json!({
        "family": NAME,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": ROLE,
        "containerDefinitions": [{
            "name": "web",
            "image": image,
            "logConfiguration": { "logDriver": "awslogs", "options": {
                "awslogs-group": GROUP,
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "run",
                "awslogs-create-group": "true",
            } },
        }],
    });
    let mut words = vec!["register-task-definition", "--cli-input-json", "file://task.json"];
    words.extend(["--query", "taskDefinition.taskDefinitionArn"]);
    let text = format!("{document:#}");
    ecs(&words, "RegisterTaskDefinition", &document).file("task.json", text.as_bytes())
}

/// The network of tasks, as the client's shorthand and as a document.
pub(in super::super) struct TaskNetwork {
    pub(in super::super) subnet: String,
    pub(in super::super) group: String,
}

impl TaskNetwork {
    fn words(&self) -> String {
        let Self { subnet, group } = self;
        format!("awsvpcConfiguration={{subnets=[{subnet}],securityGroups=[{group}]}}")
    }

    fn document(&self) -> Value {
        let Self { subnet, group } = self;
        json!({ "awsvpcConfiguration": { "subnets": [subnet], "securityGroups": [group] } })
    }
}

pub(in super::super) fn run_task(network: &TaskNetwork) -> Call {
    let shorthand = network.words();
    let mut words = vec!["run-task", "--task-definition", NAME, "--launch-type", "FARGATE"];
    words.extend(["--network-configuration", &shorthand]);
    ecs(
        &words,
        "RunTask",
        &json!({
            "taskDefinition": NAME,
            "launchType": "FARGATE",
            "networkConfiguration": network.document(),
        }),
    )
}

pub(in super::super) fn describe_task(arn: &str) -> Call {
    let query = "tasks[0].{status: lastStatus, reason: stoppedReason, \
                 address: containers[0].networkInterfaces[0].privateIpv4Address}";
    let words = ["describe-tasks", "--tasks", arn, "--query", query];
    ecs(&words, "DescribeTasks", &json!({ "tasks": [arn] }))
}

pub(in super::super) fn stop_task(arn: &str) -> Call {
    let words = ["stop-task", "--task", arn, "--query", "task.desiredStatus"];
    ecs(&words, "StopTask", &json!({ "task": arn }))
}

pub(in super::super) fn create_service(network: &TaskNetwork) -> Call {
    let shorthand = network.words();
    let breaker = "deploymentCircuitBreaker={enable=true,rollback=true}";
    let mut words = vec!["create-service", "--service-name", NAME, "--task-definition", NAME];
    words.extend(["--desired-count", "1", "--launch-type", "FARGATE"]);
    words.extend(["--deployment-configuration", breaker, "--network-configuration", &shorthand]);
    words.extend(["--query", "service.serviceArn"]);
    ecs(
        &words,
        "CreateService",
        &json!({
            "serviceName": NAME,
            "taskDefinition": NAME,
            "desiredCount": 1,
            "launchType": "FARGATE",
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            },
            "networkConfiguration": network.document(),
        }),
    )
}

pub(in super::super) fn update_service() -> Call {
    let mut words = vec!["update-service", "--service", NAME, "--task-definition", NAME];
    words.extend(["--query", "service.taskDefinition"]);
    ecs(&words, "UpdateService", &json!({ "service": NAME, "taskDefinition": NAME }))
}

pub(in super::super) fn describe_service() -> Call {
    let query = "services[0].{running: runningCount, events: events[].message, \
                 deployments: deployments[].[taskDefinition, rolloutState]}";
    let words = ["describe-services", "--services", NAME, "--query", query];
    ecs(&words, "DescribeServices", &json!({ "services": [NAME] }))
}

pub(in super::super) fn create_image_function(name: &str, image: &str) -> Call {
    let code = format!("ImageUri={image}");
    let mut words = vec!["lambda", "create-function", "--function-name", name];
    words.extend(["--package-type", "Image", "--code", &code, "--role", ROLE]);
    words.extend(["--timeout", "30"]);
    let document = json!({
        "FunctionName": name,
        "PackageType": "Image",
        "Code": { "ImageUri": image },
        "Role": ROLE,
        "Timeout": 30,
    });
    let path = "/2015-03-31/functions".to_owned();
    Call::new("lambda", &words).rest(Method::POST, path, document.to_string().into_bytes())
}
