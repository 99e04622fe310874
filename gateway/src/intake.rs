//! Bodies on their way into memory: how large, how many at once, how slowly.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use haar_clock::Clock;
use haar_wire::{Body, BodyError};
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::json_page;
use crate::parting::Unread;

/// Most bytes of one request's body. Lambda's 50 MB of code are 67 MB in base64.
pub(crate) const BODY_MAX: usize = 80 << 20;
/// Most KiB of all large bodies that are being read at once, whoever sends them.
const ALL_KIB: usize = 512 << 10;
/// Bodies up to this size are not counted: a connection has one at a time.
const SMALL: usize = 64 << 10;
/// A body of unknown length is counted in such steps.
const STEP: usize = 1 << 20;
/// How long a client may pause within its body, and a body may wait for room.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Takes bodies in. What is large is read only when there is room for it: bodies are read before
/// it is known who sends them, and no number of strangers may fill the memory. Once a body is
/// whole its caller is asked who they are, and the room is the next one's.
pub(crate) struct Intake {
    clock: Clock,
    room: Arc<Semaphore>,
}

/// What one body has of the room.
#[derive(Default)]
struct Room {
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

/// Whether some of a body was not taken.
#[derive(Clone)]
pub(crate) struct Rest(Arc<AtomicBool>);

impl Rest {
    /// Tells a client whose body was refused that its connection ends: what it still sends is in
    /// the way of its next request.
    pub(crate) fn close(&self, version: Version, answer: &mut Response<Body>) {
        let is_left = self.0.load(Ordering::Relaxed);
        if is_left && answer.status().as_u16() >= 400 && version <= Version::HTTP_11 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            answer.extensions_mut().insert(Unread);
        }
    }
}

/// Whether a client waits for leave to send a body that is empty. Nothing asks for that body, so
/// the leave is never given; boto3 then takes its next answer on this connection for one without
/// a length, unless the connection ends.
pub(crate) fn waits_for_nothing(request: &Request<Incoming>) -> bool {
    request.version() <= Version::HTTP_11
        && request.body().is_end_stream()
        && request.headers().contains_key(EXPECT)
}

/// Why a body was not read whole.
enum Refusal {
    TooLarge,
    NoRoom,
    Slow,
    Broken(hyper::Error),
}

