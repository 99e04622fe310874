//! What lies in unpacked code and layers, as sandboxes see it.
//!
//! **Invariant:** no link is followed out of a directory that an archive was unpacked into.

#![allow(clippy::disallowed_methods)] // looks into unpacked archives

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// Where functions see layers.
const LAYERS: &str = "/opt";

/// Links on one way; more are a circle.
const LINKS_MAX: usize = 40;

/// Whether a directory has this, be it a link: where that leads is the sandbox's affair.
pub(super) fn has(directory: &Path, name: &str) -> bool {
    fs::symlink_metadata(directory.join(name)).is_ok()
}

/// The files below a layer's `extensions` by name, and whether they may be executed.
pub(super) fn extensions(layer: &Path) -> Vec<(String, bool)> {
    let Some((folder, _)) = seen(layer, Path::new("extensions")) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(layer.join(&folder)) else { return Vec::new() };
    let files = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let (_, found) = seen(layer, &folder.join(&name))?;
        found.is_file().then(|| (name, found.permissions().mode() & 0o111 != 0))
    });
    files.collect()
}

/// What a path within a layer leads to, with all links followed as the sandbox does; `None` where
/// there is nothing, or where it leaves the layer.
fn seen(layer: &Path, path: &Path) -> Option<(PathBuf, Metadata)> {
    let (mut at, mut rest) = (PathBuf::new(), parts(path));
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop().then_some(())?;
            continue;
        }
        at.push(&part);
        if !fs::symlink_metadata(layer.join(&at)).ok()?.is_symlink() {
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return None;
        }
        let target = fs::read_link(layer.join(&at)).ok()?;
        at.pop();
        match target.strip_prefix(LAYERS) {
            Ok(inner) => {
                at.clear();
                rest.extend(parts(inner));
            }
            Err(_) if target.is_absolute() => return None,
            Err(_) => rest.extend(parts(&target)),
        }
    }
    let found = fs::symlink_metadata(layer.join(&at)).ok()?;
    Some((at, found))
}

/// A path's parts, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = path.components().rev().filter(|part| *part != Component::CurDir);
    named.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn extensions_are_programs_of_the_layer_itself_wherever_links_lead() {
        let (layer, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = layer.path().join("extensions");
        let program = |path: &Path| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "#!/bin/sh").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        program(&folder.join("own"));
        program(&layer.path().join("bin/tool"));
        program(&outside.path().join("foreign"));
        fs::write(folder.join("text"), "").unwrap();
        for (name, target) in [
            ("near", "../bin/tool"),
            ("far", "/opt/bin/tool"),
            ("lib", "../bin"),
            ("up", "../../tool"),
            ("circle", "circle"),
            ("host", outside.path().join("foreign").to_str().unwrap()),
        ] {
            symlink(target, folder.join(name)).unwrap();
        }
        let mut found = extensions(layer.path());
        found.sort();
        let programs = ["far", "near", "own"].map(|name| (name.to_owned(), true));
        assert_eq!(found[..3], programs);
        assert_eq!(found[3..], [("text".to_owned(), false)]);

        let other = tempfile::tempdir().unwrap();
        symlink(outside.path(), other.path().join("extensions")).unwrap();
        assert_eq!(extensions(other.path()), []);
        symlink("/nowhere", other.path().join("bootstrap")).unwrap();
        assert!(has(other.path(), "bootstrap") && !has(other.path(), "extension"));
    }
}
