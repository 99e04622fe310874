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
use crate::cgroup::{Cgroup, Pair, Unfit};

/// A process that has ended may count as a member for a moment.
const RETRY: Duration = Duration::from_millis(2);
const RETRIES_MAX: u32 = 1_000;

/// How often it is looked whether a network is out of use; then it is let go of.
const NETWORK_TRIES_MAX: u32 = 100;

/// How often it is looked whether nobody is in groups any more; then they are removed.
const GROUP_TRIES_MAX: u32 = 100;

/// How often it is looked for roots that nobody has wanted for a while, once nothing is to be done.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);

/// What a sandbox has left.
pub(super) enum Remains {
    Mounts(OwnedFd),
    Group(Cgroup),
    /// Groups to be used again, once nobody is in them.
    Groups(Box<Pair>),
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

/// What is looked at again and again until it can be taken down; and how often it was.
#[derive(Default)]
struct Waiting {
    groups: Vec<(Cgroup, u32)>,
    networks: Vec<(Used, u32)>,
    pairs: Vec<(Pair, u32)>,
}

/// Runs the thread.
pub(super) fn run(helper: &Arc<Helper>, mailbox: &Receiver<Remains>) {
    let mut waiting = Waiting::default();
    let clock = &helper.reaper.clock;
    let mut look_at = clock.moment();
    loop {
        let wait = match (waiting.is_empty(), helper.shop.stages.is_empty()) {
            (false, _) => RETRY,
            (true, false) => EXPIRE_EVERY,
            (true, true) => Duration::from_secs(3_600),
        };
        match mailbox.recv_timeout(wait) {
            Ok(remains) => waiting.take_down(helper, remains),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // what waits is looked at by the clock, however many messages come
        let now = clock.moment();
        if now >= look_at {
            look_at = now.after(RETRY);
            waiting.look(helper);
            for again in helper.shop.stages.expire(now) {
                helper.shop.scratch.give_back(again);
            }
        }
        if waiting.groups.is_empty() && waiting.pairs.is_empty() {
            helper.leave_if_done();
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.networks.is_empty() && self.pairs.is_empty()
    }

    fn take_down(&mut self, helper: &Helper, remains: Remains) {
        let shop = &helper.shop;
        match remains {
            Remains::Mounts(mounts) => drop(mounts),
            Remains::Group(group) => self.remove(group),
            Remains::Groups(pair) => self.renew(helper, *pair, 0),
            Remains::Dir(dir) => match std::fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    log(&format!("could not remove {}: {error}", dir.display()));
                }
                _ => {}
            },
            Remains::Network(used) => {
                if !shop.networks.take_back(&shop.home, &used) {
                    self.networks.push((used, 0));
                }
            }
            Remains::Layer(again) => {
                if let Some(again) = shop.stages.put(again, helper.reaper.clock.moment()) {
                    shop.scratch.give_back(again);
                }
            }
            Remains::Unit => helper.one_less(),
            Remains::Look => {}
        }
    }

    fn look(&mut self, helper: &Helper) {
        let (home, networks) = (&helper.shop.home, &helper.shop.networks);
        self.groups.retain_mut(|(group, tries)| {
            *tries += 1;
            if *tries == RETRIES_MAX {
                log(&format!("control group {} could not be removed", group.name));
            }
            *tries < RETRIES_MAX && !group.remove()
        });
        self.networks.retain_mut(|(used, tries)| {
            *tries += 1;
            if *tries == NETWORK_TRIES_MAX {
                networks.let_go(used);
                return false;
            }
            !networks.take_back(home, used)
        });
        for (pair, tries) in std::mem::take(&mut self.pairs) {
            self.renew(helper, pair, tries + 1);
        }
    }

    fn remove(&mut self, group: Cgroup) {
        if !group.remove() {
            self.groups.push((group, 0));
        }
    }

    /// Keeps groups for the next, or removes them.
    fn renew(&mut self, helper: &Helper, pair: Pair, tries: u32) {
        match helper.shop.kits.renew(&pair) {
            Ok(()) => {}
            Err(Unfit::Yet) if tries < GROUP_TRIES_MAX => self.pairs.push((pair, tries)),
            Err(Unfit::Yet | Unfit::Never) => {
                self.remove(pair.inner.0);
                self.remove(pair.outer.0);
            }
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
