//! How many connections the gateway has at once, and which of them make room for others.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test: spawns its server

mod house;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_gateway::{Gateway, Visitor};
use haar_kernel::{Auth, Site};
use haar_substrate::SandboxId;
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Descriptors that the gateway reckons with, and the connections that it makes of them.
const FILES: u64 = 200;
const MOST: usize = 100;

/// Bytes of an answer that no buffer on its way holds.
const LARGE: usize = 64 << 20;

/// Answers at once, `/wait` when it is told, and `/large` much; counts those that wait.
#[derive(Default)]
struct Waiter {
    bell: Notify,
    waiting: AtomicUsize,
}

impl Site for Waiter {
    fn claims(&self, _: &str, _: &Parts) -> bool {
        true
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            if request.uri().path() == "/wait" {
                let told = self.bell.notified();
                self.waiting.fetch_add(1, Ordering::SeqCst);
                told.await;
            }
            if request.uri().path() == "/large" {
                return Response::new(Body::from(vec![b'x'; LARGE]));
            }
            Response::new(Body::from("here".to_owned()))
        })
    }
}

/// A gateway that has few connections, what its waiting requests wait for, and a listener whose
/// connections are not the gateway's yet.
struct Door {
    gateway: Arc<Gateway>,
    waiter: Arc<Waiter>,
    listener: TcpListener,
    at: SocketAddr,
}

impl Door {
    async fn open() -> Self {
        let before = getrlimit(Resource::Nofile);
        let few = Rlimit { current: Some(FILES), ..before };
        setrlimit(Resource::Nofile, few).unwrap();
        let waiter = Arc::new(Waiter::default());
        let site = Arc::clone(&waiter) as _;
        let gateway = house::before(site, Auth::Permissive, &CancellationToken::new());
        setrlimit(Resource::Nofile, before).unwrap(); // the clients have theirs in this process
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        Self { gateway, waiter, listener, at }
    }

    /// A connection of somebody's; from a sandbox where that is nobody.
    async fn connect(&self, peer: Option<&str>) -> TcpStream {
        let sandbox = Visitor::Sandbox(SandboxId("hog".to_owned()));
        self.admit(peer.map_or(sandbox, |peer| Visitor::Peer(peer.parse().unwrap()))).await
    }

    async fn admit(&self, visitor: Visitor) -> TcpStream {
        let near = TcpStream::connect(self.at).await.unwrap();
        let (far, _) = self.listener.accept().await.unwrap();
        drop(self.gateway.serve(far, visitor));
        near
    }

    async fn many(&self, peer: Option<&str>, count: usize) -> Vec<TcpStream> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.connect(peer).await);
        }
        all
    }

    async fn until_so_many_wait(&self, count: usize) {
        while self.waiter.waiting.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }
}

async fn ask(connection: &mut TcpStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: waiter.localhost\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
}

/// Hears the answer to a request; false where the connection was closed instead.
async fn hear(connection: &mut TcpStream) -> bool {
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        match connection.read(&mut piece).await {
            Ok(length) if length > 0 => answer.extend(&piece[..length]),
            _ => return false,
        }
        if answer.ends_with(b"here") {
            return true;
        }
    }
}

async fn is_served(connection: &mut TcpStream) -> bool {
    let head = b"GET / HTTP/1.1\r\nhost: waiter.localhost\r\n\r\n";
    connection.write_all(head).await.is_ok() && hear(connection).await
}

/// Whether the other side has closed it, where nothing was asked.
async fn is_closed(connection: &mut TcpStream) -> bool {
    let read = connection.read_u8();
    tokio::time::timeout(Duration::from_millis(300), read).await.is_ok_and(|read| read.is_err())
}

#[tokio::test]
async fn who_comes_last_is_served_and_those_that_were_idle_for_longest_make_room() {
    let door = Door::open().await;
    let mut first = door.connect(Some("127.0.0.1")).await;
    let mut idle = door.many(Some("127.0.0.1"), MOST - 1).await;
    assert!(is_served(&mut first).await); // so it was not idle for longest
    let mut later = door.many(Some("127.0.0.1"), MOST / 2).await;
    for one in later.iter_mut().chain([&mut first]) {
        assert!(is_served(one).await);
    }
    for one in &mut idle[..MOST / 2] {
        assert!(is_closed(one).await);
    }
    assert!(is_served(idle.last_mut().unwrap()).await);
}

