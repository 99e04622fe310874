//! Memory that bytes pass through on their way from the disk to a socket.

use parking_lot::Mutex;

/// Bytes that are read at once: few enough to stay near the processor until they are sent.
pub(crate) const PIECE: usize = 256 << 10;

/// Most that are kept for the next: as many as a handful of readers have in hand.
const SPARE_MAX: usize = 8;

/// Whole pieces that were sent. New memory would be cleared first, and is far from the processor:
/// what was sent last is taken first.
static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// So many bytes to be read into and sent; a whole piece serves again when it is dropped.
pub(crate) struct Piece(Box<[u8]>);

impl Piece {
    /// Of that length; what it holds is anything until it is written over.
    pub(crate) fn of(length: usize) -> Self {
        let spare = if length == PIECE { SPARE.lock().pop() } else { None };
        Self(spare.unwrap_or_else(|| vec![0; length].into()))
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.0.len() != PIECE {
            return;
        }
        let mut spare = SPARE.lock();
        if spare.len() < SPARE_MAX {
            spare.push(std::mem::take(&mut self.0));
        }
    }
}
