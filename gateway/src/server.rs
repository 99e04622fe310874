//! Connections and what becomes of their requests.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Clock;
use haar_kernel::{Auth, ForeignPage, Inbound, Kernel, Site, host_of};
use haar_substrate::SandboxId;
use haar_wire::Body;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustix::net::sockopt::set_socket_send_buffer_size;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminPage, json_page};
use crate::calm::Calm;
use crate::guard::{self, Stranger};
use crate::intake::{self, Intake};
use crate::parting::Unread;
use crate::patience::Patience;
use crate::places::{Held, Places, Seated, Visitor};

/// Most bytes of one request's headers.
const HEADERS_MAX: usize = 64 << 10;
/// How long a client may take to send its headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes on their way to a client on this machine, of which the system counts twice as many. What
/// it keeps of its own accord is many times that: more than stays near the processor until the
/// client reads it, which then costs the client twice as much.
const NEAR_SEND_BYTES: usize = 208 << 10;
/// How long requests under way may take once haar was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// The front door.
pub struct Gateway {
    kernel: Arc<Kernel>,
    clock: Clock,
    sites: Vec<Arc<dyn Site>>,
    pages: Vec<AdminPage>,
    connections: TaskTracker,
    places: Arc<Places>,
    intake: Intake,
    stopping: CancellationToken,
}

/// Why haar does not listen.
#[derive(Debug)]
pub enum ListenError {
    /// The address is taken or not this machine's.
    Bind(SocketAddr, io::Error),
    /// Off loopback without `enforce`.
    Open(SocketAddr),
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{address} is taken, perhaps by another haar; try --listen {}:{}",
                address.ip(),
                address.port().wrapping_add(1),
            ),
            Self::Bind(address, error) => write!(f, "could not listen on {address}: {error}"),
            Self::Open(address) => write!(
                f,
                "{address} can be reached from other machines, and --auth permissive lets \
                 everybody in; listen on 127.0.0.1, or add --auth enforce",
            ),
        }
    }
}

impl std::error::Error for ListenError {}

impl Gateway {
    /// A door in front of a kernel; `stopping` ends it. It has as many connections at once as this
    /// process's limit of open files, as it is now, leaves room for.
    pub fn new(
        kernel: Arc<Kernel>,
        clock: Clock,
        sites: Vec<Arc<dyn Site>>,
        pages: Vec<AdminPage>,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let (connections, intake) = (TaskTracker::new(), Intake::new(clock.clone()));
        let places = Places::new();
        Arc::new(Self { kernel, clock, sites, pages, connections, places, intake, stopping })
    }

    /// Opens the port. Off loopback only where every call is decided by policies.
    ///
    /// # Errors
    /// [`ListenError`], whose text says what to do.
    pub async fn bind(address: SocketAddr, auth: Auth) -> Result<TcpListener, ListenError> {
        if !address.ip().is_loopback() && auth == Auth::Permissive {
            return Err(ListenError::Open(address));
        }
        TcpListener::bind(address).await.map_err(|error| ListenError::Bind(address, error))
    }

