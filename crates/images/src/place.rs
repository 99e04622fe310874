//! A directory that an archive is unpacked into, and nothing outside of it: every path is
//! resolved below its open descriptor, by the kernel, whatever links the archive has made.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RawMode, ResolveFlags, Timespec, Timestamps,
    Uid, XattrFlags, chmodat, chownat, fsetxattr, linkat, mkdirat, mknodat, openat, openat2,
    statat, symlinkat, unlinkat, utimensat,
};

/// Marks a directory that hides those of the layers below.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";
/// Deepest that anything lies, and the deepest directory that is taken down.
const DEPTH_MAX: usize = 256;

/// The directory.
pub(crate) struct Place {
    root: OwnedFd,
    /// The directory that was used last: archives keep neighbours together.
    last: Option<(PathBuf, Rc<OwnedFd>)>,
}

/// Owner, permissions and time of change of what is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) modified_seconds: i64,
}

impl Place {
    /// Opens an empty directory.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, dir, flags, Mode::empty())?;
        Ok(Self { root, last: None })
    }

    /// An entry's path in parts; one that leads out is refused.
    pub(crate) fn parts(path: &Path) -> io::Result<Option<(PathBuf, OsString)>> {
        let mut parts = PathBuf::new();
        for part in path.components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(invalid("leads out of the image"));
                }
            }
        }
        if parts.components().count() > DEPTH_MAX {
            return Err(invalid("lies too many directories deep"));
        }
        let Some(name) = parts.file_name().map(OsString::from) else { return Ok(None) };
        parts.pop();
        Ok(Some((parts, name)))
    }

    /// Opens a directory below, made where it is not there.
    pub(crate) fn parent(&mut self, dir: &Path) -> io::Result<Rc<OwnedFd>> {
        if let Some((_, fd)) = self.last.as_ref().filter(|(last, _)| last == dir) {
            return Ok(fd.clone());
        }
        let fd = match self.resolve(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_dirs(dir)?,
            other => other?,
        };
        let fd = Rc::new(fd);
        self.last = Some((dir.to_owned(), fd.clone()));
        Ok(fd)
    }

    fn resolve(&self, dir: &Path) -> io::Result<OwnedFd> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.root, dir, flags, Mode::empty(), inside)?)
    }

    fn make_dirs(&self, dir: &Path) -> io::Result<OwnedFd> {
        let parts: Vec<_> = dir.iter().collect();
        let (mut there, mut fd) = self.deepest(&parts)?;
        if let Some(part) = parts.get(there) {
            // a link that leads nowhere is in the way: replace it as archivers do
            if statat(&fd, *part, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                unlinkat(&fd, *part, AtFlags::empty())?;
            }
        }
        // below what is new there are no links
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        while let Some(part) = parts.get(there) {
            mkdirat(&fd, *part, Mode::from_raw_mode(0o755))?;
            fd = openat(&fd, *part, flags, Mode::empty())?;
            there += 1;
        }
        Ok(fd)
    }

    /// How many parts of a path are there, and the last of them. Not each is looked for: to find
    /// one takes as long as the links on its way have it.
    fn deepest(&self, parts: &[&OsStr]) -> io::Result<(usize, OwnedFd)> {
        let (mut there, mut fd) = (0, self.root.try_clone()?);
        let mut missing = parts.len() + 1;
        while missing - there > 1 {
            let middle = there + (missing - there) / 2;
            match self.resolve(&parts[..middle].iter().collect::<PathBuf>()) {
                Ok(found) => (there, fd) = (middle, found),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing = middle,
                Err(error) => return Err(error),
            }
        }
        Ok((there, fd))
    }

    /// Makes a directory, or takes the one that is there.
    pub(crate) fn directory(&mut self, dir: &OwnedFd, name: &OsString) -> io::Result<()> {
        let before = self.kind(dir, name)?;
        match before {
            Some(FileType::Directory) => return Ok(()),
            Some(kind) => self.clear(dir, name, kind)?,
            None => {}
        }
        // a name that was hidden a moment ago: what layers below have in it stays hidden
        let hidden = before == Some(FileType::CharacterDevice);
        mkdirat(dir, name, Mode::from_raw_mode(0o755))?;
        if hidden {
            self.hide_below(dir, name)?;
        }
        Ok(())
    }

    /// Makes a new file to write into, with permissions that need not be changed if all goes well:
    /// see [`finish_file`].
    pub(crate) fn file(
        &mut self,
        dir: &OwnedFd,
        name: &OsString,
        attributes: Attributes,
    ) -> io::Result<OwnedFd> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // nobody runs it with another's rights before its owner is known
        let mode = Mode::from_raw_mode(attributes.mode & 0o777);
        match openat(dir, name, flags, mode) {
            Err(rustix::io::Errno::EXIST) => {
                self.make_room(dir, name)?;
                Ok(openat(dir, name, flags, mode)?)
            }
            other => Ok(other?),
        }
    }

    /// Makes a symbolic link; where it leads is of no matter here.
    pub(crate) fn symlink(&mut self, dir: &OwnedFd, name: &OsString, to: &Path) -> io::Result<()> {
        self.make_room(dir, name)?;
        Ok(symlinkat(to, dir, name)?)
    }

    /// Makes another name for a file of the same layer.
    pub(crate) fn hard_link(
        &mut self,
        dir: &OwnedFd,
        name: &OsString,
        to: &Path,
    ) -> io::Result<()> {
        let (parent, target) = Self::parts(to)?.ok_or_else(|| invalid("links to its root"))?;
        let from = self.resolve(&parent).map_err(|_| invalid("links to what is not there"))?;
        if self.kind(&from, &target)?.is_none_or(|kind| kind == FileType::Directory) {
            return Err(invalid("links to what is not there"));
        }
        self.make_room(dir, name)?;
        Ok(linkat(&from, &target, dir, name, AtFlags::empty())?)
    }

    /// Makes a named pipe.
    pub(crate) fn fifo(&mut self, dir: &OwnedFd, name: &OsString) -> io::Result<()> {
        self.make_room(dir, name)?;
        Ok(mknodat(dir, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?)
    }

    /// Hides a name of the layers below; one that this layer has itself hides them already.
    pub(crate) fn whiteout(&mut self, dir: &OwnedFd, name: &OsString) -> io::Result<()> {
        match self.kind(dir, name)? {
            Some(FileType::Directory) => self.hide_below(dir, name),
            Some(_) => Ok(()),
            None => Ok(mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0)?),
        }
    }

    /// Hides what layers below have in a directory.
    pub(crate) fn make_opaque(&self, dir: &OwnedFd) -> io::Result<()> {
        Ok(fsetxattr(dir, OPAQUE, b"y", XattrFlags::empty())?)
    }

    fn hide_below(&self, dir: &OwnedFd, name: &OsString) -> io::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.make_opaque(&openat(dir, name, flags, Mode::empty())?)
    }

    fn kind(&self, dir: &OwnedFd, name: &OsString) -> io::Result<Option<FileType>> {
        match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode as RawMode))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn make_room(&mut self, dir: &OwnedFd, name: &OsString) -> io::Result<()> {
        match self.kind(dir, name)? {
            Some(kind) => self.clear(dir, name, kind),
            None => Ok(()),
        }
    }

    fn clear(&mut self, dir: &OwnedFd, name: &OsString, kind: FileType) -> io::Result<()> {
        self.last = None; // it may be what goes
        match kind {
            FileType::Directory => clear_dir(dir, name, DEPTH_MAX),
            _ => Ok(unlinkat(dir, name, AtFlags::empty())?),
        }
    }

    /// Sets what all entries have. Directories get their time at the end: see [`Self::touch`].
    pub(crate) fn finish(
        &self,
        dir: &OwnedFd,
        name: &OsString,
        attributes: Attributes,
        is_link: bool,
    ) -> io::Result<()> {
        let Attributes { uid, gid, mode, .. } = attributes;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(dir, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)?;
        if !is_link {
            // what stands there was made a moment ago, and is no link
            chmodat(dir, name, Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())?;
        }
        touch(dir, name, attributes.modified_seconds)
    }

    /// Sets a directory's time of change, if it is still there.
    pub(crate) fn touch(&mut self, path: &Path, seconds: i64) -> io::Result<()> {
        let Some((parent, name)) = Self::parts(path)? else {
            return touch(&self.root, &OsString::from("."), seconds);
        };
        let Ok(dir) = self.resolve(&parent) else { return Ok(()) };
        match self.kind(&dir, &name)? {
            Some(FileType::Directory) => touch(&dir, &name, seconds),
            _ => Ok(()),
        }
    }

    /// Owner and permissions of the root itself.
    pub(crate) fn finish_root(&self, attributes: Attributes) -> io::Result<()> {
        let Attributes { uid, gid, mode, .. } = attributes;
        rustix::fs::fchown(&self.root, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        Ok(rustix::fs::fchmod(&self.root, Mode::from_raw_mode(mode & 0o7777))?)
    }

    /// Sets an extended attribute of what was made. Those that overlayfs reads are ours alone.
    pub(crate) fn attribute(
        &self,
        dir: &OwnedFd,
        name: &OsString,
        attribute: &str,
        value: &[u8],
    ) -> io::Result<()> {
        let allowed = attribute == "security.capability" || attribute.starts_with("user.");
        if !allowed {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(dir, name, flags, Mode::empty())?;
        match fsetxattr(&file, attribute, value, XattrFlags::empty()) {
            // the disk's file system has none: the file is there all the same
            Err(rustix::io::Errno::NOTSUP) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Sets what a file has that was written. What it has already is not set again: each change is an
/// entry of the file system's journal.
pub(crate) fn finish_file(file: &File, attributes: Attributes) -> io::Result<()> {
    let Attributes { uid, gid, mode, modified_seconds } = attributes;
    let found = rustix::fs::fstat(file)?;
    let is_anothers = (found.st_uid, found.st_gid) != (uid, gid);
    if is_anothers {
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    if is_anothers || found.st_mode & 0o7777 != mode & 0o7777 {
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode & 0o7777))?;
    }
    Ok(rustix::fs::futimens(file, &times(modified_seconds))?)
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn touch(dir: &OwnedFd, name: &OsString, seconds: i64) -> io::Result<()> {
    Ok(utimensat(dir, name, &times(seconds), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Takes a directory down without following a link.
fn clear_dir(dir: &OwnedFd, name: &OsString, depth: usize) -> io::Result<()> {
    if depth == 0 {
        return Err(invalid("is too deep"));
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let own = openat(dir, name, flags, Mode::empty())?;
    for entry in Dir::read_from(&own)? {
        let entry = entry?;
        let child = OsString::from(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()));
        if child == "." || child == ".." {
            continue;
        }
        let found = statat(&own, &child, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode as RawMode) {
            FileType::Directory => clear_dir(&own, &child, depth - 1)?,
            _ => unlinkat(&own, &child, AtFlags::empty())?,
        }
    }
    Ok(unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

/// What an archive must not hold.
pub(crate) fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}
