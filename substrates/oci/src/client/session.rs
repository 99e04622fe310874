//! The server's half of a program run by `exec`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::stream;
use haar_substrate::{Exit, OutputChunk, Session, Stdio, SubstrateError, TerminalSize, Verb};
use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::connection::Connection;
use super::output;
use crate::proto::Request;
use crate::sys;

const CHUNK_BYTES_MAX: usize = 16 << 10;
/// What ends a terminal's input.
const END_OF_INPUT: &[u8] = &[4];

/// A program that runs.
pub(super) struct OciSession {
    number: u64,
    connection: Arc<Connection>,
    end: watch::Receiver<Option<Exit>>,
    /// A pipe's end, or the terminal.
    input: tokio::sync::Mutex<Option<AsyncFd<OwnedFd>>>,
    terminal: Option<OwnedFd>,
    output: Mutex<Option<BoxStream<'static, OutputChunk>>>,
}

impl OciSession {
    /// Takes the descriptors that came: the terminal, else output, error and perhaps input.
    pub(super) fn new(
        number: u64,
        connection: Arc<Connection>,
        end: watch::Receiver<Option<Exit>>,
        (terminal, fds): (bool, Vec<OwnedFd>),
    ) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
        let (input, terminal, output) = match terminal {
            true => {
                let terminal = next()?;
                let both = (terminal.try_clone()?, terminal.try_clone()?);
                (Some(both.0), Some(terminal), from_terminal(both.1)?)
            }
            false => {
                let output = output::stream(next()?, next()?)?;
                (next().ok(), None, output)
            }
        };
        let input = tokio::sync::Mutex::new(input.map(watched).transpose()?);
        let output = Mutex::new(Some(output));
        Ok(Self { number, connection, end, input, terminal, output })
    }

    async fn put(&self, mut bytes: &[u8]) -> io::Result<()> {
        let input = self.input.lock().await;
        let Some(input) = &*input else { return Ok(()) };
        while !bytes.is_empty() {
            match rustix::io::write(input.get_ref(), bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => input.writable().await?.clear_ready(),
                // nobody reads any more
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::IO) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(fd.as_fd(), true)?;
    // SAFETY: an owned descriptor is open and the same as long as it is there.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

/// What a terminal's programs write, until the last of them has closed it.
fn from_terminal(terminal: OwnedFd) -> io::Result<BoxStream<'static, OutputChunk>> {
    let terminal = watched(terminal)?;
    Ok(Box::pin(stream::unfold(terminal, |terminal| async {
        let mut buffer = vec![0; CHUNK_BYTES_MAX];
        loop {
            match rustix::io::read(terminal.get_ref(), &mut buffer[..]) {
                Ok(count @ 1..) => {
                    buffer.truncate(count);
                    let chunk = OutputChunk { stream: Stdio::Out, bytes: buffer.into() };
                    return Some((chunk, terminal));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    terminal.readable().await.ok()?.clear_ready();
                }
                Ok(_) | Err(_) => return None,
            }
        }
    })))
}

#[async_trait]
impl Session for OciSession {
    fn output(&self) -> Option<BoxStream<'static, OutputChunk>> {
        self.output.lock().take()
    }

    async fn write(&self, input: Bytes) -> Result<(), SubstrateError> {
        let put = self.put(&input).await;
        put.map_err(|error| SubstrateError::Unreachable(Verb::Exec, error))
    }

    async fn close_input(&self) {
        if self.terminal.is_some() {
            // the terminal stays: it is the output too
            let _ = self.put(END_OF_INPUT).await;
        } else {
            self.input.lock().await.take();
        }
    }

    fn resize(&self, size: TerminalSize) {
        let resized = self.terminal.as_ref().map(|own| sys::set_terminal_size(own, size));
        if let Some(Err(error)) = resized {
            tracing::debug!(%error, "could not resize a terminal");
        }
    }

    async fn signal(&self, signal: i32) -> Result<(), SubstrateError> {
        let request = Request::SignalSession { session: self.number, signal };
        let answer = self.connection.ask(request).await;
        answer.map(drop).map_err(|failure| failure.into_error(Verb::Signal))
    }

    async fn wait(&self) -> Result<Exit, SubstrateError> {
        let mut end = self.end.clone();
        let lost = || SubstrateError::Unreachable(Verb::Exec, io::ErrorKind::BrokenPipe.into());
        let exit = end.wait_for(Option::is_some).await.map_err(|_| lost())?;
        exit.ok_or_else(lost)
    }
}

impl Drop for OciSession {
    fn drop(&mut self) {
        if self.end.borrow().is_none() {
            let request = Request::SignalSession { session: self.number, signal: libc::SIGKILL };
            self.connection.tell(request);
        }
    }
}
