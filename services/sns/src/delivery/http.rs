//! Posts to HTTP and HTTPS endpoints.
//!
//! AWS docs: *Amazon SNS Developer Guide > HTTP/HTTPS headers*, *Message delivery retries*.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::Clock;
use haar_kernel::targets::Undelivered;
use http::Request;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::attempt::{lasting, transient};

/// How long an endpoint may take; AWS waits as long.
const ANSWER_MAX: Duration = Duration::from_secs(15);

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Connections to endpoints, made when first needed.
#[derive(Default)]
pub(crate) struct Caller {
    client: OnceLock<Result<Https, String>>,
}

/// One request.
pub(crate) struct Post<'a> {
    pub(crate) url: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) message_id: &'a str,
    pub(crate) topic_arn: &'a str,
    pub(crate) subscription_arn: Option<&'a str>,
    pub(crate) is_raw: bool,
    pub(crate) body: String,
}

impl Caller {
    /// Posts once. What the endpoint is at fault for and may get over is transient: no
    /// connection, 429, and 5xx; all else but a 2xx is refused for good.
    pub(crate) async fn post(&self, clock: &Clock, post: Post<'_>) -> Result<(), Undelivered> {
        let client = self.client.get_or_init(connect).as_ref();
        let client = client.map_err(|error| transient("InternalError", error))?;
        let request = post.request()?;
        let answer = clock.timeout(ANSWER_MAX, client.request(request)).await;
        let Ok(answer) = answer else {
            return Err(transient("Timeout", "the endpoint did not answer in time"));
        };
        let answer = answer.map_err(|error| transient("ConnectionFailed", &error.to_string()))?;
        let status = answer.status();
        let text = format!("the endpoint answered {status}");
        match status.as_u16() {
            200..300 => Ok(()),
            429 | 500.. => Err(transient(status.as_str(), &text)),
            _ => Err(lasting(status.as_str(), &text)),
        }
    }
}

impl Post<'_> {
    fn request(self) -> Result<Request<Full<Bytes>>, Undelivered> {
        let mut builder = Request::post(self.url)
            .header("content-type", "text/plain; charset=UTF-8")
            .header("user-agent", "Amazon Simple Notification Service Agent")
            .header("x-amz-sns-message-type", self.kind)
            .header("x-amz-sns-message-id", self.message_id)
            .header("x-amz-sns-topic-arn", self.topic_arn);
        if let Some(arn) = self.subscription_arn {
            builder = builder.header("x-amz-sns-subscription-arn", arn);
        }
        if self.is_raw {
            builder = builder.header("x-amz-sns-rawdelivery", "true");
        }
        let request = builder.body(Full::from(self.body));
        request.map_err(|error| lasting("InvalidEndpoint", &error.to_string()))
    }
}

fn connect() -> Result<Https, String> {
    let builder = HttpsConnectorBuilder::new().with_native_roots();
    let builder = builder.map_err(|error| format!("no certificates of authorities: {error}"))?;
    let connector = builder.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
