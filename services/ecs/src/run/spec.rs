//! From rows to what the substrate is asked for.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::Path;
use std::time::Duration;

use haar_ecs_contract::model::{
    ContainerDefinition, DeviceCgroupPermission, EFSVolumeConfiguration,
};
use haar_kernel::Settings;
use haar_substrate::{
    Bridged, Capability, ContainerSpec, Device, Filter, ImageId, Lifetime, Limits, Mount, Network,
    OutputMode, Root, RunAs, SandboxId, SandboxSpec, Stop, Ulimit, Volume, VolumeSource,
};
use haar_types::{CpuUnits, MemoryMib};

use super::environment::{API, overridden};
use crate::ops::task_size;
use crate::rules::awslogs::AwsLogs;
use crate::rules::definition::is_file_system_id;
use crate::state::{DefinitionRow, TaskInterface, TaskRow, sandbox_name};

/// The label that all of this room's sandboxes carry, and its value.
pub(crate) const LABEL: (&str, &str) = ("haar.room", "ecs");

/// Processes of one task. *Ours*: Fargate names no such limit.
const PIDS_MAX: u32 = 32_768;

/// Open files of each process: soft and hard. *Developer Guide > Fargate: resource limits*.
const FILES: (u64, u64) = (65_535, 65_535);

/// Output that is kept for a log that lags: without a log, and in its `blocking` mode. The
/// helper never holds a container up, so that mode has a bound here, if a wide one. *Ours*.
const KEPT_BYTES: u64 = 1 << 20;
const KEPT_BLOCKING_BYTES: u64 = 256 << 20;

fn kept(row: &TaskRow, one: &ContainerDefinition) -> OutputMode {
    let logs = one.log_configuration.as_ref().and_then(|logs| AwsLogs::read(logs).ok());
    let bytes = match logs {
        None => KEPT_BYTES,
        Some(logs) => logs.buffer_bytes(row.blocks_on_logs).unwrap_or(KEPT_BLOCKING_BYTES),
    };
    OutputMode::Kept { bytes }
}

/// A task's sandbox, without its containers; with what its security groups let through, and where
/// its metadata is.
pub(crate) fn sandbox(
    settings: &Settings,
    row: &TaskRow,
    definition: &DefinitionRow,
    (filter, metadata): (Option<Filter>, SocketAddrV4),
) -> SandboxSpec {
    let (cpu, memory) = task_size(&row.overrides, &definition.definition);
    let labels = [(LABEL.0, LABEL.1.to_owned()), ("haar.task", row.key.arn())];
    let interface = row.interface.as_ref();
    SandboxSpec {
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        lifetime: Lifetime::Own,
        hostname: interface
            .map_or_else(|| sandbox_name(&row.key), |interface| interface.private_dns_name.clone()),
        network: interface.map_or(Network::Loopback, |interface| bridged(interface, filter)),
        listen: vec![metadata, API],
        limits: Limits {
            memory: Some(MemoryMib(memory.into())),
            cpu: Some(CpuUnits(cpu.into())),
            pids: Some(PIDS_MAX),
            ..Default::default()
        },
        volumes: volumes(settings, row, definition),
        ..SandboxSpec::new(SandboxId(sandbox_name(&row.key)))
    }
}

fn bridged(interface: &TaskInterface, filter: Option<Filter>) -> Network {
    Network::Bridged(Bridged {
        address: interface.address,
        prefix: interface.prefix,
        gateway: interface.gateway,
        mac: mac(&interface.mac),
        dns: Vec::new(),
        search: Vec::new(),
        ports: Vec::new(),
        realm: Some(interface.vpc_id.clone()),
        filter,
    })
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    Some(bytes)
}

