//! Takes a layer's archive apart.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{FallocateFlags, fallocate};
use tar::{Archive, Entry, EntryType};

use crate::ahead::Ahead;
use crate::digest::HashRead;
use crate::place::{self, Attributes, Place, invalid};

const BUFFER_BYTES: usize = 256 << 10;
/// Files of this length and more have their room set aside at once.
const ROOM_BYTES_MIN: u64 = 1 << 20;
/// Before the name of what a layer hides.
const WHITEOUT: &[u8] = b".wh.";
/// Before names that are the archiver's own.
const WHITEOUT_META: &[u8] = b".wh..wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";
/// Before the name of an extended attribute.
const XATTR: &str = "SCHILY.xattr.";
/// Sparse files of this kind come as something else, which is not what they are.
const SPARSE_1: &str = "GNU.sparse.";
/// Longest value of an extended attribute.
const XATTR_BYTES_MAX: usize = 64 << 10;

/// Most that is read between one entry's bytes and the next's: headers, long names and extended
/// attributes, which are in memory all at once.
const HEADERS_BYTES_MAX: u64 = 4 << 20;

/// Most that a layer may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

/// Reads an archive, whatever it is compressed with: its first bytes tell.
pub(crate) fn decompress(archive: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut archive = BufReader::with_capacity(BUFFER_BYTES, archive);
    let mut magic = Vec::with_capacity(4);
    (&mut archive).take(4).read_to_end(&mut magic)?;
    let known = magic.clone();
    let reader = io::Cursor::new(magic).chain(archive);
    Ok(match known[..] {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::with_buffer(reader)?),
        _ => Box::new(reader),
    })
}

/// What an archive was, uncompressed.
pub(crate) struct Unpacked {
    pub(crate) digest: String,
    pub(crate) bytes: u64,
}

/// Unpacks an archive into an empty directory.
/// What the archive must not hold is an error of the kind `InvalidData`.
pub(crate) fn unpack(
    archive: impl Read + Send + 'static,
    into: &Path,
    room: Room,
) -> io::Result<Unpacked> {
    let at_once = Rc::new(Cell::new(HEADERS_BYTES_MAX));
    // one thread inflates and hashes, this one makes the files
    let (ahead, digest) = Ahead::begin(move || Ok(HashRead::new(decompress(archive)?)))?;
    let bounded = Bounded { inner: ahead, left: room.bytes, at_once: at_once.clone() };
    let mut archive = Archive::new(bounded);
    let mut unpacker = Unpacker {
        place: Place::open(into)?,
        room,
        touched: Vec::new(),
        buffer: vec![0; BUFFER_BYTES],
        at_once: at_once.clone(),
    };
    for entry in archive.entries()? {
        unpacker.entry(&mut entry?)?;
    }
    // what comes after the last entry is only hashed
    at_once.set(u64::MAX);
    // children change their directory's time: set these last, the deepest first
    for (path, seconds) in std::mem::take(&mut unpacker.touched).into_iter().rev() {
        unpacker.place.touch(&path, seconds)?;
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink())?;
    Ok(Unpacked { digest: digest.wait()?, bytes: room.bytes - rest.left })
}

/// Reads so much and no more.
struct Bounded<R> {
    inner: R,
    left: u64,
    /// What may be read before it is said that memory is free again.
    at_once: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(too_large)?;
        let at_once = self.at_once.get().checked_sub(count as u64).ok_or_else(too_large)?;
        self.at_once.set(at_once);
        Ok(count)
    }
}

fn too_large() -> io::Error {
    io::Error::from(io::ErrorKind::FileTooLarge)
}

struct Unpacker {
    place: Place,
    /// What is left of it.
    room: Room,
    touched: Vec<(PathBuf, i64)>,
    buffer: Vec<u8>,
    /// See [`Bounded`].
    at_once: Rc<Cell<u64>>,
}

