//! How many connections there may be at once, and which of them make room for others: each costs
//! this process a descriptor, and what it has to do costs more.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use haar_clock::Clock;
use haar_kernel::INSIDE_MAX;
use haar_substrate::SandboxId;
use haar_wire::{Body, BodyError};
use http::{Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::parting::{Parting, Unread};

/// Of the descriptors that this process may have, one in so many is for a connection.
const SHARE: u64 = 2;
/// Most connections however many descriptors there may be: each has memory, too.
const MOST: usize = 32 << 10;
/// Where there is no place, one in so many is made free at once: to look for one looks at all.
const FREED_SHARE: usize = 64;
/// Bytes of an answer that a connection with several of them takes at once.
const PIECE_MAX: usize = 16 << 10;

/// The places of one gateway.
pub(crate) struct Places {
    most: usize,
    /// Connections so far.
    arrivals: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seats: BTreeMap<u64, Arc<Seat>>,
    /// How many each has.
    held: BTreeMap<Holder, usize>,
}

/// Who connects.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// Somebody at this address.
    Peer(IpAddr),
    /// A program inside a sandbox.
    Sandbox(SandboxId),
}

impl Visitor {
    /// The address; none of a sandbox's, which is nobody's.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Peer(peer) => Some(*peer),
            Self::Sandbox(_) => None,
        }
    }
}

/// Who has a connection; no one of them takes more than half of the places, but for this machine,
/// whose programs all come from one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Machine,
    Peer(IpAddr),
    /// All sandboxes together.
    Sandboxes,
}

/// One connection's place.
pub(crate) struct Seat {
    number: u64,
    holder: Holder,
    /// Where it comes from one.
    sandbox: Option<SandboxId>,
    /// Requests whose answers have not been handed over.
    requests: AtomicUsize,
    /// Of what was handed over some waits for a slow reader.
    is_held_up: AtomicBool,
    /// A request was answered whose body was not read: its client may still be sending.
    is_sent_to: AtomicBool,
    /// How many connections had come when it last had nothing to do.
    idle_at: AtomicU64,
    must_leave: AtomicBool,
    /// Ends the connection.
    end: CancellationToken,
    places: Arc<Places>,
}

impl Places {
    /// As many as the limit of descriptors, as it is now, leaves room for.
    pub(crate) fn new() -> Arc<Self> {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = usize::try_from(files / SHARE).unwrap_or(MOST).min(MOST);
        Arc::new(Self { most, arrivals: AtomicU64::new(0), state: Mutex::default() })
    }

    /// A place for who comes. Where all are taken those that have been idle for longest lose
    /// theirs; none where all are at work.
    pub(crate) fn take(self: &Arc<Self>, visitor: Visitor, end: CancellationToken) -> Option<Held> {
        let (holder, sandbox) = match visitor {
            Visitor::Sandbox(sandbox) => (Holder::Sandboxes, Some(sandbox)),
            Visitor::Peer(peer) => match peer.to_canonical() {
                peer if peer.is_loopback() => (Holder::Machine, None),
                peer => (Holder::Peer(peer), None),
            },
        };
        let some = self.most / FREED_SHARE;
        let mut state = self.state.lock();
        let own = state.held.get(&holder).copied().unwrap_or_default();
        if holder != Holder::Machine && own >= self.most.div_ceil(2) {
            state.make_room(|seat| seat.holder == holder, some).then_some(())?;
        }
        if state.seats.len() >= self.most {
            state.make_room(|_| true, some).then_some(())?;
        }
        let number = self.arrivals.fetch_add(1, Ordering::Relaxed) + 1;
        let seat = Arc::new(Seat {
            number,
            holder,
            sandbox,
            requests: AtomicUsize::new(0),
            is_held_up: AtomicBool::new(false),
            is_sent_to: AtomicBool::new(false),
            idle_at: AtomicU64::new(number),
            must_leave: AtomicBool::new(false),
            end,
            places: Arc::clone(self),
        });
        state.seats.insert(number, Arc::clone(&seat));
        *state.held.entry(holder).or_default() += 1;
        Some(Held(seat))
    }

    /// Ends some connections of one sandbox's that have been idle for longest.
    pub(crate) fn make_room(&self, sandbox: &SandboxId) {
        let own = |seat: &Seat| seat.sandbox.as_ref() == Some(sandbox);
        self.state.lock().make_room(own, INSIDE_MAX / FREED_SHARE);
    }
}

