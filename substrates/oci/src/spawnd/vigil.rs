//! Notices that the helper's directory has been deleted: nobody will ever find this helper again.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, inotify, statat};

use super::LOCK;

/// Watches the helper's lock file, which goes with its directory.
pub(super) struct Vigil {
    news: OwnedFd,
    dir: File,
    lock: (u64, u64),
}

impl Vigil {
    /// Watches the directory that holds this lock file.
    pub(super) fn new(state_dir: &Path, lock: &File) -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let news = inotify::init(flags)?;
        let what = inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&news, state_dir, what)?;
        let found = lock.metadata()?;
        Ok(Self { news, dir: File::open(state_dir)?, lock: (found.dev(), found.ino()) })
    }

    /// Whether it is gone by now. A directory that was moved is not.
    pub(super) fn is_over(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        while rustix::io::read(&self.news, &mut buffer).is_ok_and(|(read, _)| !read.is_empty()) {}
        let found = statat(&self.dir, LOCK, AtFlags::SYMLINK_NOFOLLOW);
        match found {
            Ok(found) => (found.st_dev, found.st_ino) != self.lock,
            Err(error) => error == rustix::io::Errno::NOENT, // others may pass
        }
    }
}

impl AsFd for Vigil {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}
