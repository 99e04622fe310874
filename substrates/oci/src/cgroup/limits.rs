//! What members of a group may use, and that they stand still.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use haar_substrate::Limits;

use super::lease::Term;
use super::{Cgroup, Cgroups};

/// Quotas are handed out this often: short, so that a small share does not stall for long.
const CPU_PERIOD_MICROS: u64 = 20_000;
/// The kernel refuses less.
const CPU_QUOTA_MICROS_MIN: u64 = 1_000;
/// Weight of what only waits for work, against 1,024 for what works.
const WAITING_SHARES: u64 = 64;

/// Of the processes that the host can have, one in so many is for one group, and as many in so many
/// for all of an instance: the host goes on when they have theirs.
const ONES_SHARE: u64 = 4;
const ALLS_SHARE: (u64, u64) = (3, 4);

/// The processes that the host can have, threads among them.
fn host_processes() -> u64 {
    static MOST: OnceLock<u64> = OnceLock::new();
    *MOST.get_or_init(|| {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        let limits = ["pid_max", "threads-max"].map(|name| read(name)?.trim().parse().ok());
        limits.into_iter().flatten().min().unwrap_or(32_768)
    })
}

impl Cgroups {
    /// Leaves the host processes of its own, whatever members of all groups do.
    pub(super) fn limit_all(&self) {
        let (some, of) = ALLS_SHARE;
        if let Some(parent) = &self.pids {
            // a version 2 without the controller has no such file
            let most = host_processes() / of * some;
            let _ = write_if_there(&parent.join("pids.max"), &most.to_string());
        }
    }
}

