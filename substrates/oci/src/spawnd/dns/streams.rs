//! Names by TCP, for answers that are too long for UDP: each connection has a thread for as long as
//! it asks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{HEADER_BYTES, fail, own};
use crate::sys;

/// Connections at a time, and those of one asker.
const OPEN_MAX: usize = 64;
const OPEN_PER_ASKER_MAX: usize = 8;
/// How long a connection may keep silent, and a server.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How long a server may take to be reached.
const REACH_MAX: Duration = Duration::from_secs(3);
const STACK_BYTES: usize = 256 << 10;
/// The network of the thread that asks.
const NETWORK: &str = "/proc/thread-self/ns/net";

/// Connections that ask.
pub(super) struct Streams {
    /// The network where the host's servers are asked.
    home: Arc<File>,
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A connection's place.
struct Place {
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    by: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        match open.get_mut(&self.by) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.by)),
        }
    }
}

impl Streams {
    /// To be made in the network where servers are asked.
    pub(super) fn new() -> io::Result<Self> {
        let home = Arc::new(File::open(NETWORK)?);
        Ok(Self { home, open: Arc::default() })
    }

    /// Answers what a connection asks; one too many is closed.
    pub(super) fn serve(&self, stream: TcpStream, by: IpAddr, servers: Vec<SocketAddr>) {
        let Some(place) = self.place(by) else { return };
        let home = Arc::clone(&self.home);
        let work = move || {
            let _place = place;
            // the thread that accepts may be inside a sandbox; to go home takes a privilege
            if is_at_home(&home) || sys::setns(home.as_fd(), libc::CLONE_NEWNET).is_ok() {
                let _ = converse(stream, &servers); // its asker or its time is gone
            }
        };
        let thread = std::thread::Builder::new().name("dns-tcp".to_owned());
        // without a thread the connection is closed, and its asker tries again
        let _ = thread.stack_size(STACK_BYTES).spawn(work);
    }

    fn place(&self, by: IpAddr) -> Option<Place> {
        let mut open = self.open.lock();
        let all: usize = open.values().sum();
        let own = open.get(&by).copied().unwrap_or(0);
        if all >= OPEN_MAX || own >= OPEN_PER_ASKER_MAX {
            return None;
        }
        open.insert(by, own + 1);
        Some(Place { open: Arc::clone(&self.open), by })
    }
}

fn is_at_home(home: &File) -> bool {
    let number = |file: File| file.metadata().map(|found| found.ino());
    let here = File::open(NETWORK).and_then(number);
    here.ok().zip(home.metadata().ok()).is_some_and(|(here, home)| here == home.ino())
}

/// Question after question, until the asker has no more.
fn converse(mut stream: TcpStream, servers: &[SocketAddr]) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_write_timeout(Some(IDLE_MAX))?;
    loop {
        let mut question = read(&mut stream)?;
        if question.len() < HEADER_BYTES {
            return Ok(());
        }
        let answer = own::answer(&question);
        let answer = answer.or_else(|| servers.iter().find_map(|server| ask(*server, &question)));
        let answer = answer.unwrap_or_else(|| {
            fail(&mut question);
            question
        });
        write(&mut stream, &answer)?;
    }
}

/// What a server answers.
fn ask(server: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let mut up = TcpStream::connect_timeout(&server, REACH_MAX).ok()?;
    up.set_read_timeout(Some(IDLE_MAX)).ok()?;
    up.set_write_timeout(Some(IDLE_MAX)).ok()?;
    write(&mut up, question).ok()?;
    read(&mut up).ok()
}

/// A message, behind its length.
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat())
}
