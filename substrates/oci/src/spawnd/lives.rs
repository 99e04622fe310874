//! Which helpers of this host live: each holds a locked file, which says its process and its
//! instance. What one that was killed has left, and whose server never comes back, goes when the
//! next helper of any server starts.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::bridge::remove_bridge;
use super::interface_tag;
use super::leftovers;

const LIVES: &str = "/run/haar/helpers";
/// How often it is looked whether one that is ending has ended, and how long in between.
const TRIES: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(2);
/// The kernel's mark of a process that ends.
const PF_EXITING: u64 = 0x4;

/// Says that the helper of this instance lives, for as long as the file is open. None where that
/// cannot be said here.
pub(super) fn claim(instance: &str) -> Option<File> {
    claim_in(Path::new(LIVES), instance)
}

fn claim_in(lives: &Path, instance: &str) -> Option<File> {
    fs::create_dir_all(lives).ok()?;
    let path = lives.join(interface_tag(instance));
    loop {
        let mut file = File::options().create(true).truncate(false).write(true).open(&path).ok()?;
        flock(&file, FlockOperation::LockExclusive).ok()?;
        // whoever sweeps may have taken it away before it was locked
        if is_there(&file, &path) {
            file.set_len(0).ok()?;
            write!(file, "{} {instance}", std::process::id()).ok()?;
            return Some(file);
        }
    }
}

/// The path still leads to the file.
fn is_there(file: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| {
        file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
    })
}

/// Whether a helper of this instance lives; none where nobody has said so.
pub(super) fn is_alive(instance: &str) -> Option<bool> {
    let mut file = File::open(Path::new(LIVES).join(interface_tag(instance))).ok()?;
    Some(!is_free(&mut file))
}

/// The word of a helper of this instance that lives no more, locked: while it is held no helper of
/// that instance begins.
pub(super) fn hold_dead(instance: &str) -> Option<File> {
    let path = Path::new(LIVES).join(interface_tag(instance));
    let mut file = File::open(&path).ok()?;
    (is_free(&mut file) && is_there(&file, &path)).then_some(file)
}

/// Removes the bridges and control groups of helpers that live no more.
pub(super) fn sweep(own: &str) {
    sweep_in(Path::new(LIVES), own, |tag, instance| {
        remove_bridge(tag);
        if let Some(instance) = instance {
            leftovers::remove_groups(instance);
        }
    });
}

fn sweep_in(lives: &Path, own: &str, remove: impl Fn(&str, Option<&str>)) {
    for entry in fs::read_dir(lives).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_tag = name.len() == 8 && name.bytes().all(|letter| letter.is_ascii_hexdigit());
        if name == interface_tag(own) || !is_tag {
            continue;
        }
        let Ok(mut file) = File::open(entry.path()) else { continue };
        // another helper may have swept it, and its owner have come back since
        if is_free(&mut file) && is_there(&file, &entry.path()) {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let instance = text.split_once(' ').map(|(_, instance)| instance);
            remove(&name, instance.filter(|instance| interface_tag(instance) == name));
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Locks the file of a helper that lives no more. One that is about to end closes its server's
/// socket before its lock, and another helper may be sweeping: both are soon over.
fn is_free(file: &mut File) -> bool {
    let mut holder = String::new();
    for _ in 0..TRIES {
        if flock(&*file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return true;
        }
        if holder.is_empty() && file.read_to_string(&mut holder).is_err() {
            return false;
        }
        if lives(holder.split(' ').next().unwrap_or_default()) {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

/// There is such a process, and it is not ending.
fn lives(pid: &str) -> bool {
    if pid.is_empty() {
        return true; // it has not said who it is yet
    }
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // after the name, which may hold anything: state, five numbers, flags
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let state = fields.next().unwrap_or_default().to_owned();
    let flags = fields.nth(5).and_then(|flags| flags.parse::<u64>().ok()).unwrap_or_default();
    !matches!(state.as_str(), "Z" | "X") && flags & PF_EXITING == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // as tests do
mod tests {
    use std::cell::RefCell;

    use super::*;

    const OWN: &str = "own";
    const OTHER: &str = "other";

    fn swept(lives: &Path) -> Vec<String> {
        let removed = RefCell::new(Vec::new());
        sweep_in(lives, OWN, |tag, instance| {
            let instance = instance.unwrap_or_default();
            assert_eq!(tag, interface_tag(instance));
            removed.borrow_mut().push(instance.to_owned());
        });
        removed.into_inner()
    }

    #[test]
    fn those_that_live_are_left_alone_and_the_dead_are_swept_once() {
        let dir = tempfile::tempdir().unwrap();
        let _own = claim_in(dir.path(), OWN).unwrap();
        let other = claim_in(dir.path(), OTHER).unwrap();
        assert!(swept(dir.path()).is_empty());
        drop(other);
        assert_eq!(swept(dir.path()), [OTHER]);
        assert!(swept(dir.path()).is_empty());
    }

    #[test]
    fn one_that_is_ending_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let other = claim_in(dir.path(), OTHER).unwrap();
        // as if its process were no more, and the kernel had not come to this file yet
        fs::write(dir.path().join(interface_tag(OTHER)), "4194305 other").unwrap();
        let late = std::thread::spawn(move || {
            std::thread::sleep(20 * PAUSE);
            drop(other);
        });
        assert_eq!(swept(dir.path()), [OTHER]);
        late.join().unwrap();
    }

    #[test]
    fn a_file_that_was_swept_away_meanwhile_is_claimed_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(interface_tag(OTHER));
        let sweeper = File::create(&path).unwrap();
        flock(&sweeper, FlockOperation::LockExclusive).unwrap();
        let lives = dir.path().to_owned();
        let claim = std::thread::spawn(move || claim_in(&lives, OTHER).unwrap());
        std::thread::sleep(10 * PAUSE); // it waits for the lock by now, or comes later: both hold
        fs::remove_file(&path).unwrap();
        drop(sweeper);
        let _claim = claim.join().unwrap();
        assert!(path.exists());
        assert!(swept(dir.path()).is_empty());
    }
}
