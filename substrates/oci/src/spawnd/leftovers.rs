//! Control groups of helpers that live no more: who was killed with its server, and whose data
//! directory nobody starts a server on again, has nobody else to remove them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use haar_clock::Clock;
use haar_types::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

use super::{closer, lives, log};
use crate::cgroup::{Cgroup, Cgroups};

/// Groups of nobody known are left alone for so long: their helper may be about to say who it is.
const YOUNG: Duration = Duration::from_secs(60);

/// Instances that have control groups, though no helper of theirs lives. Where nobody has said
/// whether one does, its groups must be empty, and no process that we see be of its name.
pub(crate) fn find() -> Vec<String> {
    let mut seen = None;
    let is_left = |instance: &String| match lives::is_alive(instance) {
        Some(alive) => !alive,
        None => {
            let groups = Cgroups::detect(instance);
            let running = seen.get_or_insert_with(running);
            !running.contains(instance) && is_old(&groups) && is_empty(&groups)
        }
    };
    Cgroups::instances().into_iter().filter(is_left).collect()
}

/// Removes them, where it is known that their helper is gone; answers whose they were. One that
/// nobody has told of may be another container's, which shows us neither its processes nor its
/// word: such are named by [`find`] alone.
pub(crate) fn remove() -> Vec<String> {
    let mut removed = Cgroups::instances();
    removed.retain(|instance| {
        let Some(_held) = lives::hold_dead(instance) else { return false };
        remove_groups(instance);
        true
    });
    let there = Cgroups::instances();
    removed.retain(|instance| !there.contains(instance)); // what could not be removed
    removed
}

/// Ends and removes what a helper of this instance has left.
pub(super) fn remove_groups(instance: &str) {
    let groups = Cgroups::detect(instance);
    remove_killed(&kill(&groups));
    groups.tear_down();
}

/// Kills all that runs in an instance's groups, so that it ends side by side; answers with the
/// groups, those within others first.
pub(super) fn kill(groups: &Cgroups) -> Vec<Cgroup> {
    let children = groups.children();
    let all: Vec<_> = children.iter().flat_map(|name| groups.named(name).with_children()).collect();
    for group in &all {
        kill_members(group);
    }
    // what has its first processes killed forks no more; nor does it wait for the processor
    for group in &all {
        let _ = group.hurry();
    }
    all
}

fn kill_members(group: &Cgroup) {
    for pid in group.members().into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = group.freeze(false); // the frozen do not die
}

/// Removes groups whose members have been killed.
pub(super) fn remove_killed(groups: &[Cgroup]) {
    for group in groups {
        if !group.remove() {
            kill_members(group); // who was being made then
            closer::remove_group(group);
        }
    }
}

fn is_empty(groups: &Cgroups) -> bool {
    let mut all =
        groups.children().into_iter().flat_map(|name| groups.named(&name).with_children());
    all.all(|group| group.members().is_empty())
}

fn is_old(groups: &Cgroups) -> bool {
    let now = Clock::system().now();
    let is_old = |dir: &&std::path::PathBuf| {
        let changed = fs::metadata(dir).map(|found| found.ctime() * 1_000).unwrap_or(0);
        now > Timestamp(changed) + YOUNG
    };
    groups.parents().iter().all(is_old)
}

/// Instances of helpers that are among the processes.
fn running() -> BTreeSet<String> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|process| instance_of(&process.path())).collect()
}

fn instance_of(process: &Path) -> Option<String> {
    let line = fs::read_to_string(process.join("cmdline")).ok()?;
    let words: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
    match words.as_slice() {
        [_, "spawnd", _, instance] => Some((*instance).to_owned()),
        _ => None,
    }
}

/// A path as the list of mounts writes it: blanks and backslashes as octal numbers.
fn unescaped(path: &str) -> String {
    let plain = path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    plain.replace("\\134", "\\")
}

/// Removes a directory with all in it, of which some may be mounted here.
pub(super) fn remove_dir(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let real = dir.canonicalize();
    let real = real.as_deref().unwrap_or(dir);
    let inside: Vec<_> = points.filter(|point| Path::new(point).starts_with(real)).collect();
    for point in inside.iter().rev() {
        let _ = rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH);
    }
    if let Err(error) = std::fs::remove_dir_all(dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        log(&format!("could not remove {}: {error}", dir.display()));
    }
}