fn volumes(settings: &Settings, row: &TaskRow, definition: &DefinitionRow) -> Vec<Volume> {
    let all = definition.definition.volumes.iter().flatten();
    let one = |volume: &haar_ecs_contract::model::Volume| {
        let efs = volume.efs_volume_configuration.as_ref();
        let account = row.key.cluster.account.as_str();
        let source = match efs {
            Some(efs) => shared(&settings.data_dir.join("efs").join(account), efs),
            None => VolumeSource::Empty { size_bytes: Some(gib(row.ephemeral_gib)) },
        };
        Volume { name: volume.name.clone().unwrap_or_default(), source }
    };
    all.map(one).collect()
}

/// A file system of EFS is a directory below the data directory. Names are made harmless, those
/// of definitions from before they were checked too.
fn shared(root: &Path, efs: &EFSVolumeConfiguration) -> VolumeSource {
    let is_plain = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
    let id = Some(efs.file_system_id.as_str()).filter(|id| is_file_system_id(id));
    let below = efs.root_directory.as_deref().unwrap_or_default();
    let parts: Vec<_> = below.split('/').filter(is_plain).collect();
    VolumeSource::Directory {
        root: root.join(id.unwrap_or("unnamed")),
        inside: format!("/{}", parts.join("/")),
        create: true,
    }
}

fn gib(count: u32) -> u64 {
    u64::from(count) << 30
}

/// One run of a container.
pub(crate) fn container(
    settings: &Settings,
    (row, definition, one): (&TaskRow, &DefinitionRow, &ContainerDefinition),
    attempt: u32,
    env: Vec<(String, String)>,
) -> ContainerSpec {
    let name = one.name.clone().unwrap_or_default();
    let image = row.container(&name).and_then(|known| known.image_id.clone());
    let over = overridden(row, &name);
    let linux = one.linux_parameters.as_ref();
    let capabilities = linux.and_then(|linux| linux.capabilities.as_ref());
    let listed = |list: Option<&Vec<String>>| {
        let list = list.into_iter().flatten();
        list.map(|name| Capability(name.trim_start_matches("CAP_").to_owned())).collect()
    };
    let command = over.and_then(|over| over.command.clone()).or_else(|| one.command.clone());
    ContainerSpec {
        attempt,
        entrypoint: one.entry_point.clone().filter(|words| !words.is_empty()),
        argv: command.unwrap_or_default(),
        env,
        cwd: one.working_directory.clone().unwrap_or_default(),
        user: one.user.clone().filter(|user| !user.is_empty()).map_or(RunAs::Image, RunAs::Named),
        mounts: mounts(definition, one),
        limits: limits(row, one),
        ulimits: ulimits(one),
        capabilities_add: listed(capabilities.and_then(|all| all.add.as_ref())),
        capabilities_drop: listed(capabilities.and_then(|all| all.drop.as_ref())),
        own_users: settings.user_namespaces,
        devices: devices(one),
        read_only_root: one.readonly_root_filesystem == Some(true),
        root_size_bytes: Some(gib(row.ephemeral_gib)),
        sysctls: sysctls(one),
        init: linux.is_some_and(|linux| linux.init_process_enabled == Some(true)),
        stop: Stop { signal: None, timeout: Some(seconds(one.stop_timeout, 30)) },
        terminal: one.pseudo_terminal == Some(true),
        open_stdin: one.interactive == Some(true),
        output: kept(row, one),
        ..ContainerSpec::new(name, Root::Image(ImageId(image.unwrap_or_default())))
    }
}

/// Devices of the host. *API Reference > Device*: without permissions it may do all.
fn devices(one: &ContainerDefinition) -> Vec<Device> {
    let given = one.linux_parameters.iter().flat_map(|linux| linux.devices.iter().flatten());
    let device = |device: &haar_ecs_contract::model::Device| {
        let permissions = device.permissions.as_deref().unwrap_or_default();
        let may = |wanted: DeviceCgroupPermission| {
            permissions.is_empty() || permissions.contains(&wanted)
        };
        Device {
            host: device.host_path.clone().into(),
            target: device.container_path.clone().unwrap_or_else(|| device.host_path.clone()),
            read: may(DeviceCgroupPermission::Read),
            write: may(DeviceCgroupPermission::Write),
            make: may(DeviceCgroupPermission::Mknod),
        }
    };
    given.map(device).collect()
}

