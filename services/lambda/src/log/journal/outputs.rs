//! What all containers of an environment write.

use std::task::{Context, Poll};

use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_substrate::OutputChunk;

use super::Output;

/// A piece of the output of the container with this number.
pub(super) type Piece = (usize, OutputChunk);

/// Their outputs that are still open. All are looked at each time, so that a look takes what was
/// written before it whether or not anybody was woken for it yet.
pub(super) struct Outputs {
    open: Vec<(usize, BoxStream<'static, OutputChunk>)>,
}

impl Outputs {
    pub(super) fn new(outputs: Vec<Output>) -> Self {
        let chunks = outputs.into_iter().map(|output| output.chunks);
        Self { open: chunks.enumerate().collect() }
    }

    /// The next piece; never one when all are closed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        let mut at = 0;
        while let Some((number, chunks)) = self.open.get_mut(at) {
            match chunks.poll_next_unpin(context) {
                Poll::Ready(Some(chunk)) => {
                    let piece = (*number, chunk);
                    self.open[at..].rotate_left(1); // the others first next time
                    return Poll::Ready(piece);
                }
                Poll::Ready(None) => drop(self.open.remove(at)),
                Poll::Pending => at += 1,
            }
        }
        Poll::Pending
    }
}
