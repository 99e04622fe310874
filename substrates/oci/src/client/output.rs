//! A container's output as a stream.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::stream::{BoxStream, Stream};
use haar_substrate::{OutputChunk, Stdio};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::Receiver;

/// Most bytes of one chunk. They are read onto the stack: there are as many outputs as containers,
/// and most of them are silent.
const CHUNK_BYTES_MAX: usize = 16 << 10;

struct Output {
    pipes: VecDeque<(Stdio, Receiver)>,
}

/// Reads both pipes until both are closed.
pub(super) fn stream(out: OwnedFd, err: OwnedFd) -> io::Result<BoxStream<'static, OutputChunk>> {
    let pipes = [(Stdio::Out, out), (Stdio::Err, err)];
    let pipes: io::Result<_> = pipes
        .into_iter()
        .map(|(stream, fd)| {
            rustix::io::ioctl_fionbio(&fd, true)?;
            Ok((stream, Receiver::from_owned_fd(fd)?))
        })
        .collect();
    Ok(Box::pin(Output { pipes: pipes? }))
}

impl Stream for Output {
    type Item = OutputChunk;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OutputChunk>> {
        let Self { pipes } = self.get_mut();
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; CHUNK_BYTES_MAX];
        for _ in 0..pipes.len() {
            let Some((stream, mut pipe)) = pipes.pop_front() else { break };
            // What is there is read whether or not tokio has heard of it yet, so that a reader
            // that polls once has all that was written before.
            if let Ok((read @ [_, ..], _)) = rustix::io::read(&pipe, &mut buffer[..]) {
                let bytes = Bytes::copy_from_slice(read);
                pipes.push_back((stream, pipe));
                return Poll::Ready(Some(OutputChunk { stream, bytes }));
            }
            let mut space = ReadBuf::uninit(&mut buffer);
            match Pin::new(&mut pipe).poll_read(cx, &mut space) {
                Poll::Pending => pipes.push_back((stream, pipe)),
                Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                    let bytes = Bytes::copy_from_slice(space.filled());
                    // the other one first next time
                    pipes.push_back((stream, pipe));
                    return Poll::Ready(Some(OutputChunk { stream, bytes }));
                }
                Poll::Ready(_) => {} // closed: drop it
            }
        }
        if pipes.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}
