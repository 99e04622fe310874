//! Bytes that arrive as fast as the disk takes them, and are kept only when their receiver is
//! content.

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use sha2::{Digest as _, Sha256};

use crate::store::Incoming;
use crate::uploads::{blocking, collect};
use crate::{BlobError, Blobs, Digest};

/// Sees bytes that arrive, in their order, away from the threads that receive them.
pub trait Witness: Send + 'static {
    /// The next piece.
    fn see(&mut self, piece: &[u8]);
}

/// Bytes that are on disk, but nobody's yet: they go when this is dropped.
#[derive(Debug)]
pub struct Arrived {
    store: Blobs,
    incoming: Incoming,
    digest: Digest,
    length: u64,
}

/// A file that is being written, and the hash of what is in it.
struct Writing {
    store: Blobs,
    file: std::fs::File,
    hash: Sha256,
    length: u64,
}

impl Writing {
    fn write(&mut self, batch: &[Bytes]) -> io::Result<()> {
        self.store.check_room()?;
        for piece in batch {
            self.file.write_all(piece)?;
            self.hash.update(piece);
            self.length += piece.len() as u64;
        }
        Ok(())
    }
}

impl Blobs {
    /// Receives bytes as they come, at most `limit` of them. They are hashed and written in one
    /// thread and witnessed in another while the next are received; some MiB at most wait.
    ///
    /// # Errors
    /// [`BlobError::Sender`] when the sender breaks off or sends too much; nothing is kept then,
    /// nor when the caller stops waiting.
    pub async fn receive_for<S, E, W>(
        &self,
        stream: S,
        limit: u64,
        witness: W,
    ) -> Result<(Arrived, W), BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display,
        W: Witness,
    {
        let incoming = self.incoming();
        let file = std::fs::File::create_new(&incoming.0).map_err(self.unkept("write"))?;
        let (mut stream, mut room) = (std::pin::pin!(stream), limit);
        let store = self.clone();
        let mut writing = Writing { store, file, hash: Sha256::new(), length: 0 };
        let mut witness = witness;
        let (mut batch, mut end) = collect(&mut stream, &mut room).await;
        loop {
            let both = work(writing, witness, batch);
            let Some(how) = end else {
                let received = futures_util::future::join(collect(&mut stream, &mut room), both);
                let ((next, next_end), done) = received.await;
                (writing, witness) = done.map_err(self.unkept("write"))?;
                (batch, end) = (next, next_end);
                continue;
            };
            how?;
            (writing, witness) = both.await.map_err(self.unkept("write"))?;
            let flushed = blocking(move || writing.file.sync_all().map(|()| writing));
            let writing = flushed.await.map_err(self.unkept("write"))?;
            let (digest, length) = (Digest::finish(writing.hash), writing.length);
            return Ok((Arrived { store: self.clone(), incoming, digest, length }, witness));
        }
    }
}

/// Writes and witnesses one batch, side by side.
async fn work<W: Witness>(
    mut writing: Writing,
    mut witness: W,
    batch: Vec<Bytes>,
) -> io::Result<(Writing, W)> {
    let batch = Arc::new(batch);
    let same = Arc::clone(&batch);
    let written = blocking(move || writing.write(&batch).map(|()| writing));
    let witnessed = blocking(move || {
        same.iter().for_each(|piece| witness.see(piece));
        Ok(witness)
    });
    let (written, witnessed) = futures_util::future::join(written, witnessed).await;
    Ok((written?, witnessed?))
}

impl Arrived {
    /// What they are.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many they are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Makes a blob of them, which no sweep removes for a while.
    ///
    /// # Errors
    /// [`BlobError::Disk`].
    pub async fn keep(self) -> Result<Digest, BlobError> {
        let store = self.store.clone();
        let keep = move || {
            match self.store.touch(&self.digest) {
                true => self.store.lasting(&self.digest)?,
                false => self.store.settle(&self.incoming.0, &self.digest)?,
            }
            Ok(self.digest)
        };
        blocking(keep).await.map_err(store.unkept("write"))
    }
}