impl State {
    /// Ends so many, and one at least, of those that have been idle for longest; false where none
    /// of them is.
    fn make_room(&mut self, of: impl Fn(&Seat) -> bool, count: usize) -> bool {
        let idle = self.seats.values().filter(|seat| of(seat) && seat.is_idle());
        let mut idle: Vec<_> =
            idle.map(|seat| (seat.idle_at.load(Ordering::Relaxed), seat.number)).collect();
        idle.sort_unstable();
        idle.truncate(count.max(1));
        for (_, number) in &idle {
            if let Some(seat) = self.remove(*number) {
                seat.must_leave.store(true, Ordering::Relaxed);
                seat.end.cancel();
            }
        }
        !idle.is_empty()
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Seat>> {
        let seat = self.seats.remove(&number)?;
        if let Some(held) = self.held.get_mut(&seat.holder) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&seat.holder);
            }
        }
        Some(seat)
    }
}

impl Seat {
    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && !self.is_held_up.load(Ordering::Relaxed)
    }

    /// From now on it counts as having nothing to do since now.
    fn rest(&self) {
        self.idle_at.store(self.places.arrivals.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Something was written, as far as the reader takes it.
    fn note_write(&self, is_pending: bool) {
        if self.is_held_up.load(Ordering::Relaxed) == is_pending {
            return;
        }
        self.rest();
        self.is_held_up.store(is_pending, Ordering::Relaxed);
    }

    /// It was idle and another was to have its place: nobody waits for anything.
    pub(crate) fn is_lost(&self) -> bool {
        self.must_leave.load(Ordering::Relaxed) && self.is_idle()
    }

    /// A request has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Work {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.is_sent_to.store(false, Ordering::Relaxed); // it sent all of the one before
        Work(Some(Arc::clone(self)))
    }
}

/// A request under way.
pub(crate) struct Work(Option<Arc<Seat>>);

impl Work {
    /// The answer, which the work lasts as long as. A connection that goes on as another protocol
    /// is at work to its end.
    pub(crate) fn answered(
        mut self,
        version: Version,
        answer: Response<Body>,
    ) -> Response<Answered> {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.0 = None;
        }
        let is_shared = version == Version::HTTP_2;
        if !is_shared
            && answer.extensions().get::<Unread>().is_some()
            && let Some(seat) = &self.0
        {
            seat.is_sent_to.store(true, Ordering::Relaxed);
        }
        answer.map(|body| Answered { body, is_shared, last: None, _work: self })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let Some(seat) = &self.0 else { return };
        seat.rest();
        seat.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose request is under way until it is dropped.
pub(crate) struct Answered {
    body: Body,
    /// Its connection has other answers too: readers say how much they take of each.
    is_shared: bool,
    /// Is handed over when the reader has room for all that comes before it.
    last: Option<u8>,
    _work: Work,
}

impl Answered {
    /// Keeps the last byte of a large piece back, or the work would seem to be done while the
    /// piece waits for a slow reader.
    fn keep_last(&mut self, mut piece: Bytes) -> Bytes {
        if self.is_shared && piece.len() > PIECE_MAX {
            self.last = piece.split_off(piece.len() - 1).first().copied();
        }
        piece
    }
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(last) = this.last.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&[last])))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| Ok(frame?.map_data(|piece| this.keep_last(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, last) = (self.body.size_hint(), u64::from(self.last.is_some()));
        let mut all = SizeHint::new();
        all.set_lower(rest.lower() + last);
        if let Some(upper) = rest.upper() {
            all.set_upper(upper + last);
        }
        all
    }
}

/// A place that is taken, until it is dropped.
pub(crate) struct Held(Arc<Seat>);

impl Held {
    pub(crate) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.places.state.lock().remove(self.0.number);
    }
}

/// A connection with its place, which it has for as long as it is open, whatever is spoken on it.
pub(crate) struct Seated {
    stream: TcpStream,
    place: Held,
    clock: Clock,
    parting: Option<Parting>,
}

impl Seated {
    pub(crate) fn new(stream: TcpStream, place: Held, clock: Clock) -> Self {
        Self { stream, place, clock, parting: None }
    }
}

impl AsyncRead for Seated {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.place.0.note_write(written.is_pending());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.place.0.note_write(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.parting.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let seat = &this.place.0;
        if !seat.is_sent_to.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let parting =
            this.parting.get_or_insert_with(|| Parting::new(&this.clock, seat.end.clone()));
        ready!(parting.poll(&mut this.stream, cx));
        seat.is_sent_to.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}
