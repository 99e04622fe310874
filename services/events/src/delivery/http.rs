//! Calls to others' HTTP APIs: tokens of OAuth, limits of rate.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use haar_caller::{CallError, Caller};
use haar_clock::Clock;
use haar_types::Timestamp;
use http::{Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;

use super::failure::Failure;

/// How long an endpoint may take. AWS docs: *API destinations*, the client's timeout.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What is kept between calls. In memory: made again at any time.
pub(crate) struct Http {
    caller: Caller,
    /// By connection: a token, and until when it is good.
    pub(super) tokens: Mutex<BTreeMap<String, (String, Timestamp)>>,
    /// By destination: the next moment that is free.
    slots: Mutex<BTreeMap<String, Timestamp>>,
}

impl Default for Http {
    fn default() -> Self {
        let caller = Caller::new(ANSWER_MAX);
        Self { caller, tokens: Mutex::default(), slots: Mutex::default() }
    }
}

impl Http {
    /// Sends a request and reads the answer.
    pub(super) async fn send(
        &self,
        clock: &Clock,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        self.caller.call(clock, request).await.map_err(|error| {
            let code = match error {
                CallError::Unreachable(_) => "CONNECTION_FAILURE",
                CallError::TimedOut => "TIMEOUT",
            };
            Failure::passing(code, error.to_string())
        })
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
