//! What a container stands on: its image with a layer of its own over it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use crate::proto::FromImage;
use crate::spawnd::laid::{Laid, Lower};
use crate::spawnd::owners::Owners;
use crate::spawnd::rootfs;
use crate::spawnd::scratch::Again;
use crate::spawnd::shell::Workshop;

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
    // what others' users own is nobody else's layer
    let lower = match owners {
        None => Some(Lower::all(&image.layers)?),
        Some(_) => None,
    };
    if let Some(lower) = &lower
        && let Some((tree, again)) = shop.stages.take(lower, size_bytes)
    {
        return Ok((tree, Some(again)));
    }
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
    let tree = tree?;
    let again = scratch.again.zip(lower).map(|(mut again, lower)| {
        again.laid = Laid::of(lower, &tree, again.tree());
        again
    });
    Ok((tree, again))
}
