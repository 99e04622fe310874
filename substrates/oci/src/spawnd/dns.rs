//! The bridge's name server: hands questions to the servers that the host asks, and their
//! answers back. It looks into nothing but the questions' numbers. UDP only.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use haar_clock::{Clock, IdSource, Moment};
use rustix::event::{PollFd, PollFlags, poll};

use super::log;
use crate::sys;

/// Where the host keeps the name servers that it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Servers that are asked at once: the first answer counts.
const SERVERS_MAX: usize = 3;
/// Questions that may be open; more are dropped, and asked again by their askers.
const OPEN_MAX: usize = 1_024;
/// An answer that takes longer is not waited for.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest message that travels by UDP with the extension for long ones.
const MESSAGE_BYTES_MAX: usize = 4_096;
const HEADER_BYTES: usize = 12;

/// Serves names on an address of the bridge from now on.
pub(super) fn serve(gateway: Ipv4Addr) -> io::Result<()> {
    let socket = UdpSocket::bind((gateway, 53))?;
    let servers = servers(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
    start(socket, servers)
}

fn start(socket: UdpSocket, servers: Vec<SocketAddr>) -> io::Result<()> {
    let up = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_nonblocking(true)?;
    up.set_nonblocking(true)?;
    let clock = Clock::system();
    let forwarder =
        Forwarder { socket, up, servers, open: BTreeMap::new(), clock, ids: IdSource::system() };
    let (ready, wait) = std::sync::mpsc::sync_channel(1);
    let run = move || {
        // shares no root with the thread that made it: that one enters mount namespaces
        let alone = sys::unshare(libc::CLONE_FS);
        let fine = alone.is_ok();
        let _ = ready.send(alone);
        if fine {
            forwarder.run();
        }
    };
    std::thread::Builder::new().name("dns".to_owned()).spawn(run)?;
    wait.recv().map_err(io::Error::other)?
}

/// Name servers that the host asks.
fn servers(conf: &str) -> Vec<SocketAddr> {
    let named = conf.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let servers = named.filter_map(|address| address.trim().parse::<IpAddr>().ok());
    let usable = servers.filter(IpAddr::is_ipv4);
    usable.map(|address| SocketAddr::new(address, 53)).take(SERVERS_MAX).collect()
}

/// A wait that was interrupted is begun again.
fn pass_over(error: rustix::io::Errno) -> Result<usize, rustix::io::Errno> {
    if error == rustix::io::Errno::INTR { Ok(0) } else { Err(error) }
}

struct Forwarder {
    socket: UdpSocket,
    up: UdpSocket,
    servers: Vec<SocketAddr>,
    open: BTreeMap<u16, Asked>,
    clock: Clock,
    ids: IdSource,
}

/// A question that is not answered yet.
struct Asked {
    by: SocketAddr,
    number: [u8; 2],
    until: Moment,
}

impl Forwarder {
    fn run(mut self) {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        loop {
            let ready = {
                let mut both = [
                    PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN),
                    PollFd::from_borrowed_fd(self.up.as_fd(), PollFlags::IN),
                ];
                poll(&mut both, None)
            };
            if let Err(error) = ready.or_else(pass_over) {
                log(&format!("could not wait for questions: {error}"));
                return;
            }
            while let Ok((length, by)) = self.socket.recv_from(&mut buffer) {
                self.ask(&mut buffer[..length], by);
            }
            while let Ok((length, from)) = self.up.recv_from(&mut buffer) {
                if self.servers.contains(&from) {
                    self.answer(&mut buffer[..length]);
                }
            }
        }
    }

    fn ask(&mut self, question: &mut [u8], by: SocketAddr) {
        if question.len() < HEADER_BYTES {
            return;
        }
        let number = [question[0], question[1]];
        if self.servers.is_empty() {
            // "server failure", so that nobody waits
            question[2] |= 0x80;
            question[3] = (question[3] & 0xf0) | 2;
            let _ = self.socket.send_to(question, by);
            return;
        }
        let now = self.clock.moment();
        self.open.retain(|_, asked| asked.until > now);
        let own = self.ids.draw() as u16;
        if self.open.len() >= OPEN_MAX || self.open.contains_key(&own) {
            return;
        }
        self.open.insert(own, Asked { by, number, until: now.after(WAIT_MAX) });
        question[..2].copy_from_slice(&own.to_be_bytes());
        for server in &self.servers {
            let _ = self.up.send_to(question, server);
        }
    }

    fn answer(&mut self, answer: &mut [u8]) {
        if answer.len() < HEADER_BYTES {
            return;
        }
        let own = u16::from_be_bytes([answer[0], answer[1]]);
        if let Some(asked) = self.open.remove(&own) {
            answer[..2].copy_from_slice(&asked.number);
            let _ = self.socket.send_to(answer, asked.by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    fn forwarder(servers: Vec<SocketAddr>) -> SocketAddr {
        let socket = local();
        let address = socket.local_addr().unwrap();
        start(socket, servers).unwrap();
        address
    }

    #[test]
    fn questions_are_handed_on_and_answers_come_back_to_their_askers() {
        let server = local();
        let at = forwarder(vec![server.local_addr().unwrap()]);
        let askers = [local(), local()];
        for (number, asker) in askers.iter().enumerate() {
            let question = [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, number as u8];
            asker.send_to(&question, at).unwrap();
        }
        let mut buffer = [0; 100];
        for _ in &askers {
            let (length, by) = server.recv_from(&mut buffer).unwrap();
            buffer[2] |= 0x80;
            server.send_to(&buffer[..length], by).unwrap();
        }
        for (number, asker) in askers.iter().enumerate() {
            let (length, _) = asker.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..3], [7, 7, 0x81]);
            assert_eq!(usize::from(buffer[length - 1]), number);
        }
    }

    #[test]
    fn without_servers_the_answer_is_a_failure() {
        let at = forwarder(servers("search example.com\nnameserver not-an-address\n"));
        let asker = local();
        asker.send_to(&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], at).unwrap();
        let mut buffer = [0; 100];
        asker.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..4], [1, 2, 0x81, 2]);
    }

    #[test]
    fn the_hosts_servers_are_read() {
        let conf = "# comment\nnameserver 10.0.0.2\nnameserver ::1\nnameserver  127.0.0.53\n";
        let found: Vec<_> = servers(conf).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2:53", "127.0.0.53:53"]);
    }
}
