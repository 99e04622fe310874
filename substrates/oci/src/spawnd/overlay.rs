//! Layers laid over each other, by the kernel's overlay, as kernels of any age take it.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, unmount,
};

use super::root::detach_tree;

/// What lies over what.
pub(super) struct Overlay<'a> {
    /// The lowest first.
    pub(super) lower: &'a [&'a Path],
    /// The layer that is written to, and the directory that the kernel works in.
    pub(super) upper: Option<[&'a Path; 2]>,
    /// An empty directory to make a place in that mounts may pass through.
    pub(super) way: &'a Path,
}

impl Overlay<'_> {
    /// Lays them; the mount has no place yet.
    pub(super) fn lay(&self) -> io::Result<OwnedFd> {
        if takes_layers_singly() { self.lay_singly() } else { self.lay_at_once() }
    }

    fn lay_singly(&self) -> io::Result<OwnedFd> {
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&fs, "source", "layers")?;
        for layer in self.lower.iter().rev() {
            fsconfig_set_string(&fs, "lowerdir+", *layer)?;
        }
        if let Some([upper, work]) = self.upper {
            fsconfig_set_string(&fs, "upperdir", upper)?;
            fsconfig_set_string(&fs, "workdir", work)?;
            // it ends with its container: nothing needs to reach the disk in order, or at all
            fsconfig_set_flag(&fs, "volatile")?;
        }
        fsconfig_create(&fs)?;
        let flags = match self.upper {
            Some(_) => MountAttrFlags::MOUNT_ATTR_NODEV,
            None => {
                MountAttrFlags::MOUNT_ATTR_RDONLY
                    | MountAttrFlags::MOUNT_ATTR_NOSUID
                    | MountAttrFlags::MOUNT_ATTR_NODEV
            }
        };
        Ok(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
    }

    /// As kernels before 6.8 take it: all in one line of at most a page. Open directories name the
    /// layers in it, so that a hundred of them fit, whatever is in their paths.
    fn lay_at_once(&self) -> io::Result<OwnedFd> {
        let lower = self.lower.iter().rev().map(|layer| opened(layer));
        let lower = lower.collect::<io::Result<Vec<_>>>()?;
        let mut line =
            format!("lowerdir={}", lower.iter().map(named).collect::<Vec<_>>().join(":"));
        let mut flags = MountFlags::NODEV;
        let upper = match self.upper {
            Some([upper, work]) => Some([opened(upper)?, opened(work)?]),
            None => None,
        };
        match &upper {
            Some([upper, work]) => {
                line += &format!(",upperdir={},workdir={},volatile", named(upper), named(work));
            }
            None => flags |= MountFlags::RDONLY | MountFlags::NOSUID,
        }
        let place = Place::new(self.way)?;
        mount("layers", &place.0, "overlay", flags, CString::new(line)?.as_c_str())?;
        let tree = detach_tree(&place.0);
        unmount(&place.0, UnmountFlags::DETACH)?;
        tree
    }
}

/// Where a mount is on its way to nowhere; its own, so that many can be made at once.
struct Place(PathBuf);

impl Place {
    fn new(way: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let at = way.join(format!("way-{}", NUMBER.fetch_add(1, Relaxed)));
        fs::create_dir_all(&at)?;
        Ok(Self(at))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn opened(layer: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(open(layer, flags, Mode::empty())?)
}

fn named(layer: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", layer.as_raw_fd())
}

/// The kernel takes one layer after the other (Linux 6.8). Older ones either know no such option,
/// or (before 6.5) accept whatever they are told until the mount is made.
fn takes_layers_singly() -> bool {
    static TAKES: OnceLock<bool> = OnceLock::new();
    *TAKES.get_or_init(|| {
        let Ok(fs) = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) else { return false };
        fsconfig_set_flag(&fs, "no-such-option").is_err()
            && fsconfig_set_string(&fs, "lowerdir+", "/").is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::mount::{MoveMountFlags, move_mount};

    use super::*;
    use crate::sys;

    /// Lays forty layers and one to write to; answers what is seen, and what then lies in the
    /// layer written to. In a mount namespace of its own.
    fn laid(lay: fn(&Overlay<'_>) -> io::Result<OwnedFd>) -> (Vec<String>, Vec<u8>) {
        sys::unshare(libc::CLONE_NEWNS | libc::CLONE_FS).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let own = detach_tree(dir.path()).unwrap();
        sys::mount_setattr(own.as_fd(), 0, libc::MS_PRIVATE).unwrap();
        let to = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&own, c"", rustix::fs::CWD, dir.path(), to).unwrap();
        let layers: Vec<_> = (0..40).map(|n| dir.path().join(format!("layer:{n}, one"))).collect();
        for (number, layer) in layers.iter().enumerate() {
            fs::create_dir(layer).unwrap();
            fs::write(layer.join("top"), number.to_string()).unwrap();
            fs::write(layer.join(format!("own-{number}")), "").unwrap();
        }
        let [upper, work, way, at] =
            ["upper", "work", "way", "at"].map(|name| dir.path().join(name));
        for made in [&upper, &work, &way, &at] {
            fs::create_dir(made).unwrap();
        }
        let lower: Vec<_> = layers.iter().map(PathBuf::as_path).collect();
        let overlay = Overlay { lower: &lower, upper: Some([&upper, &work]), way: &way };
        let tree = lay(&overlay).unwrap();
        assert_eq!(fs::read_dir(&way).unwrap().count(), 0, "the way is empty again");
        move_mount(&tree, c"", rustix::fs::CWD, &at, to).unwrap();
        let mut seen: Vec<_> = fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        seen.sort();
        seen.push(fs::read_to_string(at.join("top")).unwrap());
        fs::write(at.join("new"), "written").unwrap();
        let kept = fs::read(upper.join("new")).unwrap();
        unmount(&at, UnmountFlags::DETACH).unwrap();
        unmount(dir.path(), UnmountFlags::DETACH).unwrap();
        (seen, kept)
    }

    #[test]
    fn layers_are_laid_alike_on_kernels_of_any_age() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (seen, kept) =
            std::thread::spawn(|| laid(|overlay| overlay.lay_at_once())).join().unwrap();
        assert_eq!((seen.len(), seen.last().unwrap().as_str()), (42, "39"));
        assert_eq!(kept, b"written");
        let (again, _) = std::thread::spawn(|| laid(|overlay| overlay.lay())).join().unwrap();
        assert_eq!(again, seen);
    }
}