impl Unpacker {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        self.at_once.set(HEADERS_BYTES_MAX);
        self.room.entries = self.room.entries.checked_sub(1).ok_or_else(too_large)?;
        let path = entry.path()?.into_owned();
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        self.place_entry(entry, &path).map_err(named)?;
        self.pass_over(entry)
    }

    /// Reads what is left of an entry that was not written down.
    fn pass_over<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        // the holes of a sparse one have no end, and are not in the archive
        while entry.header().entry_type() != EntryType::GNUSparse {
            if entry.read(&mut self.buffer)? == 0 {
                break;
            }
            self.at_once.set(HEADERS_BYTES_MAX);
        }
        Ok(())
    }

    fn place_entry<R: Read>(&mut self, entry: &mut Entry<'_, R>, path: &Path) -> io::Result<()> {
        let attributes = attributes(entry)?;
        let Some((parent, name)) = Place::parts(path)? else {
            self.touched.push((PathBuf::new(), attributes.modified_seconds));
            return self.place.finish_root(attributes);
        };
        let dir = self.place.parent(&parent)?;
        if name.as_bytes() == WHITEOUT_OPAQUE {
            return self.place.make_opaque(&dir);
        }
        if name.as_bytes().starts_with(WHITEOUT_META) {
            return Ok(());
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            let hidden = std::ffi::OsStr::from_bytes(hidden).to_owned();
            if Place::parts(Path::new(&hidden))?.is_none() {
                return Err(invalid("hides nothing"));
            }
            return self.place.whiteout(&dir, &hidden);
        }
        let xattrs = xattrs(entry)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Directory => {
                self.place.directory(&dir, &name)?;
                self.touched.push((parent.join(&name), attributes.modified_seconds));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let file = File::from(self.place.file(&dir, &name, attributes)?);
                self.fill(entry, &file)?;
                place::finish_file(&file, attributes)?;
            }
            EntryType::Symlink => {
                let to = entry.link_name()?.ok_or_else(|| invalid("links to nothing"))?;
                self.place.symlink(&dir, &name, &to)?;
            }
            EntryType::Link => {
                // its owner and permissions are those of what it links to
                let to = entry.link_name()?.ok_or_else(|| invalid("links to nothing"))?;
                return self.place.hard_link(&dir, &name, &to);
            }
            EntryType::Fifo => self.place.fifo(&dir, &name)?,
            // containers have the devices that they are given, and no others
            EntryType::Char | EntryType::Block => return Ok(()),
            _ => return Ok(()),
        }
        if matches!(kind, EntryType::Directory | EntryType::Symlink | EntryType::Fifo) {
            self.place.finish(&dir, &name, attributes, kind == EntryType::Symlink)?;
        }
        let with = matches!(kind, EntryType::Regular | EntryType::Directory);
        for (attribute, value) in xattrs.iter().filter(|_| with) {
            self.place.attribute(&dir, &name, attribute, value)?;
        }
        Ok(())
    }

    fn fill<R: Read>(&mut self, entry: &mut Entry<'_, R>, mut file: &File) -> io::Result<()> {
        let size = entry.size();
        self.room.bytes = self.room.bytes.checked_sub(size).ok_or_else(too_large)?;
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        if size >= ROOM_BYTES_MIN && !sparse {
            // a hint: where the file system has no such thing, writing does it
            let room = fallocate(file, FallocateFlags::KEEP_SIZE, 0, size);
            if room == Err(rustix::io::Errno::NOSPC) {
                return Err(rustix::io::Errno::NOSPC.into());
            }
        }
        let mut left = size;
        loop {
            let count = entry.read(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            self.at_once.set(HEADERS_BYTES_MAX);
            left =
                left.checked_sub(count as u64).ok_or_else(|| invalid("is longer than it says"))?;
            let bytes = &self.buffer[..count];
            if sparse && bytes.iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(count as i64))?;
            } else {
                file.write_all(bytes)?;
            }
        }
        if left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if sparse { file.set_len(size) } else { Ok(()) }
    }
}

fn attributes<R: Read>(entry: &Entry<'_, R>) -> io::Result<Attributes> {
    let header = entry.header();
    let id = |id: u64| u32::try_from(id).map_err(|_| invalid("has an owner out of range"));
    Ok(Attributes {
        uid: id(header.uid()?)?,
        gid: id(header.gid()?)?,
        mode: header.mode()?,
        modified_seconds: header.mtime().map_or(0, |time| i64::try_from(time).unwrap_or(0)),
    })
}

fn xattrs<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let Some(extensions) = entry.pax_extensions()? else { return Ok(found) };
    for extension in extensions {
        let extension = extension?;
        let Ok(key) = extension.key() else { continue };
        if key.starts_with(SPARSE_1) {
            return Err(invalid("is sparse in a way that is not supported"));
        }
        if let Some(name) = key.strip_prefix(XATTR) {
            let value = extension.value_bytes();
            if value.len() <= XATTR_BYTES_MAX {
                found.push((name.to_owned(), value.to_vec()));
            }
        }
    }
    Ok(found)
}
