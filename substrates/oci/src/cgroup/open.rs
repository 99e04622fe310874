//! Version 2: a group's children have only the controllers that it opens to them, and a group
//! with processes of its own opens none, but for the root of all.

use std::fs;
use std::io;
use std::path::Path;

/// What sandboxes are limited and measured by.
const WANTED: [&str; 4] = ["memory", "cpu", "pids", "io"];
/// Where processes go that stand in the way. *Ours.*
pub(super) const BESIDE: &str = "haar-init";

/// Opens the controllers to a group's children; what stays closed is not limited.
pub(super) fn to_children(group: &Path) {
    let _ = open(group);
}

/// The same for the group at the top. In a container that is the container's and has its
/// processes: they go to a group beside.
pub(super) fn at_the_top(group: &Path) {
    let busy = |error: io::Error| error.raw_os_error() == Some(libc::EBUSY);
    if open(group).is_err_and(busy) && step_aside(group).is_ok() {
        to_children(group);
    }
}

/// Opens those that the group has; all at once, as one alone may be let through where processes are
/// in the way of all, which spoils the group. Where the host refuses one for another reason, the
/// others are opened.
fn open(group: &Path) -> io::Result<()> {
    let there = fs::read_to_string(group.join("cgroup.controllers"))?;
    let there: Vec<_> = there.split_whitespace().collect();
    let wanted = WANTED.iter().filter(|name| there.contains(name));
    let words: Vec<_> = wanted.map(|name| format!("+{name}")).collect();
    let open = |words: &str| fs::write(group.join("cgroup.subtree_control"), words);
    match open(&words.join(" ")) {
        Err(error) if error.raw_os_error() != Some(libc::EBUSY) => {
            for word in &words {
                let _ = open(word); // what the host refuses is not limited
            }
            Err(error)
        }
        result => result,
    }
}

/// Moves the processes of a group to one beside what haar makes. One that is gone meanwhile, and
/// one of the kernel's, is left.
fn step_aside(group: &Path) -> io::Result<()> {
    let beside = group.join(BESIDE);
    super::make_dir(&beside)?;
    let to = beside.join("cgroup.procs");
    // who forks meanwhile leaves another behind
    for _ in 0..10 {
        let members = fs::read_to_string(group.join("cgroup.procs"))?;
        if members.is_empty() {
            break;
        }
        for pid in members.lines() {
            let _ = fs::write(&to, pid);
        }
    }
    Ok(())
}
