//! A unit: one container's shell and, once there, its program.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use haar_substrate::{ContainerState, ContainerStatus, Exit, ImageId, SandboxId};
use haar_types::Timestamp;
use parking_lot::Mutex;

use super::clone::Child;
use super::owners::Owners;
use super::scratch::Again;
use super::shell::Shell;
use super::users::Identity;
use crate::cgroup::Cgroup;
use crate::sys;

/// One container's processes.
pub(super) struct Unit {
    pub(super) shell: Shell,
    pub(super) cgroup: Cgroup,
    pub(super) life: Mutex<Life>,
    /// The output's ends to read from, where they must outlive the server.
    pub(super) outputs: Mutex<Option<[OwnedFd; 2]>>,
    /// Of a container with a root of its own.
    pub(super) own: Option<Own>,
    /// The reaper's token for its memory.
    pub(super) memory_watch: Mutex<Option<u64>>,
}

/// What a container with a root of its own has besides.
pub(super) struct Own {
    /// Its first process is its program.
    pub(super) sole: bool,
    pub(super) image: ImageId,
    pub(super) stop_signal: i32,
    /// Its writable layer, to be removed.
    pub(super) layer: PathBuf,
    /// The file system that its writable layer is on.
    pub(super) again: Mutex<Option<Again>>,
    /// What programs run in it later start with.
    pub(super) context: Context,
    /// Its control group is its sandbox's to take down.
    pub(super) kept: bool,
    /// The other end of an input that stays open.
    pub(super) _input: Option<OwnedFd>,
}

/// What programs of a container start with.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) env: Vec<(String, String)>,
    pub(super) cwd: String,
    pub(super) identity: Identity,
    pub(super) bounding: u64,
    pub(super) rlimits: Vec<(u32, u64, u64)>,
    pub(super) no_new_privileges: bool,
    /// Users of the sandbox's own.
    pub(super) owners: Option<Arc<Owners>>,
}

impl Context {
    /// The host's id of one of its users or groups.
    pub(super) fn outside(&self, inside: u32) -> u32 {
        self.owners.as_ref().map_or(inside, |owners| owners.outside(inside))
    }
}

/// Whose container a unit is.
#[derive(Clone)]
pub(super) struct Owner {
    pub(super) id: SandboxId,
    pub(super) container: String,
    pub(super) attempt: u32,
}

/// What changes in a unit.
#[derive(Default)]
pub(super) struct Life {
    /// The sandbox and container; none while it waits in a pool.
    pub(super) owner: Option<Owner>,
    pub(super) program: Option<Child>,
    pub(super) exit: Option<Exit>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    /// Nothing of it runs any more.
    pub(super) gone: bool,
    /// The server was told that its memory ran out.
    pub(super) starved: bool,
}

impl Life {
    fn status(&self) -> ContainerStatus {
        ContainerStatus {
            state: self.state(),
            attempt: self.owner.as_ref().map_or(0, |owner| owner.attempt),
            started_at: self.started_at,
            ended_at: self.ended_at,
            image: None, // see `Unit::status`
        }
    }

    fn state(&self) -> ContainerState {
        match (self.exit, &self.program) {
            (Some(exit), _) => ContainerState::Exited(exit),
            (None, Some(program)) => ContainerState::Running { pid: program.pid },
            (None, None) => {
                ContainerState::Exited(Exit { code: None, signal: None, out_of_memory: false })
            }
        }
    }

    /// It can still be given work.
    pub(super) fn is_fit(&self) -> bool {
        self.exit.is_none() && !self.gone && self.owner.is_none()
    }
}

impl Unit {
    pub(super) fn new(shell: Shell, cgroup: Cgroup) -> Self {
        Self {
            shell,
            cgroup,
            life: Mutex::default(),
            outputs: Mutex::new(None),
            own: None,
            memory_watch: Mutex::new(None),
        }
    }

    /// Its first process is its program.
    pub(super) fn is_sole(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.sole)
    }

    /// How it is asked to end.
    pub(super) fn stop_signal(&self) -> i32 {
        self.own.as_ref().map_or(libc::SIGTERM, |own| own.stop_signal)
    }

    /// Kills all of its processes. Where its control group is its own, they need not wait for the
    /// processor; a next run sets the bounds anew.
    pub(super) fn kill(&self) {
        self.shell.kill();
        if self.own.is_some() {
            let _ = self.cgroup.hurry(); // it may have gone
        }
    }

    /// Kills one that nobody watches yet, and waits for its end.
    pub(super) fn end_now(&self) {
        self.shell.kill();
        // the first process is not gone before the others are reaped
        if let Some(program) = &self.life.lock().program {
            let _ = sys::reap_now(program.pidfd.as_fd());
        }
        let _ = sys::reap_now(self.shell.init.pidfd.as_fd());
    }

    /// What is to be told of it.
    pub(super) fn status(&self) -> ContainerStatus {
        let life = self.life.lock();
        let mut status = life.status();
        if self.is_sole() && life.exit.is_none() {
            status.state = ContainerState::Running { pid: self.shell.init.pid };
        }
        status.image = self.own.as_ref().map(|own| own.image.clone());
        status
    }

    /// Sends a signal to the program; false when there is none to get it.
    pub(super) fn signal(&self, signal: i32) -> std::io::Result<bool> {
        let life = self.life.lock();
        if self.is_sole() && life.exit.is_none() {
            return sys::send_signal(self.shell.init.pidfd.as_fd(), signal).map(|()| true);
        }
        match (&life.program, life.exit) {
            (Some(program), None) => sys::send_signal(program.pidfd.as_fd(), signal).map(|()| true),
            _ => Ok(false),
        }
    }
}
