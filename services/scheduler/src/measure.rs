//! The room's own metrics, in the namespace `AWS/Scheduler`, and its bill.
//!
//! AWS docs: *EventBridge Scheduler User Guide > Monitoring with Amazon CloudWatch*.

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::targets::Undelivered;
use haar_kernel::{Doors, UsageRecord};

use crate::state::ScheduleKey;

/// Where values and usage go.
pub(crate) struct Measure {
    doors: Doors,
}

impl Measure {
    pub(crate) fn new(doors: Doors) -> Self {
        Self { doors }
    }

    /// A target is invoked.
    pub(crate) fn attempted(&self, schedule: &ScheduleKey) {
        self.record(schedule, "InvocationAttemptCount");
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, schedule: &ScheduleKey, failure: &Undelivered) {
        self.record(schedule, "TargetErrorCount");
        if failure.code.contains("Throttl") {
            self.record(schedule, "TargetErrorThrottledCount");
        }
    }

    /// An execution was given up, and nobody is told.
    pub(crate) fn dropped(&self, schedule: &ScheduleKey) {
        self.record(schedule, "InvocationDroppedCount");
    }

    /// A dead letter was sent, or was not taken.
    pub(crate) fn buried(&self, schedule: &ScheduleKey, is_taken: bool) {
        self.record(schedule, "InvocationDroppedCount");
        match is_taken {
            true => self.record(schedule, "InvocationsSentToDeadLetterCount"),
            false => self.record(schedule, "InvocationsFailedToBeSentToDeadLetterCount"),
        }
    }

    /// A target was invoked: that is paid for.
    pub(crate) fn bill(&self, schedule: &ScheduleKey) {
        self.doors.meter.record(UsageRecord {
            account: schedule.group.account.clone(),
            region: schedule.group.region.clone(),
            at: self.doors.clock.now(),
            service: "scheduler",
            resource: format!("{}/{}", schedule.group.name, schedule.name),
            quantities: vec![("invocations", 1)],
        });
    }

    fn record(&self, schedule: &ScheduleKey, metric: &str) {
        let Some(sink) = self.doors.peeks.get::<dyn MetricSink>() else { return };
        let group = [("ScheduleGroup", schedule.group.name.as_str())];
        for dimensions in [&[][..], &group[..]] {
            sink.record(Sample {
                account: &schedule.group.account,
                region: &schedule.group.region,
                namespace: "AWS/Scheduler",
                metric,
                dimensions,
                unit: "Count",
                value: 1.0,
                at: self.doors.clock.now(),
            });
        }
    }
}
