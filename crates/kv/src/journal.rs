//! The file that the engine writes to now.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::Errno;

use crate::ahead::{Ahead, Blocks};

/// The engine's journals: files with ascending numbers, of which the one with the highest is
/// written to. They are removed in order, the lowest first.
pub(crate) struct Journal {
    place: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: Arc<File>,
    ahead: Ahead,
    /// Their directory, and the name in it of the journal that comes after this one.
    folder: File,
    next: String,
}

impl Journal {
    /// Of a database in the directory `place`.
    pub(crate) fn of(place: &Path) -> Self {
        Self { place: place.to_owned(), open: None }
    }

    /// The one that is written to, or was when this was called.
    pub(crate) fn newest(&mut self) -> io::Result<&File> {
        let open = match self.open.take() {
            Some(open) if open.is_newest()? => open,
            _ => self.find()?,
        };
        Ok(&self.open.insert(open).file)
    }

    /// What is to be laid down for what it is given next; for after a flush.
    pub(crate) fn due(&mut self) -> Option<Blocks> {
        let Open { file, ahead, .. } = self.open.as_mut()?;
        ahead.due(file)
    }

    fn find(&self) -> io::Result<Open> {
        let number = |path: &Path| -> Option<u64> {
            path.file_name()?.to_str()?.strip_suffix(".jnl")?.parse().ok()
        };
        let mut newest = None;
        for entry in fs::read_dir(&self.place)? {
            newest = newest.max(number(&entry?.path()));
        }
        let newest = newest.ok_or(io::ErrorKind::NotFound)?;
        let name = |number: u64| format!("{number}.jnl");
        let file = File::options().read(true).write(true).open(self.place.join(name(newest)))?;
        let (ahead, folder) = (Ahead::of(&file), File::open(&self.place)?);
        Ok(Open { file: Arc::new(file), ahead, folder, next: name(newest + 1) })
    }
}

impl Open {
    /// There is none after it, and there was none that is gone again: this would have gone first.
    /// In this order, since the next may come and go between two looks.
    fn is_newest(&self) -> io::Result<bool> {
        match statx(&self.folder, &self.next, AtFlags::empty(), StatxFlags::NLINK) {
            Err(Errno::NOENT) => Ok(self.is_there()?),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(false),
        }
    }

    /// True while it has a name. Nothing else is asked for: once somebody saw when a file was
    /// written last, the system notes that time anew at the next write, and the flush after it has
    /// to write the file's inode too.
    fn is_there(&self) -> io::Result<bool> {
        Ok(statx(&self.file, "", AtFlags::EMPTY_PATH, StatxFlags::NLINK)?.stx_nlink > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_found_also_after_others_came_and_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: u64| folder.path().join(format!("{number}.jnl"));
        let make = |number: u64| fs::write(path(number), number.to_string()).unwrap();
        let mut journal = Journal::of(folder.path());
        let mut newest = || {
            let file = journal.newest().unwrap().try_clone().unwrap();
            io::read_to_string(file).unwrap()
        };
        make(9);
        make(10);
        assert_eq!(newest(), "10");
        make(11);
        assert_eq!(newest(), "11");
        // one comes and goes unseen, and the one before it goes first
        make(12);
        make(13);
        for gone in [9, 10, 11, 12] {
            fs::remove_file(path(gone)).unwrap();
        }
        assert_eq!(newest(), "13");
    }
}
