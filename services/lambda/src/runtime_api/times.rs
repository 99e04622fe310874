//! When the runtime did what, for one invocation.

use std::time::Duration;

use haar_clock::{Clock, Moment};
use haar_types::Timestamp;

use crate::log::Span;

/// The moments of one invocation; kept where an extension may want to know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// When the event went out.
    begun: Option<(Timestamp, Moment)>,
    /// When the response began to come.
    responding: Option<Moment>,
    /// When all of it was there.
    responded: Option<Moment>,
    /// When the runtime asked for its next event.
    polled: Option<Moment>,
}

impl Times {
    pub(super) fn begin(&mut self, clock: &Clock) {
        *self = Self { begun: Some((clock.now(), clock.moment())), ..Self::default() };
    }

    pub(super) fn responding(&mut self, clock: &Clock) {
        self.note(clock, |times| &mut times.responding);
    }

    pub(super) fn responded(&mut self, clock: &Clock) {
        self.note(clock, |times| &mut times.responded);
    }

    pub(super) fn polled(&mut self, clock: &Clock) {
        self.note(clock, |times| &mut times.polled);
    }

    fn note(&mut self, clock: &Clock, which: impl Fn(&mut Self) -> &mut Option<Moment>) {
        if self.begun.is_some() {
            which(self).get_or_insert_with(|| clock.moment());
        }
    }

    /// AWS docs: *Lambda Telemetry API `Event` schema reference > Span*.
    pub(super) fn spans(&self) -> Vec<Span> {
        let Some((at, begun)) = self.begun else { return Vec::new() };
        let span = |name, from: Option<Moment>, to: Option<Moment>| {
            let (from, to) = (from?, to?);
            let duration: Duration = to.since(from);
            Some(Span { name, start: at + from.since(begun), duration })
        };
        let all = [
            span("responseLatency", Some(begun), self.responding),
            span("responseDuration", self.responding, self.responded),
            span("runtimeOverhead", self.responded, self.polled),
        ];
        all.into_iter().flatten().collect()
    }
}