impl Intake {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, room: Arc::new(Semaphore::new(ALL_KIB)) }
    }

    /// Reads a whole body, or answers why not. One that is said to be too large is not waited for.
    pub(crate) async fn take(&self, body: Incoming) -> Result<Bytes, Response<Body>> {
        self.read(body).await.map_err(Refusal::answer)
    }

    /// A body for one who takes it as it comes. It breaks off where its client pauses for too
    /// long, so that what waits for it is not held for ever.
    pub(crate) fn pass(&self, incoming: Incoming) -> (Body, Rest) {
        let rest = Rest(Arc::new(AtomicBool::new(!incoming.is_end_stream())));
        (self.flowing(incoming, &rest), rest)
    }

    /// The same, but what is small is waited for, and is at hand where it comes in one piece.
    pub(crate) async fn pass_small(&self, mut incoming: Incoming) -> (Body, Rest) {
        let length = incoming.size_hint().exact().unwrap_or(u64::MAX);
        if length == 0 || length > SMALL as u64 {
            return self.pass(incoming);
        }
        let first = match chunk(&self.clock, &mut incoming).await {
            Ok(first) => first.unwrap_or_default(),
            Err(refusal) => {
                let broken = stream::iter([Err(refusal.broken_off())]);
                return (Body::stream(broken), Rest(Arc::new(AtomicBool::new(true))));
            }
        };
        if first.len() as u64 == length {
            return (Body::from(first), Rest(Arc::new(AtomicBool::new(false))));
        }
        let rest = Rest(Arc::new(AtomicBool::new(true)));
        let more = self.flowing(incoming, &rest).into_stream();
        (Body::stream(stream::iter([Ok(first)]).chain(more)), rest)
    }

    fn flowing(&self, incoming: Incoming, rest: &Rest) -> Body {
        let begin = (self.clock.clone(), incoming, rest.clone());
        Body::stream(stream::try_unfold(begin, async |(clock, mut incoming, rest)| {
            let next = chunk(&clock, &mut incoming).await.map_err(Refusal::broken_off)?;
            if next.is_none() {
                rest.0.store(false, Ordering::Relaxed);
            }
            Ok(next.map(|bytes| (bytes, (clock, incoming, rest))))
        }))
    }

    async fn read(&self, mut incoming: Incoming) -> Result<Bytes, Refusal> {
        if incoming.is_end_stream() {
            return Ok(Bytes::new());
        }
        let mut room = Room::default();
        let hint = incoming.size_hint();
        if hint.lower() > BODY_MAX as u64 {
            return Err(Refusal::TooLarge);
        }
        let said = hint.exact().map_or(0, |bytes| bytes as usize);
        self.widen(&mut room, said).await?;
        let Some(first) = chunk(&self.clock, &mut incoming).await? else {
            return Ok(Bytes::new());
        };
        if first.len() == said || incoming.is_end_stream() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(said.max(first.len()));
        whole.extend_from_slice(&first);
        while let Some(chunk) = chunk(&self.clock, &mut incoming).await? {
            let bytes = whole.len() + chunk.len();
            if bytes > BODY_MAX {
                return Err(Refusal::TooLarge);
            }
            if bytes > room.bytes.max(SMALL) {
                self.widen(&mut room, bytes.next_multiple_of(STEP)).await?;
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Waits until a body of so many bytes has its room.
    async fn widen(&self, room: &mut Room, bytes: usize) -> Result<(), Refusal> {
        if bytes <= SMALL {
            return Ok(());
        }
        let more = (bytes - room.bytes).div_ceil(1 << 10) as u32;
        let permit = Arc::clone(&self.room).acquire_many_owned(more);
        let permit = self.clock.timeout(PAUSE_MAX, permit).await.map_err(|_| Refusal::NoRoom)?;
        let permit = permit.map_err(|_| Refusal::NoRoom)?;
        match &mut room.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        room.bytes = bytes;
        Ok(())
    }
}

/// The next bytes of a body; `None` at its end.
async fn chunk(clock: &Clock, incoming: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = match soon(incoming).await {
            Some(frame) => frame,
            None => {
                let frame = clock.timeout(PAUSE_MAX, incoming.frame()).await;
                frame.map_err(|_| Refusal::Slow)?
            }
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Refusal::Broken(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            },
        }
    }
}

type Next = Option<Result<Frame<Bytes>, hyper::Error>>;

/// The next frame, where it has come already: hyper hands it over at the second time of asking.
/// So most bodies need no timer.
async fn soon(incoming: &mut Incoming) -> Option<Next> {
    let mut asked = false;
    poll_fn(|cx| match Pin::new(&mut *incoming).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending if asked => Poll::Ready(None),
        Poll::Pending => {
            asked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

impl Refusal {
    /// Why a body that is taken as it comes ends early.
    fn broken_off(self) -> BodyError {
        match self {
            Self::Broken(error) => error.into(),
            Self::TooLarge | Self::NoRoom | Self::Slow => {
                "the request's body was not sent within the timeout period".into()
            }
        }
    }

    fn answer(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                format!("Request must be smaller than {BODY_MAX} bytes"),
            ),
            Self::NoRoom => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Too many large requests at once; try again".to_owned(),
            ),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeout",
                "The request's body was not sent within the timeout period".to_owned(),
            ),
            Self::Broken(error) => {
                tracing::debug!(%error, "a body ended early");
                (StatusCode::BAD_REQUEST, "IncompleteBody", "the body ended early".to_owned())
            }
        };
        let mut answer = json_page(status, &json!({ "__type": code, "message": message }));
        answer.extensions_mut().insert(Unread);
        answer
    }
}
