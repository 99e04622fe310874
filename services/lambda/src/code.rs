//! Customers' code on disk: zip archives unpacked once, by their digest.
//!
//! **Invariant:** a directory under `code/` is whole: it is unpacked beside its place and
//! renamed into it. It is not flushed to the disk: after another boot of the machine all are
//! unpacked anew, out of the archives. **Invariant:** no entry of an archive lands outside of its
//! directory. Links are kept as they are, wherever they lead, and followed by sandboxes alone: who
//! reads in a directory from outside (`fleet::spec`) takes a link for what it is.

#![allow(clippy::disallowed_methods)] // writes the files that sandboxes mount

mod unpack;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use haar_clock::{Clock, Recent};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

pub use unpack::UNZIPPED_BYTES_MAX;

/// Ends the name of the file that tells how large a directory's files are.
const NOTE: &str = "size";

/// Where what nobody needs waits for its removal; no digest begins with a dot.
const TRASH: &str = ".trash";

/// Names the boot of the machine that the directories were last known to be whole in.
const BOOT: &str = ".boot";

/// The kernel's name of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The longest grace of a sweep.
const GRACE_MAX: Duration = Duration::from_secs(3600);

/// Tells names of this process apart.
static TURN: AtomicU64 = AtomicU64::new(0);

/// What a sweep has put aside.
#[derive(Debug)]
#[must_use = "what was put aside still takes its space"]
pub struct Trash(PathBuf);

impl Trash {
    /// Removes it. Blocking.
    pub fn empty(self) {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "could not remove old code");
            }
            _ => {}
        }
    }
}

/// Unpacked archives under one directory, shared by all functions and layers with the same code.
#[derive(Clone, Debug)]
pub struct CodeStore {
    root: PathBuf,
    clock: Clock,
    /// When directories were last unpacked, asked for or kept by a sweep.
    wanted: Arc<Mutex<Recent<PathBuf>>>,
}

/// An archive that has been unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackedCode {
    /// SHA-256 of the archive, base64, as `CodeSha256` shows it.
    pub sha256: String,
    /// Bytes of the archive.
    pub code_size: u64,
    /// Bytes of all files in it.
    pub unzipped_size: u64,
    /// Where the files are.
    pub path: PathBuf,
}

/// Why an archive was not unpacked; its text is AWS's.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// No archive, a broken one, or one with entries that reach outside.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More than [`UNZIPPED_BYTES_MAX`] when unpacked.
    #[error("Unzipped size must be smaller than {} bytes", UNZIPPED_BYTES_MAX)]
    TooLarge,
    /// An archive without entries.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,
    /// The disk did not take it.
    #[error("could not write code")]
    Disk(#[source] io::Error),
}

impl CodeStore {
    /// A store under `data_dir`; directories are made as needed.
    pub fn new(data_dir: &Path, clock: Clock) -> Self {
        let wanted = Arc::new(Mutex::new(Recent::new(GRACE_MAX)));
        Self { root: data_dir.join("code"), clock, wanted }
    }

    /// Unpacks an archive unless it already is. Blocking: seconds for a large one.
    ///
    /// # Errors
    /// When the archive is broken, hostile or too large, or the disk full.
    pub fn unpack(&self, archive: &[u8]) -> Result<UnpackedCode, CodeError> {
        let digest = Sha256::digest(archive);
        let sha256 = base64::engine::general_purpose::STANDARD.encode(digest);
        let path = self.directory(&sha256);
        let size_note = path.with_extension(NOTE);
        let is_there = self.want(&path);
        let known = fs::read_to_string(&size_note).ok().and_then(|text| text.parse().ok());
        let unzipped_size = match known.filter(|_| is_there) {
            Some(size) => size,
            None => self.unpack_anew(archive, &path, &size_note)?,
        };
        Ok(UnpackedCode { sha256, code_size: archive.len() as u64, unzipped_size, path })
    }

    /// Where the archive with this digest (base64) is or will be.
    pub fn directory(&self, sha256: &str) -> PathBuf {
        let name: String = sha256
            .chars()
            .map(|letter| match letter {
                '/' => '_',
                '+' => '-',
                other => other,
            })
            .filter(|letter| *letter != '=')
            .collect();
        self.root.join(name)
    }

