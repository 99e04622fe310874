//! Stops one container, be it that it has still to start.

use std::sync::Arc;
use std::time::Duration;

use haar_substrate::SandboxId;

use super::beginnings::Stop;
use super::compose;
use super::crew::Asked;
use super::helper::{Helper, Sandbox};
use super::reaper::Due;
use super::serve::unit_of;
use super::unit::Unit;
use crate::proto::{Answer, Doing, Failure};

/// Asks a container to end; its end is told like any other. One that is being started is when that
/// is over; one that waits for its turn does not start.
pub(super) fn stop(
    helper: &Helper,
    asked: Asked,
    id: &SandboxId,
    (container, grace): (&str, Duration),
) {
    let stopped = match helper.find(id) {
        Some(sandbox) => stop_now(helper, &sandbox, container, (asked, grace)),
        None => Some(Err(Failure::Gone(id.clone()))),
    };
    if let Some(answer) = stopped {
        helper.link.answer(asked.number, answer, &[]);
    }
}

/// Nothing where a start answers when it is over.
fn stop_now(
    helper: &Helper,
    sandbox: &Sandbox,
    container: &str,
    (asked, grace): Stop,
) -> Option<Result<Answer, Failure>> {
    let unit = sandbox.units.lock().get(container).cloned();
    // another start of one that runs only finds that; what comes after it is not stopped
    if let Some(unit) = unit.filter(|unit| unit.life.lock().exit.is_none()) {
        return Some(stop_unit(helper, &unit, grace));
    }
    if waits_for_start(helper, sandbox, (container, (asked, grace))) {
        return None;
    }
    // a start may have come to its end since
    Some(unit_of(sandbox, container).and_then(|unit| stop_unit(helper, &unit, grace)))
}

/// A start is over, however: stops what it made, if anything, for those who wait for that.
pub(super) fn begun(
    helper: &Helper,
    number: u64,
    (sandbox, container): (&Sandbox, &str),
    made: Option<&Arc<Unit>>,
) {
    let waiting = sandbox.composed.as_ref().map(|composed| composed.beginnings.over(number));
    for (asked, grace) in waiting.unwrap_or_default() {
        let answer = match made {
            Some(unit) => stop_unit(helper, unit, grace),
            None => ended(sandbox, container),
        };
        helper.link.answer(asked.number, answer, &[]);
    }
}

/// What ran before has ended; what runs since then was asked for after the stop.
fn ended(sandbox: &Sandbox, container: &str) -> Result<Answer, Failure> {
    let unit = unit_of(sandbox, container)?;
    let has_ended = unit.life.lock().exit.is_some();
    if has_ended { Ok(Answer::Done) } else { Err(Failure::Gone(sandbox.id.clone())) }
}

/// Whoever stops a container waits for its start, of which as little comes as can.
fn waits_for_start(helper: &Helper, sandbox: &Sandbox, (container, stop): (&str, Stop)) -> bool {
    let Some(composed) = &sandbox.composed else { return false };
    // where there is a program already, it goes
    let stopped = composed.beginnings.stop(container, stop, || composed.unborn.kill());
    for number in stopped.failed {
        helper.link.answer(number, Err(compose::stopped(container)), &[]);
    }
    stopped.waits
}

fn stop_unit(helper: &Helper, unit: &Arc<Unit>, grace: Duration) -> Result<Answer, Failure> {
    match grace.is_zero() {
        true => unit.kill(),
        false => {
            unit.signal(unit.stop_signal()).doing("signal a program")?;
            helper.reaper.kill_after(Due::Unit(Arc::downgrade(unit)), grace);
        }
    }
    // the frozen neither hear nor die
    let _ = unit.cgroup.freeze(false);
    Ok(Answer::Done)
}