#[tokio::test]
async fn what_waits_for_its_answer_gets_it_however_many_come() {
    let door = Door::open().await;
    let mut waiting = door.many(Some("127.0.0.1"), MOST).await;
    for one in &mut waiting {
        ask(one, "/wait").await;
    }
    door.until_so_many_wait(MOST).await;
    let mut refused = door.connect(Some("127.0.0.1")).await;
    assert!(!is_served(&mut refused).await);
    door.waiter.bell.notify_waiters();
    let mut served = 0;
    for one in &mut waiting {
        served += usize::from(hear(one).await);
    }
    assert_eq!(served, MOST);
    assert!(is_served(&mut door.connect(Some("127.0.0.1")).await).await);
}

#[tokio::test]
async fn who_reads_a_large_answer_slowly_is_not_cut() {
    let door = Door::open().await;
    let mut slow = door.connect(Some("127.0.0.1")).await;
    ask(&mut slow, "/large").await;
    let mut head = [0; 1024];
    let length = slow.read(&mut head).await.unwrap();
    let above = head[..length].windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let mut others = door.many(Some("127.0.0.1"), 2 * MOST).await;
    assert!(is_served(others.last_mut().unwrap()).await);
    let mut rest = vec![0; LARGE - (length - above)];
    slow.read_exact(&mut rest).await.unwrap();
    assert!(is_served(&mut slow).await, "it was at work all the time");
}

#[tokio::test]
async fn who_reads_one_of_several_answers_slowly_is_not_cut() {
    let door = Door::open().await;
    let stream = TokioIo::new(door.connect(Some("127.0.0.1")).await);
    let (mut slow, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request =
        Request::get("http://waiter.localhost/large").body(Body::from(Vec::new())).unwrap();
    let mut answer = slow.send_request(request).await.unwrap().into_body();
    let mut length = 0;
    let mut others = Vec::new();
    while let Some(frame) = answer.frame().await {
        length += frame.unwrap().data_ref().map_or(0, |data| data.len());
        if others.is_empty() {
            others = door.many(Some("127.0.0.1"), 2 * MOST).await;
            assert!(is_served(others.last_mut().unwrap()).await);
        }
    }
    assert_eq!(length, LARGE);
}

#[tokio::test]
async fn sandboxes_and_strangers_leave_room_for_others() {
    for hog in [None, Some("203.0.113.9")] {
        let door = Door::open().await;
        let mut mine = door.many(Some("127.0.0.1"), 10).await;
        let mut hogs = door.many(hog, 3 * MOST).await;
        for one in &mut mine {
            assert!(is_served(one).await, "{hog:?}");
        }
        let mut open = 0;
        for one in &mut hogs {
            open += usize::from(is_served(one).await);
        }
        assert_eq!(open, MOST / 2, "{hog:?}");
        for one in &mut hogs[3 * MOST - MOST / 2..] {
            ask(one, "/wait").await;
        }
        door.until_so_many_wait(MOST / 2).await;
        assert!(!is_served(&mut door.connect(hog).await).await, "{hog:?}");
        assert!(is_served(&mut door.connect(Some("127.0.0.1")).await).await, "{hog:?}");
        door.waiter.bell.notify_waiters();
    }
}

#[tokio::test]
async fn a_sandbox_makes_room_for_itself_by_what_was_idle_for_longest() {
    let door = Door::open().await;
    let [crowded, other] = ["crowded", "other"].map(|id| SandboxId(id.to_owned()));
    let mut elsewhere = door.admit(Visitor::Sandbox(other)).await;
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(door.admit(Visitor::Sandbox(crowded.clone())).await);
    }
    ask(&mut all[0], "/wait").await;
    door.until_so_many_wait(1).await;
    door.gateway.make_room(&crowded);
    door.waiter.bell.notify_waiters();
    assert!(hear(&mut all[0]).await, "it was at work");
    assert!(is_served(&mut elsewhere).await, "it is another's");
    assert!(is_closed(&mut all[1]).await, "it was idle for longest");
    assert!(is_served(all.last_mut().unwrap()).await);
}
