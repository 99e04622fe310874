//! Fetches blobs into files, going on where a former attempt broke off.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use haar_substrate::{ImageError, ImageSource, Manifest};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::document::Descriptor;
use crate::{digest, layout};

/// Most bytes of a manifest, an index or a configuration.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// Chunks of a blob that wait to be written.
const CHUNKS: usize = 8;

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
/// again.
pub(crate) async fn blob(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    dir: &Path,
) -> Result<PathBuf, ImageError> {
    let path = dir.join(format!("{}.part", digest::digits(&descriptor.digest)?));
    let resumed = path.clone();
    let (file, mut hash, mut size) = blocking("open a blob", move || open(&resumed)).await?;
    let expected = descriptor.size;
    if expected == 0 || size < expected {
        let mut stream = source.blob(&descriptor.digest, size).await?;
        // what came is hashed and written while more comes
        let (chunks, writer) = Writer::begin(file, hash);
        let came = receive(&mut stream, chunks, (size, expected)).await;
        hash = writer.finish().await?;
        size = came?;
        if expected > 0 && size > expected {
            let _ = fs::remove_file(&path);
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
        let _ = fs::remove_file(&path);
        return Err(wrong(&descriptor.digest, &found));
    }
    Ok(path)
}

/// Hands on what comes, until the end or until it is more than expected; how much there is then.
async fn receive(
    stream: &mut BoxStream<'static, Result<Bytes, ImageError>>,
    chunks: mpsc::Sender<Bytes>,
    (mut size, expected): (u64, u64),
) -> Result<u64, ImageError> {
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        size += chunk.len() as u64;
        // a writer that takes no more has failed, and tells why
        if expected > 0 && size > expected || chunks.send(chunk).await.is_err() {
            break;
        }
    }
    Ok(size)
}

/// Hashes and writes chunks on a thread that may wait.
struct Writer(JoinHandle<io::Result<Sha256>>);

impl Writer {
    /// Goes on until the sender is dropped.
    fn begin(mut file: File, mut hash: Sha256) -> (mpsc::Sender<Bytes>, Self) {
        let (sender, mut chunks) = mpsc::channel::<Bytes>(CHUNKS);
        let work = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = chunks.blocking_recv() {
                hash.update(&chunk);
                file.write_all(&chunk)?;
            }
            Ok(hash)
        });
        (sender, Self(work))
    }

    async fn finish(self) -> Result<Sha256, ImageError> {
        let done = self.0.await.unwrap_or_else(|error| Err(io::Error::other(error)));
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
