//! Names by TCP, for answers that are too long for UDP: each connection has a thread for as long as
//! it asks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use haar_clock::{Clock, Moment};
use parking_lot::Mutex;

use super::{Verdict, answer_at_once, fail};
use crate::sys;

/// Connections at a time.
const OPEN_MAX: usize = 64;
/// Those of one asker.
const OPEN_PER_ASKER_MAX: usize = 8;
/// How long a server may take to be reached.
const REACH_MAX: Duration = Duration::from_secs(3);
const STACK_BYTES: usize = 256 << 10;
/// The network of the thread that asks.
const NETWORK: &str = "/proc/thread-self/ns/net";

/// How much of their time and places connections may take.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Connections at a time.
    pub(super) open: usize,
    /// Between two questions.
    pub(super) silence: Duration,
    /// From a message's first byte to its last, both ways, and with a server.
    pub(super) message: Duration,
    /// From a connection's begin to its last question.
    pub(super) connection: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let silence = Duration::from_secs(10);
        let connection = Duration::from_secs(30);
        Self { open: OPEN_MAX, silence, message: silence, connection }
    }
}

/// Connections that ask.
pub(super) struct Streams {
    /// The network where the host's servers are asked.
    home: Arc<File>,
    bounds: Bounds,
    open: Arc<Mutex<Open>>,
}

/// Connections by number.
#[derive(Default)]
struct Open {
    all: BTreeMap<u64, Connection>,
    last: u64,
}

impl Open {
    fn count_of(&self, by: IpAddr) -> usize {
        self.all.values().filter(|one| one.by == by).count()
    }

    /// Closes one connection of such askers: of those who have the most, that one which has asked
    /// nothing for the longest time. False where none is idle.
    fn give_up_idle(&mut self, is_such: impl Fn(IpAddr) -> bool) -> bool {
        let such = self.all.iter().filter(|(_, one)| is_such(one.by));
        let idle = such.filter_map(|(number, one)| {
            let of_asker = self.count_of(one.by);
            Some((Reverse(of_asker), one.idle_since?, *number))
        });
        let Some((_, _, number)) = idle.min() else { return false };
        if let Some(one) = self.all.remove(&number) {
            // its thread finds at once that it has ended
            let _ = one.stream.shutdown(Shutdown::Both);
        }
        true
    }
}

struct Connection {
    by: IpAddr,
    stream: Arc<TcpStream>,
    /// When its last question came, or it did; none while servers are asked for it.
    idle_since: Option<Moment>,
}

/// A connection's place.
struct Place {
    open: Arc<Mutex<Open>>,
    number: u64,
}

impl Place {
    fn is_idle(&self, since: Option<Moment>) {
        if let Some(connection) = self.open.lock().all.get_mut(&self.number) {
            connection.idle_since = since;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.lock().all.remove(&self.number);
    }
}

impl Streams {
    /// To be made in the network where servers are asked.
    pub(super) fn new(bounds: Bounds) -> io::Result<Self> {
        let home = Arc::new(File::open(NETWORK)?);
        Ok(Self { home, bounds, open: Arc::default() })
    }

    /// Answers what a connection asks. Where its asker has too many, or all together have, another
    /// goes for it; where none is idle, it is closed.
    pub(super) fn serve(&self, stream: TcpStream, by: IpAddr, servers: Vec<SocketAddr>) {
        let clock = Clock::system();
        let stream = Arc::new(stream);
        let Some(place) = self.place(&stream, by, clock.moment()) else { return };
        let (home, bounds) = (Arc::clone(&self.home), self.bounds);
        let work = move || {
            // the thread that accepts may be inside a sandbox; to go home takes a privilege
            if is_at_home(&home) || sys::setns(home.as_fd(), libc::CLONE_NEWNET).is_ok() {
                // an error: its asker or its time is gone
                let _ = Talk { place, stream, bounds, clock }.converse(&servers);
            }
        };
        let thread = std::thread::Builder::new().name("dns-tcp".to_owned());
        // without a thread the connection is closed, and its asker tries again
        let _ = thread.stack_size(STACK_BYTES).spawn(work);
    }

    /// Closes a connection that is idle: there is no room for others.
    pub(super) fn give_up_idle(&self) {
        self.open.lock().give_up_idle(|_| true);
    }

    fn place(&self, stream: &Arc<TcpStream>, by: IpAddr, now: Moment) -> Option<Place> {
        let mut open = self.open.lock();
        let has_room = match open.count_of(by) >= OPEN_PER_ASKER_MAX {
            true => open.give_up_idle(|asker| asker == by),
            false => open.all.len() < self.bounds.open || open.give_up_idle(|_| true),
        };
        if !has_room {
            return None;
        }
        open.last += 1;
        let number = open.last;
        let stream = Arc::clone(stream);
        open.all.insert(number, Connection { by, stream, idle_since: Some(now) });
        Some(Place { open: Arc::clone(&self.open), number })
    }
}

/// Whether this thread is in a network; it needs no descriptor to see.
fn is_at_home(home: &File) -> bool {
    let here = fs::metadata(NETWORK).map(|found| found.ino());
    here.ok().zip(home.metadata().ok()).is_some_and(|(here, home)| here == home.ino())
}

/// A connection that asks.
struct Talk {
    place: Place,
    stream: Arc<TcpStream>,
    bounds: Bounds,
    clock: Clock,
}

impl Talk {
    /// Question after question, until the asker has no more.
    fn converse(&self, servers: &[SocketAddr]) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        let end = self.clock.moment().after(self.bounds.connection);
        loop {
            let mut question = self.question(end)?;
            let heard_at = Some(self.clock.moment());
            self.place.is_idle(heard_at);
            let answer = match answer_at_once(&mut question) {
                Verdict::Answered(answer) => answer,
                Verdict::Refused => question,
                Verdict::Nothing => return Ok(()),
                Verdict::Forwarded => {
                    self.place.is_idle(None);
                    let answer = servers.iter().find_map(|server| self.ask(*server, &question));
                    self.place.is_idle(heard_at);
                    answer.unwrap_or_else(|| {
                        fail(&mut question);
                        question
                    })
                }
            };
            write(&mut self.timed(&self.stream), &answer)?;
        }
    }

    /// The next question. Its first byte may be waited for, the others come at once.
    fn question(&self, end: Moment) -> io::Result<Vec<u8>> {
        let mut first = [0];
        let silence = self.clock.moment().after(self.bounds.silence);
        let until = silence.min(end);
        Timed { stream: &self.stream, clock: &self.clock, until }.read_exact(&mut first)?;
        read(&mut first.as_slice().chain(self.timed(&self.stream)))
    }

    /// What a server answers.
    fn ask(&self, server: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
        let up = TcpStream::connect_timeout(&server, REACH_MAX).ok()?;
        let mut up = self.timed(&up);
        write(&mut up, question).ok()?;
        read(&mut up).ok()
    }

    /// A connection that has the time of a message, from now on.
    fn timed<'a>(&'a self, stream: &'a TcpStream) -> Timed<'a> {
        let until = self.clock.moment().after(self.bounds.message);
        Timed { stream, clock: &self.clock, until }
    }
}

/// A connection until a moment, however little comes or goes at a time.
struct Timed<'a> {
    stream: &'a TcpStream,
    clock: &'a Clock,
    until: Moment,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.since(self.clock.moment());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A message, behind its length.
fn read(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat())
}
