//! What containers find in their environment.
//!
//! *Developer Guide > Task metadata endpoint*, *> Task IAM role*.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use haar_ecs_contract::model::{ContainerDefinition, ContainerOverride};

use crate::render::runtime_id;
use crate::state::{TaskContainer, TaskRow};

/// Where metadata and credentials are, inside every task. *Ours*: AWS has port 80 of this
/// address, outside the task's network. Here the socket is inside, and one on port 80 would keep
/// programs from serving on all addresses of that port.
pub(crate) const METADATA: SocketAddrV4 =
    SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 51_679);

/// Where haar's own API is, inside every task: a local name, as the front door wants it. *Ours*.
pub(crate) const API: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4566);

/// The path of a task's credentials.
pub(crate) fn credentials_path(row: &TaskRow) -> String {
    format!("/v2/credentials/{}", row.attachment_id)
}

/// One container's environment, the later sources over the earlier ones.
pub(crate) fn of(
    row: &TaskRow,
    container: &TaskContainer,
    definition: &ContainerDefinition,
    secrets: BTreeMap<String, String>,
    has_role: bool,
) -> Vec<(String, String)> {
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
    set("ECS_CONTAINER_METADATA_URI", format!("http://{METADATA}/v3/{id}"));
    set("ECS_CONTAINER_METADATA_URI_V4", format!("http://{METADATA}/v4/{id}"));
    if has_role {
        let path = credentials_path(row);
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{METADATA}{path}"));
    }
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

/// The overrides of a container.
pub(crate) fn overridden<'a>(row: &'a TaskRow, name: &str) -> Option<&'a ContainerOverride> {
    let mut all = row.overrides.container_overrides.iter().flatten();
    all.find(|over| over.name.as_deref() == Some(name))
}
