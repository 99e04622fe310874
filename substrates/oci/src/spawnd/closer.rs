//! Takes down what is slow to take down, one after the other, so that nobody waits for it:
//! mounts of sandboxes that have ended, and their control groups.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::bridge::Used;
use super::helper::Helper;
use super::log;
use super::scratch::Again;
use crate::cgroup::Cgroup;

/// A process that has ended may count as a member for a moment.
const RETRY: Duration = Duration::from_millis(2);
const RETRIES_MAX: u32 = 1_000;

/// How often it is looked whether a network is out of use; then it is let go of.
const NETWORK_TRIES_MAX: u32 = 100;

/// What a sandbox has left.
pub(super) enum Remains {
    Mounts(OwnedFd),
    Group(Cgroup),
    /// A layer's file system, once its mounts are gone.
    Layer(Again),
    /// A network, once nobody holds a socket of it.
    Network(Used),
    /// A directory with all in it.
    Dir(PathBuf),
    /// All of one unit's remains were sent before this.
    Unit,
    /// Look whether it is time to leave.
    Look,
}

/// The closer's mailbox.
pub(super) type Closer = Sender<Remains>;

/// Runs the thread.
pub(super) fn run(helper: &Arc<Helper>, mailbox: &Receiver<Remains>) {
    let mut stubborn: Vec<(Cgroup, u32)> = Vec::new();
    let mut networks: Vec<(Used, u32)> = Vec::new();
    let (home, all) = (&helper.shop.home, &helper.shop.networks);
    let clock = &helper.reaper.clock;
    let mut look_at = clock.moment();
    loop {
        let is_idle = stubborn.is_empty() && networks.is_empty();
        let wait = if is_idle { Duration::from_secs(3_600) } else { RETRY };
        match mailbox.recv_timeout(wait) {
            Ok(Remains::Mounts(mounts)) => drop(mounts),
            Ok(Remains::Group(group)) => {
                if !group.remove() {
                    stubborn.push((group, 0));
                }
            }
            Ok(Remains::Dir(dir)) => match std::fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    log(&format!("could not remove {}: {error}", dir.display()));
                }
                _ => {}
            },
            Ok(Remains::Network(used)) => {
                if !all.take_back(home, &used) {
                    networks.push((used, 0));
                }
            }
            Ok(Remains::Layer(again)) => helper.shop.scratch.give_back(again),
            Ok(Remains::Unit) => helper.one_less(),
            Ok(Remains::Look) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // what waits is looked at by the clock, however many messages come
        let now = clock.moment();
        if now >= look_at {
            look_at = now.after(RETRY);
            stubborn.retain_mut(|(group, tries)| {
                *tries += 1;
                if *tries == RETRIES_MAX {
                    log(&format!("control group {} could not be removed", group.name));
                }
                *tries < RETRIES_MAX && !group.remove()
            });
            networks.retain_mut(|(used, tries)| {
                *tries += 1;
                *tries < NETWORK_TRIES_MAX && !all.take_back(home, used)
            });
        }
        if stubborn.is_empty() {
            helper.leave_if_done();
        }
    }
}

/// Removes a group whose members have just been killed.
pub(super) fn remove_group(group: &Cgroup) {
    for _ in 0..RETRIES_MAX {
        if group.remove() {
            return;
        }
        std::thread::sleep(RETRY);
    }
    log(&format!("control group {} could not be removed", group.name));
}
