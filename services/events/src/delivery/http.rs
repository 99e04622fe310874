//! Calls to others' HTTP APIs: one kept client, tokens of OAuth, limits of rate.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Clock;
use haar_types::Timestamp;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;

use super::failure::Failure;

/// How long an endpoint may take. AWS docs: *API destinations*, the client's timeout.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Bytes of a token's document at most. *Ours*.
const DOCUMENT_MAX: usize = 1 << 20;

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What is kept between calls. In memory: made again at any time.
#[derive(Default)]
pub(crate) struct Http {
    client: OnceLock<Result<Https, String>>,
    /// By connection: a token, and until when it is good.
    pub(super) tokens: Mutex<BTreeMap<String, (String, Timestamp)>>,
    /// By destination: the next moment that is free.
    slots: Mutex<BTreeMap<String, Timestamp>>,
}

/// An answer: its status and the beginning of its body.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Http {
    /// Sends a request and reads the answer.
    pub(super) async fn send(
        &self,
        clock: &Clock,
        request: Request<Full<Bytes>>,
    ) -> Result<Answered, Failure> {
        let client = self.client.get_or_init(connect).as_ref();
        let client = client.map_err(|error| Failure::passing("CONNECTION_FAILURE", error))?;
        let exchange = async {
            let answer = client.request(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), DOCUMENT_MAX).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok::<_, String>(Answered { status, body })
        };
        match clock.timeout(ANSWER_MAX, exchange).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(error)) => Err(Failure::passing("CONNECTION_FAILURE", error)),
            Err(_) => {
                let text = "the endpoint did not answer in time";
                Err(Failure::passing("TIMEOUT", text))
            }
        }
    }

    /// Waits until a destination's rate allows one more call.
    pub(super) async fn take_turn(&self, clock: &Clock, destination: &str, per_second: u32) {
        let now = clock.now();
        let gap = Duration::from_millis(u64::from(1_000 / per_second.max(1)));
        let slot = {
            let mut slots = self.slots.lock();
            let next = slots.entry(destination.to_owned()).or_insert(now);
            let slot = (*next).max(now);
            *next = slot + gap;
            slot
        };
        clock.sleep_until_time(slot).await;
    }
}

fn connect() -> Result<Https, String> {
    let builder = HttpsConnectorBuilder::new().with_native_roots();
    let builder = builder.map_err(|error| format!("no certificates of authorities: {error}"))?;
    let connector = builder.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
