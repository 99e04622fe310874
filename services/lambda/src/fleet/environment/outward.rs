//! The way out of an environment: connections that its programs make to what is outside come to
//! a listener here, and go on from here to where they were meant to go.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::doors::FleetDoors;

/// Most connections that one environment may have open: as many as it may have files. Each costs
/// this process two descriptors. AWS docs: *Lambda quotas*.
const CONNECTIONS_MAX: usize = 1024;

/// How long another side may take to answer; Linux itself would wait two minutes. *Ours*.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// Time to wait when no connection can be taken. *Ours*.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// Leads connections out, until it is dropped: they end with it.
pub(super) async fn lead(doors: FleetDoors, listener: std::net::TcpListener) {
    let prepared = listener.set_nonblocking(true);
    let listener = match prepared.and_then(|()| TcpListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(error) => {
            return tracing::warn!(%error, "a sandbox has no way out");
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((inside, _)) => {
                let doors = doors.clone();
                connections.spawn(async move {
                    if let Err(error) = pass(&doors, inside).await {
                        tracing::debug!(%error, "a connection from inside a sandbox failed");
                    }
                    drop(place);
                });
            }
            Err(_) => doors.clock.sleep(ACCEPT_AGAIN).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Leads one connection on. One that cannot be is reset: its maker sees that nobody is there.
async fn pass(doors: &FleetDoors, mut inside: TcpStream) -> io::Result<()> {
    inside.set_nodelay(true)?;
    let place = doors.outside.places().try_acquire_owned();
    let outside = match meant_for(&inside)? {
        _ if place.is_err() => Err(io::Error::other("functions have too many connections")),
        target if doors.outside.allows(*target.ip()) => dial(doors, target).await,
        target => Err(io::Error::other(format!("{target} is not for functions"))),
    };
    match outside {
        Ok(mut outside) => copy_bidirectional(&mut inside, &mut outside).await.map(drop),
        Err(error) => {
            inside.set_zero_linger()?;
            Err(error)
        }
    }
}

/// Where a connection was meant to go.
fn meant_for(inside: &TcpStream) -> io::Result<SocketAddrV4> {
    match inside.local_addr()? {
        SocketAddr::V4(target) => Ok(target),
        SocketAddr::V6(target) => match IpAddr::V6(*target.ip()).to_canonical() {
            IpAddr::V4(address) => Ok(SocketAddrV4::new(address, target.port())),
            IpAddr::V6(_) => Err(io::Error::other("a connection by IPv6")),
        },
    }
}

async fn dial(doors: &FleetDoors, target: SocketAddrV4) -> io::Result<TcpStream> {
    let connected = doors.clock.timeout(CONNECT_LIMIT, TcpStream::connect(target)).await;
    let outside = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    outside.set_nodelay(true)?;
    Ok(outside)
}
