//! The table, and what a row of it is reckoned from.

use std::fmt;
use std::time::Duration;

/// Rows in the order of their measuring.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 5]>,
}

impl Report {
    /// Adds what was measured, haar's figure, the peer's, the ratio and the aim.
    pub(crate) fn row(&mut self, what: &str, ours: String, peer: String, ratio: String, aim: &str) {
        self.rows.push([what.to_owned(), ours, peer, ratio, aim.to_owned()]);
        eprintln!("  {}", self.rows.last().map_or(String::new(), |row| row.join(" | ")));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | haar | beside | ratio | aim |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Durations of one thing, many times.
#[derive(Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The time that so many in a hundred do not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get(last * percent / 100).copied().unwrap_or_default()
    }

    pub(crate) fn p50(&self) -> Duration {
        self.at(50)
    }
}

pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

pub(crate) fn ratio(ours: Duration, peer: Duration) -> String {
    format!("{:.2} ×", ours.as_secs_f64() / peer.as_secs_f64().max(1e-9))
}
