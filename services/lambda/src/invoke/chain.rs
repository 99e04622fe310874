//! Which trace and which chain of requests an invocation belongs to.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::Lambda;
use crate::fleet::record;
use crate::rules::trace::{CHAIN_INVOCATIONS_MAX, TraceHeader};
use crate::state::{FunctionKey, FunctionRow, RecursiveLoop, VersionRow};

/// Of the requests after a second's first, these are sampled. AWS docs: *Visualize Lambda function
/// invocations using X-Ray* (one request a second and 5 percent of additional requests).
const SAMPLED_SHARE: f64 = 0.05;

/// Functions whose last sampled second is remembered.
const SAMPLED_MAX: usize = 4_096;

/// An invocation's place in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `X-Amzn-Trace-Id`, for the function.
    pub trace: String,
    /// The function has been in this chain too often: it is not to be invoked.
    pub is_loop: bool,
}

/// When each function was last sampled for sure, in seconds.
#[derive(Default)]
pub(crate) struct Sampled(Mutex<BTreeMap<FunctionKey, i64>>);

impl Lambda {
    /// Continues the caller's trace and chain, or begins them.
    pub(crate) fn link(
        &self,
        function: &FunctionRow,
        version: &VersionRow,
        given: Option<&str>,
    ) -> Link {
        let ids = self.doors.ids.ids();
        let seconds = self.doors.clock.now().seconds();
        let given = given.and_then(TraceHeader::parse);
        let mut header =
            given.unwrap_or_else(|| TraceHeader::new(format!("1-{seconds:08x}-{}", ids.hex(24))));
        header.sampled.get_or_insert_with(|| {
            version.settings.tracing == "Active" && self.samples(&function.key, seconds)
        });
        header.parent.get_or_insert_with(|| ids.hex(16));
        let nth = header.lineage.visit(&function.key.arn().to_string());
        let is_loop =
            nth > CHAIN_INVOCATIONS_MAX && function.recursive_loop == RecursiveLoop::Terminate;
        Link { trace: header.to_string(), is_loop }
    }

    fn samples(&self, function: &FunctionKey, seconds: i64) -> bool {
        let mut last = self.remembered.sampled.0.lock();
        if last.get(function) != Some(&seconds) {
            if last.len() >= SAMPLED_MAX {
                last.clear();
            }
            last.insert(function.clone(), seconds);
            return true;
        }
        (self.doors.ids.draw() as f64 / u64::MAX as f64) < SAMPLED_SHARE
    }

    /// Counts an invocation that was stopped because its function is in a loop.
    pub(crate) fn count_stopped(&self, version: &VersionRow, alias: Option<&str>) {
        let target = self.cached_target(version);
        let dropped = ("RecursiveInvocationsDropped", "Count", 1.0);
        record(&*self.fleet.metrics(), &target, alias, dropped, self.doors.clock.now());
    }
}
