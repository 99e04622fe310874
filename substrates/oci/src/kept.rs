//! Kept output, shared by the helper, which writes it, and the server, which reads it.
//!
//! It is in segments, each with a file: the first, which is all that most containers need, in the
//! helper's memory, the others on disk, in a directory of the container's, named by the position
//! of their first byte. Records follow each other: a header, then the bytes. A position is a place
//! in all records since the container's first run; segments go at the old end when there are too
//! many bytes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use haar_substrate::{LogChunk, Stdio};
use haar_types::Timestamp;

/// Length, stream, time.
const HEADER_BYTES: u64 = 16;
/// Segments that a bound is divided into.
const SEGMENTS: u64 = 8;
/// A segment is not shorter than this, whatever the bound.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Most bytes of one record.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 10;
/// The first segment, which is in memory, begins no record from here on.
const HEAD_BYTES: u64 = SEGMENT_BYTES_MIN;

/// Where a container's kept output is.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The first segment's file.
    pub(crate) head: PathBuf,
    /// The directory of all others, once there are some.
    pub(crate) rest: PathBuf,
}

impl Places {
    fn path(&self, start: u64) -> PathBuf {
        match start {
            0 => self.head.clone(),
            _ => self.rest.join(format!("{start:020}")),
        }
    }

    /// Where segments begin.
    fn segments(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        found.extend(self.head.exists().then_some(0));
        match fs::read_dir(&self.rest) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry?.file_name();
                    found.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// What is read at a position is likely in memory.
pub(crate) fn is_near(at: u64) -> bool {
    at < HEAD_BYTES
}

/// Appends to a container's kept output.
pub(crate) struct Writer {
    places: Places,
    bound: u64,
    segments: Vec<u64>,
    file: Option<File>,
    end: u64,
}

impl Writer {
    /// Opens, and goes on where a former run ended.
    pub(crate) fn open(places: Places, bound: u64) -> io::Result<Self> {
        if let Some(above) = places.head.parent() {
            fs::create_dir_all(above)?;
        }
        let segments = places.segments()?;
        let mut own = Self { places, bound, segments, file: None, end: 0 };
        if let Some(last) = own.segments.last().copied() {
            let file = File::options().append(true).open(own.places.path(last))?;
            own.end = last + file.metadata()?.len();
            own.file = Some(file);
        }
        Ok(own)
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Appends a record. When the disk is full it is lost, and readers see the gap.
    pub(crate) fn append(&mut self, stream: Stdio, at: Timestamp, bytes: &[u8]) -> io::Result<()> {
        let mut record = Vec::with_capacity(HEADER_BYTES as usize + bytes.len());
        record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        record.extend_from_slice(&[u8::from(stream == Stdio::Err), 0, 0, 0]);
        record.extend_from_slice(&at.0.to_le_bytes());
        record.extend_from_slice(bytes);
        let result = self.write(&record);
        if result.is_err() {
            // what was half written is cut off by beginning a new segment after it
            self.file = None;
        }
        self.end += record.len() as u64;
        result
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let segment_max = (self.bound / SEGMENTS).max(SEGMENT_BYTES_MIN);
        let most = |start| if start == 0 { HEAD_BYTES } else { segment_max };
        let full = self.segments.last().is_none_or(|start| self.end - start >= most(*start));
        if full || self.file.is_none() {
            if self.end > 0 {
                fs::create_dir_all(&self.places.rest)?;
            }
            let path = self.places.path(self.end);
            self.file = Some(File::options().append(true).create(true).open(path)?);
            self.segments.push(self.end);
            self.drop_old();
        }
        match &mut self.file {
            Some(file) => file.write_all(record),
            None => Ok(()),
        }
    }

    fn drop_old(&mut self) {
        let end = self.end;
        while self.segments.get(1).is_some_and(|second| end - second >= self.bound) {
            let oldest = self.segments.remove(0);
            let _ = fs::remove_file(self.places.path(oldest));
        }
    }
}

/// Reads the record at a position, the first after it that is still there, or none when it is
/// the end.
pub(crate) fn read(places: &Places, from: u64, end: u64) -> io::Result<Option<LogChunk>> {
    let mut at = from;
    if is_near(from)
        && from < end
        && let Ok(Some((stream, time, bytes))) = record(&places.head, from)
    {
        let next = from + HEADER_BYTES + bytes.len() as u64;
        return Ok(Some(LogChunk { next, at: time, stream, bytes, lost: 0 }));
    }
    while at < end {
        let starts = places.segments()?;
        let Some(index) = starts.iter().rposition(|start| *start <= at) else {
            match starts.first() {
                Some(first) => at = *first,
                None => return Ok(None),
            }
            continue;
        };
        let start = starts[index];
        match record(&places.path(start), at - start) {
            Ok(Some((stream, time, bytes))) => {
                let next = at + HEADER_BYTES + bytes.len() as u64;
                let lost = at - from;
                return Ok(Some(LogChunk { next, at: time, stream, bytes, lost }));
            }
            Ok(None) => match starts.get(index + 1) {
                Some(next) => at = *next,
                None => return Ok(None),
            },
            // it went a moment ago: look again
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A record of a segment; none where it ends, or was cut off.
fn record(path: &Path, at: u64) -> io::Result<Option<(Stdio, Timestamp, Bytes)>> {
    let file = File::open(path)?;
    let mut header = [0; HEADER_BYTES as usize];
    if !whole(file.read_exact_at(&mut header, at))? {
        return Ok(None);
    }
    let [a, b, c, d, stream, _, _, _, time @ ..] = header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > RECORD_BYTES_MAX {
        return Err(io::Error::other("kept output cannot be read"));
    }
    let mut bytes = vec![0; length];
    if !whole(file.read_exact_at(&mut bytes, at + HEADER_BYTES))? {
        return Ok(None);
    }
    let stream = if stream == 0 { Stdio::Out } else { Stdio::Err };
    Ok(Some((stream, Timestamp(i64::from_le_bytes(time)), bytes.into())))
}

fn whole(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path) -> Places {
        Places { head: dir.join("memory/head"), rest: dir.join("disk") }
    }

    fn all(dir: &Path, mut from: u64, end: u64) -> (Vec<String>, u64) {
        let (mut texts, mut lost) = (Vec::new(), 0);
        while let Some(chunk) = read(&places(dir), from, end).unwrap() {
            texts.push(String::from_utf8(chunk.bytes.to_vec()).unwrap());
            lost += chunk.lost;
            from = chunk.next;
        }
        (texts, lost)
    }

    #[test]
    fn what_is_written_is_read_once_across_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(places(dir.path()), 1 << 20).unwrap();
        writer.append(Stdio::Out, Timestamp(5), b"one").unwrap();
        let middle = writer.end();
        drop(writer);
        let mut writer = Writer::open(places(dir.path()), 1 << 20).unwrap();
        writer.append(Stdio::Err, Timestamp(6), b"two").unwrap();
        let end = writer.end();
        assert_eq!(all(dir.path(), 0, end), (vec!["one".to_owned(), "two".to_owned()], 0));
        assert_eq!(all(dir.path(), middle, end).0, ["two"]);
        let chunk = read(&places(dir.path()), middle, end).unwrap().unwrap();
        assert_eq!((chunk.stream, chunk.at, chunk.next), (Stdio::Err, Timestamp(6), end));
        assert_eq!(read(&places(dir.path()), end, end).unwrap(), None);
    }

    #[test]
    fn little_output_needs_no_disk_and_more_goes_on_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(places(dir.path()), 1 << 20).unwrap();
        let text = "x".repeat(30_000);
        let mut texts = Vec::new();
        for number in 0..5 {
            texts.push(format!("{number}{text}"));
            writer.append(Stdio::Out, Timestamp(0), texts[number].as_bytes()).unwrap();
            assert_eq!(dir.path().join("disk").exists(), number > 2, "{number}");
        }
        assert_eq!(all(dir.path(), 0, writer.end()), (texts.clone(), 0));
        drop(writer);
        let mut writer = Writer::open(places(dir.path()), 1 << 20).unwrap();
        writer.append(Stdio::Out, Timestamp(0), b"again").unwrap();
        texts.push("again".to_owned());
        assert_eq!(all(dir.path(), 0, writer.end()), (texts, 0));
    }

    #[test]
    fn the_oldest_goes_when_there_is_too_much_and_the_gap_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(places(dir.path()), 256 << 10).unwrap();
        for number in 0..100 {
            let text = format!("{number:>010000}");
            writer.append(Stdio::Out, Timestamp(0), text.as_bytes()).unwrap();
        }
        let (texts, lost) = all(dir.path(), 0, writer.end());
        assert_eq!(texts.last().unwrap().trim_start_matches('0'), "99");
        assert!(texts.len() < 60 && texts.len() > 20, "{}", texts.len());
        assert_eq!(lost, (100 - texts.len() as u64) * 10_016);
        let first: usize = texts[0].parse().unwrap();
        assert_eq!(first, 100 - texts.len());
    }
}
