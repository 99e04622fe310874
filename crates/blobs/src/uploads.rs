//! Blobs that come in pieces, perhaps over several connections and across restarts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256, Sha512};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::store::disk;
use crate::{BlobError, Blobs, Digest, Digest512};

/// Bytes that are written and hashed at once.
pub(crate) const BATCH: usize = 1 << 20;

/// Bytes after which the disk is asked to begin with them.
const WRITE_OUT: u64 = 8 << 20;

/// The uploads that this process has touched.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    open: Mutex<BTreeMap<String, Arc<Turn<Option<Growing>>>>>,
}

/// A file that grows, and the hash of what is in it.
#[derive(Debug)]
struct Growing {
    /// Open during a turn alone: an upload may be left as it is for long.
    file: Option<fs::File>,
    hash: Sha256,
    length: u64,
    /// So many of them are on their way to the disk.
    sent_out: u64,
}

impl Growing {
    /// Opens the file again for a turn.
    fn reopen(&mut self, path: &Path) -> io::Result<()> {
        let file = fs::OpenOptions::new().append(true).open(path)?;
        if file.metadata()?.len() != self.length {
            *self = Self::resume(path)?;
            return Ok(());
        }
        self.file = Some(file);
        Ok(())
    }

    /// Reads what is there, so that the hash can go on.
    fn resume(path: &Path) -> io::Result<Self> {
        let mut file = fs::OpenOptions::new().read(true).append(true).open(path)?;
        let (mut hash, mut length) = (Sha256::new(), 0);
        each_piece(&mut file, |piece| {
            hash.update(piece);
            length += piece.len() as u64;
        })?;
        Ok(Self { file: Some(file), hash, length, sent_out: length })
    }
}

/// Shows all that is in a file, piece by piece.
fn each_piece(file: &mut fs::File, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; BATCH];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            count => see(&piece[..count]),
        }
    }
}

impl Blobs {
    /// Begins an upload; its name must be fit for a file.
    ///
    /// # Errors
    /// [`BlobError::Disk`], also when there is one of that name.
    pub fn begin_upload(&self, name: &str) -> Result<(), BlobError> {
        fs::File::create_new(self.upload_path(name)).map_err(self.unkept("begin")).map(drop)
    }

    /// Bytes that an upload has.
    ///
    /// # Errors
    /// [`BlobError::NoUpload`].
    pub async fn upload_length(&self, name: &str) -> Result<u64, BlobError> {
        match tokio::fs::metadata(self.upload_path(name)).await {
            Ok(found) => Ok(found.len()),
            Err(error) => Err(upload_error(name, "read")(error)),
        }
    }

    /// Adds bytes as they come, in the turn of its callers, and answers how many there are then;
    /// `offset` is where the caller believes that the upload ends. What came before a break stays.
    ///
    /// # Errors
    /// [`BlobError::OutOfOrder`], [`BlobError::NoUpload`], and [`BlobError::Sender`] when the
    /// sender breaks off or the upload would be longer than `limit`.
    pub async fn append_upload<S, E>(
        &self,
        name: &str,
        offset: Option<u64>,
        stream: S,
        limit: u64,
    ) -> Result<u64, BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display,
    {
        let mut turn = self.upload_turn(name).await?;
        let length = turn.length;
        if offset.is_some_and(|offset| offset != length) {
            return Err(BlobError::OutOfOrder(length));
        }
        let (mut stream, mut room) = (std::pin::pin!(stream), limit.saturating_sub(length));
        let (mut batch, mut end) = collect(&mut stream, &mut room).await;
        loop {
            self.check_room().map_err(self.unkept("write"))?;
            let writing = blocking(move || turn.append(batch).map(|()| turn));
            if let Some(end) = end {
                let turn = writing.await.map_err(self.unkept("write"))?;
                return end.map(|()| turn.length);
            }
            // The next batch is received while this one is written.
            let received = futures_util::future::join(collect(&mut stream, &mut room), writing);
            let ((next, next_end), written) = received.await;
            turn = written.map_err(self.unkept("write"))?;
            (batch, end) = (next, next_end);
        }
    }

    /// Makes a blob of an upload, whose bytes must have this digest, and answers its length.
    ///
    /// # Errors
    /// [`BlobError::Mismatch`], which leaves the upload as it is, and [`BlobError::NoUpload`].
    pub async fn finish_upload(&self, name: &str, digest: &Digest) -> Result<u64, BlobError> {
        let turn = self.upload_turn(name).await?;
        let actual = Digest::finish(turn.hash.clone());
        if actual != *digest {
            return Err(BlobError::Mismatch(actual));
        }
        self.settle_upload(name, turn, actual).await
    }

    /// The same for one who knows the bytes by their SHA-512 digest; answers their own digest
    /// and their length. They are read once more for it.
    ///
    /// # Errors
    /// As those of [`Blobs::finish_upload`].
    pub async fn finish_upload_by_sha512(
        &self,
        name: &str,
        said: &Digest512,
    ) -> Result<(Digest, u64), BlobError> {
        let turn = self.upload_turn(name).await?;
        let actual = Digest::finish(turn.hash.clone());
        let path = self.upload_path(name);
        let found = blocking(move || {
            let mut hash = Sha512::new();
            each_piece(&mut fs::File::open(path)?, |piece| hash.update(piece))?;
            Ok(Digest512::finish(hash))
        });
        if found.await.map_err(disk("read"))? != *said {
            return Err(BlobError::Mismatch(actual));
        }
        let length = self.settle_upload(name, turn, actual).await?;
        Ok((actual, length))
    }