    /// Accepts connections until told to stop, then waits for the requests under way.
    pub async fn listen(self: &Arc<Self>, listener: TcpListener) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => drop(self.serve(stream, Visitor::Peer(peer.ip()))),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        self.clock.sleep(Duration::from_millis(20)).await;
                    }
                },
            }
        }
        self.connections.close();
        let _ = self.clock.timeout(STOP_GRACE, self.connections.wait()).await;
    }

    /// Serves one connection in the background; sandboxes bring theirs here too.
    /// What is answered ends with it, and need not be awaited. Where there is no room and none can
    /// be made, it is closed.
    pub fn serve(self: &Arc<Self>, stream: TcpStream, visitor: Visitor) -> JoinHandle<()> {
        let (gateway, peer) = (Arc::clone(self), visitor.peer());
        let stopping = self.stopping.child_token(); // all connections would lock the one
        let place = self.places.take(visitor, stopping.clone());
        self.connections.spawn(async move {
            match place {
                Some(place) => gateway.converse((stream, place), peer, stopping).await,
                None => tracing::debug!(?peer, "there is no room for a connection"),
            }
        })
    }

    /// Ends some of a sandbox's connections that have been idle for longest.
    pub fn make_room(&self, sandbox: &SandboxId) {
        self.places.make_room(sandbox);
    }

    async fn converse(
        self: Arc<Self>,
        (stream, place): (TcpStream, Held),
        peer: Option<IpAddr>,
        stopping: CancellationToken,
    ) {
        let _ = stream.set_nodelay(true);
        if peer.is_some_and(|peer| peer.is_loopback()) {
            let _ = set_socket_send_buffer_size(&stream, NEAR_SEND_BYTES); // slower without
        }
        let seat = place.seat();
        let service = service_fn(|request: Request<Incoming>| {
            let (gateway, work, version) = (Arc::clone(&self), seat.begin(), request.version());
            async move {
                let answer = gateway.answer(request, peer).await;
                Ok::<_, std::convert::Infallible>(work.answered(version, answer))
            }
        });
        let stream = Seated::new(stream, place, self.clock.clone());
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(Patience::default())
            .header_read_timeout(HEADERS_TIMEOUT)
            .max_buf_size(HEADERS_MAX.max(8192))
            .preserve_header_case(false);
        builder.http2().timer(TokioTimer::new()).max_header_list_size(HEADERS_MAX as u32);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let calm = Calm::new();
        let ended = tokio::select! {
            ended = poll_fn(|context| calm.poll(context, connection.as_mut())) => ended,
            () = stopping.cancelled() => {
                if seat.is_lost() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                poll_fn(|context| calm.poll(context, connection.as_mut())).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
        let is_left_waiting = intake::waits_for_nothing(&request);
        let mut answer = self.answered(request, peer).await;
        if is_left_waiting {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn answered(&self, request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let host = host_of(&parts);
        let stranger = if self.enforces() { None } else { guard::stranger(&parts, &host) };
        // haar's own pages are for nobody else's
        if stranger.is_none() && admin::claims(parts.uri.path()) {
            return match self.intake.take(body).await {
                Ok(body) => admin::answer(self, &parts, body, peer).await,
                Err(refusal) => refusal,
            };
        }
        let site = self.sites.iter().find(|site| site.claims(&host, &parts));
        if let Some(stranger) = stranger
            && !self.welcomes(stranger, site, &host, &parts)
        {
            let mut answer =
                json_page(StatusCode::FORBIDDEN, &json!({ "message": stranger.why() }));
            if !body.is_end_stream() {
                answer.extensions_mut().insert(Unread);
            }
            return answer;
        }
        if let Some(Stranger::Page(_)) = stranger {
            parts.extensions.insert(ForeignPage);
        }
        if let Some(site) = site.filter(|site| site.streams(&parts)) {
            let (version, (body, rest)) = (parts.version, self.intake.pass(body));
            let mut answer = visit(&**site, parts, body, peer).await;
            rest.close(version, &mut answer);
            return answer;
        }
        if site.is_none()
            && let Some(route) = self.kernel.streams(&parts)
        {
            let version = parts.version;
            // who expects a word before they send the body hears it once they are let in
            let (body, rest) = match parts.headers.contains_key(EXPECT) {
                true => self.intake.pass(body),
                false => self.intake.pass_small(body).await,
            };
            let mut answer = self.kernel.serve_stream(route, parts, body, peer).await;
            rest.close(version, &mut answer);
            return answer;
        }
        let body = match self.intake.take(body).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        match site {
            Some(site) => visit(&**site, parts, body.into(), peer).await,
            None => self.inbound(parts, body, peer).await,
        }
    }

    /// Whether what a request is for may let pages of other sites in, and customers' own.
    fn welcomes(
        &self,
        stranger: Stranger,
        site: Option<&Arc<dyn Site>>,
        host: &str,
        parts: &Parts,
    ) -> bool {
        match (stranger, site) {
            (Stranger::Host, _) => false,
            (Stranger::Page(_) | Stranger::Own, Some(site)) => site.welcomes(host, parts),
            (Stranger::Page(_) | Stranger::Own, None) => self.kernel.welcomes(parts),
        }
    }

    async fn inbound(&self, parts: Parts, body: Bytes, peer: Option<IpAddr>) -> Response<Body> {
        self.kernel.serve(Inbound { parts, body, source_ip: peer }).await
    }

    /// True where policies decide.
    pub(crate) fn enforces(&self) -> bool {
        self.kernel.settings().auth == Auth::Enforce
    }

    /// The health document.
    pub(crate) fn health(&self) -> serde_json::Value {
        self.kernel.health()
    }

    /// The counters, as Prometheus text.
    pub(crate) fn metrics(&self) -> String {
        self.kernel.metrics()
    }

    /// The page of a method and a path below `/_haar/`.
    pub(crate) fn page(&self, method: &http::Method, path: &str) -> Option<&AdminPage> {
        self.pages.iter().find(|page| page.method == *method && page.path == path)
    }
}

/// Hands a request to the site that claims it.
async fn visit(site: &dyn Site, parts: Parts, body: Body, peer: Option<IpAddr>) -> Response<Body> {
    let mut request = Request::from_parts(parts, body);
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    site.serve(request).await
}
