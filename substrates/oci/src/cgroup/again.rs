//! Groups that are used again. With version 1 a group is a directory in each of some seven
//! hierarchies: to make and remove those costs the kernel more than most of a short task. What
//! version 2 counts cannot be set back: there groups are made anew.
//!
//! What a container sees of its own group must not tell of the one before. Some figures can be set
//! back; those of page faults, of the most processes at once and of what was throttled cannot: in
//! those hierarchies the container's directory is made anew.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use haar_substrate::Limits;

use super::figures::{operations, read_field, read_number};
use super::lease::{Lease, Term};
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

/// Why groups are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Something still ends in them.
    Yet,
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
    /// Sets all back that is counted. Limits stand, and are for the next to compare; whoever has
    /// known these groups so far does not find them any more.
    pub(crate) fn renew(&self) -> Result<Self, Unfit> {
        let Ok(mut outer) = self.outer.0.lease.hold() else { return Err(Unfit::Never) };
        let Ok(mut inner) = self.inner.0.lease.hold() else { return Err(Unfit::Never) };
        if *outer == Term::Spoiled || *inner == Term::Spoiled {
            return Err(Unfit::Never);
        }
        let remade = self.set_back().unwrap_or(Err(Unfit::Never))?;
        (*outer, *inner) = (Term::Over, Term::Over);
        let anew = |(group, limits): &(Cgroup, Limits)| {
            (Cgroup { lease: Lease::default(), ..group.clone() }, limits.clone())
        };
        let mut anew =
            Self { outer: anew(&self.outer), inner: anew(&self.inner), name: self.name.clone() };
        anew.inner.1 = standing(&self.inner, &remade);
        Ok(anew)
    }

    /// Answers the directories that were made anew.
    fn set_back(&self) -> io::Result<Result<Vec<PathBuf>, Unfit>> {
        let (outer, inner) = (&self.outer.0, &self.inner.0);
        let (Some(memory), Some(pids)) = (&outer.at.memory, &outer.at.pids) else {
            return Ok(Err(Unfit::Never));
        };
        if inner.is_frozen() {
            return Ok(Err(Unfit::Never)); // or the one that it is in
        }
        if read_number(&pids.join("pids.current"))? > 0 {
            return Ok(Err(Unfit::Yet));
        }
        // others within are about to be removed
        if within(memory)? > 1 {
            return Ok(Err(Unfit::Yet));
        }
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        let most = LEFT_BYTES_MAX + LEFT_BYTES_EACH_CPU_MAX * cpus;
        if read_number(&memory.join("memory.usage_in_bytes"))? > most || outer.has_used_disks() {
            return Ok(Err(Unfit::Never));
        }
        let mut remade = Vec::new();
        for dir in inner.at.not_to_be_set_back() {
            match fs::remove_dir(&dir) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    return Ok(Err(Unfit::Yet));
                }
                gone => gone?,
            }
            fs::create_dir(&dir)?;
            remade.push(dir);
        }
        for group in [inner, outer] {
            group.count_anew()?;
        }
        fs::write(memory.join("memory.max_usage_in_bytes"), "0")?;
        Ok(Ok(remade))
    }
}

/// The limits that a group still has after some of its directories were made anew.
fn standing((group, limits): &(Cgroup, Limits), remade: &[PathBuf]) -> Limits {
    let mut limits = limits.clone();
    let is_new = |dir: &Option<PathBuf>| dir.as_ref().is_some_and(|dir| remade.contains(dir));
    if is_new(&group.at.memory) {
        (limits.memory, limits.memory_soft) = (None, None);
    }
    if is_new(&group.at.cpu) {
        (limits.cpu, limits.cpu_shares) = (None, None);
    }
    if is_new(&group.at.pids) {
        limits.pids = None;
    }
    limits
}

impl Cgroups {
    /// A group's directories with figures that only go up; last the one that need not be there.
    fn not_to_be_set_back(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> = self.memory.iter().chain(&self.pids).cloned().collect();
        let counts = |dir: &Path| read_field(&dir.join("cpu.stat"), "nr_periods");
        all.extend(self.cpu.clone().filter(|dir| counts(dir).is_ok_and(|count| count > 0)));
        all.dedup();
        all
    }
}

impl Cgroup {
    fn has_used_disks(&self) -> bool {
        let Some(dir) = &self.at.block else { return false };
        let (read, written) = operations(dir);
        read + written > 0
    }

    fn count_anew(&self) -> io::Result<()> {
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
