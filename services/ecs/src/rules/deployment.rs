//! Rolling updates: how many tasks to start and stop, and when to give up.
//!
//! *Developer Guide > Rolling update deployments*, *> Deployment circuit breaker*.

use std::time::Duration;

use haar_ecs_contract::model::{
    DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentStrategy,
};
use haar_wire::AwsError;

use crate::refusal::{invalid, not_here};

/// How many tasks of one revision there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Running, and not unhealthy.
    pub(crate) healthy: u32,
    /// On their way there.
    pub(crate) pending: u32,
}

impl Counts {
    pub(crate) fn total(self) -> u32 {
        self.healthy + self.pending
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    /// Tasks of the new revision to start.
    pub(crate) start: u32,
    /// Tasks of the new revision to stop, for there are too many.
    pub(crate) stop_new: u32,
    /// Tasks of older revisions to stop.
    pub(crate) stop_old: u32,
}

/// Bounds of a rolling update, in tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Healthy tasks that must stay.
    pub(crate) least: u32,
    /// Tasks that there may be.
    pub(crate) most: u32,
}

impl Bounds {
    /// The lower bound is rounded up, the upper one down.
    pub(crate) fn of(desired: u32, configuration: &DeploymentConfiguration) -> Self {
        let percent = |given: Option<i32>, usual: u32| {
            given.and_then(|given| u32::try_from(given).ok()).unwrap_or(usual)
        };
        let (least, most) = (
            percent(configuration.minimum_healthy_percent, 100),
            percent(configuration.maximum_percent, 200),
        );
        Self { least: (desired * least).div_ceil(100), most: (desired * most / 100).max(1) }
    }
}

/// The next moves of a rolling update; also of a plain change of the desired count. Sick ones of
/// the new revision take room and count for nothing else.
pub(crate) fn moves(
    desired: u32,
    bounds: Bounds,
    (new, sick): (Counts, u32),
    old: Counts,
) -> Moves {
    let room = bounds.most.saturating_sub(new.total() + sick + old.total());
    let start = desired.saturating_sub(new.total()).min(room);
    let stop_new = new.total().saturating_sub(desired);
    let stop_old = if new.healthy >= desired {
        old.total()
    } else {
        // What does not run yet is of no use to anybody; what does must not be missed.
        let spare = (new.healthy + old.healthy).saturating_sub(bounds.least).min(old.healthy);
        old.pending + spare
    };
    Moves { start, stop_new, stop_old }
}

/// Failures in a row that trigger the circuit breaker.
pub(crate) fn threshold(desired: u32) -> u32 {
    desired.div_ceil(2).clamp(3, 200)
}

/// How long to wait before tasks are started again after so many failures in a row: at once the
/// first time, then ever longer, up to 15 minutes. *Developer Guide > Service throttle logic*
/// names no steps: these are *ours*.
pub(crate) fn back_off(failure_count: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(15 * 60);
    match failure_count {
        0 | 1 => Duration::ZERO,
        count => LONGEST.min(Duration::from_secs(1 << (count - 2).min(20))),
    }
}

/// Failures in a row after which the service is said to be unable to start tasks. *Ours*.
pub(crate) const IMPAIRED_AFTER: u32 = 3;

/// Checks a deployment configuration and puts AWS's defaults in.
pub(crate) fn configure(
    given: Option<DeploymentConfiguration>,
    old: Option<&DeploymentConfiguration>,
) -> Result<DeploymentConfiguration, AwsError> {
    let usual = DeploymentConfiguration {
        deployment_circuit_breaker: Some(DeploymentCircuitBreaker {
            enable: false,
            rollback: false,
        }),
        maximum_percent: Some(200),
        minimum_healthy_percent: Some(100),
        strategy: Some(DeploymentStrategy::Rolling),
        bake_time_in_minutes: Some(0),
        ..Default::default()
    };
    let mut all = old.cloned().unwrap_or(usual);
    let Some(given) = given else { return Ok(all) };
    refuse(&given)?;
    all.maximum_percent = given.maximum_percent.or(all.maximum_percent);
    all.minimum_healthy_percent = given.minimum_healthy_percent.or(all.minimum_healthy_percent);
    all.deployment_circuit_breaker =
        given.deployment_circuit_breaker.or(all.deployment_circuit_breaker);
    all.bake_time_in_minutes = given.bake_time_in_minutes.or(all.bake_time_in_minutes);
    let (most, least) =
        (all.maximum_percent.unwrap_or(200), all.minimum_healthy_percent.unwrap_or(100));
    if !(0..=100).contains(&least) {
        return Err(invalid("minimumHealthyPercent must be between 0 and 100."));
    }
    if !(100..=200).contains(&most) {
        return Err(invalid("maximumPercent must be between 100 and 200."));
    }
    if most == 100 && least == 100 {
        return Err(invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block \
             deployments.",
        ));
    }
    Ok(all)
}

