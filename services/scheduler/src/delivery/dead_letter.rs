//! Executions that no target took, on their way to a queue.

use bytes::Bytes;
use haar_courier::{Errand as _, GivenUp, Parcel, Verdict, after_dead_letter};
use haar_iam_contract::sender::role_sender;
use haar_kernel::targets::Consignment;

use super::Execution;
use super::attempt::{SERVICE_PRINCIPAL, refused};
use crate::Scheduler;
use crate::rules::input::{Invocation, seconds};

impl Scheduler {
    /// Sends a given-up execution to the target's dead-letter queue, if it has one, as the
    /// schedule's role; tells whether the parcel is done with. AWS docs: *Configuring a dead-letter
    /// queue for EventBridge Scheduler*.
    pub(super) async fn bury(
        &self,
        execution: &Execution,
        given_up: &GivenUp,
        parcel: &Parcel,
    ) -> Verdict {
        let target = &execution.target;
        let config = target.dead_letter_config.as_ref();
        let Some(queue) = config.and_then(|config| config.arn.as_deref()) else {
            self.measure.dropped(&execution.schedule);
            return Verdict::Done;
        };
        let source = execution.schedule.group.arn();
        let invocation = Invocation {
            schedule: &execution.schedule,
            scheduled_at: execution.scheduled_at,
            execution_id: &execution.id,
            attempt: given_up.retry_count + 1,
        };
        let body = Bytes::from(invocation.text(target.input.as_deref()));
        let region = execution.schedule.group.region.clone();
        let sent = match role_sender(&self.doors, &target.role_arn, SERVICE_PRINCIPAL, &source) {
            Ok(sender) => {
                let mut letter = Consignment::new(queue, sender, region, body);
                letter.attributes = attributes(execution, given_up);
                self.doors.targets.deliver(&letter).await
            }
            Err(_) => {
                let text = "the schedule's role cannot be assumed";
                Err(refused("AccessDeniedException", text))
            }
        };
        self.measure.buried(&execution.schedule, sent.is_ok());
        let Err(error) = sent else { return Verdict::Done };
        tracing::warn!(%error, queue, "a dead letter was not taken");
        let now = self.doors.clock.now();
        after_dead_letter(parcel, given_up, error.is_transient, now, || {
            let given_up = Some(given_up.clone());
            Execution { given_up, ..execution.clone() }.to_payload()
        })
    }
}

fn attributes(execution: &Execution, given_up: &GivenUp) -> Vec<(String, String)> {
    let mut all = vec![
        ("ERROR_CODE", given_up.code.clone()),
        ("ERROR_MESSAGE", given_up.message.clone()),
        ("EXECUTION_ID", execution.id.clone()),
        ("IS_PAYLOAD_TRUNCATED", "false".to_owned()),
        ("RETRY_ATTEMPTS", given_up.retry_count.to_string()),
        ("SCHEDULED_TIME", seconds(execution.scheduled_at)),
        ("SCHEDULE_ARN", execution.schedule.arn()),
        ("TARGET_ARN", execution.target.arn.clone()),
    ];
    all.extend(
        given_up.limit.map(|limit| ("EXHAUSTED_RETRY_CONDITION", limit.as_str().to_owned())),
    );
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
