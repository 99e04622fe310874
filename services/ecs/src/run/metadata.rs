//! The task metadata endpoint, version 4, the agent's own, and the task's credentials.
//!
//! *Developer Guide > Task metadata endpoint version 4 for tasks on Fargate*.

mod door;
mod protection;
mod stats;

use std::sync::Arc;

use haar_ecs_contract::model::{ContainerDefinition, LogDriver};
use haar_types::Timestamp;
use hyper::Method;
use serde_json::{Map, Value, json};

pub(super) use door::Door;

use super::environment::credentials_path;
use super::http::{Asked, Reply};
use super::prepare::role;
use crate::Ecs;
use crate::ops::task_size;
use crate::render::runtime_id;
use crate::rules::awslogs::AwsLogs;
use crate::state::{DefinitionRow, TaskContainer, TaskKey, TaskRow, TaskStatus};

/// A task with its definition, as the endpoint shows it.
struct Shown<'a> {
    row: &'a TaskRow,
    definition: &'a DefinitionRow,
}

/// What a program in a task is answered; `None`: there is no such path.
pub(super) async fn answer(room: &Arc<Ecs>, key: &TaskKey, asked: &Asked) -> Option<Reply> {
    let snapshot = room.doors.ledger.snapshot();
    let row = snapshot.get::<TaskRow>(key)?;
    let definition = snapshot.get::<DefinitionRow>(&row.definition)?;
    drop(snapshot); // what follows may wait
    if asked.path == credentials_path(&row) && asked.method == Method::GET {
        return credentials(room, &row, &definition).map(Reply::ok);
    }
    let (part, rest) = asked.path.strip_prefix('/')?.split_once('/')?;
    let (id, what) = rest.split_once('/').unwrap_or((rest, ""));
    let container = row.containers.iter().find(|one| runtime_id(&row, one) == id)?;
    let shown = Shown { row: &row, definition: &definition };
    match (part, what.trim_end_matches('/')) {
        ("api", "task-protection/v1/state") => {
            protection::answer(room, (&row, role(&row, &definition)), asked).await
        }
        ("v3" | "v4", what) if asked.method == Method::GET => {
            shown.document(room, container, what).await.map(Reply::ok)
        }
        _ => None,
    }
}

/// *Developer Guide > Task IAM role*: what SDKs read.
fn credentials(room: &Ecs, row: &TaskRow, definition: &DefinitionRow) -> Option<Value> {
    let role = role(row, definition)?;
    let account = &row.key.cluster.account;
    let minted = room.task_doors.credentials.mint(account, role, &row.key.id)?;
    Some(json!({
        "RoleArn": role,
        "AccessKeyId": minted.access_key_id,
        "SecretAccessKey": minted.secret_access_key,
        "Token": minted.session_token,
        "Expiration": minted.expires_at.iso(),
    }))
}

