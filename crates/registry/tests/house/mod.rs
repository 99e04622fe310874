//! A registry that does as it is told, on a port of this machine.

#![allow(unreachable_pub)]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, header};
use http_body_util::{StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// A request as it came: path with query, `Authorization`, `Range`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
}

/// What is answered.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub pieces: Vec<&'static [u8]>,
    /// The body never ends.
    pub hangs: bool,
}

pub fn reply(status: u16, body: &'static [u8]) -> Reply {
    Reply { status, headers: Vec::new(), pieces: vec![body], hangs: false }
}

impl Reply {
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server, for as long as the test runs.
pub struct Server {
    pub host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn new(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let asked = asked_of(&request);
                    seen.lock().push(asked.clone());
                    let reply = answer(&asked);
                    async move {
                        match reply {
                            Some(reply) => Ok::<_, std::convert::Infallible>(response(reply)),
                            None => std::future::pending().await,
                        }
                    }
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { host, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

fn asked_of(request: &Request<Incoming>) -> Asked {
    let header = |name| request.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
    Asked {
        path: request.uri().to_string(),
        authorization: header(header::AUTHORIZATION),
        range: header(header::RANGE),
    }
}

fn response(reply: Reply) -> Response<BoxBody<Bytes, std::convert::Infallible>> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let pieces = reply.pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece))));
    let pieces = stream::iter(pieces);
    let body = match reply.hangs {
        true => BoxBody::new(StreamBody::new(Box::pin(pieces.chain(stream::pending())) as Sent)),
        false => BoxBody::new(StreamBody::new(Box::pin(pieces) as Sent)),
    };
    response.body(body).unwrap()
}

type Sent = std::pin::Pin<
    Box<
        dyn futures_util::Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>>
            + Send
            + Sync,
    >,
>;
