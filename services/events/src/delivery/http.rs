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

/// What lets a connection's calls in.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) good_until: Timestamp,
    /// The connection's parameters, sealed, that it was given for: with others it is worth nothing.
    pub(super) given_for: Vec<u8>,
}

/// What is kept between calls. In memory: made again at any time.
pub(crate) struct Http {
    caller: Caller,
    tokens: Mutex<BTreeMap<String, Token>>,
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
    /// Sends a request and reads the answer, with a body of so many bytes at most.
    pub(super) async fn send(
        &self,
        clock: &Clock,
        request: Request<Full<Bytes>>,
        body_max: usize,
    ) -> Result<Response<Bytes>, Failure> {
        self.caller.call(clock, request, body_max).await.map_err(|error| {
            let code = match error {
                CallError::Unreachable(_) => "CONNECTION_FAILURE",
                CallError::TimedOut => "TIMEOUT",
            };
            Failure::passing(code, error.to_string())
        })
    }

    /// A connection's token that is good for these parameters.
    pub(super) fn token(&self, arn: &str, sealed: &[u8], now: Timestamp) -> Option<String> {
        let tokens = self.tokens.lock();
        let token = tokens.get(arn)?;
        let is_good = token.good_until > now && token.given_for == sealed;
        is_good.then(|| token.text.clone())
    }

    pub(super) fn keep_token(&self, arn: String, token: Token) {
        self.tokens.lock().insert(arn, token);
    }

    /// Forgets the token of a connection, by its ARN.
    pub(crate) fn forget_token(&self, arn: &str) {
        self.tokens.lock().remove(arn);
    }

    /// Forgets all, for a reset.
    pub(crate) fn clear(&self) {
        self.tokens.lock().clear();
        self.slots.lock().clear();
    }

    /// Waits until a destination's rate allows one more call.
    pub(super) async fn take_turn(&self, clock: &Clock, destination: &str, per_second: u32) {
        let clock = clock.machine();
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
