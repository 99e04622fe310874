//! Posts to HTTP and HTTPS endpoints.
//!
//! AWS docs: *Amazon SNS Developer Guide > HTTP/HTTPS headers*, *Message delivery retries*.

use std::time::Duration;

use bytes::Bytes;
use haar_caller::{CallError, Caller, STATUS_ALONE};
use haar_clock::Clock;
use haar_kernel::targets::Undelivered;
use http::Request;
use http_body_util::Full;

use super::attempt::{lasting, transient};

/// How long an endpoint may take; AWS waits as long.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(15);

/// One request.
pub(crate) struct Post<'a> {
    pub(crate) url: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) message_id: &'a str,
    pub(crate) topic_arn: &'a str,
    pub(crate) subscription_arn: Option<&'a str>,
    pub(crate) is_raw: bool,
    pub(crate) content_type: &'a str,
    pub(crate) body: String,
}

impl Post<'_> {
    /// Posts once. What the endpoint is at fault for and may get over is transient: no
    /// connection, 429, and 5xx; all else but a 2xx is refused for good.
    pub(crate) async fn by(self, caller: &Caller, clock: &Clock) -> Result<(), Undelivered> {
        let answer = caller.call(clock, self.request()?, STATUS_ALONE).await.map_err(|error| {
            let code = match error {
                CallError::Unreachable(_) => "ConnectionFailed",
                CallError::TimedOut => "Timeout",
            };
            transient(code, &error.to_string())
        })?;
        let status = answer.status();
        let text = format!("the endpoint answered {status}");
        match status.as_u16() {
            200..300 => Ok(()),
            429 | 500.. => Err(transient(status.as_str(), &text)),
            _ => Err(lasting(status.as_str(), &text)),
        }
    }

    fn request(self) -> Result<Request<Full<Bytes>>, Undelivered> {
        let mut builder = Request::post(self.url)
            .header("content-type", self.content_type)
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
