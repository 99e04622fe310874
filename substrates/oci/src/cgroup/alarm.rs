//! Hears when the kernel kills for memory.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{EventfdFlags, epoll, eventfd};

use super::Cgroup;

/// A descriptor that is ready each time a group is out of memory.
pub(crate) enum Alarm {
    /// Version 1: an event descriptor, and the file that it is tied to.
    Bell(OwnedFd, #[allow(dead_code, reason = "held open")] File),
    /// Version 2: the file of the group's events, and how many kills it told last.
    Events(File, AtomicU64),
}

impl Cgroup {
    /// An alarm for this group.
    pub(crate) fn alarm(&self) -> io::Result<Alarm> {
        let dir = self.at.memory.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        if self.at.unified {
            let alarm = Alarm::Events(File::open(dir.join("memory.events"))?, AtomicU64::new(0));
            alarm.rang(); // from now on
            return Ok(alarm);
        }
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let control = File::open(dir.join("memory.oom_control"))?;
        let pair = format!("{} {}", bell.as_raw_fd(), control.as_raw_fd());
        fs::write(dir.join("cgroup.event_control"), pair)?;
        Ok(Alarm::Bell(bell, control))
    }

    /// It has not been removed: alarms of version 1 ring then, too.
    pub(crate) fn is_there(&self) -> bool {
        self.at.memory.as_ref().is_some_and(|dir| dir.exists())
    }
}

impl Alarm {
    /// What to wait for.
    pub(crate) fn flags(&self) -> epoll::EventFlags {
        match self {
            Self::Bell(..) => epoll::EventFlags::IN,
            Self::Events(..) => epoll::EventFlags::PRI,
        }
    }

    /// Whether it rang since it was asked last.
    pub(crate) fn rang(&self) -> bool {
        match self {
            Self::Bell(bell, _) => rustix::io::read(bell, &mut [0u8; 8]).is_ok(),
            Self::Events(file, last) => {
                let kills = kills(file);
                last.swap(kills, Ordering::SeqCst) < kills
            }
        }
    }
}

/// Reading also says that the news have been seen.
fn kills(file: &File) -> u64 {
    let mut text = [0; 512];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&text[..length]);
    let told = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    told.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Bell(bell, _) => bell.as_fd(),
            Self::Events(file, _) => file.as_fd(),
        }
    }
}
