//! The limit of a warm call: a hyper server that hands each request to one program over the
//! runtime API, and does nothing else.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::echo::answering;

/// An event, and whoever waits for its answer.
type Turn = (Bytes, oneshot::Sender<Bytes>);

struct Relay {
    calls: mpsc::Sender<Turn>,
    turns: Mutex<mpsc::Receiver<Turn>>,
    /// Who waits for what the program is at.
    waits: Mutex<Option<oneshot::Sender<Bytes>>>,
}

/// Serves until it is killed.
pub(crate) async fn serve() -> ExitCode {
    let (calls, turns) = mpsc::channel(1);
    let relay = Arc::new(Relay { calls, turns: Mutex::new(turns), waits: Mutex::default() });
    answering(move |request| Arc::clone(&relay).answer(request)).await
}

impl Relay {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map(|body| body.to_bytes());
        let body = body.unwrap_or_default();
        let (status, body) = match path.rsplit('/').next() {
            Some("next") => (200, self.next().await),
            Some("response") => {
                if let Some(waits) = self.waits.lock().await.take() {
                    let _ = waits.send(body);
                }
                (202, Bytes::new())
            }
            _ => (200, self.call(body).await),
        };
        let answer = Response::builder().status(status);
        let answer = answer.header("lambda-runtime-aws-request-id", "1");
        Ok(answer.body(Full::new(body)).unwrap_or_default())
    }

    async fn next(&self) -> Bytes {
        let Some((event, waits)) = self.turns.lock().await.recv().await else {
            return Bytes::new();
        };
        *self.waits.lock().await = Some(waits);
        event
    }

    async fn call(&self, event: Bytes) -> Bytes {
        let (tell, told) = oneshot::channel();
        let _ = self.calls.send((event, tell)).await;
        told.await.unwrap_or_default()
    }
}