impl Cgroup {
    /// Writes limits. Absent ones are lifted.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        self.write_limits(None, limits)
    }

    /// Sets limits where others stand.
    pub(crate) fn change(&self, before: &Limits, wanted: &Limits) -> io::Result<()> {
        self.write_limits(Some(before), wanted)
    }

    /// Writes those that differ. What was half written is nobody's to rely on.
    fn write_limits(&self, before: Option<&Limits>, wanted: &Limits) -> io::Result<()> {
        let mut term = self.lease.hold()?;
        let differs = |same: &dyn Fn(&Limits) -> bool| before.is_none_or(|before| !same(before));
        let write = || {
            if differs(&|before| before.memory == wanted.memory) {
                self.limit_memory(wanted.memory.map(haar_types::MemoryMib::bytes))?;
            }
            if differs(&|before| before.memory_soft == wanted.memory_soft) {
                self.limit_softly(wanted.memory_soft.map(haar_types::MemoryMib::bytes))?;
            }
            let cpu = |limits: &Limits| (limits.cpu, limits.cpu_shares);
            if differs(&|before| cpu(before) == cpu(wanted)) {
                self.limit_cpu(wanted.cpu.map(|units| units.0), wanted.cpu_shares)?;
            }
            match differs(&|before| before.pids == wanted.pids) {
                true => self.limit_pids(wanted.pids),
                false => Ok(()),
            }
        };
        write().inspect_err(|_| *term = Term::Spoiled)
    }

    fn limit_pids(&self, most: Option<u32>) -> io::Result<()> {
        let Some(dir) = &self.at.pids else { return Ok(()) };
        let share = host_processes() / ONES_SHARE;
        let most = most.map_or("max".to_owned(), |most| u64::from(most).min(share).to_string());
        fs::write(dir.join("pids.max"), most)
    }

    fn limit_memory(&self, bytes: Option<u64>) -> io::Result<()> {
        let Some(dir) = &self.at.memory else { return Ok(()) };
        if self.at.unified {
            let most = bytes.map_or("max".to_owned(), |bytes| bytes.to_string());
            fs::write(dir.join("memory.max"), most)?;
            write_if_there(&dir.join("memory.swap.max"), "0")?;
            return write_if_there(&dir.join("memory.oom.group"), "0");
        }
        let most = bytes.map_or("-1".to_owned(), |bytes| bytes.to_string());
        let (memory, with_swap) =
            (dir.join("memory.limit_in_bytes"), dir.join("memory.memsw.limit_in_bytes"));
        // the limit with swap can never be below the one without: which goes first depends on
        // where they stand
        if with_swap.exists() && fs::write(&with_swap, &most).is_err() {
            fs::write(&memory, &most)?;
            return fs::write(&with_swap, &most);
        }
        fs::write(&memory, &most)
    }

    fn limit_softly(&self, bytes: Option<u64>) -> io::Result<()> {
        let Some(dir) = &self.at.memory else { return Ok(()) };
        let (file, none) = match self.at.unified {
            true => ("memory.low", "0"),
            false => ("memory.soft_limit_in_bytes", "-1"),
        };
        let least = bytes.map_or(none.to_owned(), |bytes| bytes.to_string());
        write_if_there(&dir.join(file), &least)
    }

    fn limit_cpu(&self, units: Option<u64>, shares: Option<u64>) -> io::Result<()> {
        let Some(dir) = &self.at.cpu else { return Ok(()) };
        let quota =
            units.map(|units| (units * CPU_PERIOD_MICROS / 1_024).max(CPU_QUOTA_MICROS_MIN));
        if self.at.unified {
            let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
            fs::write(dir.join("cpu.max"), format!("{quota} {CPU_PERIOD_MICROS}"))?;
            let weight = shares.or(units).unwrap_or(1_024) * 100 / 1_024;
            return fs::write(dir.join("cpu.weight"), weight.clamp(1, 10_000).to_string());
        }
        let shares = shares.or(units).unwrap_or(1_024).max(2);
        fs::write(dir.join("cpu.shares"), shares.to_string())?;
        let file = dir.join("cpu.cfs_quota_us");
        match quota {
            Some(quota) if file.exists() => {
                fs::write(dir.join("cpu.cfs_period_us"), CPU_PERIOD_MICROS.to_string())?;
                fs::write(file, quota.to_string())
            }
            Some(_) => Ok(()),
            None => write_if_there(&file, "-1"),
        }
    }

    /// Lifts the bound on the processor's time, for members that are to die: hundreds of them, with
    /// a seventh of a processor for all, would take minutes to get so far.
    pub(crate) fn hurry(&self) -> io::Result<()> {
        let mut term = self.lease.hold()?;
        *term = Term::Spoiled;
        let Some(dir) = &self.at.cpu else { return Ok(()) };
        match self.at.unified {
            true => fs::write(dir.join("cpu.max"), format!("max {CPU_PERIOD_MICROS}")),
            false => write_if_there(&dir.join("cpu.cfs_quota_us"), "-1"),
        }
    }

    /// Lets those that work go before this one, until [`Self::limit`].
    pub(crate) fn wait(&self) -> io::Result<()> {
        let Some(dir) = &self.at.cpu else { return Ok(()) };
        if self.at.unified {
            let weight = WAITING_SHARES * 100 / 1_024;
            return fs::write(dir.join("cpu.weight"), weight.to_string());
        }
        fs::write(dir.join("cpu.shares"), WAITING_SHARES.to_string())
    }

    /// Freezes or thaws; does not wait until the last process stands still.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        let _term = self.lease.hold()?;
        let Some(dir) = &self.at.freezer else {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        };
        if self.at.unified {
            return fs::write(dir.join("cgroup.freeze"), if frozen { "1" } else { "0" });
        }
        fs::write(dir.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" })
    }

    /// Somebody wants it frozen, or with version 1 one that it is in, though nobody may be in it.
    pub(crate) fn is_frozen(&self) -> bool {
        let Some(dir) = &self.at.freezer else { return false };
        let (file, thawed) = match self.at.unified {
            true => ("cgroup.freeze", "0"),
            false => ("freezer.state", "THAWED"),
        };
        // what is gone stands as little still as it goes on: whoever starts in it hears of that
        fs::read_to_string(dir.join(file)).is_ok_and(|state| state.trim() != thawed)
    }
}

fn write_if_there(file: &Path, text: &str) -> io::Result<()> {
    if file.exists() { fs::write(file, text) } else { Ok(()) }
}
