//! Calls to endpoints that answer, refuse, hang and are not there.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use haar_caller::{BrokenOff, CallError, Caller, STATUS_ALONE, TooLong};
use haar_clock::Clock;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// An endpoint for one connection: answers this text, or hangs where there is none.
async fn endpoint(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    #[allow(clippy::disallowed_methods)] // the test's own server
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4_096];
        let _ = connection.read(&mut bytes).await;
        match answer {
            Some(text) => connection.write_all(text.as_bytes()).await.unwrap(),
            None => std::future::pending().await,
        }
    });
    url
}

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("x")).unwrap()
}

#[tokio::test]
async fn an_answer_comes_with_its_status_and_its_body() {
    let url = endpoint(Some("HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno")).await;
    let caller = Caller::new(Duration::from_secs(30));
    let answer = caller.call(&Clock::system(), post(&url), STATUS_ALONE).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (503, &b"no"[..]));
}

#[tokio::test]
async fn who_hangs_or_is_not_there_is_told_from_who_answers() {
    let caller = Caller::new(Duration::from_millis(200));
    let url = endpoint(None).await;
    let hung = caller.call(&Clock::system(), post(&url), STATUS_ALONE).await;
    assert_eq!(hung.unwrap_err(), CallError::TimedOut);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let gone =
        Caller::new(Duration::from_secs(30)).call(&Clock::system(), post(&url), STATUS_ALONE).await;
    let Err(CallError::Unreachable(text)) = gone else { panic!("{gone:?}") };
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn an_answer_without_its_body_is_marked() {
    let caller = Caller::new(Duration::from_secs(30));
    let url = endpoint(Some("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")).await;
    let broken = caller.call(&Clock::system(), post(&url), STATUS_ALONE).await.unwrap();
    assert!(broken.extensions().get::<BrokenOff>().is_some(), "{broken:?}");
    let url = endpoint(Some("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")).await;
    let long = caller.call(&Clock::system(), post(&url), 2).await.unwrap();
    assert_eq!(long.extensions().get::<TooLong>(), Some(&TooLong));
    assert_eq!((broken.status().as_u16(), long.status().as_u16()), (200, 200));
    assert!(broken.body().is_empty() && long.body().is_empty());
}
