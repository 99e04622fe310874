//! What a container stands on: its image with a layer of its own over it, and devices of the
//! host.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use haar_substrate::{ContainerSpec, Device};
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use super::refused;
use crate::cgroup::Cgroup;
use crate::proto::{Doing, Failure, FromImage};
use crate::spawnd::owners::Owners;
use crate::spawnd::rootfs;
use crate::spawnd::scratch::Again;
use crate::spawnd::shell::Workshop;

/// Opens the devices that a container gets beside the usual ones, and lets its group use them.
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
    let (trees, nodes): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    shop.cgroups.allow(group, &nodes).doing("let the container use its devices")?;
    Ok(trees)
}

/// Lays a container's writable layer over its image, as its own users own that.
pub(super) fn lay(
    shop: &Workshop,
    (image, owners): (&FromImage, Option<&Arc<Owners>>),
    layer: &Path,
) -> io::Result<OwnedFd> {
    let base = [shop.places.base.as_path()];
    let layers: Vec<_> =
        base.into_iter().chain(image.layers.iter().map(|layer| layer.as_path())).collect();
    let way = &shop.places.memory;
    let Some(owners) = owners else { return rootfs::overlay(&layers, layer, way) };
    let upper = layer.join(rootfs::LAYER_DIRS[0]);
    std::fs::create_dir_all(&upper)?;
    owners.give(&upper)?;
    let name = layer.file_name().unwrap_or_default();
    let at = shop.places.memory.join("lower").join(name);
    owners.with_layers(&layers, &at, |layers| {
        let layers: Vec<_> = layers.iter().map(|layer| layer.as_path()).collect();
        rootfs::overlay(&layers, layer, way)
    })
}

/// A root whose writable layer is on a file system of its own, of this size. That is in sight
/// only until the root holds it.
pub(super) fn bounded_root(
    shop: &Workshop,
    (image, owners): (&FromImage, Option<&Arc<Owners>>),
    layer: &Path,
    size_bytes: u64,
) -> io::Result<(OwnedFd, Option<Again>)> {
    let scratch = shop.scratch.take_layer(size_bytes)?;
    let name = layer.file_name().unwrap_or_default();
    let at = shop.places.memory.join("upper").join(name);
    std::fs::create_dir_all(&at)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    let tree = move_mount(&scratch.tree, c"", rustix::fs::CWD, &at, flags)
        .map_err(io::Error::from)
        .and_then(|()| lay(shop, (image, owners), &at));
    let _ = unmount(&at, UnmountFlags::DETACH);
    let _ = std::fs::remove_dir(&at);
    // what others' users own is nobody else's layer
    Ok((tree?, scratch.again.filter(|_| owners.is_none())))
}
