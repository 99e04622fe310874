//! Kernel parameters that containers may set: of their sandbox's network, and of what their
//! processes tell each other by.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::compose::Composed;
use super::rootfs;
use super::shell::Workshop;
use crate::proto::{Doing, Failure};

/// It is set in a container's own namespace, not in its sandbox's network.
pub(super) fn is_of_container(name: &str) -> bool {
    haar_substrate::is_between_processes(name) && is_plain_path(name)
}

/// A parameter of a network, and a file's name for it that leads nowhere else.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with("net.") && is_plain_path(name)
}

fn is_plain_path(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    name.split('.').all(|part| !part.is_empty() && part.chars().all(is_letter))
}

/// Its file.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

/// Sets those of the sandbox's network; answers those that the container's first process is to
/// set: files, and what is written there.
pub(super) fn set(
    shop: &Workshop,
    composed: &Composed,
    sysctls: &BTreeMap<String, String>,
) -> Result<Vec<(CString, CString)>, Failure> {
    let all = sysctls.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (own, others): (Vec<_>, Vec<_>) = all.partition(|(name, _)| is_of_container(name));
    if !others.is_empty() {
        composed.set_sysctls(shop, &others)?;
    }
    let written = own.into_iter().map(|(name, value)| {
        let text = |text: &str| rootfs::text(text).doing("name a kernel parameter");
        Ok((text(&path(name).to_string_lossy())?, text(value)?))
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_apart_by_whose_they_are() {
        for name in ["kernel.shmmax", "kernel.sem", "fs.mqueue.msg_max"] {
            assert!(is_of_container(name) && !is_plain(name), "{name}");
        }
        assert!(is_plain("net.core.somaxconn") && !is_of_container("net.core.somaxconn"));
        for name in ["kernel.core_pattern", "fs.mqueue.../kernel", "net.../x", "fs.file-max"] {
            assert!(!is_of_container(name) && !is_plain(name), "{name}");
        }
    }
}
