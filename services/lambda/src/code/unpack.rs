//! Unpacks one archive that is not trusted.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::CodeError;

/// Most bytes that a function's code may unpack to. AWS docs: *Lambda quotas*.
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;

/// Most entries in one archive. *Ours*: AWS documents no such limit.
const ENTRIES_MAX: usize = 200_000;

/// Most directories that an archive may make, and how deep. *Ours*, too.
const DIRECTORIES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 256;

/// Longest target of a symbolic link.
const LINK_BYTES_MAX: u64 = 4096;

/// Unpacks into an empty directory and answers the bytes written.
pub(super) fn unpack<R: Read + Seek>(archive: R, into: &Path) -> Result<u64, CodeError> {
    let archive = ZipArchive::new(archive).map_err(broken)?;
    if archive.is_empty() {
        return Err(CodeError::Empty);
    }
    if archive.len() > ENTRIES_MAX {
        return Err(broken(format!("more than {ENTRIES_MAX} entries")));
    }
    if archive.decompressed_size().is_some_and(|size| size >= u128::from(UNZIPPED_BYTES_MAX)) {
        return Err(CodeError::TooLarge);
    }
    unpack_within(archive, into, Room { bytes: UNZIPPED_BYTES_MAX, directories: DIRECTORIES_MAX })
}

fn unpack_within<R: Read + Seek>(
    mut archive: ZipArchive<R>,
    into: &Path,
    mut room: Room,
) -> Result<u64, CodeError> {
    let before = room.bytes;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(broken)?;
        let written = unpack_entry(entry, into, &mut room)?;
        room.bytes = room.bytes.checked_sub(written).ok_or(CodeError::TooLarge)?;
    }
    Ok(before - room.bytes)
}

/// What an archive may still take. Paths make directories that are no entries of their own.
struct Room {
    bytes: u64,
    directories: usize,
}

fn unpack_entry<R: Read>(
    mut entry: ZipFile<'_, R>,
    into: &Path,
    room: &mut Room,
) -> Result<u64, CodeError> {
    let relative = inner_path(&entry)?;
    if relative.as_os_str().is_empty() {
        return Ok(0);
    }
    let path = into.join(&relative);
    if entry.is_dir() {
        make_directories(into, &relative, room)?;
        return Ok(0);
    }
    make_directories(into, relative.parent().unwrap_or(Path::new("")), room)?;
    remove_existing(&path)?;
    if entry.is_symlink() {
        return unpack_link(&mut entry, &path);
    }
    let mode = readable(entry.unix_mode().unwrap_or(0o644));
    let mut file = create(&path).map_err(refused)?;
    let written = io::copy(&mut (&mut entry).take(room.bytes), &mut file).map_err(broken)?;
    if written >= room.bytes {
        return Err(CodeError::TooLarge);
    }
    file.set_permissions(Permissions::from_mode(mode)).map_err(CodeError::Disk)?;
    Ok(written)
}

/// The entry's path, refused when it is absolute or climbs.
fn inner_path<R: Read>(entry: &ZipFile<'_, R>) -> Result<PathBuf, CodeError> {
    let name = entry.name().map_err(broken)?.replace('\\', "/");
    let mut path = PathBuf::new();
    for component in Path::new(&name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(broken(format!("entry {name:?} reaches outside"))),
        }
    }
    if name.contains('\0') {
        return Err(broken("an entry's name holds a zero"));
    }
    if path.components().count() > DEPTH_MAX {
        return Err(broken(format!("an entry lies more than {DEPTH_MAX} directories deep")));
    }
    Ok(path)
}

/// Makes each directory down to `relative`; a link on the way is refused.
fn make_directories(into: &Path, relative: &Path, room: &mut Room) -> Result<(), CodeError> {
    let mut path = into.to_owned();
    for part in relative.components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => return Err(broken(format!("{} is no directory", relative.display()))),
            Err(_) => fs::create_dir(&path).map_err(refused)?,
        }
        room.directories = room.directories.checked_sub(1).ok_or_else(too_many)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(CodeError::Disk)?;
    }
    Ok(())
}

fn remove_existing(path: &Path) -> Result<(), CodeError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(broken("an entry is a file and a directory")),
        Ok(_) => fs::remove_file(path).map_err(CodeError::Disk),
        Err(_) => Ok(()),
    }
}

/// Keeps a link as it is, wherever it leads: a sandbox follows it among what the sandbox sees,
/// and haar never does.
fn unpack_link<R: Read>(entry: &mut ZipFile<'_, R>, path: &Path) -> Result<u64, CodeError> {
    let mut target = String::new();
    entry.take(LINK_BYTES_MAX).read_to_string(&mut target).map_err(broken)?;
    if target.is_empty() || target.contains('\0') {
        return Err(broken("a link leads nowhere"));
    }
    symlink(&target, path).map_err(refused)?;
    Ok(target.len() as u64)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Lambda lets every user read the code; who may execute, all may. Never setuid.
fn readable(mode: u32) -> u32 {
    if mode & 0o111 == 0 { 0o644 } else { 0o755 }
}

fn too_many() -> CodeError {
    broken("too many directories")
}

/// A name that no disk takes is the archive's fault, all else the disk's.
fn refused(error: io::Error) -> CodeError {
    match error.kind() {
        io::ErrorKind::InvalidFilename => broken(error),
        _ => CodeError::Disk(error),
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CodeError {
    CodeError::Broken(error.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    fn archive(names: &[&str]) -> ZipArchive<Cursor<Vec<u8>>> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(b"some text").unwrap();
        }
        writer.finish_into_readable().unwrap()
    }

    #[test]
    fn directories_count_though_they_are_no_entries() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a/b/c", "a/b/d", "a/e/f"];
        let enough = Room { bytes: 100, directories: 3 };
        assert_eq!(unpack_within(archive(&names), dir.path(), enough).unwrap(), 27);
        let dir = tempfile::tempdir().unwrap();
        let few = Room { bytes: 100, directories: 2 };
        let refused = unpack_within(archive(&names), dir.path(), few);
        assert!(matches!(refused, Err(CodeError::Broken(_))), "{refused:?}");
    }
}
