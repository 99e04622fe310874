//! Tasks of one cloud, through its API.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::client::{Ask, Connection};
use crate::cloud::Cloud;
use crate::images::Small;

/// Makes a repository of images.
pub(crate) const CREATE_REPOSITORY: &str = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";

const REPOSITORY: &str = "task";
/// Where the tasks' output goes.
const GROUP: &str = "/bench";
/// How often it is asked what became of a task: often beside how long a few tasks take, and seldom
/// enough for the questions to cost little beside them.
const POLL: Duration = Duration::from_millis(10);

/// Runs tasks and waits for them.
pub(crate) struct Tasks {
    pub(crate) connection: Connection,
    network: Value,
}

impl Tasks {
    /// Pushes the image, and registers the task definitions `short` and `idle`.
    pub(crate) async fn new(cloud: &Cloud, image: &Small) -> Result<Self, String> {
        let mut connection = Connection::open(&cloud.authority).await?;
        let name = json!({ "repositoryName": REPOSITORY });
        connection.must(&call("ecr", CREATE_REPOSITORY, &name)).await?;
        image.push(&cloud.authority, REPOSITORY).await?;
        let mut tasks = Self::again(cloud).await?;
        tasks.ecs("CreateCluster", &json!({})).await?;
        for (family, command) in [("short", json!([])), ("idle", json!(["wait"]))] {
            let uri = format!(
                "{}/{REPOSITORY}:latest",
                cloud.authority.replace("127.0.0.1", "localhost")
            );
            tasks.ecs("RegisterTaskDefinition", &definition(family, &uri, &command)).await?;
        }
        Ok(tasks)
    }

    /// One more caller of a cloud where all that is there.
    pub(crate) async fn again(cloud: &Cloud) -> Result<Self, String> {
        let mut connection = Connection::open(&cloud.authority).await?;
        let subnet = subnet(&mut connection).await?;
        let network = json!({ "awsvpcConfiguration": { "subnets": [subnet] } });
        Ok(Self { connection, network })
    }

    /// Calls an operation of ECS.
    pub(crate) async fn ecs(&mut self, name: &str, input: &Value) -> Result<Value, String> {
        let target = format!("AmazonEC2ContainerServiceV20141113.{name}");
        self.json("ecs", &target, input).await
    }

    async fn json(&mut self, service: &str, target: &str, input: &Value) -> Result<Value, String> {
        let body = self.connection.must(&call(service, target, input)).await?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    /// Starts so many tasks, ten at most; their ARNs.
    pub(crate) async fn run(&mut self, family: &str, count: usize) -> Result<Vec<String>, String> {
        let input = json!({
            "taskDefinition": family,
            "launchType": "FARGATE",
            "count": count,
            "networkConfiguration": self.network,
        });
        let answer = self.ecs("RunTask", &input).await?;
        let arns: Vec<String> = of(&answer["tasks"], "taskArn");
        if arns.len() != count {
            return Err(format!("asked for {count} tasks: {answer}"));
        }
        Ok(arns)
    }

    /// A service of so many idle tasks.
    pub(crate) async fn serve(&mut self, name: &str, count: usize) -> Result<(), String> {
        let input = json!({
            "serviceName": name,
            "taskDefinition": "idle",
            "launchType": "FARGATE",
            "desiredCount": count,
            "networkConfiguration": self.network,
        });
        self.ecs("CreateService", &input).await.map(drop)
    }

    /// Waits until tasks, a hundred at most, have a status.
    pub(crate) async fn until(&mut self, arns: &[String], status: &str) -> Result<(), String> {
        let mut left = arns.to_vec();
        loop {
            let answer = self.ecs("DescribeTasks", &json!({ "tasks": left })).await?;
            let found = of(&answer["tasks"], "lastStatus");
            if found.len() != left.len() {
                return Err(format!("a task is not there: {answer}"));
            }
            // others are not asked about again: to answer costs haar time
            let tasks = answer["tasks"].as_array().into_iter().flatten();
            let there: Vec<_> = tasks.filter(|task| task["lastStatus"] == status).collect();
            left.retain(|arn| there.iter().all(|task| task["taskArn"] != arn.as_str()));
            if left.is_empty() {
                return Ok(());
            }
            if status == "RUNNING" && found.iter().any(|found| found == "STOPPED") {
                return Err(format!("a task stopped: {answer}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// When a task that has stopped began, by the machine's clock.
    pub(crate) async fn began(&mut self, arn: &str) -> Result<Duration, String> {
        let id = arn.rsplit('/').next().unwrap_or_default();
        let stream = format!("run/main/{id}");
        let input =
            json!({ "logGroupName": GROUP, "logStreamName": stream, "startFromHead": true });
        for _ in 0..500 {
            let answer = self.json("logs", "Logs_20140328.GetLogEvents", &input).await;
            let said = answer.ok().and_then(|answer| {
                answer["events"][0]["message"].as_str()?.trim().parse::<u64>().ok()
            });
            if let Some(nanoseconds) = said {
                return Ok(Duration::from_nanos(nanoseconds));
            }
            tokio::time::sleep(POLL).await; // the last lines come within a moment
        }
        let task = self.ecs("DescribeTasks", &json!({ "tasks": [arn] })).await?;
        Err(format!("a task said nothing: {task}"))
    }
}

fn of(list: &Value, member: &str) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|each| each[member].as_str().map(str::to_owned)).collect()
}

/// A call of one of AWS's JSON protocols.
pub(crate) fn call(service: &str, target: &str, input: &Value) -> Ask {
    let ask = Ask::new(Method::POST, "/", input.to_string()).at_service(service);
    ask.header("x-amz-target", target).header("content-type", "application/x-amz-json-1.1")
}

async fn subnet(connection: &mut Connection) -> Result<String, String> {
    let ask = Ask::new(Method::POST, "/", "Action=DescribeSubnets&Version=2016-11-15");
    let ask = ask.at_service("ec2").header("content-type", "application/x-www-form-urlencoded");
    let body = connection.must(&ask).await?;
    let text = String::from_utf8_lossy(&body);
    let (_, rest) = text.split_once("<subnetId>").ok_or("no subnet")?;
    Ok(rest.split('<').next().unwrap_or_default().to_owned())
}

fn definition(family: &str, image: &str, command: &Value) -> Value {
    let role = "arn:aws:iam::000000000000:role/bench";
    json!({
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": role,
        "containerDefinitions": [{
            "name": "main",
            "image": image,
            "command": command,
            "logConfiguration": { "logDriver": "awslogs", "options": {
                "awslogs-group": GROUP,
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "run",
                "awslogs-create-group": "true",
            } },
        }],
    })
}
