//! The room's own metrics, in the namespace `AWS/EventBridge/Pipes`, and its bill.
//!
//! AWS docs: *Amazon EventBridge User Guide > Monitoring Amazon EventBridge Pipes*.

use std::sync::atomic::{AtomicUsize, Ordering};

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Doors, UsageRecord};

use crate::state::PipeKey;

/// Bytes of one billed request.
const REQUEST_BYTES: usize = 64 << 10;

/// Where values and usage go.
pub(crate) struct Measure {
    doors: Doors,
    /// Executions at this moment.
    concurrency: AtomicUsize,
}

impl Measure {
    pub(crate) fn new(doors: Doors) -> Self {
        Self { doors, concurrency: AtomicUsize::new(0) }
    }

    /// An execution begins, with events of these sizes.
    pub(crate) fn began(&self, pipe: &PipeKey, sizes: &[usize]) {
        let now = self.concurrency.fetch_add(1, Ordering::Relaxed) + 1;
        self.of_account(pipe, "Concurrency", now as f64);
        self.of_account(pipe, "Invocations", 1.0);
        self.of_pipe(pipe, "Invocations", 1.0);
        self.of_pipe(pipe, "EventCount", sizes.len() as f64);
        self.record(pipe, "EventSize", "Bytes", sizes.iter().sum::<usize>() as f64, true);
    }

    /// An execution is over, whatever became of it; dropped ones too.
    pub(crate) fn ended(&self) {
        self.concurrency.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one of a pipe's.
    pub(crate) fn count(&self, pipe: &PipeKey, metric: &str) {
        self.of_pipe(pipe, metric, 1.0);
    }

    /// How long something took.
    pub(crate) fn took(&self, pipe: &PipeKey, metric: &str, millis: f64) {
        self.record(pipe, metric, "Milliseconds", millis, true);
    }

    /// Events came through the filters: each 64 KB of one is a request.
    pub(crate) fn bill(&self, pipe: &PipeKey, sizes: &[usize]) {
        let requests = sizes.iter().map(|size| size.div_ceil(REQUEST_BYTES).max(1) as u64).sum();
        self.doors.meter.record(UsageRecord {
            account: pipe.account.clone(),
            region: pipe.region.clone(),
            at: self.doors.clock.now(),
            service: "pipes",
            resource: pipe.name.clone(),
            quantities: vec![("requests", requests)],
        });
    }

    fn of_pipe(&self, pipe: &PipeKey, metric: &str, value: f64) {
        self.record(pipe, metric, "None", value, true);
    }

    fn of_account(&self, pipe: &PipeKey, metric: &str, value: f64) {
        self.record(pipe, metric, "None", value, false);
    }

    fn record(&self, pipe: &PipeKey, metric: &str, unit: &str, value: f64, is_pipes: bool) {
        let Some(sink) = self.doors.peeks.get::<dyn MetricSink>() else { return };
        let account = pipe.account.to_string();
        let dimension = match is_pipes {
            true => ("PipeName", pipe.name.as_str()),
            false => ("AwsAccountId", account.as_str()),
        };
        sink.record(Sample {
            account: &pipe.account,
            region: &pipe.region,
            namespace: "AWS/EventBridge/Pipes",
            metric,
            dimensions: &[dimension],
            unit,
            value,
            at: self.doors.clock.now(),
        });
    }
}
