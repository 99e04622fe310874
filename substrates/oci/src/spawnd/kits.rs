//! What sandboxes of images need that can be made ahead, or used again: control groups for a
//! sandbox and its first container, and the container's devices.

use std::os::fd::OwnedFd;

use haar_substrate::Limits;
use parking_lot::Mutex;

use super::patience::Patience;
use super::{closer, log, rootfs};
use crate::cgroup::{Cgroup, Cgroups, Pair, Unfit};
use crate::proto::{Doing, Failure};

/// Prepared ones, once there was a sandbox that wanted one.
const READY_MAX: usize = 4;

/// Those that wait, the ones that were used before among them: as many as a busy host has in use at
/// once.
const WAITING_MAX: usize = 40;

/// Makes kits.
#[derive(Default)]
pub(super) struct Kits(Mutex<State>);

#[derive(Default)]
struct State {
    ready: Vec<Kit>,
    is_wanted: bool,
    /// With those that could not be prepared.
    patience: Patience,
    /// The helper is leaving: none are prepared any more.
    is_over: bool,
}

/// What one sandbox begins with.
pub(super) struct Kit {
    pub(super) group: Cgroup,
    /// The group's.
    pub(super) limits: Limits,
    /// For its first container.
    pub(super) first: Option<FirstKit>,
}

/// What a container begins with.
pub(super) struct FirstKit {
    /// The last part of its group's name.
    pub(super) name: String,
    pub(super) group: Cgroup,
    /// The group's.
    pub(super) limits: Limits,
    pub(super) devices: OwnedFd,
}

impl Kits {
    /// A prepared one, if there is, the best with these limits; else one of a sandbox alone.
    pub(super) fn take(
        &self,
        cgroups: &Cgroups,
        limits: &Limits,
        mint: impl FnOnce() -> String,
    ) -> Result<Kit, Failure> {
        let mut state = self.0.lock();
        state.is_wanted = true;
        let same = state.ready.iter().rposition(|kit| kit.limits == *limits);
        let ready = match same {
            Some(at) => Some(state.ready.swap_remove(at)),
            None => state.ready.pop(),
        };
        drop(state);
        match ready {
            Some(kit) => Ok(kit),
            None => {
                let group = cgroups.create(&mint()).doing("make the control groups")?;
                Ok(Kit { group, limits: Limits::default(), first: None })
            }
        }
    }

    /// There are fewer prepared ones than there could be.
    pub(super) fn lack(&self) -> bool {
        let mut state = self.0.lock();
        let lacks = state.is_wanted && !state.is_over && state.ready.len() < READY_MAX;
        state.patience.tries(lacks)
    }

    /// Prepares one.
    pub(super) fn prepare(&self, cgroups: &Cgroups, names: [String; 2]) {
        // held meanwhile, so that none is made behind the back of a helper that leaves
        let mut state = self.0.lock();
        if state.is_over {
            return;
        }
        match make(cgroups, names) {
            Ok(kit) => {
                state.patience.succeeded();
                state.ready.push(kit);
            }
            Err(error) => {
                log(&format!("could not prepare control groups: {error}"));
                state.patience.failed();
            }
        }
    }

    /// Makes a kit of groups that have served.
    pub(super) fn renew(&self, pair: &Pair) -> Result<(), Unfit> {
        let lacks = |state: &State| !state.is_over && state.ready.len() < WAITING_MAX;
        if !lacks(&self.0.lock()) {
            return Err(Unfit::Never);
        }
        let Pair { outer, inner, name } = pair.renew()?;
        let devices = rootfs::devices().map_err(|_| Unfit::Never)?;
        let mut state = self.0.lock();
        if !lacks(&state) {
            return Err(Unfit::Never);
        }
        let first = FirstKit { name, group: inner.0, limits: inner.1, devices };
        state.ready.push(Kit { group: outer.0, limits: outer.1, first: Some(first) });
        Ok(())
    }

    /// Removes all, for good.
    pub(super) fn tear_down(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        for kit in state.ready.drain(..) {
            kit.first.iter().for_each(|first| closer::remove_group(&first.group));
            closer::remove_group(&kit.group);
        }
    }
}

fn make(cgroups: &Cgroups, [outer, inner]: [String; 2]) -> std::io::Result<Kit> {
    let group = cgroups.create(&outer)?;
    let first = cgroups.create_in(&group, &inner).and_then(|within| {
        let devices = rootfs::devices().inspect_err(|_| closer::remove_group(&within))?;
        Ok(FirstKit { name: inner, group: within, limits: Limits::default(), devices })
    });
    match first {
        Ok(first) => Ok(Kit { group, limits: Limits::default(), first: Some(first) }),
        Err(error) => {
            group.remove();
            Err(error)
        }
    }
}
