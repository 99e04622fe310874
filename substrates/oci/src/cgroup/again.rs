//! Groups that are used again. With version 1 a group is a directory in each of some seven
//! hierarchies: to make and remove those costs the kernel more than most of a short task. What
//! version 2 counts cannot be set back: there groups are made anew.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use haar_substrate::Limits;

use super::figures::{operations, read_number};
use super::{Cgroup, Cgroups};

/// Memory that may still be counted in an emptied group: what the kernel remembers of files, and
/// what each processor has set aside.
const LEFT_BYTES_MAX: u64 = 1 << 20;
const LEFT_BYTES_EACH_CPU_MAX: u64 = 64 * 4_096;

/// A sandbox's group, that of its first container within it, and the limits that they have.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) outer: (Cgroup, Limits),
    pub(crate) inner: (Cgroup, Limits),
    /// The last part of the inner one's name.
    pub(crate) name: String,
}

/// What became of groups that are to be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// Nobody can tell them from new ones but by their limits.
    Yes,
    /// Something still ends in them.
    Later,
    /// They are to be removed.
    Never,
}

impl Cgroups {
    /// Groups can be used again on this host.
    pub(crate) fn are_renewable(&self) -> bool {
        !self.unified && self.pids.is_some() && self.memory.is_some()
    }
}

impl Pair {
    /// Sets all back that is counted. Limits stand, and are for the next to compare.
    pub(crate) fn renew(&self) -> Renewed {
        self.try_renew().unwrap_or(Renewed::Never)
    }

    fn try_renew(&self) -> io::Result<Renewed> {
        let (outer, inner) = (&self.outer.0, &self.inner.0);
        let (Some(memory), Some(pids)) = (&outer.at.memory, &outer.at.pids) else {
            return Ok(Renewed::Never);
        };
        if outer.is_spoiled() || inner.is_spoiled() || inner.is_frozen() {
            return Ok(Renewed::Never);
        }
        if read_number(&pids.join("pids.current"))? > 0 {
            return Ok(Renewed::Later);
        }
        // others within are about to be removed
        if within(memory)? > 1 {
            return Ok(Renewed::Later);
        }
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        let most = LEFT_BYTES_MAX + LEFT_BYTES_EACH_CPU_MAX * cpus;
        if read_number(&memory.join("memory.usage_in_bytes"))? > most || outer.has_used_disks() {
            return Ok(Renewed::Never);
        }
        for group in [inner, outer] {
            group.count_anew()?;
        }
        // how often it came to its limit is seen from inside
        if let Some(memory) = &inner.at.memory {
            fs::write(memory.join("memory.failcnt"), "0")?;
        }
        Ok(Renewed::Yes)
    }
}

impl Cgroup {
    /// Sets limits where others stand.
    pub(crate) fn change(&self, before: &Limits, wanted: &Limits) -> io::Result<()> {
        match before {
            same if same == wanted => Ok(()),
            none if *none == Limits::default() => self.begin(wanted),
            _ => self.limit(wanted),
        }
    }

    /// Somebody wants it frozen, or one that it is in, though nobody may be in it.
    fn is_frozen(&self) -> bool {
        let Some(dir) = &self.at.freezer else { return false };
        !fs::read_to_string(dir.join("freezer.state")).is_ok_and(|state| state.trim() == "THAWED")
    }

    fn has_used_disks(&self) -> bool {
        let Some(dir) = &self.at.block else { return false };
        let (read, written) = operations(dir);
        read + written > 0
    }

    fn count_anew(&self) -> io::Result<()> {
        if let Some(dir) = &self.at.memory {
            fs::write(dir.join("memory.max_usage_in_bytes"), "0")?;
        }
        match &self.at.cpuacct {
            Some(dir) => fs::write(dir.join("cpuacct.usage"), "0"),
            None => Ok(()),
        }
    }
}

/// How many groups there are within.
fn within(dir: &Path) -> io::Result<u64> {
    Ok(fs::metadata(dir)?.nlink().saturating_sub(2))
}
