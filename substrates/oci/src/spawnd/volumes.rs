//! A sandbox's volumes, and what its containers mount of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use haar_substrate::{Mount, User, Volume, VolumeSource};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{OpenTreeFlags, open_tree};

use super::mounts::{Shared, detach};
use super::rootfs;
use super::shell::Workshop;
use crate::proto::{Doing, Failure};
use crate::sys;

/// A sandbox's volumes by name.
#[derive(Default)]
pub(super) struct Volumes(BTreeMap<String, Content>);

enum Content {
    /// Its target is filled in where it is mounted.
    Own(Mount),
    Directory(Directory),
}

/// A directory of the host. What is in it is its containers': no link of theirs is followed out
/// of it.
struct Directory {
    root: OwnedFd,
    inside: String,
    create: bool,
}

/// One of a container's mounts, and where it goes.
pub(super) struct Placed<'a> {
    what: What<'a>,
    pub(super) target: &'a str,
    /// While it is empty, it takes what the image has in its place.
    pub(super) takes_content: bool,
    /// To be made read-only when all that goes into it has its place.
    pub(super) sealed: bool,
}

enum What<'a> {
    Mount(Cow<'a, Mount>),
    Directory(&'a Directory, bool),
}

impl Volumes {
    /// Adds one; what it holds may go into `dir`.
    pub(super) fn add(
        &mut self,
        shop: &Workshop,
        dir: &Path,
        volume: &Volume,
    ) -> Result<(), Failure> {
        let target = format!("/{}", volume.name);
        let content = match &volume.source {
            VolumeSource::Empty { size_bytes: Some(size_bytes) } if shop.scratch.are_usable() => {
                Content::Own(Mount::Scratch { target, size_bytes: *size_bytes })
            }
            VolumeSource::Empty { .. } => {
                let source = dir.join("volumes").join(self.0.len().to_string());
                fs::create_dir_all(&source).doing("make a volume")?;
                Content::Own(Mount::Bind { source, target, read_only: false })
            }
            VolumeSource::Directory { root, inside, create } => {
                let opened = Directory::open(root, inside, *create);
                Content::Directory(opened.map_err(|error| refused(&volume.name, &error))?)
            }
        };
        self.0.insert(volume.name.clone(), content);
        Ok(())
    }

    /// A container's mount, with volumes replaced by what they are.
    pub(super) fn place<'a>(&'a self, mount: &'a Mount) -> Result<Placed<'a>, Failure> {
        let target = super::root::target(mount);
        let Mount::Volume { name, read_only, .. } = mount else {
            let what = What::Mount(Cow::Borrowed(mount));
            return Ok(Placed { what, target, takes_content: false, sealed: false });
        };
        let none = || Failure::Refused { program: name.clone(), reason: "no such volume".into() };
        Ok(match self.0.get(name).ok_or_else(none)? {
            Content::Own(mount) => {
                let what = What::Mount(Cow::Borrowed(mount));
                Placed { what, target, takes_content: true, sealed: *read_only }
            }
            // sealed from the beginning: nothing is made in what only shall be read
            Content::Directory(own) => {
                let what = What::Directory(own, *read_only);
                Placed { what, target, takes_content: false, sealed: false }
            }
        })
    }
}

impl<'a> Placed<'a> {
    /// A file of the helper's, to be seen at a path.
    pub(super) fn file(source: &Path, target: &'a str) -> Self {
        let source = source.to_owned();
        let mount = Mount::Bind { source, target: target.to_owned(), read_only: false };
        let what = What::Mount(Cow::Owned(mount));
        Self { what, target, takes_content: false, sealed: false }
    }

    /// A container's own volume at a path where its image wants one.
    pub(super) fn own_of_image(container: &str, path: &'a str, size_bytes: u64) -> Self {
        // told apart from those of other containers by what it is called here
        let target = format!("/{container}/image{path}");
        let what = What::Mount(Cow::Owned(Mount::Scratch { target, size_bytes }));
        Self { what, target: path, takes_content: true, sealed: false }
    }

    /// How deep it goes.
    pub(super) fn depth(&self) -> usize {
        Path::new(self.target).components().count()
    }

    /// It goes onto a file.
    pub(super) fn is_file(&self) -> bool {
        matches!(&self.what, What::Mount(mount)
            if matches!(mount.as_ref(), Mount::Bind { source, .. } if source.is_file()))
    }

    /// Makes the mount, without a place yet.
    pub(super) fn detach(
        &self,
        shop: &Workshop,
        shared: &mut Shared,
        user: User,
    ) -> Result<OwnedFd, Failure> {
        match &self.what {
            What::Mount(mount) => Ok(detach(shop, shared, mount, user)?.tree),
            What::Directory(own, sealed) => {
                own.detach(*sealed).map_err(|error| refused(self.target, &error))
            }
        }
    }
}

impl Directory {
    fn open(root: &Path, inside: &str, create: bool) -> io::Result<Self> {
        if create {
            fs::create_dir_all(root)?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let own = Self { root, inside: inside.to_owned(), create };
        own.find()?;
        Ok(own)
    }

    /// The directory as it is now: containers that run may have put another there.
    fn find(&self) -> io::Result<OwnedFd> {
        if self.create {
            rootfs::make_point(&self.root, &self.inside, false, None)?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.root, self.inside.as_str(), flags, Mode::empty(), resolve)?)
    }

    fn detach(&self, sealed: bool) -> io::Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::AT_RECURSIVE;
        let tree = open_tree(self.find()?, c"", flags)?;
        let mut set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        if sealed {
            set |= libc::MOUNT_ATTR_RDONLY;
        }
        sys::mount_setattr(tree.as_fd(), set, libc::MS_PRIVATE)?;
        Ok(tree)
    }
}

fn refused(name: &str, error: &io::Error) -> Failure {
    Failure::Refused { program: name.to_owned(), reason: error.to_string() }
}
