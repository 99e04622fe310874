//! Reads a stream ahead, in a thread of its own.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use crate::digest::HashRead;

/// Bytes of one piece, and pieces that are on their way.
const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 8;

/// What was read ahead.
pub(crate) struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// Where pieces go back to when they were read.
    empty: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

/// The digest of all that is read, at its end.
pub(crate) struct Digest(JoinHandle<Option<io::Result<String>>>);

impl Ahead {
    /// Begins to read what `open` opens. Whoever drops this before its end stops the thread.
    pub(crate) fn begin<R: Read>(
        open: impl FnOnce() -> io::Result<HashRead<R>> + Send + 'static,
    ) -> io::Result<(Self, Digest)> {
        let (full, pieces) = sync_channel(PIECES);
        let (empty, again) = channel();
        let thread = std::thread::Builder::new()
            .name("inflate".to_owned())
            .spawn(move || read(open, &full, &again))?;
        Ok((Self { pieces, empty, piece: Vec::new(), at: 0 }, Digest(thread)))
    }
}

/// Reads to the end, for as long as somebody takes what is read.
fn read<R: Read>(
    open: impl FnOnce() -> io::Result<HashRead<R>>,
    full: &SyncSender<io::Result<Vec<u8>>>,
    again: &Receiver<Vec<u8>>,
) -> Option<io::Result<String>> {
    let mut reader = match open() {
        Ok(reader) => reader,
        Err(error) => {
            full.send(Err(error)).ok()?;
            return None;
        }
    };
    loop {
        let mut piece = again.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES));
        piece.clear();
        match (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece) {
            Ok(0) => return Some(reader.finish()),
            Ok(_) => full.send(Ok(piece)).ok()?,
            Err(error) => {
                full.send(Err(error)).ok()?;
                return None;
            }
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let Ok(next) = self.pieces.recv() else { return Ok(0) };
            let before = std::mem::replace(&mut self.piece, next?);
            self.at = 0;
            let _ = self.empty.send(before); // nobody needs it at the end
        }
        let rest = &self.piece[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Digest {
    /// The digest, once all was read.
    pub(crate) fn wait(self) -> io::Result<String> {
        let done = self.0.join().map_err(|_| io::Error::other("a thread has panicked"))?;
        done.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // as tests do
mod tests {
    use super::*;

    #[test]
    fn all_is_read_in_order_and_hashed() {
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 5).map(|at| (at % 251) as u8).collect();
        let given = bytes.clone();
        let (mut ahead, digest) =
            Ahead::begin(move || Ok(HashRead::new(io::Cursor::new(given)))).unwrap();
        let mut found = Vec::new();
        ahead.read_to_end(&mut found).unwrap();
        assert!(found == bytes);
        assert_eq!(digest.wait().unwrap(), crate::digest::of(&bytes));
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::InvalidData.into())
            }
        }
        let open = || Ok(HashRead::new(io::Cursor::new(vec![7; PIECE_BYTES]).chain(Broken)));
        let (mut ahead, digest) = Ahead::begin(open).unwrap();
        let mut found = vec![0; PIECE_BYTES];
        ahead.read_exact(&mut found).unwrap();
        assert_eq!(ahead.read(&mut found).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(digest.wait().is_err());
    }

    #[test]
    fn who_reads_no_more_stops_the_thread() {
        let (ahead, digest) = Ahead::begin(|| Ok(HashRead::new(io::repeat(1)))).unwrap();
        drop(ahead);
        assert!(digest.wait().is_err());
    }
}
