//! A unit: one container's shell and, once there, its program.

use std::os::fd::OwnedFd;

use haar_substrate::{ContainerState, ContainerStatus, Exit, SandboxId};
use haar_types::Timestamp;
use parking_lot::Mutex;

use super::clone::Child;
use super::shell::Shell;
use crate::cgroup::Cgroup;
use crate::sys;

/// One container's processes.
pub(super) struct Unit {
    pub(super) shell: Shell,
    pub(super) cgroup: Cgroup,
    pub(super) life: Mutex<Life>,
    /// The output's ends to read from, where they must outlive the server.
    pub(super) outputs: Mutex<Option<[OwnedFd; 2]>>,
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
}

impl Life {
    pub(super) fn status(&self) -> ContainerStatus {
        ContainerStatus {
            state: self.state(),
            attempt: self.owner.as_ref().map_or(0, |owner| owner.attempt),
            started_at: self.started_at,
            ended_at: self.ended_at,
            image: None,
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
        Self { shell, cgroup, life: Mutex::default(), outputs: Mutex::new(None) }
    }

    /// Sends a signal to the program; false when there is none to get it.
    pub(super) fn signal(&self, signal: i32) -> std::io::Result<bool> {
        let life = self.life.lock();
        match (&life.program, life.exit) {
            (Some(program), None) => {
                sys::send_signal(std::os::fd::AsFd::as_fd(&program.pidfd), signal).map(|()| true)
            }
            _ => Ok(false),
        }
    }
}