/// A number of seconds out of the API, or the usual one.
pub(crate) fn seconds(given: Option<i32>, usual: u64) -> Duration {
    let given = given.and_then(|given| u64::try_from(given).ok());
    Duration::from_secs(given.unwrap_or(usual))
}

fn limits(row: &TaskRow, one: &ContainerDefinition) -> Limits {
    let over = overridden(row, one.name.as_deref().unwrap_or_default());
    let number = |over: Option<i32>, own: Option<i32>| {
        over.or(own).and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
    };
    let memory = number(over.and_then(|it| it.memory), one.memory);
    let soft = number(over.and_then(|it| it.memory_reservation), one.memory_reservation);
    Limits {
        memory: memory.map(MemoryMib),
        memory_soft: soft.map(MemoryMib),
        cpu_shares: number(over.and_then(|it| it.cpu), one.cpu),
        ..Default::default()
    }
}

fn ulimits(one: &ContainerDefinition) -> Vec<Ulimit> {
    let number = |limit: i32| u64::try_from(limit).unwrap_or(u64::MAX); // -1: without
    let given = one.ulimits.iter().flatten().map(|limit| Ulimit {
        name: limit.name.as_str().to_owned(),
        soft: number(limit.soft_limit),
        hard: number(limit.hard_limit),
    });
    let mut all: Vec<Ulimit> = given.collect();
    if !all.iter().any(|limit| limit.name == "nofile") {
        all.push(Ulimit { name: "nofile".to_owned(), soft: FILES.0, hard: FILES.1 });
    }
    all
}

fn sysctls(one: &ContainerDefinition) -> BTreeMap<String, String> {
    let all = one.system_controls.iter().flatten();
    all.filter_map(|control| Some((control.namespace.clone()?, control.value.clone()?))).collect()
}

fn mounts(definition: &DefinitionRow, one: &ContainerDefinition) -> Vec<Mount> {
    let all = definition.definition.container_definitions.iter().flatten();
    let mut mounts = own_mounts(one, false);
    let in_memory = one.linux_parameters.iter().flat_map(|linux| linux.tmpfs.iter().flatten());
    mounts.extend(in_memory.map(|tmpfs| Mount::Tmpfs {
        target: tmpfs.container_path.clone(),
        size_bytes: u64::try_from(tmpfs.size).unwrap_or(0) << 20,
    }));
    for from in one.volumes_from.iter().flatten() {
        let other = all.clone().find(|other| other.name == from.source_container);
        let others = other.map(|other| own_mounts(other, from.read_only == Some(true)));
        mounts.extend(others.unwrap_or_default());
    }
    mounts
}

fn own_mounts(one: &ContainerDefinition, read_only: bool) -> Vec<Mount> {
    let points = one.mount_points.iter().flatten().map(|point| Mount::Volume {
        name: point.source_volume.clone().unwrap_or_default(),
        target: point.container_path.clone().unwrap_or_default(),
        read_only: read_only || point.read_only == Some(true),
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use haar_ecs_contract::model::{Device as Given, LinuxParameters};

    use super::*;

    #[test]
    fn devices_without_permissions_may_do_all() {
        let given = |permissions| Given {
            host_path: "/dev/fuse".to_owned(),
            container_path: None,
            permissions,
        };
        let all = vec![given(None), given(Some(vec![DeviceCgroupPermission::Read]))];
        let linux = LinuxParameters { devices: Some(all), ..Default::default() };
        let one = ContainerDefinition { linux_parameters: Some(linux), ..Default::default() };
        let device = |write| Device {
            host: "/dev/fuse".into(),
            target: "/dev/fuse".to_owned(),
            read: true,
            write,
            make: write,
        };
        assert_eq!(devices(&one), [device(true), device(false)]);
    }
}
