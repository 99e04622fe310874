//! One attempt at an asynchronous event, and what follows from it.

use std::time::Duration;

use haar_types::RequestId;

use super::async_event::{AsyncEvent, AsyncTarget};
use super::destination::{self, Condition, Record};
use super::queue::Inner;
use crate::fleet::{InvokeError, InvokeOutcome, InvokeRequest, record};

/// Waits before the first and the second retry after a function's error. AWS docs: *How Lambda
/// handles errors and retries with asynchronous invocation*.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// First and longest wait after the system turned an event away. AWS docs: the same page.
const TURNED_AWAY_FIRST: Duration = Duration::from_secs(1);
const TURNED_AWAY_LONGEST: Duration = Duration::from_secs(300);

/// How often haar may end while a function has the same event, before that event is given up. An
/// attempt that haar cut short is none of the function's failures; but an event that ends haar
/// each time must not come back without end. *Ours*.
const INTERRUPTIONS_MAX: u32 = 10;

/// What is to be done with an event after an attempt.
#[derive(Debug, PartialEq)]
enum Verdict {
    Done,
    /// Again, later; an attempt is used up.
    Retry(Duration),
    /// Again, later, as if nothing had happened.
    Postpone(Duration),
    Failed(Condition),
}

/// Tries an event once and decides what follows.
pub(super) async fn attempt(queue: &Inner, mut event: AsyncEvent) {
    let found = queue.parts.directory.find(
        &event.account,
        &event.region,
        &event.function_name,
        event.qualifier.as_deref(),
    );
    let Some(found) = found else {
        queue.count(&event, "AsyncEventsDropped", 1.0);
        return queue.remove(&event); // its function is gone, and with it where failures go
    };
    let age = queue.parts.clock.now().since(event.accepted_at);
    queue.count(&event, "AsyncEventAge", age.as_secs_f64() * 1000.0);
    if event.is_loop {
        let dropped = ("RecursiveInvocationsDropped", "Count", 1.0);
        let (target, alias) = (&found.target, found.alias.as_deref());
        record(&*queue.parts.metrics, target, alias, dropped, queue.parts.clock.now());
        return conclude(queue, &event, &found, None, Condition::RecursiveLoop).await;
    }
    if event.interrupted_count > INTERRUPTIONS_MAX {
        return conclude(queue, &event, &found, None, Condition::RetriesExhausted).await;
    }
    if age > found.config.event_age_max {
        return conclude(queue, &event, &found, None, Condition::EventAgeExceeded).await;
    }
    event.is_running = true;
    if let Err(error) = queue.store_again(&event).await {
        tracing::error!(%error, "could not note the start of an event; it waits");
        event.is_running = false;
        return again(queue, event, TURNED_AWAY_FIRST).await;
    }
    let request = InvokeRequest {
        request_id: RequestId::new(event.request_id.as_str()),
        invoked_arn: event.invoked_arn.clone(),
        event: event.payload.clone(),
        client_context: None,
        trace: event.trace.clone(),
        limits: found.limits,
        wants_tail: false,
        alias: found.alias.clone(),
    };
    let era = queue.parts.fleet.era();
    let outcome = queue.parts.fleet.invoke(found.target.clone(), request).await;
    let failed = outcome.as_ref().is_ok_and(|outcome| outcome.function_error.is_some());
    if failed && queue.parts.fleet.is_stopping() {
        return; // cut short by haar's own end; the next start finds it running
    }
    if era.is_over() {
        return; // forgotten
    }
    let age = queue.parts.clock.now().since(event.accepted_at);
    event.is_running = false;
    if outcome.is_ok() {
        event.tried_count += 1;
    }
    match judge(&outcome, &event, &found, age) {
        Verdict::Done => {
            conclude(queue, &event, &found, outcome.as_ref().ok(), Condition::Success).await;
        }
        Verdict::Failed(condition) => {
            conclude(queue, &event, &found, outcome.as_ref().ok(), condition).await;
        }
        Verdict::Retry(wait) => {
            let wait = queue.wait(wait);
            again(queue, event, wait).await;
        }
        Verdict::Postpone(wait) => {
            event.turned_away_count += 1;
            let wait = queue.wait(wait);
            again(queue, event, wait).await;
        }
    }
}

fn judge(
    outcome: &Result<InvokeOutcome, InvokeError>,
    event: &AsyncEvent,
    found: &AsyncTarget,
    age: Duration,
) -> Verdict {
    match outcome {
        Ok(InvokeOutcome { function_error: None, .. }) => Verdict::Done,
        Ok(_) if event.tried_count > found.config.retry_attempts_max => {
            Verdict::Failed(Condition::RetriesExhausted)
        }
        Ok(_) => {
            let wait = RETRY_AFTER[(event.tried_count as usize - 1).min(1)];
            retry_in_time(Verdict::Retry(wait), wait, age, found)
        }
        Err(InvokeError::TooManyRequests(_)) if found.limits.reserved == Some(0) => {
            Verdict::Failed(Condition::RetriesExhausted) // AWS sends it to the failures at once
        }
        Err(_) => {
            let wait = TURNED_AWAY_FIRST * 2_u32.pow(event.turned_away_count.min(9));
            let wait = wait.min(TURNED_AWAY_LONGEST);
            retry_in_time(Verdict::Postpone(wait), wait, age, found)
        }
    }
}

fn retry_in_time(verdict: Verdict, wait: Duration, age: Duration, found: &AsyncTarget) -> Verdict {
    if age + wait > found.config.event_age_max {
        return Verdict::Failed(Condition::EventAgeExceeded);
    }
    verdict
}

async fn again(queue: &Inner, mut event: AsyncEvent, wait: Duration) {
    event.due_at = queue.parts.clock.now() + wait;
    if let Err(error) = queue.store_again(&event).await {
        tracing::error!(%error, "could not note a retry; it is tried again all the same");
    }
    queue.schedule(&event);
}

/// The event is dealt with: tells whoever is to be told, then forgets it.
async fn conclude(
    queue: &Inner,
    event: &AsyncEvent,
    found: &AsyncTarget,
    outcome: Option<&InvokeOutcome>,
    condition: Condition,
) {
    let record = Record { event, found, outcome, condition, at: queue.parts.clock.now() };
    destination::tell(queue, &record).await;
    if condition != Condition::Success {
        queue.count(event, "AsyncEventsDropped", 1.0);
    }
    queue.remove(event);
}
