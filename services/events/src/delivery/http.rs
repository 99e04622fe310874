//! Calls to others' HTTP APIs: tokens of OAuth, limits of rate.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use haar_caller::{CallError, Caller};
use haar_clock::Clock;
use haar_courier::Paces;
use haar_types::Timestamp;
use http::{Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;

use super::failure::Failure;
use crate::state::DestinationRow;

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
    /// By the ARN of the destination.
    paces: Paces<String>,
}

impl Default for Http {
    fn default() -> Self {
        let caller = Caller::new(ANSWER_MAX);
        Self { caller, tokens: Mutex::default(), paces: Paces::default() }
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
        self.paces.clear();
    }

    /// How long a parcel is to wait until its destination's rate allows it, if it is.
    pub(super) fn wait_for(
        &self,
        parcel: u64,
        destination: &DestinationRow,
        now: Timestamp,
    ) -> Option<Duration> {
        let per_second = destination.rate_per_second;
        let wait = self.paces.wait((&destination.arn(), parcel), per_second, now);
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// Gives back the turn of a parcel that needs none any more.
    pub(super) fn forget_turn(&self, parcel: u64) {
        self.paces.forget(parcel);
    }

    /// Waits until a destination's rate allows one more call, for who has no parcel.
    pub(super) async fn take_turn(&self, clock: &Clock, destination: &DestinationRow) {
        let (arn, per_second) = (destination.arn(), destination.rate_per_second);
        loop {
            let turn = self.paces.take(&arn, per_second, clock.now());
            let (Ok(wait) | Err(wait)) = turn;
            clock.sleep(wait).await;
            if turn.is_ok() {
                return;
            }
        }
    }
}
