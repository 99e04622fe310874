//! Registries that ask for time.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_clock::{Clock, Moment};
use http::{HeaderMap, StatusCode, Uri, header};
use parking_lot::Mutex;

/// Longest that one is waited for, whatever it asks. *Ours*: whoever wants an image waits too.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Until when registries want to be left alone, by host and port.
#[derive(Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<String, Moment>>);

impl Pauses {
    /// Takes down what an answer asks for: `Retry-After` of one that came too soon.
    pub(crate) fn note(&self, clock: &Clock, uri: &Uri, status: StatusCode, headers: &HeaderMap) {
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return;
        }
        let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let seconds = asked.and_then(|text| text.trim().parse().ok());
        if let (Some(seconds), Some(authority)) = (seconds, uri.authority()) {
            let until = clock.moment().after(Duration::from_secs(seconds).min(PAUSE_MAX));
            self.0.lock().insert(authority.to_string(), until);
        }
    }

    /// Waits until a registry may be asked.
    pub(crate) async fn wait(&self, clock: &Clock, uri: &Uri) {
        let now = clock.moment();
        let until = {
            let mut pauses = self.0.lock();
            pauses.retain(|_, until| *until > now);
            uri.authority().and_then(|authority| pauses.get(authority.as_str()).copied())
        };
        if let Some(until) = until {
            clock.sleep_until(until).await;
        }
    }
}