    /// Gives an upload its blob's name.
    async fn settle_upload(
        &self,
        name: &str,
        turn: Held,
        digest: Digest,
    ) -> Result<u64, BlobError> {
        let length = turn.length;
        let (store, path) = (self.clone(), self.upload_path(name));
        let finish = move || {
            if store.touch(&digest) {
                store.lasting(&digest)?;
                return fs::remove_file(&path);
            }
            turn.file().sync_all()?;
            store.settle(&path, &digest)
        };
        blocking(finish).await.map_err(self.unkept("finish"))?;
        self.inner.uploads.open.lock().remove(name);
        Ok(length)
    }

    /// Gives an upload up; none is fine.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub fn abort_upload(&self, name: &str) -> Result<(), BlobError> {
        self.inner.uploads.open.lock().remove(name);
        match fs::remove_file(self.upload_path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("abort")(error)),
            _ => Ok(()),
        }
    }

    /// The names of all uploads, those of earlier runs too.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub fn uploads(&self) -> Result<Vec<String>, BlobError> {
        let files = fs::read_dir(self.inner.root.join("uploads")).map_err(disk("list"))?;
        let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
        Ok(names.collect())
    }

    fn upload_path(&self, name: &str) -> PathBuf {
        self.inner.root.join("uploads").join(name)
    }

    /// Waits for the upload's turn; its file is open then, and hashed as far as it goes.
    async fn upload_turn(&self, name: &str) -> Result<Held, BlobError> {
        let entry = Arc::clone(self.inner.uploads.open.lock().entry(name.to_owned()).or_default());
        let mut turn = Arc::clone(&entry).lock_owned().await;
        let path = self.upload_path(name);
        let opened = blocking(move || {
            match turn.as_mut() {
                Some(growing) => growing.reopen(&path)?,
                None => *turn = Some(Growing::resume(&path)?),
            }
            Ok(Held(turn))
        });
        opened.await.map_err(|error| {
            // after any other error those who wait for it go on with the same turn
            let mut open = self.inner.uploads.open.lock();
            let is_same = open.get(name).is_some_and(|other| Arc::ptr_eq(other, &entry));
            if error.kind() == io::ErrorKind::NotFound && is_same {
                open.remove(name);
            }
            upload_error(name, "read")(error)
        })
    }
}

const OPEN: &str = "a held upload is open";

/// One caller's turn at an upload that is open. It goes along to the thread that writes, so
/// that a caller who is dropped does not end it before the write does.
struct Held(OwnedMutexGuard<Option<Growing>>);

impl Held {
    fn file(&self) -> &fs::File {
        self.file.as_ref().expect(OPEN)
    }

    /// Adds bytes; when the disk refuses, the next turn reads anew what is there.
    fn append(&mut self, batch: Vec<Bytes>) -> io::Result<()> {
        let written = batch.iter().try_for_each(|piece| self.grow(piece));
        if written.is_err() {
            *self.0 = None;
        }
        self.send_out();
        written
    }

    /// Has the disk begin with what is new, so that the flush at the end has little left to wait
    /// for. The kernel begins to write what it is told will not be needed; it keeps it all the
    /// same until that is done.
    fn send_out(&mut self) {
        let Some(growing) = self.0.as_mut() else { return };
        let fresh = growing.length - growing.sent_out;
        if fresh < WRITE_OUT {
            return;
        }
        let length = std::num::NonZeroU64::new(fresh);
        let advice = rustix::fs::Advice::DontNeed;
        // only advice: the flush looks after what is left
        let file = growing.file.as_ref().expect(OPEN);
        let _ = rustix::fs::fadvise(file, growing.sent_out, length, advice);
        growing.sent_out = growing.length;
    }

    fn grow(&mut self, piece: &[u8]) -> io::Result<()> {
        let growing = self.0.as_mut().expect(OPEN);
        growing.file.as_mut().expect(OPEN).write_all(piece)?;
        growing.hash.update(piece);
        growing.length += piece.len() as u64;
        Ok(())
    }
}

impl std::ops::Deref for Held {
    type Target = Growing;

    fn deref(&self) -> &Growing {
        self.0.as_ref().expect(OPEN)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(growing) = self.0.as_mut() {
            growing.file = None;
        }
    }
}

pub(crate) type End = Option<Result<(), BlobError>>;

/// Waits for a batch, or for less when the stream ends or breaks, or there is no more `room`.
pub(crate) async fn collect<S, E>(
    stream: &mut std::pin::Pin<&mut S>,
    room: &mut u64,
) -> (Vec<Bytes>, End)
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: std::fmt::Display,
{
    let (mut batch, mut length) = (Vec::new(), 0);
    while length < BATCH {
        let piece = match stream.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return (batch, Some(Err(BlobError::Sender(error.to_string())))),
            None => return (batch, Some(Ok(()))),
        };
        let Some(left) = room.checked_sub(piece.len() as u64) else {
            let refusal = BlobError::Sender("more bytes than are allowed".to_owned());
            return (batch, Some(Err(refusal)));
        };
        *room = left;
        length += piece.len();
        batch.push(piece);
    }
    (batch, None)
}

fn upload_error(name: &str, verb: &'static str) -> impl Fn(io::Error) -> BlobError {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => BlobError::NoUpload(name.to_owned()),
        _ => BlobError::Disk(verb, error),
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
