//! A connection to what listens inside a sandbox.
//!
//! The helper makes a socket in the sandbox's network and hands it over; it is connected here, so
//! that the helper never waits for a program.

use std::io;
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use haar_clock::Clock;
use haar_substrate::{SandboxId, SubstrateError, Verb};
use tokio::net::TcpSocket;

use super::connection::Connection;
use crate::proto::Request;

/// Connects within `limit`.
pub(super) async fn dial(
    connection: &Connection,
    id: &SandboxId,
    address: SocketAddrV4,
    limit: Duration,
) -> Result<TcpStream, SubstrateError> {
    let request = Request::Socket { id: id.clone() };
    let (_, fds) =
        connection.ask(request).await.map_err(|failure| failure.into_error(Verb::Attach))?;
    let fd = fds.into_iter().next().ok_or_else(|| SubstrateError::Gone(id.clone()))?;
    let socket = TcpSocket::from_std_stream(TcpStream::from(fd));
    let connected = Clock::system().timeout(limit, socket.connect(address.into())).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let no_answer = |error| SubstrateError::NoAnswer(id.clone(), address, error);
    connected.and_then(tokio::net::TcpStream::into_std).map_err(no_answer)
}
