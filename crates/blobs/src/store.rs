//! The files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use haar_clock::{Clock, IdSource, Recent};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::hold::Readers;
use crate::uploads::Uploads;
use crate::{Digest, Witness};

/// Why bytes could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no blob of that digest.
    #[error("no blob {0}")]
    Missing(Digest),
    /// The disk refused.
    #[error("could not {0} a blob")]
    Disk(&'static str, #[source] io::Error),
    /// The sender broke off, or sent more than it may.
    #[error("could not receive a blob: {0}")]
    Sender(String),
    /// What was sent is not what its sender said it is.
    #[error("the bytes have the digest {0}")]
    Mismatch(Digest),
    /// There is no upload of that name.
    #[error("no upload {0}")]
    NoUpload(String),
    /// The sender goes on elsewhere than where the upload ends; so many bytes are there.
    #[error("the upload has {0} bytes")]
    OutOfOrder(u64),
}

impl BlobError {
    /// True when the disk has no room for more, or its user may not take more of it.
    pub fn is_full(&self) -> bool {
        let Self::Disk(_, error) = self else { return false };
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// True when the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Disk(..))
    }
}

/// Left free on the disk.
const RESERVE_BYTES: u64 = 96 << 20;

/// The longest grace of a sweep.
const GRACE_MAX: Duration = Duration::from_secs(3600);

/// A file that comes in. Unless it was settled it goes with whoever receives it, also when
/// nobody waits for them any more.
#[derive(Debug)]
pub(crate) struct Incoming(pub(crate) PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // best effort: swept at the next start
    }
}

/// A store of blobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    ids: IdSource,
    /// When what was put of late was put last; no sweep removes it.
    recent: Mutex<Recent<Digest>>,
    /// No sweep removes what they read either.
    pub(crate) readers: Mutex<Readers>,
    clock: Clock,
    /// Told when the disk has no room for what comes in.
    full: Notify,
    pub(crate) uploads: Uploads,
    /// Which shelves are known to be on disk by name, by a digest's first byte.
    shelves: [AtomicBool; 256],
    /// Removes everything when the last clone goes.
    _temporary: Option<tempfile::TempDir>,
}

impl Blobs {
    /// Opens or makes a store in a directory, and clears what a crash left half written.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(root: impl Into<PathBuf>, ids: IdSource) -> Result<Self, BlobError> {
        let root = root.into();
        let _ = fs::remove_dir_all(root.join("incoming")); // made anew below
        for part in ["incoming", "sha256", "uploads"] {
            fs::create_dir_all(root.join(part)).map_err(disk("open"))?;
        }
        let (uploads, full, readers) = Default::default();
        let inner = Inner {
            root,
            ids,
            recent: Mutex::new(Recent::new(GRACE_MAX)),
            readers,
            clock: Clock::system(),
            full,
            uploads,
            shelves: [const { AtomicBool::new(false) }; 256],
            _temporary: None,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A store that is removed with its last clone.
    ///
    /// # Errors
    /// When no temporary directory can be made.
    pub fn ephemeral(ids: IdSource) -> Result<Self, BlobError> {
        let directory = tempfile::Builder::new().prefix("haar-blobs-").tempdir();
        let directory = directory.map_err(disk("open"))?;
        let mut opened = Self::open(directory.path(), ids)?;
        let inner = Arc::get_mut(&mut opened.inner).expect("nobody else has it yet");
        inner._temporary = Some(directory);
        Ok(opened)
    }

    /// Keeps bytes at hand.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, BlobError> {
        let store = self.clone();
        let keep = move || {
            let digest = Digest::of(&bytes);
            if store.touch(&digest) {
                return store.lasting(&digest).map(|()| digest);
            }
            store.check_room()?;
            let incoming = store.incoming();
            write(&incoming.0, &bytes)?;
            store.settle(&incoming.0, &digest).map(|()| digest)
        };
        tokio::task::spawn_blocking(keep)
            .await
            .map_err(|error| BlobError::Disk("write", io::Error::other(error)))?
            .map_err(self.unkept("write"))
    }

    /// Keeps bytes as they come, at most `limit` of them.
    ///
    /// # Errors
    /// [`BlobError::Sender`] when the sender breaks off or sends too much; nothing is kept then,
    /// nor when the caller stops waiting.
    pub async fn put_stream<S, E>(&self, stream: S, limit: u64) -> Result<(Digest, u64), BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display,
    {
        let (arrived, _) = self.receive_for(stream, limit, Unseen).await?;
        let length = arrived.length();
        Ok((arrived.keep().await?, length))
    }

