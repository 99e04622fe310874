//! Control groups: version 1, hybrid and version 2. Server and helper both use this; the helper
//! makes and removes them, the server reads figures and freezes.

mod again;
mod alarm;
mod devices;
mod figures;
mod lease;
mod limits;
mod open;

pub(crate) use again::{Pair, Unfit};
pub(crate) use alarm::Alarm;
pub(crate) use devices::{Node, are_ruled_by_programs};
pub(crate) use figures::Gauge;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lease::Lease;

/// Which controllers this host has, and the parent group of one server's sandboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cgroups {
    /// Version 2 carries the limits.
    pub(crate) unified: bool,
    pub(crate) memory: Option<PathBuf>,
    pub(crate) cpu: Option<PathBuf>,
    pub(crate) cpuacct: Option<PathBuf>,
    pub(crate) pids: Option<PathBuf>,
    pub(crate) freezer: Option<PathBuf>,
    pub(crate) devices: Option<PathBuf>,
    pub(crate) block: Option<PathBuf>,
}

impl Cgroups {
    /// Reads the host's mounts; all paths are below `haar-INSTANCE`.
    pub(crate) fn detect(instance: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut found = Self::from_mountinfo(&mounts, &format!("haar-{instance}"));
        // as in a container that is shown the host's, and must not write to them
        for slot in found.slots_mut() {
            slot.take_if(|at| !at.parent().is_some_and(is_writable));
        }
        found
    }

