//! What the gateway answers beside operations: which bodies sites are handed, and how; its own
//! pages, and to whom.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test: spawns its server

mod house;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use haar_gateway::{Gateway, Visitor};
use haar_kernel::{Auth, Site};
use haar_wire::Body;
use http::request::Parts;
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Counts what it is sent; below `/stream` it wants bodies as they come.
struct Counter;

impl Site for Counter {
    fn claims(&self, host: &str, _parts: &Parts) -> bool {
        host == "counter.localhost"
    }

    fn streams(&self, parts: &Parts) -> bool {
        parts.uri.path().starts_with("/stream")
    }

    fn serve(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            if request.uri().path() == "/stream/refused" {
                let mut refused = Response::new(Body::from("it is not wanted".to_owned()));
                *refused.status_mut() = http::StatusCode::FORBIDDEN;
                return refused;
            }
            let whole = request.body().as_bytes().is_some();
            let early = request.uri().path() == "/stream/early";
            let mut chunks = std::pin::pin!(request.into_body().into_stream());
            let mut seen = 0;
            while let Some(chunk) = chunks.next().await {
                match chunk {
                    Ok(chunk) => seen += chunk.len(),
                    Err(error) => return Response::new(format!("seen={seen}, {error}").into()),
                }
                if early {
                    break;
                }
            }
            Response::new(Body::from(format!("whole={whole} seen={seen}")))
        })
    }
}

/// A gateway on a free port, and its address.
async fn gateway(stopping: &CancellationToken) -> std::net::SocketAddr {
    let gateway = house::before(Arc::new(Counter), Auth::Permissive, stopping);
    let listener = Gateway::bind("127.0.0.1:0".parse().unwrap(), Default::default()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { gateway.listen(listener).await });
    address
}

/// Sends a head, then as many mebibytes as are taken; answers all that came back.
async fn put(address: std::net::SocketAddr, path: &str, mebibytes: usize) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let length = mebibytes << 20;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: counter.localhost\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = connection.split();
    let sending = async {
        for _ in 0..mebibytes {
            if to.write_all(&vec![b'x'; 1 << 20]).await.is_err() {
                break; // the other side has heard enough
            }
        }
    };
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(sending, from.read_to_end(&mut answer));
    assert!(read.is_ok() || !answer.is_empty());
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_site_that_streams_is_handed_bodies_that_no_memory_would_hold() {
    let stopping = CancellationToken::new();
    let address = gateway(&stopping).await;
    let answer = put(address, "/stream", 90).await;
    assert!(answer.ends_with(&format!("whole=false seen={}", 90 << 20)), "{answer}");
    stopping.cancel();
}

#[tokio::test]
async fn a_site_that_does_not_gets_them_whole_or_not_at_all() {
    let stopping = CancellationToken::new();
    let address = gateway(&stopping).await;
    let answer = put(address, "/whole", 1).await;
    assert!(answer.ends_with(&format!("whole=true seen={}", 1 << 20)), "{answer}");
    let refused = put(address, "/whole", 81).await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    stopping.cancel();
}

#[tokio::test]
async fn a_body_that_is_said_to_be_too_large_is_not_waited_for() {
    let stopping = CancellationToken::new();
    let mut connection = TcpStream::connect(gateway(&stopping).await).await.unwrap();
    let head =
        "PUT /whole HTTP/1.1\r\nhost: counter.localhost\r\ncontent-length: 99999999999\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    connection.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    stopping.cancel();
}

#[tokio::test]
async fn who_waits_for_leave_to_send_nothing_has_its_connection_closed() {
    let stopping = CancellationToken::new();
    let address = gateway(&stopping).await;
    for (expect, closes) in [("expect: 100-continue\r\n", true), ("", false)] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "PUT /whole HTTP/1.1\r\nhost: counter.localhost\r\n{expect}content-length: 0\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 1024];
        let length = connection.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        assert_eq!(answer.contains("connection: close"), closes, "{answer}");
    }
    stopping.cancel();
}