impl Shown<'_> {
    async fn document(&self, room: &Ecs, container: &TaskContainer, what: &str) -> Option<Value> {
        let of = (self.row, self.definition);
        match what {
            "" => Some(self.container(container)),
            "task" | "taskWithTags" => Some(self.task(what == "taskWithTags")),
            "stats" => stats::of_container(room, of, container).await,
            "task/stats" => Some(stats::of_task(room, of).await),
            _ => None,
        }
    }

    fn task(&self, with_tags: bool) -> Value {
        let Self { row, definition } = self;
        let (cpu, memory) = task_size(&row.overrides, &definition.definition);
        let containers: Vec<Value> = row.containers.iter().map(|one| self.container(one)).collect();
        let mut all = Map::new();
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                all.insert(name.to_owned(), value);
            }
        };
        set("Cluster", json!(row.key.cluster.arn()));
        set("TaskARN", json!(row.key.arn()));
        set("Family", json!(row.definition.family));
        set("Revision", json!(row.definition.revision.to_string()));
        set("DesiredStatus", json!(row.desired_status().as_str()));
        set("KnownStatus", json!(row.last_status.as_str()));
        set("Limits", json!({ "CPU": f64::from(cpu) / 1024.0, "Memory": memory }));
        set("PullStartedAt", time(row.times.pull_started_at));
        set("PullStoppedAt", time(row.times.pull_stopped_at));
        let zone = row.interface.as_ref().map(|interface| interface.availability_zone.clone());
        set("AvailabilityZone", json!(zone));
        set("LaunchType", json!("FARGATE"));
        set("Containers", json!(containers));
        set(
            "ClockDrift",
            json!({ "ClockErrorBound": 0.0, "ClockSynchronizationStatus": "SYNCHRONIZED" }),
        );
        set("FaultInjectionEnabled", json!(false));
        let service = row.service.as_ref().map(|service| service.name.clone());
        set("ServiceName", json!(service));
        if with_tags {
            set("TaskTags", json!(row.tags));
        }
        Value::Object(all)
    }

    fn container(&self, one: &TaskContainer) -> Value {
        let Self { row, .. } = self;
        let definition = self.definition_of(one);
        let id = runtime_id(row, one);
        let mut all = Map::new();
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                all.insert(name.to_owned(), value);
            }
        };
        set("DockerId", json!(id));
        set("Name", json!(one.name));
        set("DockerName", json!(one.name));
        set("Image", json!(definition.and_then(|it| it.image.clone())));
        set("ImageID", json!(one.image_digest));
        set("Labels", self.labels(one));
        set("DesiredStatus", json!(row.desired_status().as_str()));
        let known = match one.last_status {
            TaskStatus::Pending => "PULLED",
            other => other.as_str(),
        };
        set("KnownStatus", json!(known));
        set("ExitCode", json!(one.exit_code));
        let number = |value: Option<i32>| value.unwrap_or(0);
        let cpu = number(definition.and_then(|it| it.cpu)).max(2);
        let memory = definition.and_then(|it| it.memory.or(it.memory_reservation));
        set("Limits", json!({ "CPU": cpu, "Memory": memory.unwrap_or(0) }));
        set("CreatedAt", time(row.times.pull_stopped_at));
        set("StartedAt", time(one.started_at));
        set("FinishedAt", time(one.finished_at));
        set("Type", json!("NORMAL"));
        set("RestartCount", restarts(definition, one));
        set("LogDriver", json!(definition.and_then(driver)));
        set("LogOptions", json!(self.log_options(one)));
        set("ContainerARN", json!(row.key.container_arn(&one.id)));
        set("Networks", self.networks());
        set("Health", health(one));
        set("Snapshotter", json!("overlayfs"));
        Value::Object(all)
    }

    fn definition_of(&self, one: &TaskContainer) -> Option<&ContainerDefinition> {
        let mut all = self.definition.definition.container_definitions.iter().flatten();
        all.find(|other| other.name.as_ref() == Some(&one.name))
    }

    fn labels(&self, one: &TaskContainer) -> Value {
        let own = self.definition_of(one).and_then(|it| it.docker_labels.clone());
        let mut labels = own.unwrap_or_default();
        for (name, value) in [
            ("com.amazonaws.ecs.cluster", self.row.key.cluster.arn()),
            ("com.amazonaws.ecs.container-name", one.name.clone()),
            ("com.amazonaws.ecs.task-arn", self.row.key.arn()),
            ("com.amazonaws.ecs.task-definition-family", self.row.definition.family.clone()),
            ("com.amazonaws.ecs.task-definition-version", self.row.definition.revision.to_string()),
        ] {
            labels.insert(name.to_owned(), value);
        }
        json!(labels)
    }

    fn log_options(&self, one: &TaskContainer) -> Option<Value> {
        let definition = self.definition_of(one)?;
        let logs = AwsLogs::read(definition.log_configuration.as_ref()?).ok()?;
        Some(json!({
            "awslogs-group": logs.group,
            "awslogs-region": logs.region,
            "awslogs-stream": logs.stream(&one.name, &self.row.key.id),
        }))
    }

    fn networks(&self) -> Value {
        let Some(interface) = &self.row.interface else { return Value::Null };
        let mask = u32::MAX.checked_shl(32 - u32::from(interface.prefix)).unwrap_or(0);
        let subnet = std::net::Ipv4Addr::from(u32::from(interface.address) & mask);
        json!([{
            "NetworkMode": "awsvpc",
            "IPv4Addresses": [interface.address.to_string()],
            "AttachmentIndex": 0,
            "MACAddress": interface.mac,
            "IPv4SubnetCIDRBlock": format!("{subnet}/{}", interface.prefix),
            "DomainNameServers": [interface.gateway.to_string()],
            "PrivateDNSName": interface.private_dns_name,
            "SubnetGatewayIpv4Address": format!("{}/{}", interface.gateway, interface.prefix),
        }])
    }
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(at.iso()))
}

fn restarts(definition: Option<&ContainerDefinition>, one: &TaskContainer) -> Value {
    match definition.is_some_and(|definition| definition.restart_policy.is_some()) {
        true => json!(one.attempt),
        false => Value::Null,
    }
}

fn driver(definition: &ContainerDefinition) -> Option<&'static str> {
    definition.log_configuration.as_ref().map(|logs| LogDriver::as_str(logs.log_driver))
}

fn health(one: &TaskContainer) -> Value {
    let Some(health) = &one.health else { return Value::Null };
    json!({ "status": health.status.as_str(), "statusSince": health.since.iso() })
}
