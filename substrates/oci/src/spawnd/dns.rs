//! The name server of bridges and of sandboxes with a way out: answers what names of interfaces
//! say themselves, hands other questions to the servers that the host asks, and their answers back.
//! By UDP, and for what is too long for that by TCP, where it is given a listener.

mod own;
mod streams;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use haar_clock::{Clock, IdSource, Moment};
use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use self::streams::{Bounds, Streams};
use super::log;
use crate::sys;

/// Where the host keeps the name servers that it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Servers that are asked at once: the first answer counts.
const SERVERS_MAX: usize = 3;
/// Questions that may be open; more are dropped, and asked again by their askers.
const OPEN_MAX: usize = 16_384;
/// The same of one asker: it takes more than a hundred to keep the others from asking.
const OPEN_PER_ASKER_MAX: usize = 128;
/// How often the host's list of servers is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Questions taken from one socket before the others are looked at.
const BATCH_MAX: usize = 16;
/// Sockets looked at in one turn.
const EVENTS_MAX: usize = 64;
/// Stands for the socket that asks; seats count from 1.
const UP: u64 = 0;
/// Added to a seat's number, it stands for its listener.
const STREAM: u64 = 1 << 63;
/// An answer that takes longer is not waited for.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest message that travels by UDP with the extension for long ones.
const MESSAGE_BYTES_MAX: usize = 4_096;
const HEADER_BYTES: usize = 12;
/// In a header's third byte.
const IS_ANSWER: u8 = 0x80;
const SERVER_FAILURE: u8 = 2;
const REFUSED: u8 = 5;
/// A zone in parts, and a whole one.
const ZONE_TRANSFERS: [u16; 2] = [251, 252];
/// How long a listener rests where there was no room for its connection. The others do not.
const REST: Duration = Duration::from_millis(50);

/// The name server. It answers on any number of sockets with one thread, and by TCP with one for
/// each connection (`streams`).
#[derive(Clone)]
pub(super) struct Names(Arc<Shared>);

struct Shared {
    /// Asks the host's servers, in the network where this was made: whoever serves first may be
    /// inside a sandbox.
    up: UdpSocket,
    /// Tells which sockets have something to read.
    poll: OwnedFd,
    seats: Mutex<Seats>,
    streams: Streams,
}

impl Shared {
    fn listener(&self, seat: u64) -> Option<Arc<TcpListener>> {
        self.seats.lock().listeners.get(&seat).cloned()
    }

    /// What is heard of a listener from now on; false where its seat has just gone.
    fn hear(&self, seat: u64, listener: &TcpListener, what: epoll::EventFlags) -> bool {
        let data = epoll::EventData::new_u64(seat | STREAM);
        epoll::modify(&self.poll, listener, data, what).is_ok()
    }
}

#[derive(Default)]
struct Seats {
    sockets: BTreeMap<u64, Arc<UdpSocket>>,
    listeners: BTreeMap<u64, Arc<TcpListener>>,
    last: u64,
    is_running: bool,
}

/// Names are served on a socket for as long as this is there.
pub(super) struct Seat {
    names: Names,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (socket, listener) = {
            let mut seats = self.names.0.seats.lock();
            (seats.sockets.remove(&self.number), seats.listeners.remove(&self.number))
        };
        // the thread may still hold them
        if let Some(socket) = socket {
            let _ = epoll::delete(&self.names.0.poll, &socket);
        }
        if let Some(listener) = listener {
            let _ = epoll::delete(&self.names.0.poll, &listener);
        }
    }
}

impl Names {
    pub(super) fn new() -> io::Result<Self> {
        Self::bounded(Bounds::default())
    }

