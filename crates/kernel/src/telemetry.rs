//! Counts of what was asked and answered, for `/_haar/metrics`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the latency classes, in microseconds.
const BOUNDS_US: [u64; 10] =
    [100, 250, 500, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 10_000_000];

/// One operation's counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    answered: AtomicU64,
    sender_errors: AtomicU64,
    receiver_errors: AtomicU64,
    micros: AtomicU64,
    classes: [AtomicU64; BOUNDS_US.len()],
}

impl Counts {
    /// Counts one answer with its HTTP status.
    pub(crate) fn count(&self, status: u16, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match status {
            ..400 => &self.answered,
            400..500 => &self.sender_errors,
            _ => &self.receiver_errors,
        }
        .fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
        if let Some(class) = BOUNDS_US.iter().position(|bound| micros <= *bound) {
            self.classes[class].fetch_add(1, Relaxed);
        }
    }

    /// Writes the counts as Prometheus text, unless nothing was counted.
    pub(crate) fn write(
        &self,
        service: &str,
        operation: &str,
        (totals, out): (&mut String, &mut String),
    ) {
        let [ok, sender, receiver] =
            [&self.answered, &self.sender_errors, &self.receiver_errors].map(|n| n.load(Relaxed));
        let total = ok + sender + receiver;
        if total == 0 {
            return;
        }
        let labels = format!("service=\"{service}\",operation=\"{operation}\"");
        for (outcome, count) in [("ok", ok), ("sender", sender), ("receiver", receiver)] {
            let _ =
                writeln!(totals, "haar_requests_total{{{labels},outcome=\"{outcome}\"}} {count}");
        }
        let mut below = 0;
        for (bound, class) in BOUNDS_US.iter().zip(&self.classes) {
            below += class.load(Relaxed);
            let seconds = *bound as f64 / 1e6;
            let _ =
                writeln!(out, "haar_request_seconds_bucket{{{labels},le=\"{seconds}\"}} {below}");
        }
        let seconds = self.micros.load(Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "haar_request_seconds_bucket{{{labels},le=\"+Inf\"}} {total}");
        let _ = writeln!(out, "haar_request_seconds_sum{{{labels}}} {seconds}");
        let _ = writeln!(out, "haar_request_seconds_count{{{labels}}} {total}");
    }
}
