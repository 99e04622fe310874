//! The end of a connection whose client still sends what nobody will read.
//!
//! Where a socket is closed while bytes wait in it, the system cuts the connection off, and what
//! was answered is lost on its way: the client never hears why it was refused. So what still
//! comes is read and dropped until the client has heard and goes.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_clock::Clock;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How long a client may go on.
const PARTING_MAX: Duration = Duration::from_secs(10);
/// Bytes that are dropped at once.
const SCRAP: usize = 16 << 10;

/// Marks an answer to a request whose body was not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unread;

/// One such end.
pub(crate) struct Parting {
    over: BoxFuture<'static, ()>,
}

impl Parting {
    /// One that lasts no longer than until `end`.
    pub(crate) fn new(clock: &Clock, end: CancellationToken) -> Self {
        let clock = clock.clone();
        let over = async move {
            let _ = clock.timeout(PARTING_MAX, end.cancelled()).await;
        };
        Self { over: over.boxed() }
    }

    /// Ready once the client has gone, or its time is over.
    pub(crate) fn poll(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        if self.over.poll_unpin(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scrap = [MaybeUninit::uninit(); SCRAP];
        loop {
            let mut scrap = ReadBuf::uninit(&mut scrap);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut scrap));
            if read.is_err() || scrap.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}