    /// All bytes of a blob.
    ///
    /// # Errors
    /// [`BlobError::Missing`].
    pub async fn bytes(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        match tokio::fs::read(self.path(digest)).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BlobError::Missing(*digest))
            }
            Err(error) => Err(BlobError::Disk("read", error)),
        }
    }

    /// Where a blob's file is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.inner.root.join("sha256").join(&hex[..2]).join(hex)
    }

    /// Removes one blob; none is fine.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub fn remove(&self, digest: &Digest) -> Result<(), BlobError> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BlobError::Disk("remove", error))
            }
            _ => Ok(()),
        }
    }

    /// All blobs there are.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub fn list(&self) -> Result<Vec<Digest>, BlobError> {
        let mut found = Vec::new();
        for shelf in fs::read_dir(self.inner.root.join("sha256")).map_err(disk("list"))? {
            let shelf = shelf.map_err(disk("list"))?;
            for file in fs::read_dir(shelf.path()).map_err(disk("list"))? {
                let name = file.map_err(disk("list"))?.file_name();
                found.extend(name.to_str().and_then(|name| name.parse::<Digest>().ok()));
            }
        }
        Ok(found)
    }

    /// Removes every blob that nobody holds, and counts them. `held` is asked after the list of
    /// blobs was made; `None` where that cannot be told now, and nothing is removed. What there is
    /// a [`hold`](Self::hold) on stays. So does what was put or touched less than `grace` ago, an
    /// hour at most: whoever did may still be about to say so in a commit. Nobody is of what an
    /// earlier process put.
    ///
    /// # Errors
    /// [`BlobError::Disk`], after all others were removed.
    pub fn sweep(
        &self,
        grace: Duration,
        held: impl FnOnce() -> Option<BTreeSet<Digest>>,
    ) -> Result<usize, BlobError> {
        let now = self.inner.clock.moment();
        self.inner.recent.lock().forget(now);
        let candidates = self.list()?;
        let Some(held) = held() else { return Ok(0) };
        let (mut count, mut failed) = (0, Ok(()));
        for digest in candidates.into_iter().filter(|digest| !held.contains(digest)) {
            let aside; // removed without the locks: a large file takes long
            let recent = self.inner.recent.lock(); // so that nobody puts it meanwhile
            let readers = self.inner.readers.lock(); // nor begins to read it
            if readers.have(&digest) || recent.is_within(&digest, grace, now) {
                continue;
            }
            aside = self.incoming();
            match fs::rename(self.path(&digest), &aside.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => failed = Err(error),
                _ => count += 1,
            }
        }
        failed.map(|()| count).map_err(disk("remove"))
    }

    /// Removes all blobs and uploads, for a reset.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub fn clear(&self) -> Result<(), BlobError> {
        self.inner.recent.lock().clear();
        for upload in self.uploads()? {
            self.abort_upload(&upload)?;
        }
        self.list()?.iter().try_for_each(|digest| self.remove(digest))
    }

    /// Keeps a blob from the next sweeps, for one who is about to hold it; true when it is there.
    pub fn touch(&self, digest: &Digest) -> bool {
        let now = self.inner.clock.moment();
        let mut recent = self.inner.recent.lock();
        recent.note(*digest, now);
        self.path(digest).exists() // no sweep is between the two
    }

    /// Waits until the disk has no room for what comes in. A refusal that nobody waited for is
    /// told once, to who waits next.
    pub async fn refused(&self) {
        self.inner.full.notified().await;
    }

    /// Refuses bytes that the disk has no room for. What is left free is for the records that
    /// tell of blobs, and more than those keep free for themselves.
    pub(crate) fn check_room(&self) -> io::Result<()> {
        let disk = rustix::fs::statvfs(&self.inner.root)?;
        match disk.f_bavail.saturating_mul(disk.f_frsize) < RESERVE_BYTES {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    /// Why bytes were not kept; tells [`Self::refused`] where the disk is full.
    pub(crate) fn unkept(&self, verb: &'static str) -> impl Fn(io::Error) -> BlobError {
        move |error| {
            let error = BlobError::Disk(verb, error);
            if error.is_full() {
                self.inner.full.notify_one();
            }
            error
        }
    }

    pub(crate) fn incoming(&self) -> Incoming {
        Incoming(self.inner.root.join("incoming").join(self.inner.ids.uuid()))
    }

    /// Makes the name of a blob durable that somebody else may just be giving it.
    pub(crate) fn lasting(&self, digest: &Digest) -> io::Result<()> {
        let path = self.path(digest);
        let shelf = path.parent().expect("a blob lies on a shelf");
        fs::File::open(self.inner.root.join("sha256"))?.sync_all()?;
        fs::File::open(shelf)?.sync_all()
    }

    /// Gives a finished file its name, and makes the name durable.
    pub(crate) fn settle(&self, incoming: &Path, digest: &Digest) -> io::Result<()> {
        let path = self.path(digest);
        let shelf = path.parent().expect("a blob lies on a shelf");
        let is_lasting = &self.inner.shelves[usize::from(digest.first())];
        if !is_lasting.load(Ordering::Acquire) {
            fs::create_dir_all(shelf)?;
            fs::File::open(self.inner.root.join("sha256"))?.sync_all()?;
            is_lasting.store(true, Ordering::Release);
        }
        self.touch(digest); // no sweep removes it from here on
        fs::rename(incoming, &path)?;
        fs::File::open(shelf)?.sync_all()
    }
}

/// For bytes that nobody looks at.
struct Unseen;

impl Witness for Unseen {
    fn see(&mut self, _piece: &[u8]) {}
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(crate) fn disk(verb: &'static str) -> impl Fn(io::Error) -> BlobError {
    move |error| BlobError::Disk(verb, error)
}
