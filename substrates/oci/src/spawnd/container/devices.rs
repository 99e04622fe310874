//! Devices of the host that a container gets beside the usual ones.

use std::os::fd::OwnedFd;

use haar_substrate::{ContainerSpec, Device};

use super::refused;
use crate::cgroup::Cgroup;
use crate::proto::{Doing, Failure};
use crate::spawnd::rootfs;
use crate::spawnd::shell::Workshop;

/// Opens them, and lets the container's group use them.
pub(super) fn give_devices(
    shop: &Workshop,
    group: &mut Cgroup,
    spec: &ContainerSpec,
) -> Result<Vec<OwnedFd>, Failure> {
    if spec.devices.is_empty() {
        return Ok(Vec::new());
    }
    let open = |device: &Device| {
        let host = &device.host;
        rootfs::device(device).map_err(|error| refused(&host.to_string_lossy(), &error))
    };
    let all = spec.devices.iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
    group.spoil();
    let (trees, nodes): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    shop.cgroups.allow(group, &nodes).doing("let the container use its devices")?;
    Ok(trees)
}