fn refuse(given: &DeploymentConfiguration) -> Result<(), AwsError> {
    if let Some(strategy) = given.strategy.filter(|one| *one != DeploymentStrategy::Rolling) {
        return Err(not_here(&format!("Deployment strategy {strategy}")));
    }
    if given.alarms.as_ref().is_some_and(|alarms| alarms.enable) {
        return Err(not_here("deploymentConfiguration.alarms"));
    }
    if given.lifecycle_hooks.iter().flatten().next().is_some() {
        return Err(not_here("deploymentConfiguration.lifecycleHooks"));
    }
    Ok(())
}

/// Whether failures are counted, and whether they lead back.
pub(crate) fn breaker(configuration: &DeploymentConfiguration) -> (bool, bool) {
    let breaker = configuration.deployment_circuit_breaker.as_ref();
    breaker.map_or((false, false), |breaker| (breaker.enable, breaker.rollback))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(desired: u32, least: i32, most: i32) -> Bounds {
        let configuration = DeploymentConfiguration {
            minimum_healthy_percent: Some(least),
            maximum_percent: Some(most),
            ..Default::default()
        };
        Bounds::of(desired, &configuration)
    }

    #[test]
    fn bounds_are_rounded_towards_safety() {
        assert_eq!(bounds(3, 50, 150), Bounds { least: 2, most: 4 });
        assert_eq!(bounds(1, 50, 150), Bounds { least: 1, most: 1 });
        assert_eq!(bounds(4, 100, 200), Bounds { least: 4, most: 8 });
    }

    #[test]
    fn a_rolling_update_never_leaves_its_bounds_and_ends() {
        for (desired, least, most) in
            [(4, 100, 200), (4, 50, 100), (4, 50, 150), (1, 0, 100), (1, 100, 200), (7, 70, 130)]
        {
            let bounds = bounds(desired, least, most);
            let mut new = Counts::default();
            let mut old = Counts { healthy: desired, pending: 0 };
            let mut rounds = 0;
            while new.healthy < desired || old.total() > 0 {
                let next = moves(desired, bounds, (new, 0), old);
                old.healthy -= next.stop_old;
                assert!(old.healthy + new.healthy >= bounds.least, "{desired} {least} {most}");
                new.pending += next.start;
                assert!(old.total() + new.total() <= bounds.most.max(desired));
                new = Counts { healthy: new.total(), pending: 0 };
                rounds += 1;
                assert!(rounds < 50, "{desired} {least} {most} does not end");
            }
            assert_eq!(moves(desired, bounds, (new, 0), old), Moves::default());
        }
    }

    #[test]
    fn a_service_grows_and_shrinks_to_its_desired_count() {
        let usual = |desired| bounds(desired, 100, 200);
        let none = Counts::default();
        let three = Counts { healthy: 3, pending: 0 };
        assert_eq!(moves(5, usual(5), (three, 0), none).start, 2);
        assert_eq!(moves(1, usual(1), (three, 0), none).stop_new, 2);
        assert_eq!(moves(0, usual(0), (three, 0), none).stop_new, 3);
    }

    #[test]
    fn sick_tasks_are_replaced_while_they_take_room() {
        let bounds = bounds(3, 100, 150);
        let (none, one) = (Counts::default(), Counts { healthy: 1, pending: 0 });
        assert_eq!(moves(3, bounds, (one, 2), none).start, 1); // four there may be
        assert_eq!(moves(3, bounds, (none, 4), none).start, 0);
    }

    #[test]
    fn the_breakers_threshold_is_half_the_desired_count_within_bounds() {
        for (desired, expected) in [(0, 3), (1, 3), (6, 3), (7, 4), (25, 13), (1000, 200)] {
            assert_eq!(threshold(desired), expected);
        }
    }

    #[test]
    fn a_crash_loop_is_slowed_down_up_to_fifteen_minutes() {
        let waits: Vec<u64> = (0..6).map(|count| back_off(count).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 2, 4, 8]);
        assert_eq!(back_off(60), Duration::from_secs(900));
    }

    #[test]
    fn a_configuration_that_blocks_deployments_is_refused() {
        let given = DeploymentConfiguration {
            minimum_healthy_percent: Some(100),
            maximum_percent: Some(100),
            ..Default::default()
        };
        assert!(configure(Some(given), None).is_err());
        let given = DeploymentConfiguration { maximum_percent: Some(150), ..Default::default() };
        let all = configure(Some(given), None).unwrap();
        assert_eq!((all.maximum_percent, all.minimum_healthy_percent), (Some(150), Some(100)));
    }
}