    /// Whose groups are there, those of other servers too.
    pub(crate) fn instances() -> Vec<String> {
        let any = Self::detect("");
        let tops = any.parents().into_iter().filter_map(|parent| parent.parent());
        let mut found: Vec<_> = tops
            .filter_map(|top| fs::read_dir(top).ok())
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name != open::BESIDE)
            .filter_map(|name| Some(name.strip_prefix("haar-")?.to_owned()))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    fn from_mountinfo(mountinfo: &str, group: &str) -> Self {
        let mut found = Self {
            unified: false,
            memory: None,
            cpu: None,
            cpuacct: None,
            pids: None,
            freezer: None,
            devices: None,
            block: None,
        };
        let mut second: Option<PathBuf> = None;
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(at) = left.split(' ').nth(4) else { continue };
            let mut right = right.split(' ');
            let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
            match kind {
                Some("cgroup2") => second = Some(Path::new(at).join(group)),
                Some("cgroup") => found.note(Path::new(at), options, group),
                _ => {}
            }
        }
        let first = found.memory.is_some() || found.pids.is_some() || found.cpu.is_some();
        match second {
            Some(at) if !first => Self::second(&at),
            _ => found,
        }
    }

    fn note(&mut self, at: &Path, options: &str, group: &str) {
        for option in options.split(',') {
            let slot = match option {
                "memory" => &mut self.memory,
                "cpu" => &mut self.cpu,
                "cpuacct" => &mut self.cpuacct,
                "pids" => &mut self.pids,
                "freezer" => &mut self.freezer,
                "devices" => &mut self.devices,
                "blkio" => &mut self.block,
                _ => continue,
            };
            *slot = Some(at.join(group));
        }
    }

    fn second(at: &Path) -> Self {
        let top = at.parent().unwrap_or(at);
        let controllers = fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default();
        let has = |name| controllers.split_whitespace().any(|each| each == name);
        let slot = |present: bool| present.then(|| at.to_owned());
        Self {
            unified: true,
            memory: slot(has("memory")),
            cpu: slot(has("cpu")),
            cpuacct: slot(true),
            pids: slot(has("pids")),
            freezer: slot(true),
            devices: None,
            block: slot(has("io")),
        }
    }

    fn slots_mut(&mut self) -> [&mut Option<PathBuf>; 7] {
        let Self { memory, cpu, cpuacct, pids, freezer, devices, block, .. } = self;
        [memory, cpu, cpuacct, pids, freezer, devices, block]
    }

    fn slots(&self) -> [&Option<PathBuf>; 7] {
        let Self { memory, cpu, cpuacct, pids, freezer, devices, block, .. } = self;
        [memory, cpu, cpuacct, pids, freezer, devices, block]
    }

    /// Every parent directory once.
    pub(crate) fn parents(&self) -> Vec<&PathBuf> {
        let mut parents: Vec<_> = self.slots().into_iter().flatten().collect();
        parents.sort();
        parents.dedup();
        parents
    }

    /// Makes the parent groups and opens the controllers to their children.
    pub(crate) fn set_up(&self) -> io::Result<()> {
        for parent in self.parents() {
            make_dir(parent)?;
            if self.unified {
                open::at_the_top(parent.parent().unwrap_or(parent));
                open::to_children(parent);
            }
        }
        self.limit_all();
        if let Some(devices) = self.devices.as_ref().filter(|devices| allows_all(devices)) {
            devices::set_rules(devices, &[])?;
        }
        self.stand_beside_processes();
        Ok(())
    }

    /// Version 1 weighs a group as it weighs each process at the top: with one process's weight,
    /// all sandboxes together would get a tenth of a machine that builds something with ten.
    fn stand_beside_processes(&self) {
        let Some(cpu) = self.cpu.as_ref().filter(|_| !self.unified) else { return };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let shares = (processors * 1_024).to_string();
        let _ = fs::write(cpu.join("cpu.shares"), shares); // slower on a busy machine without
    }

    /// Sees to it that members use the usual devices only; false where this host cannot.
    pub(crate) fn rule_devices(&self) -> bool {
        let parent = self.parents().into_iter().next().filter(|_| self.unified);
        self.devices.is_some() || parent.is_some_and(|parent| devices::attach(parent, &[]).is_ok())
    }

    /// One sandbox's group; nothing is touched.
    pub(crate) fn named(&self, name: &str) -> Cgroup {
        let child = |slot: &Option<PathBuf>| slot.as_ref().map(|parent| parent.join(name));
        Cgroup {
            name: name.to_owned(),
            at: Self {
                unified: self.unified,
                memory: child(&self.memory),
                cpu: child(&self.cpu),
                cpuacct: child(&self.cpuacct),
                pids: child(&self.pids),
                freezer: child(&self.freezer),
                devices: child(&self.devices),
                block: child(&self.block),
            },
            lease: Lease::default(),
        }
    }

    /// The hierarchies as containers find them below `/sys/fs/cgroup`: by name, which is also how
    /// they are mounted. With version 2 there is one, without a name.
    pub(crate) fn view(&self) -> Vec<String> {
        if self.unified {
            return vec![String::new()];
        }
        let name = |at: &&PathBuf| Some(at.parent()?.file_name()?.to_str()?.to_owned());
        self.parents().iter().filter_map(name).collect()
    }

    /// Makes one sandbox's group.
    pub(crate) fn create(&self, name: &str) -> io::Result<Cgroup> {
        let group = self.named(name);
        for dir in group.at.parents() {
            make_dir(dir)?;
        }
        Ok(group)
    }

    /// Names of the groups that are there.
    pub(crate) fn children(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .parents()
            .iter()
            .filter_map(|parent| fs::read_dir(parent).ok())
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Makes a group within another, for one container.
    pub(crate) fn create_in(&self, outer: &Cgroup, name: &str) -> io::Result<Cgroup> {
        if self.unified {
            for dir in outer.at.parents() {
                open::to_children(dir);
            }
        }
        self.create(&format!("{}/{name}", outer.name))
    }

    /// Removes the parent groups.
    pub(crate) fn tear_down(&self) {
        self.remove_open_devices();
        for parent in self.parents() {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// The group has no device rules yet; it cannot be given any once it has children.
fn allows_all(devices: &Path) -> bool {
    let rules = fs::read_to_string(devices.join("devices.list")).unwrap_or_default();
    rules.lines().any(|rule| rule.starts_with("a "))
}

fn is_writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// One sandbox's group in every hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct Cgroup {
    pub(crate) name: String,
    at: Cgroups,
    /// Shared by all who know it by this use.
    lease: Lease,
}

impl Cgroup {
    /// What a new process needs to become a member: version 1's `tasks` files to write `0` into,
    /// or version 2's directory for clone.
    pub(crate) fn entries(&self) -> io::Result<Entries> {
        let dirs = self.at.parents();
        if self.at.unified {
            let dir = dirs.first().map(fs::File::open).transpose()?;
            return Ok(Entries { tasks: Vec::new(), directory: dir.map(OwnedFd::from) });
        }
        let mut tasks = Vec::new();
        for dir in dirs {
            let file = fs::OpenOptions::new().write(true).open(dir.join("tasks"))?;
            tasks.push(file.into());
        }
        Ok(Entries { tasks, directory: None })
    }

    /// As [`Self::entries`], all by files: for a process that others make.
    pub(crate) fn entries_by_file(&self) -> io::Result<Entries> {
        if !self.at.unified {
            return self.entries();
        }
        let open = |dir: &&PathBuf| {
            let file = fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
            file.map(OwnedFd::from)
        };
        let tasks: io::Result<_> = self.at.parents().iter().map(open).collect();
        Ok(Entries { tasks: tasks?, directory: None })
    }

    /// It is not to be used again.
    pub(crate) fn spoil(&self) {
        self.lease.spoil();
    }

    /// Processes in it.
    pub(crate) fn members(&self) -> Vec<i32> {
        let mut members: Vec<_> = self
            .at
            .parents()
            .iter()
            .filter_map(|dir| fs::read_to_string(dir.join("cgroup.procs")).ok())
            .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>())
            .collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// The groups within it, then itself.
    pub(crate) fn with_children(&self) -> Vec<Self> {
        let mut names: Vec<_> = self
            .at
            .parents()
            .iter()
            .filter_map(|dir| fs::read_dir(dir).ok())
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names.dedup();
        let child = |slot: &Option<PathBuf>, name: &str| slot.as_ref().map(|dir| dir.join(name));
        let mut all: Vec<_> = names
            .iter()
            .map(|name| Self {
                name: format!("{}/{name}", self.name),
                at: Cgroups {
                    unified: self.at.unified,
                    memory: child(&self.at.memory, name),
                    cpu: child(&self.at.cpu, name),
                    cpuacct: child(&self.at.cpuacct, name),
                    pids: child(&self.at.pids, name),
                    freezer: child(&self.at.freezer, name),
                    devices: child(&self.at.devices, name),
                    block: child(&self.at.block, name),
                },
                lease: Lease::default(),
            })
            .collect();
        all.push(self.clone());
        all
    }

    /// Removes it; false when a process is still in it.
    pub(crate) fn remove(&self) -> bool {
        let gone = |dir: &&PathBuf| match fs::remove_dir(dir) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        self.at.parents().iter().filter(|dir| !gone(dir)).count() == 0
    }
}

/// See [`Cgroup::entries`].
pub(crate) struct Entries {
    /// Files that take `0` for whoever writes.
    pub(crate) tasks: Vec<OwnedFd>,
    pub(crate) directory: Option<OwnedFd>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_host_uses_version_1_for_what_is_mounted_there() {
        let mounts = "\
            29 20 0:25 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            30 20 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = Cgroups::from_mountinfo(mounts, "haar-x");
        assert!(!found.unified);
        assert_eq!(found.memory, Some("/sys/fs/cgroup/memory/haar-x".into()));
        assert_eq!(found.cpu, found.cpuacct);
        assert_eq!(found.parents().len(), 2);
        assert_eq!(found.pids, None);
    }

    #[test]
    fn a_host_with_version_2_alone_uses_that() {
        let mounts = "31 20 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let found = Cgroups::from_mountinfo(mounts, "haar-x");
        assert!(found.unified);
        assert_eq!(found.freezer, Some("/sys/fs/cgroup/haar-x".into()));
    }
}
