//! A keep-alive HTTP client, as thin as the echo server's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::calls::{answer, sqs};
use crate::report::Samples;

/// One request, to be sent many times.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: body.into() }
    }

    /// The same with the body's and the path's `COUNT` replaced, so that each write writes
    /// something new.
    fn numbered(&self, count: u64) -> Self {
        let mut ask = self.clone();
        if ask.path.contains("COUNT") {
            ask.path = ask.path.replace("COUNT", &count.to_string());
        } else if let Ok(text) = std::str::from_utf8(&self.body)
            && text.contains("COUNT")
        {
            ask.body = text.replace("COUNT", &count.to_string()).into();
        }
        ask
    }

    /// Names the service to a cloud that lets everybody in.
    pub(crate) fn at_service(mut self, service: &str) -> Self {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0",
        );
        self.headers.push(("authorization", scope));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// One connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    pub(crate) async fn open(authority: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self { sender, authority: authority.to_owned() })
    }

    /// Sends one request, reads the whole answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<(u16, Bytes), String> {
        let answer = self.send(ask).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    /// Sends one request, and tells the entity tag in its answer.
    pub(crate) async fn tag_of(&mut self, ask: &Ask) -> Result<String, String> {
        self.header_of(ask, "etag").await
    }

    /// Sends one request, and tells one header of its answer.
    pub(crate) async fn header_of(&mut self, ask: &Ask, name: &str) -> Result<String, String> {
        let answer = self.send(ask).await?;
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
        let value = value.map(str::to_owned);
        let status = answer.status();
        answer.into_body().collect().await.map_err(|error| error.to_string())?;
        value.ok_or_else(|| format!("{} {}: {status}, no {name}", ask.method, ask.path))
    }

    /// A server may end the connection after an answer, as moto does: then there is another.
    async fn send(&mut self, ask: &Ask) -> Result<Response<Incoming>, String> {
        let mut is_fresh = false;
        loop {
            let request = self.request(ask)?;
            let sent = match self.sender.ready().await {
                Ok(()) => self.sender.send_request(request).await,
                Err(ended) => Err(ended),
            };
            match sent {
                Err(error) if !is_fresh && (error.is_closed() || error.is_canceled()) => {
                    *self = Self::open(&self.authority).await?;
                    is_fresh = true;
                }
                other => return other.map_err(|error| error.to_string()),
            }
        }
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder().method(&ask.method).uri(&ask.path);
        request = request.header("host", &self.authority);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(ask.body.clone())).map_err(|error| error.to_string())
    }

    /// As [`Self::ask`], but any other status than success is an error.
    pub(crate) async fn must(&mut self, ask: &Ask) -> Result<Bytes, String> {
        match self.ask(ask).await? {
            (200..=299, body) => Ok(body),
            (status, body) => Err(format!(
                "{} {}: {status} {}",
                ask.method,
                ask.path,
                String::from_utf8_lossy(&body)
            )),
        }
    }
}

/// How often [`in_turns`] changes sides.
const TURN: usize = 20;

/// Sends so many requests one after another on one connection, for nothing but their effect.
pub(crate) async fn in_turn(authority: &str, ask: &Ask, count: usize) -> Result<(), String> {
    let mut connection = Connection::open(authority).await?;
    for _ in 0..count {
        connection.must(ask).await?;
    }
    Ok(())
}

/// The times of so many requests to each of some servers, one after another on one connection
/// to each. They take turns, so that all find the machine in the same mood.
pub(crate) async fn in_turns<const N: usize>(
    authorities: [&str; N],
    ask: &Ask,
    count: usize,
) -> Result<[Samples; N], String> {
    let mut connections = try_join_all(authorities.map(Connection::open)).await?;
    let mut samples = [(); N].map(|()| Samples::default());
    for _ in 0..count.div_ceil(TURN) {
        for (connection, samples) in connections.iter_mut().zip(&mut samples) {
            for _ in 0..TURN {
                let begun = Instant::now();
                connection.must(ask).await?;
                samples.add(begun.elapsed());
            }
        }
    }
    Ok(samples)
}

/// What one connection does again and again.
#[derive(Clone)]
pub(crate) enum Work {
    /// One request.
    Same(Ask),
    /// One after another of these, then from the first again.
    Each(Vec<Ask>),
    /// A message is sent to the queue of this URL, one is received, and deleted.
    Queue(String),
}

impl Work {
    /// Its first request.
    pub(crate) fn first(&self) -> Ask {
        match self {
            Self::Same(ask) => ask.clone(),
            Self::Each(asks) => asks[0].clone(),
            Self::Queue(url) => send(url, 0),
        }
    }

    /// Does it once; how many requests that took.
    async fn once(&self, connection: &mut Connection, count: u64) -> Result<u64, String> {
        let url = match self {
            Self::Same(ask) => return connection.must(&ask.numbered(count)).await.map(|_| 1),
            Self::Each(asks) => {
                let ask = &asks[count as usize % asks.len()];
                return connection.must(ask).await.map(|_| 1);
            }
            Self::Queue(url) => url,
        };
        connection.must(&send(url, count)).await?;
        let receive = json!({ "QueueUrl": url, "MaxNumberOfMessages": 1 });
        let found = answer(connection, &sqs("ReceiveMessage", &receive)).await?;
        let Some(handle) = found["Messages"][0]["ReceiptHandle"].as_str() else { return Ok(2) };
        let delete = json!({ "QueueUrl": url, "ReceiptHandle": handle });
        connection.must(&sqs("DeleteMessage", &delete)).await?;
        Ok(3)
    }
}

fn send(url: &str, count: u64) -> Ask {
    let body = format!("{count} {}", "x".repeat(500));
    sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": body }))
}

/// Requests a second over so many connections, each asking again as soon as it is answered.
pub(crate) async fn at_once(
    authority: &str,
    connections: usize,
    length: Duration,
    ask: impl Fn(usize) -> Ask,
) -> Result<f64, String> {
    work_at_once(authority, connections, length, &|number| Work::Same(ask(number))).await
}

/// The same with other work than one request.
pub(crate) async fn work_at_once(
    authority: &str,
    connections: usize,
    length: Duration,
    work: impl Fn(usize) -> Work,
) -> Result<f64, String> {
    let begun = Instant::now();
    let callers = (0..connections).map(|number| {
        let (authority, work) = (authority.to_owned(), work(number));
        tokio::spawn(async move {
            let mut connection = Connection::open(&authority).await?;
            let (mut rounds, mut requests) = (0_u64, 0_u64);
            while begun.elapsed() < length {
                requests += work.once(&mut connection, rounds).await?;
                rounds += 1;
            }
            Ok::<_, String>(requests)
        })
    });
    let counts = try_join_all(callers).await.map_err(|error| error.to_string())?;
    let total: u64 = counts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}
