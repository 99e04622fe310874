//! What containers find in their environment.
//!
//! *Developer Guide > Task metadata endpoint*, *> Task IAM role*, *> Task scale-in protection
//! endpoint*.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use haar_ecs_contract::model::{ContainerDefinition, ContainerOverride};

use crate::Ecs;
use crate::render::runtime_id;
use crate::state::{TaskContainer, TaskRow};

/// Where metadata and credentials are, inside every task: as on AWS.
const METADATA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 80);

/// The same where the substrate cannot keep port 80 free for programs. *Ours*.
const METADATA_ASIDE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 51_679);

impl Ecs {
    /// Where metadata and credentials are, inside every task.
    pub(crate) fn metadata_at(&self) -> SocketAddrV4 {
        match self.doors.substrate.capabilities().hides_listeners {
            true => METADATA,
            false => METADATA_ASIDE,
        }
    }
}

/// Where haar's own API is, inside every task: a local name, as the front door wants it. *Ours*.
pub(crate) const API: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4566);

/// The path of a task's credentials.
pub(crate) fn credentials_path(row: &TaskRow) -> String {
    format!("/v2/credentials/{}", row.attachment_id)
}

/// What a container's environment is made from, beside its definition.
pub(crate) struct Sources {
    /// What `environmentFiles` hold.
    pub(crate) files: BTreeMap<String, String>,
    /// The values that `secrets` name.
    pub(crate) secrets: BTreeMap<String, String>,
    /// The task has a role.
    pub(crate) has_role: bool,
    /// Where metadata and credentials are.
    pub(crate) metadata: SocketAddrV4,
}

/// One container's environment, the later sources over the earlier ones.
pub(crate) fn of(
    row: &TaskRow,
    container: &TaskContainer,
    definition: &ContainerDefinition,
    sources: Sources,
) -> Vec<(String, String)> {
    let Sources { files, secrets, has_role, metadata } = sources;
    let mut all = BTreeMap::new();
    let region = row.key.cluster.region.as_str();
    let mut set = |name: &str, value: String| {
        all.insert(name.to_owned(), value);
    };
    set("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE".to_owned());
    set("AWS_REGION", region.to_owned());
    set("AWS_DEFAULT_REGION", region.to_owned());
    set("AWS_ENDPOINT_URL", format!("http://{API}"));
    let id = runtime_id(row, container);
    let at = match metadata.port() {
        80 => format!("http://{}", metadata.ip()),
        _ => format!("http://{metadata}"),
    };
    set("ECS_CONTAINER_METADATA_URI", format!("{at}/v3/{id}"));
    set("ECS_CONTAINER_METADATA_URI_V4", format!("{at}/v4/{id}"));
    set("ECS_AGENT_URI", format!("{at}/api/{id}"));
    if has_role {
        let path = credentials_path(row);
        match metadata == METADATA {
            true => set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path),
            false => set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{at}{path}")),
        }
    }
    files.into_iter().for_each(|(name, value)| set(&name, value));
    for pair in definition.environment.iter().flatten() {
        set(pair.name.as_deref().unwrap_or_default(), pair.value.clone().unwrap_or_default());
    }
    secrets.into_iter().for_each(|(name, value)| set(&name, value));
    let over = overridden(row, &container.name).and_then(|over| over.environment.as_ref());
    for pair in over.into_iter().flatten() {
        set(pair.name.as_deref().unwrap_or_default(), pair.value.clone().unwrap_or_default());
    }
    all.into_iter().filter(|(name, _)| !name.is_empty()).collect()
}

/// The variables of a file: `NAME=VALUE` in each line, but in those that begin with `#`. *Developer
/// Guide > Pass environment variables*.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = (String, String)> {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
}

/// The overrides of a container.
pub(crate) fn overridden<'a>(row: &'a TaskRow, name: &str) -> Option<&'a ContainerOverride> {
    let mut all = row.overrides.container_overrides.iter().flatten();
    all.find(|over| over.name.as_deref() == Some(name))
}
