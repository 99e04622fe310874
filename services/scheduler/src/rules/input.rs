//! What a target is told.

use haar_types::Timestamp;
use serde_json::json;

use crate::state::ScheduleKey;

/// One invocation, as its input may name it. AWS docs: *Adding context attributes*.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) schedule: &'a ScheduleKey,
    pub(crate) scheduled_at: Timestamp,
    pub(crate) execution_id: &'a str,
    /// From 1.
    pub(crate) attempt: u32,
}

impl Invocation<'_> {
    /// The input with its context attributes filled in; without one, the usual notification.
    pub(crate) fn text(&self, input: Option<&str>) -> String {
        match input {
            Some(input) => self.fill(input),
            None => self.notification(),
        }
    }

    /// The attributes filled in.
    pub(crate) fn fill(&self, input: &str) -> String {
        if !input.contains("<aws.scheduler.") {
            return input.to_owned();
        }
        input
            .replace("<aws.scheduler.schedule-arn>", &self.schedule.arn())
            .replace("<aws.scheduler.scheduled-time>", &seconds(self.scheduled_at))
            .replace("<aws.scheduler.execution-id>", self.execution_id)
            .replace("<aws.scheduler.attempt-number>", &self.attempt.to_string())
    }

    fn notification(&self) -> String {
        json!({
            "version": "0",
            "id": self.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": self.schedule.group.account.as_str(),
            "time": seconds(self.scheduled_at),
            "region": self.schedule.group.region.as_str(),
            "resources": [self.schedule.arn()],
            "detail": "{}",
        })
        .to_string()
    }
}

/// `2026-01-31T09:30:00Z`.
pub(crate) fn seconds(at: Timestamp) -> String {
    Timestamp(at.seconds() * 1000).iso()
}
