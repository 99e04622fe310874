//! Ports of the host that lead to sandboxes: each connection is passed on by this process, so
//! that it needs no packet filter. They are open while a server runs.

mod datagrams;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use haar_substrate::{
    Bridged, NetworkStatus, PortMapping, Protocol, Resource, SandboxId, SubstrateError,
};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// All open ports, by sandbox.
#[derive(Default)]
pub(super) struct Ports(Mutex<BTreeMap<SandboxId, Vec<Door>>>);

/// A port that is passed on for as long as this lives.
struct Door(JoinHandle<()>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ports that were opened for a sandbox that is not there yet.
#[derive(Default)]
pub(super) struct Opened(Vec<(Socket, PortMapping)>);

/// A port of the host.
enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Socket {
    fn port(&self) -> io::Result<u16> {
        let address = match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        };
        Ok(address?.port())
    }
}

impl Ports {
    /// Opens the ports of a sandbox, and puts those that were free to choose into its spec.
    pub(super) async fn open(
        &self,
        id: &SandboxId,
        bridged: &mut Bridged,
    ) -> Result<Opened, SubstrateError> {
        if bridged.ports.is_empty() || self.0.lock().contains_key(id) {
            return Ok(Opened::default());
        }
        let mut opened = Vec::with_capacity(bridged.ports.len());
        for port in &mut bridged.ports {
            let socket = bind(port).await.map_err(|error| refuse(port, &error))?;
            port.host_port = socket.port().map_err(|error| refuse(port, &error))?;
            opened.push((socket, *port));
        }
        Ok(Opened(opened))
    }

    /// From now on connections to these ports reach the sandbox.
    pub(super) fn pass_on(&self, id: &SandboxId, address: Ipv4Addr, opened: Opened) {
        if opened.0.is_empty() {
            return;
        }
        let doors = opened.0.into_iter().map(|(socket, port)| {
            let to = SocketAddrV4::new(address, port.container_port);
            // ends with its sandbox
            Door(match socket {
                Socket::Tcp(listener) => tokio::spawn(serve(listener, to)),
                Socket::Udp(socket) => tokio::spawn(datagrams::serve(socket, to)),
            })
        });
        self.0.lock().insert(id.clone(), doors.collect());
    }

    /// Opens the ports of an adopted sandbox again.
    pub(super) async fn adopt(&self, id: &SandboxId, network: &NetworkStatus) {
        let mut opened = Vec::new();
        for port in &network.ports {
            match bind(port).await {
                Ok(socket) => opened.push((socket, *port)),
                Err(error) => tracing::warn!(sandbox = %id, port = port.host_port, %error,
                    "could not open a port again"),
            }
        }
        self.pass_on(id, network.address, Opened(opened));
    }

    /// Closes the ports of a sandbox; they are free when this resolves.
    pub(super) async fn close(&self, id: &SandboxId) {
        let doors = self.0.lock().remove(id);
        for mut door in doors.into_iter().flatten() {
            door.0.abort();
            let _ = (&mut door.0).await; // it was cancelled, as asked
        }
    }
}

async fn bind(port: &PortMapping) -> io::Result<Socket> {
    let at = SocketAddrV4::new(port.host_address, port.host_port);
    match port.protocol {
        Protocol::Tcp => TcpListener::bind(at).await.map(Socket::Tcp),
        Protocol::Udp => UdpSocket::bind(at).await.map(Socket::Udp),
    }
}

fn refuse(port: &PortMapping, error: &io::Error) -> SubstrateError {
    match port.host_port {
        0 => SubstrateError::Exhausted(Resource::Ports),
        number => SubstrateError::Refused {
            program: format!("{}:{number}", port.host_address),
            reason: format!("the host's port cannot be opened: {error}"),
        },
    }
}

async fn serve(listener: TcpListener, to: SocketAddrV4) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(pass(stream, to))),
            // out of descriptors, or a caller that went: the next one may do better
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn pass(mut stream: TcpStream, to: SocketAddrV4) {
    if let Ok(mut inside) = TcpStream::connect(to).await {
        // either side may go at any time
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut inside).await;
    }
}
