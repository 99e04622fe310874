//! Which helpers of this host live: each holds a locked file. What one that was killed has left,
//! and whose server never comes back, goes when the next helper of any server starts.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::bridge::remove_bridge;

const LIVES: &str = "/run/haar/helpers";

/// Says that the helper of this tag lives, for as long as the file is open. None where that
/// cannot be said here.
pub(super) fn claim(tag: &str) -> Option<File> {
    fs::create_dir_all(LIVES).ok()?;
    let file = File::create(Path::new(LIVES).join(tag)).ok()?;
    flock(&file, FlockOperation::LockExclusive).ok()?;
    Some(file)
}

/// Removes the bridges of helpers that live no more.
pub(super) fn sweep(own: &str) {
    for entry in fs::read_dir(LIVES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_tag = name.len() == 8 && name.bytes().all(|letter| letter.is_ascii_hexdigit());
        if name == own || !is_tag {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove_bridge(&name);
            // another helper may have done it already
            let _ = fs::remove_file(entry.path());
        }
    }
}
