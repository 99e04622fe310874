//! Messages with descriptors over a seqpacket socket: one message, one packet.
//!
//! A body too long for a packet travels in a memory file that comes along as the last
//! descriptor.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest body that goes inline.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// Most descriptors in one message.
const FDS_MAX: usize = 200;
const INLINE: u8 = 0;
const IN_FILE: u8 = 1;

/// Bytes before the body: where it is, and what the message is about.
const HEAD_BYTES: usize = 1 + 8;

/// Sends one message. What it is `about` arrives even where descriptors do not.
pub(crate) fn send<T: Serialize>(
    socket: impl AsFd,
    about: u64,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = rmp_serde::to_vec(message).map_err(io::Error::other)?;
    if body.len() <= INLINE_BYTES_MAX {
        return send_parts(socket, &[&[INLINE], &about.to_ne_bytes(), &body], fds);
    }
    let mut file = File::from(memfd_create("haar-message", MemfdFlags::CLOEXEC)?);
    file.write_all(&body)?;
    file.rewind()?;
    let mut fds = fds.to_vec();
    fds.push(file.as_fd());
    send_parts(socket, &[&[IN_FILE], &about.to_ne_bytes()], &fds)
}

fn send_parts(socket: impl AsFd, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors in one message"));
    }
    loop {
        match sendmsg(&socket, &slices, &mut ancillary, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// A message as it arrived.
pub(crate) struct Received<T> {
    /// What its sender says that it is about.
    pub(crate) about: u64,
    /// None where it came in a descriptor that did not arrive.
    pub(crate) message: Option<T>,
    pub(crate) fds: Vec<OwnedFd>,
    /// Not all descriptors arrived: this process may have no more of them.
    pub(crate) is_cut: bool,
}

/// Receives messages; keeps its buffer.
pub(crate) struct Receiver {
    buffer: Vec<u8>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; INLINE_BYTES_MAX + HEAD_BYTES] }
    }

    /// Receives one message; `None` when the other side has closed.
    pub(crate) fn receive<T: DeserializeOwned>(
        &mut self,
        socket: impl AsFd,
    ) -> io::Result<Option<Received<T>>> {
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut slices = [IoSliceMut::new(&mut self.buffer)];
            match recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        let mut fds = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.flags.contains(ReturnFlags::TRUNC) || received.bytes < HEAD_BYTES {
            return Err(io::Error::other("message cut short"));
        }
        let is_cut = received.flags.contains(ReturnFlags::CTRUNC);
        let (head, body) = self.buffer[..received.bytes].split_at(HEAD_BYTES);
        let about = u64::from_ne_bytes(std::array::from_fn(|at| head[at + 1]));
        let message = match (head[0], is_cut) {
            (INLINE, _) => Some(haar_pack::read(body)),
            (_, true) => None,
            (_, false) => {
                let mut body = Vec::new();
                let file = fds.pop().ok_or_else(|| io::Error::other("message without its body"))?;
                File::from(file).read_to_end(&mut body)?;
                Some(haar_pack::read(&body))
            }
        };
        let message = message.transpose().map_err(io::Error::other)?;
        Ok(Some(Received { about, message, fds, is_cut }))
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn short_and_long_messages_arrive_with_their_descriptors() {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        let mut receiver = Receiver::new();
        for length in [0, 10, INLINE_BYTES_MAX, 5 << 20] {
            let text = "x".repeat(length);
            send(&ours, 7, &text, &[ours.as_fd()]).unwrap();
            let back = receiver.receive::<String>(&theirs).unwrap().unwrap();
            assert_eq!((back.about, back.is_cut), (7, false));
            assert_eq!((back.message.unwrap().len(), back.fds.len()), (length, 1));
        }
        drop(ours);
        assert!(receiver.receive::<String>(&theirs).unwrap().is_none());
    }
}
