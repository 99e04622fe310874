//! Datagrams to a port of the host, passed on: each sender has a socket towards the sandbox, by
//! which its answers come back.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Weak};
use std::time::Duration;

use haar_clock::Clock;
use tokio::net::UdpSocket;

use super::Door;

/// Longest datagram.
const BYTES_MAX: usize = 65_535;
/// Senders of one port at a time; datagrams of others are dropped, as datagrams may be.
const SENDERS_MAX: usize = 1_024;
/// A sender that has had no answer for so long is forgotten.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// Passes on what comes, and what comes back.
pub(super) async fn serve(socket: UdpSocket, to: SocketAddrV4) {
    let socket = Arc::new(socket);
    let mut senders: BTreeMap<SocketAddr, (Arc<UdpSocket>, Door)> = BTreeMap::new();
    let mut buffer = vec![0; BYTES_MAX];
    loop {
        // an error is that of a datagram sent before
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        senders.retain(|_, (_, door)| !door.0.is_finished());
        if !senders.contains_key(&from) {
            if senders.len() >= SENDERS_MAX {
                continue;
            }
            let Ok(up) = connect(to).await else { continue };
            let answers = answer(Arc::clone(&up), Arc::downgrade(&socket), from);
            senders.insert(from, (up, Door(tokio::spawn(answers))));
        }
        if let Some((up, _)) = senders.get(&from) {
            // nobody may listen there
            let _ = up.send(&buffer[..length]).await;
        }
    }
}

async fn connect(to: SocketAddrV4) -> io::Result<Arc<UdpSocket>> {
    let up = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    up.connect(to).await?;
    Ok(Arc::new(up))
}

/// Hands back what the sandbox answers one sender, until it has been silent for long. The port is
/// its owner's: it is free when that lets go of it.
async fn answer(up: Arc<UdpSocket>, socket: Weak<UdpSocket>, sender: SocketAddr) {
    let clock = Clock::system();
    let mut buffer = vec![0; BYTES_MAX];
    while let Ok(received) = clock.timeout(IDLE_MAX, up.recv(&mut buffer)).await {
        match received {
            Ok(length) => {
                let Some(socket) = socket.upgrade() else { return };
                drop(socket.send_to(&buffer[..length], sender).await);
            }
            // nobody listens there yet
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