#[tokio::test]
async fn a_site_may_answer_before_the_body_ends() {
    let stopping = CancellationToken::new();
    let address = gateway(&stopping).await;
    let answer = put(address, "/stream/early", 8).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("whole=false"), "{answer}");
    stopping.cancel();
}

#[tokio::test]
async fn who_still_sends_when_it_is_refused_hears_why() {
    let stopping = CancellationToken::new();
    let mut connection = begin_at(gateway(&stopping).await, "/stream/refused", 8).await;
    for _ in 0..8 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        connection.write_all(&vec![b'x'; (1 << 20) - 1]).await.unwrap();
    }
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("it is not wanted"), "{answer}");
    stopping.cancel();
}

#[tokio::test]
async fn who_was_refused_and_neither_sends_nor_goes_holds_nothing_up() {
    let stopping = CancellationToken::new();
    let gateway = house::before(Arc::new(Counter), Auth::Permissive, &stopping);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = begin_at(listener.local_addr().unwrap(), "/stream/refused", 8).await;
    let peer = Visitor::Peer("127.0.0.1".parse().unwrap());
    let served = gateway.serve(listener.accept().await.unwrap().0, peer);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(!served.is_finished(), "it waits for what the client still sends");
    stopping.cancel();
    let soon = std::time::Duration::from_secs(5);
    tokio::time::timeout(soon, served).await.expect("nothing else is waited for").unwrap();
}

/// What a peer hears that asks for a page.
async fn page(gateway: &Arc<Gateway>, peer: &str, path: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let served =
        gateway.serve(listener.accept().await.unwrap().0, Visitor::Peer(peer.parse().unwrap()));
    let head = format!("GET {path} HTTP/1.1\r\nhost: haar.example\r\nconnection: close\r\n\r\n");
    near.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    served.await.unwrap();
    answer
}

#[tokio::test]
async fn where_policies_decide_strangers_hear_of_health_alone() {
    let gateway = house::before(Arc::new(Counter), Auth::Enforce, &CancellationToken::new());
    for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert!(page(&gateway, peer, "/_haar/metrics").await.starts_with("HTTP/1.1 200"), "{peer}");
    }
    for (path, status) in [("health", 200), ("metrics", 403), ("cost", 403), ("state", 403)] {
        let answer = page(&gateway, "10.0.0.1", &format!("/_haar/{path}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    for (path, status) in [("health", 200), ("state/reset", 403)] {
        let answer = page(&gateway, "10.0.0.1", &format!("/_localstack/{path}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
}

/// Opens a request whose body is said to have so many mebibytes, and sends one byte of it.
async fn begin(address: std::net::SocketAddr, mebibytes: usize) -> TcpStream {
    begin_at(address, "/whole", mebibytes).await
}

async fn begin_at(address: std::net::SocketAddr, path: &str, mebibytes: usize) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: counter.localhost\r\ncontent-length: {}\r\n\r\nx",
        mebibytes << 20
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

#[tokio::test]
async fn large_bodies_wait_until_there_is_room_and_small_ones_do_not() {
    let stopping = CancellationToken::new();
    let address = gateway(&stopping).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(begin(address, 80).await);
    }
    let small = put(address, "/whole", 0).await;
    assert!(small.ends_with("whole=true seen=0"), "{small}");
    let large = tokio::spawn(async move { put(address, "/whole", 70).await });
    held.clear(); // those that never go on leave
    let large = large.await.unwrap();
    assert!(large.ends_with(&format!("seen={}", 70 << 20)), "{large}");
    stopping.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up() {
    let stopping = CancellationToken::new();
    let mut connection = begin(gateway(&stopping).await, 1).await;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("RequestTimeout"), "{answer}");
    stopping.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_that_stands_still_breaks_off() {
    let stopping = CancellationToken::new();
    let mut connection = begin_at(gateway(&stopping).await, "/stream", 1).await;
    let mut answer = String::new();
    let read = connection.read_to_string(&mut answer);
    tokio::time::timeout(std::time::Duration::from_secs(600), read).await.unwrap().unwrap();
    assert!(answer.ends_with("seen=1, the request's body was not sent within the timeout period"));
    stopping.cancel();
}
