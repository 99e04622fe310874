//! The peer: a hyper server that answers each request with its own body.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Echoes until it is killed.
pub(crate) async fn serve() -> ExitCode {
    answering(echo).await
}

/// Prints an address and answers what comes there, until it is killed.
pub(crate) async fn answering<A, F>(answer: A) -> ExitCode
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else { return ExitCode::FAILURE };
    if let Ok(address) = listener.local_addr() {
        println!("{address}");
    }
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let service = service_fn(answer.clone());
        tokio::spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    Ok(Response::new(Full::new(body.unwrap_or_default())))
}

/// A peer in a process of its own, a part of this program; ends when dropped.
pub(crate) struct Echo {
    _child: Child,
    pub(crate) authority: String,
}

impl Echo {
    pub(crate) async fn start() -> Result<Self, String> {
        Self::part(&["echo".as_ref()]).await
    }

    /// One that hands requests to a program over the runtime API.
    pub(crate) async fn relay() -> Result<Self, String> {
        Self::part(&["relay".as_ref()]).await
    }

    /// One that keeps what it is sent in records in a folder.
    pub(crate) async fn keeper(folder: &Path) -> Result<Self, String> {
        Self::part(&["keeper".as_ref(), folder.as_ref()]).await
    }

    async fn part(arguments: &[&OsStr]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let out = child.stdout.take().ok_or("no output")?;
        let line = BufReader::new(out).lines().next_line().await;
        let authority = line.ok().flatten().ok_or("a peer did not start")?;
        Ok(Self { _child: child, authority })
    }
}