    /// Keeps a directory from the next sweeps; true when it is there.
    fn want(&self, path: &Path) -> bool {
        let now = self.clock.moment();
        let mut wanted = self.wanted.lock();
        wanted.note(path.to_owned(), now);
        path.is_dir() // no sweep is between the two
    }

    /// Puts all directories aside but those in `keep`, and those that were unpacked, or kept by a
    /// sweep, less than `grace` ago; and what a crash left half unpacked. Quick: what is put aside
    /// is removed by [`Trash::empty`], whatever is unpacked meanwhile.
    ///
    /// # Errors
    /// When the store's directory cannot be read.
    pub fn sweep(&self, keep: &BTreeSet<PathBuf>, grace: Duration) -> io::Result<Trash> {
        let now = self.clock.moment();
        {
            let mut wanted = self.wanted.lock();
            wanted.forget(now);
            keep.iter().for_each(|path| wanted.note(path.clone(), now));
        }
        let trash = Trash(self.root.join(TRASH));
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(trash),
            entries => entries?,
        };
        fs::create_dir_all(&trash.0)?;
        for entry in entries {
            let path = entry?.path();
            let is_whole = path.extension().is_none_or(|extension| extension == NOTE);
            let is_ours = path == trash.0 || path.file_name().is_some_and(|name| name == BOOT);
            let directory = path.with_extension("");
            if is_ours || is_whole && keep.contains(&directory) {
                continue;
            }
            let wanted = self.wanted.lock(); // so that nobody asks for it meanwhile
            if wanted.is_within(&directory, grace, now) {
                continue;
            }
            let turn = TURN.fetch_add(1, Ordering::Relaxed);
            let aside = trash.0.join(format!("{}-{turn}", std::process::id()));
            if let Err(error) = fs::rename(&path, aside) {
                tracing::warn!(path = %path.display(), %error, "could not put old code aside");
            }
        }
        Ok(trash)
    }

    /// Whether directories may be torn: the machine went down since they were unpacked.
    pub fn is_from_another_boot(&self) -> bool {
        let now = fs::read_to_string(BOOT_ID).unwrap_or_default();
        fs::read_to_string(self.root.join(BOOT)).is_ok_and(|then| then != now)
    }

    /// Says that the directories are whole as of this boot.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn note_boot(&self) -> io::Result<()> {
        let now = fs::read_to_string(BOOT_ID).unwrap_or_default();
        fs::create_dir_all(&self.root)?;
        fs::write(self.root.join(BOOT), now)
    }

    fn unpack_anew(&self, archive: &[u8], path: &Path, note: &Path) -> Result<u64, CodeError> {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let partial = path.with_extension(format!("partial-{}-{turn}", std::process::id()));
        fs::create_dir_all(&partial).map_err(CodeError::Disk)?;
        let unpacked = unpack::unpack(Cursor::new(archive), &partial).and_then(|size| {
            fs::write(note, size.to_string()).map_err(CodeError::Disk)?;
            match fs::rename(&partial, path) {
                Err(_) if path.is_dir() => fs::remove_dir_all(&partial), // another was faster
                renamed => renamed,
            }
            .map_err(CodeError::Disk)?;
            Ok(size)
        });
        if unpacked.is_err() {
            let _ = fs::remove_dir_all(&partial); // the error that matters is the first
        }
        unpacked
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn zipped(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes, mode) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn store() -> (tempfile::TempDir, CodeStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = CodeStore::new(dir.path(), Clock::system());
        (dir, store)
    }

    #[test]
    fn an_archive_is_unpacked_once_with_its_modes() {
        let (_dir, store) = store();
        let archive = zipped(&[("bin/run", b"#!/bin/sh\n", 0o750), ("app.py", b"x = 1\n", 0o600)]);
        let code = store.unpack(&archive).unwrap();
        assert_eq!(code, store.unpack(&archive).unwrap());
        assert_eq!(code.unzipped_size, 16);
        let mode = |name: &str| code.path.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("bin/run") & 0o777, 0o755);
        assert_eq!(mode("app.py") & 0o777, 0o644);
        assert_eq!(fs::read(code.path.join("app.py")).unwrap(), b"x = 1\n");
    }

    #[test]
    fn what_is_no_archive_is_refused_in_awss_words() {
        let (_dir, store) = store();
        let error = store.unpack(b"PK nothing").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        );
        assert!(matches!(store.unpack(&zipped(&[])), Err(CodeError::Empty)));
    }

    #[test]
    fn entries_that_climb_out_are_refused_and_leave_nothing() {
        let (dir, store) = store();
        for name in ["../evil", "a/../../evil", "/etc/evil"] {
            let refused = store.unpack(&zipped(&[(name, b"x", 0o644)]));
            assert!(matches!(refused, Err(CodeError::Broken(_))), "{name}");
        }
        assert!(!dir.path().join("evil").exists());
        assert_eq!(fs::read_dir(dir.path().join("code")).unwrap().count(), 0);
    }

    #[test]
    fn links_are_kept_as_they_are_and_nothing_is_written_through_them() {
        let (_dir, store) = store();
        let linked = |name: &str, target: &str, then: Option<&str>| {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
            if let Some(then) = then {
                writer.start_file(then, SimpleFileOptions::default()).unwrap();
                writer.write_all(b"x").unwrap();
            }
            writer.finish().unwrap().into_inner()
        };
        let outside = tempfile::tempdir().unwrap();
        let elsewhere = outside.path().to_str().unwrap();
        for target in [".", "..", elsewhere] {
            let refused = store.unpack(&linked("link", target, Some("link/file")));
            assert!(matches!(refused, Err(CodeError::Broken(_))), "{target}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        for target in ["a.so.1", "../..", "/etc", "/tmp/cache", "/opt/../root", elsewhere] {
            let code = store.unpack(&linked("lib/link", target, None)).unwrap();
            assert_eq!(fs::read_link(code.path.join("lib/link")).unwrap(), Path::new(target));
        }
        assert!(matches!(store.unpack(&linked("link", "", None)), Err(CodeError::Broken(_))));
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_unpacks_to() {
        let (_dir, store) = store();
        let zeros = vec![0_u8; 100 << 20];
        let bomb = zipped(&[("a", &zeros, 0o644), ("b", &zeros, 0o644), ("c", &zeros, 0o644)]);
        let error = store.unpack(&bomb).unwrap_err();
        assert_eq!(error.to_string(), "Unzipped size must be smaller than 262144000 bytes");
    }

    #[test]
    fn another_boot_is_noticed() {
        let (dir, store) = store();
        assert!(!store.is_from_another_boot());
        store.note_boot().unwrap();
        assert!(!store.is_from_another_boot());
        fs::write(dir.path().join("code").join(BOOT), "before").unwrap();
        assert!(store.is_from_another_boot());
    }

    #[test]
    fn a_sweep_removes_what_is_not_kept() {
        let (_dir, store) = store();
        let minute = Duration::from_secs(60);
        let one = store.unpack(&zipped(&[("a", b"1", 0o644)])).unwrap();
        let other = store.unpack(&zipped(&[("a", b"2", 0o644)])).unwrap();
        let half = one.path.with_extension("partial-1-1");
        fs::create_dir(&half).unwrap();
        let keep = BTreeSet::from([one.path.clone()]);
        store.sweep(&keep, minute).unwrap().empty();
        assert!(other.path.is_dir() && half.is_dir(), "somebody may be about to hold it");
        let trash = store.sweep(&keep, Duration::ZERO).unwrap();
        assert!(one.path.is_dir() && !other.path.exists() && !half.exists());

        let again = store.unpack(&zipped(&[("a", b"2", 0o644)])).unwrap();
        trash.empty();
        assert!(again.path.join("a").is_file(), "unpacked while the old was removed");
        assert_eq!(fs::read_dir(&store.root).unwrap().count(), 4);
    }

    #[test]
    fn names_that_no_disk_takes_and_paths_without_end_are_refused() {
        let (_dir, store) = store();
        let long = "x".repeat(300);
        assert!(matches!(store.unpack(&zipped(&[(&long, b"", 0o644)])), Err(CodeError::Broken(_))));
        let deep = format!("{}f", "d/".repeat(300));
        assert!(matches!(store.unpack(&zipped(&[(&deep, b"", 0o644)])), Err(CodeError::Broken(_))));
        assert_eq!(fs::read_dir(&store.root).unwrap().count(), 0);
    }
}
