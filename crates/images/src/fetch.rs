//! Fetches blobs into files, going on where a former attempt broke off.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use haar_substrate::{ImageError, ImageSource, Manifest};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::document::Descriptor;
use crate::{digest, layout};

/// Most bytes of a manifest, an index or a configuration.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// After the digits of a blob's digest, the name of a file that has some of it.
pub(crate) const PART: &str = ".part";

/// Bytes of a blob that are written at once.
const BATCH_BYTES: usize = 1 << 20;

/// Checks a manifest against the digest that it was asked for by.
pub(crate) fn check_manifest(manifest: &Manifest, expected: &str) -> Result<(), ImageError> {
    if manifest.bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(ImageError::TooLarge("manifest".into()));
    }
    let found = digest::of(&manifest.bytes);
    if found != expected {
        return Err(ImageError::Malformed(format!("manifest {expected} has the digest {found}")));
    }
    Ok(())
}

/// Fetches a small blob into memory.
pub(crate) async fn document(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
) -> Result<Vec<u8>, ImageError> {
    let mut stream = source.blob(&descriptor.digest, 0).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(ImageError::TooLarge("configuration".into()));
        }
    }
    let found = digest::of(&bytes);
    if found != descriptor.digest {
        return Err(wrong(&descriptor.digest, &found));
    }
    Ok(bytes)
}

/// Fetches a blob into a file below `dir`, and checks it. What is there of it is not fetched
/// again; on a disk that is full nothing stays.
pub(crate) async fn blob(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    dir: &Path,
) -> Result<PathBuf, ImageError> {
    let path = dir.join(format!("{}{PART}", digest::digits(&descriptor.digest)?));
    let fetched = fetch(source, descriptor, &path).await;
    if fetched.as_ref().is_err_and(ImageError::is_full) {
        discard(&path).await;
    }
    fetched.map(|()| path)
}

/// Removes what is of no use.
async fn discard(path: &Path) {
    let path = path.to_owned();
    let _ = blocking("remove a blob", || fs::remove_file(path)).await; // the next sweep does
}

async fn fetch(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    path: &Path,
) -> Result<(), ImageError> {
    let resumed = path.to_owned();
    let (file, mut hash, mut size) = blocking("open a blob", move || open(&resumed)).await?;
    let expected = descriptor.size;
    if expected == 0 || size < expected {
        let mut stream = source.blob(&descriptor.digest, size).await?;
        // what came is hashed and written while more comes
        let mut writer = Writer::begin((file, hash));
        let came = receive(&mut stream, &mut writer, (size, expected)).await;
        let written = writer.finish().await;
        size = came?;
        hash = written?;
        if expected > 0 && size > expected {
            discard(path).await;
            return Err(ImageError::Malformed(format!(
                "{} is longer than its manifest says",
                descriptor.digest
            )));
        }
    }
    if size < expected {
        // what came stays, for the next attempt
        let short = io::Error::from(io::ErrorKind::UnexpectedEof);
        return Err(ImageError::Unreachable(descriptor.digest.clone(), short));
    }
    let found = digest::finish(hash);
    if found != descriptor.digest {
        discard(path).await;
        return Err(wrong(&descriptor.digest, &found));
    }
    Ok(())
}

/// Hands on what comes, until the end or until it is more than expected; how much there is then.
async fn receive(
    stream: &mut BoxStream<'static, Result<Bytes, ImageError>>,
    writer: &mut Writer,
    (mut size, expected): (u64, u64),
) -> Result<u64, ImageError> {
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        if expected > 0 && size > expected {
            break;
        }
        writer.take(chunk).await?;
    }
    Ok(size)
}

/// A file that grows, and the hash of what is in it.
type Grown = (File, Sha256);

/// Hashes and writes chunks while more come: a batch at a time, on a thread that may wait. While
/// nothing comes no thread is held.
struct Writer {
    batch: Vec<Bytes>,
    bytes: usize,
    /// `None` once a write has failed.
    under_way: Option<JoinHandle<io::Result<Grown>>>,
}

impl Writer {
    fn begin(grown: Grown) -> Self {
        let under_way = Some(tokio::task::spawn_blocking(|| Ok(grown)));
        Self { batch: Vec::new(), bytes: 0, under_way }
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), ImageError> {
        self.bytes += chunk.len();
        self.batch.push(chunk);
        if self.bytes >= BATCH_BYTES { self.write().await } else { Ok(()) }
    }

    /// Begins to write the batch, once the one before is written.
    async fn write(&mut self) -> Result<(), ImageError> {
        let (mut file, mut hash) = self.written().await?;
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        self.under_way = Some(tokio::task::spawn_blocking(move || {
            for chunk in &batch {
                hash.update(chunk);
                file.write_all(chunk)?;
            }
            Ok((file, hash))
        }));
        Ok(())
    }

    async fn finish(mut self) -> Result<Sha256, ImageError> {
        self.write().await?;
        self.written().await.map(|(_, hash)| hash)
    }

    async fn written(&mut self) -> Result<Grown, ImageError> {
        let done = match self.under_way.take() {
            Some(under_way) => under_way.await.unwrap_or_else(|error| Err(io::Error::other(error))),
            None => Err(io::Error::other("a write before it failed")),
        };
        done.map_err(|error| ImageError::Disk("write a blob".to_owned(), error))
    }
}

fn wrong(expected: &str, found: &str) -> ImageError {
    ImageError::Malformed(format!("blob {expected} has the digest {found}"))
}

/// Opens a partial blob at its end, with the hash of what is there.
fn open(path: &Path) -> io::Result<(File, Sha256, u64)> {
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut hash = Sha256::new();
    let size = io::copy(&mut file, &mut HashWrite(&mut hash))?;
    file.seek(SeekFrom::Start(size))?;
    Ok((file, hash, size))
}

struct HashWrite<'a>(&'a mut Sha256);

impl Write for HashWrite<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does file work on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ImageError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| ImageError::Disk(doing.to_owned(), error))
}

/// What came of opening an archive: one that makes no sense is malformed, all else could not be
/// read.
pub(crate) fn opened<T>(path: &Path, read: io::Result<T>) -> Result<T, ImageError> {
    read.map_err(|error| match error.kind() {
        // readers of archives have no other words for what is none
        io::ErrorKind::InvalidData | io::ErrorKind::Other | io::ErrorKind::UnexpectedEof => {
            ImageError::Malformed(error.to_string())
        }
        _ => layout::unreadable(&path.display().to_string(), error),
    })
}
