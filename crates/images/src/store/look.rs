//! Looks into an image without running it: its layers as one tree, as overlayfs shows them.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use haar_substrate::ImageEntry;

use crate::place::OPAQUE;

/// Most symbolic links on the way to one file, as the kernel has it.
const LINKS_MAX: usize = 40;

/// What a path leads to.
enum Node {
    /// The layers' directories that make it up, highest first.
    Directory(Vec<PathBuf>),
    File(Metadata),
    Link(PathBuf),
}

/// What a directory of the tree has, by name; `None` where there is no such directory.
pub(super) fn directory(layers: &[PathBuf], path: &str) -> io::Result<Option<Vec<ImageEntry>>> {
    let path = Path::new(path);
    let Some(Node::Directory(parts)) = resolve(layers, path)? else { return Ok(None) };
    let mut names = BTreeSet::new();
    for part in &parts {
        for entry in fs::read_dir(part)? {
            names.insert(entry?.file_name());
        }
    }
    let mut entries = Vec::new();
    for name in names {
        if child(&parts, &name)?.is_none() {
            continue; // hidden by a higher layer
        }
        let is_program = match resolve(layers, &path.join(&name))? {
            Some(Node::File(metadata)) => {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            }
            _ => false,
        };
        if let Ok(name) = name.into_string() {
            entries.push(ImageEntry { name, is_program });
        }
    }
    Ok(Some(entries))
}

/// Follows a path from the tree's root, links included, never out of it.
fn resolve(layers: &[PathBuf], path: &Path) -> io::Result<Option<Node>> {
    let mut at = vec![layers.iter().rev().cloned().collect::<Vec<_>>()];
    let mut todo = steps(path);
    let mut links = 0;
    while let Some(step) = todo.pop_front() {
        if step == ".." {
            at.truncate(at.len().saturating_sub(1).max(1));
            continue;
        }
        let here = at.last().map_or(&[][..], Vec::as_slice);
        match child(here, &step)? {
            None => return Ok(None),
            Some(Node::Directory(parts)) => at.push(parts),
            Some(Node::File(metadata)) => {
                return Ok(todo.is_empty().then_some(Node::File(metadata)));
            }
            Some(Node::Link(to)) => {
                links += 1;
                if links > LINKS_MAX {
                    return Ok(None);
                }
                if to.is_absolute() {
                    at.truncate(1);
                }
                let mut first = steps(&to);
                first.append(&mut todo);
                todo = first;
            }
        }
    }
    Ok(at.pop().map(Node::Directory))
}

fn steps(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    parts.collect()
}

/// One name in a directory: the highest layer that has it decides, and its whiteouts hide it.
fn child(parts: &[PathBuf], name: &OsString) -> io::Result<Option<Node>> {
    let mut merged = Vec::new();
    for part in parts {
        let path = part.join(name);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            let ends_here = is_opaque(&path);
            merged.push(path);
            if ends_here {
                break;
            }
            continue;
        }
        if !merged.is_empty() {
            break; // a directory above hides what is no directory
        }
        return Ok(match kind {
            kind if kind.is_char_device() && metadata.rdev() == 0 => None,
            kind if kind.is_symlink() => Some(Node::Link(fs::read_link(&path)?)),
            _ => Some(Node::File(metadata)),
        });
    }
    Ok((!merged.is_empty()).then_some(Node::Directory(merged)))
}

fn is_opaque(directory: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::lgetxattr(directory, OPAQUE, &mut value).is_ok_and(|_| value == *b"y")
}