    fn bounded(bounds: Bounds) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let up = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        up.set_nonblocking(true)?;
        epoll::add(&poll, &up, epoll::EventData::new_u64(UP), epoll::EventFlags::IN)?;
        let streams = Streams::new(bounds)?;
        Ok(Self(Arc::new(Shared { up, poll, seats: Mutex::default(), streams })))
    }

    /// Serves names on a socket from now on, by asking whom the host asks.
    pub(super) fn serve(&self, socket: UdpSocket) -> io::Result<Seat> {
        self.serve_by(socket, Servers::of_the_host)
    }

    /// Serves names on a listener too, for as long as the seat is there.
    pub(super) fn listen(&self, seat: &Seat, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = Arc::new(listener);
        let data = epoll::EventData::new_u64(seat.number | STREAM);
        epoll::add(&self.0.poll, &listener, data, epoll::EventFlags::IN)?;
        self.0.seats.lock().listeners.insert(seat.number, listener);
        Ok(())
    }

    /// The same by asking others, if it is the first.
    fn serve_by(&self, socket: UdpSocket, servers: impl FnOnce() -> Servers) -> io::Result<Seat> {
        socket.set_nonblocking(true)?;
        let mut seats = self.0.seats.lock();
        if !seats.is_running {
            self.start(servers())?;
            seats.is_running = true;
        }
        seats.last += 1;
        let number = seats.last;
        let socket = Arc::new(socket);
        let data = epoll::EventData::new_u64(number);
        epoll::add(&self.0.poll, &socket, data, epoll::EventFlags::IN)?;
        seats.sockets.insert(number, socket);
        Ok(Seat { names: self.clone(), number })
    }

    fn start(&self, servers: Servers) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        let (clock, ids) = (Clock::system(), IdSource::system());
        let (open, resting) = (BTreeMap::new(), BTreeMap::new());
        let forwarder = Forwarder { shared, servers, open, resting, clock, ids };
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
}

/// Whom to ask.
struct Servers {
    all: Vec<SocketAddr>,
    /// Since when the host's list is as it is, and when it is looked at again; none for a list
    /// that stays.
    host: Option<(Option<SystemTime>, Option<Moment>)>,
}

impl Servers {
    fn of_the_host() -> Self {
        let mut servers = Self { all: Vec::new(), host: Some((None, None)) };
        servers.read();
        servers
    }

    fn read(&mut self) {
        let since = fs::metadata(RESOLV_CONF).and_then(|file| file.modified()).ok();
        self.all = servers(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
        self.host = Some((since, None));
    }

    /// Follows the host to another network.
    fn renew(&mut self, now: Moment) {
        let Some((since, again)) = &mut self.host else { return };
        if again.is_some_and(|again| now < again) {
            return;
        }
        let is_changed = fs::metadata(RESOLV_CONF).and_then(|file| file.modified()).ok() != *since;
        if is_changed {
            self.read();
        }
        if let Some((_, again)) = &mut self.host {
            *again = Some(now.after(LOOK_EVERY));
        }
    }
}

/// Name servers that the host asks.
fn servers(conf: &str) -> Vec<SocketAddr> {
    let named = conf.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let servers = named.filter_map(|address| address.trim().parse::<IpAddr>().ok());
    let usable = servers.filter(IpAddr::is_ipv4);
    usable.map(|address| SocketAddr::new(address, 53)).take(SERVERS_MAX).collect()
}

struct Forwarder {
    shared: Arc<Shared>,
    servers: Servers,
    open: BTreeMap<u16, Asked>,
    /// Seats whose listeners rest, and until when.
    resting: BTreeMap<u64, Moment>,
    clock: Clock,
    ids: IdSource,
}

/// A question that is not answered yet.
struct Asked {
    seat: u64,
    by: SocketAddr,
    number: [u8; 2],
    until: Moment,
}

impl Forwarder {
    fn run(mut self) {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            events.clear();
            let next = self.wake_rested();
            match epoll::wait(&self.shared.poll, spare_capacity(&mut events), next.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return log(&format!("could not wait for questions: {error}")),
            }
            for event in &events {
                match event.data.u64() {
                    UP => self.take_answers(&mut buffer),
                    seat if seat & STREAM != 0 => self.take_streams(seat & !STREAM),
                    seat => self.take_questions(seat, &mut buffer),
                }
            }
        }
    }

    fn socket(&self, seat: u64) -> Option<Arc<UdpSocket>> {
        self.shared.seats.lock().sockets.get(&seat).cloned()
    }

    fn take_questions(&mut self, seat: u64, buffer: &mut [u8]) {
        let Some(socket) = self.socket(seat) else { return }; // it has just gone
        for _ in 0..BATCH_MAX {
            let Ok((length, by)) = socket.recv_from(buffer) else { return };
            self.ask(&mut buffer[..length], (seat, &socket), by);
        }
    }

    fn take_streams(&mut self, seat: u64) {
        let Some(listener) = self.shared.listener(seat) else { return }; // it has just gone
        self.servers.renew(self.clock.moment());
        for taken in 0..BATCH_MAX {
            let (stream, by) = match listener.accept() {
                Ok(accepted) => accepted,
                // else there may be no other: it is told of again where there is
                Err(error) if is_short(&error) && taken == 0 => {
                    self.shared.streams.give_up_idle();
                    return self.rest(seat, &listener);
                }
                Err(_) => return,
            };
            self.shared.streams.serve(stream, by.ip(), self.servers.all.clone());
        }
    }

    /// Hears nothing of a listener for a while: it would be told of again at once, until there is
    /// room.
    fn rest(&mut self, seat: u64, listener: &TcpListener) {
        if self.shared.hear(seat, listener, epoll::EventFlags::empty()) {
            self.resting.insert(seat, self.clock.moment().after(REST));
        }
    }

    /// Hears again of listeners that have rested; how long the next one rests.
    fn wake_rested(&mut self) -> Option<Timespec> {
        if self.resting.is_empty() {
            return None;
        }
        let now = self.clock.moment();
        self.resting.retain(|seat, until| {
            let is_over = *until <= now;
            if let Some(listener) = self.shared.listener(*seat).filter(|_| is_over) {
                self.shared.hear(*seat, &listener, epoll::EventFlags::IN);
            }
            !is_over
        });
        let next = self.resting.values().min()?;
        Timespec::try_from(next.since(now)).ok()
    }

    fn take_answers(&mut self, buffer: &mut [u8]) {
        while let Ok((length, from)) = self.shared.up.recv_from(buffer) {
            if self.servers.all.contains(&from) {
                self.answer(&mut buffer[..length]);
            }
        }
    }

    fn ask(&mut self, question: &mut [u8], (seat, socket): (u64, &UdpSocket), by: SocketAddr) {
        match answer_at_once(question) {
            Verdict::Answered(answer) => return drop(socket.send_to(&answer, by)),
            Verdict::Refused => return drop(socket.send_to(question, by)),
            Verdict::Nothing => return,
            Verdict::Forwarded => {}
        }
        let number = [question[0], question[1]];
        let now = self.clock.moment();
        self.servers.renew(now);
        if self.servers.all.is_empty() {
            fail(question);
            let _ = socket.send_to(question, by);
            return;
        }
        self.open.retain(|_, asked| asked.until > now);
        let own = self.ids.draw() as u16;
        let is_same = |asked: &&Asked| asked.seat == seat && asked.by.ip() == by.ip();
        let of_asker = self.open.values().filter(is_same).count();
        let full = self.open.len() >= OPEN_MAX || of_asker >= OPEN_PER_ASKER_MAX;
        if full || self.open.contains_key(&own) {
            return;
        }
        self.open.insert(own, Asked { seat, by, number, until: now.after(WAIT_MAX) });
        question[..2].copy_from_slice(&own.to_be_bytes());
        for server in &self.servers.all {
            let _ = self.shared.up.send_to(question, server);
        }
    }

    fn answer(&mut self, answer: &mut [u8]) {
        if answer.len() < HEADER_BYTES {
            return;
        }
        let own = u16::from_be_bytes([answer[0], answer[1]]);
        let Some(asked) = self.open.remove(&own) else { return };
        if let Some(socket) = self.socket(asked.seat) {
            answer[..2].copy_from_slice(&asked.number);
            let _ = socket.send_to(answer, asked.by);
        }
    }
}

/// What comes of a message without asking others.
enum Verdict {
    /// The answer.
    Answered(Vec<u8>),
    /// The message is its refusal by now.
    Refused,
    /// No question; whoever sent it waits for nothing.
    Nothing,
    /// Others are to be asked.
    Forwarded,
}

/// Others are asked in the host's name: for nothing but what names have, one at a time.
fn answer_at_once(message: &mut [u8]) -> Verdict {
    if message.len() < HEADER_BYTES || message[2] & IS_ANSWER != 0 {
        return Verdict::Nothing;
    }
    let query = own::query(message).filter(|query| !ZONE_TRANSFERS.contains(&query.kind));
    let Some(query) = query else {
        refuse(message, REFUSED);
        return Verdict::Refused;
    };
    own::answer(message, &query).map_or(Verdict::Forwarded, Verdict::Answered)
}

/// Makes of a question the answer "server failure", so that nobody waits.
fn fail(question: &mut [u8]) {
    refuse(question, SERVER_FAILURE);
}

fn refuse(question: &mut [u8], code: u8) {
    question[2] |= IS_ANSWER;
    question[3] = (question[3] & 0xf0) | code;
}

/// There is no room for another connection now.
fn is_short(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].into_iter().any(|it| code == Some(it))
}

#[cfg(test)]
mod tests;
