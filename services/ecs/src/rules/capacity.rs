//! Launch types and capacity provider strategies: who gets which task.

use haar_ecs_contract::model::{CapacityProviderStrategyItem as Item, LaunchType};
use haar_wire::AwsError;

use crate::refusal::{invalid, not_here};
use crate::state::ClusterRow;

/// The capacity providers that every cluster may use.
pub(crate) const PROVIDERS: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// Refuses a provider that is not one of Fargate's.
pub(crate) fn check_provider(name: &str) -> Result<(), AwsError> {
    if PROVIDERS.contains(&name) {
        return Ok(());
    }
    Err(invalid(format!(
        "The specified capacity provider '{name}' was not found. Capacity providers here are \
         FARGATE and FARGATE_SPOT."
    )))
}

/// Refuses a strategy that AWS would not take. *API Reference > CapacityProviderStrategyItem*.
pub(crate) fn check_strategy(strategy: &[Item]) -> Result<(), AwsError> {
    for (at, item) in strategy.iter().enumerate() {
        check_provider(&item.capacity_provider)?;
        if strategy[..at].iter().any(|other| other.capacity_provider == item.capacity_provider) {
            return Err(invalid("The capacity provider strategy contains duplicate providers."));
        }
    }
    if strategy.iter().filter(|item| item.base.unwrap_or(0) > 0).count() > 1 {
        return Err(invalid("Only one capacity provider in the strategy can have a base."));
    }
    if !strategy.is_empty() && strategy.iter().all(|item| item.weight.unwrap_or(0) == 0) {
        return Err(invalid(
            "The capacity provider strategy must contain a provider with a weight greater than 0.",
        ));
    }
    Ok(())
}

/// Refuses a strategy that names what its cluster does not have.
pub(crate) fn check_associated(providers: &[String], strategy: &[Item]) -> Result<(), AwsError> {
    match strategy.iter().all(|item| providers.contains(&item.capacity_provider)) {
        true => Ok(()),
        false => Err(invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is \
             not associated with the cluster. Associate the capacity provider with the cluster or \
             specify a valid capacity provider and try again.",
        )),
    }
}

/// What a call and its cluster say together: the strategy, empty for launch type FARGATE.
pub(crate) fn choose(
    launch_type: Option<LaunchType>,
    given: Option<Vec<Item>>,
    cluster: &ClusterRow,
) -> Result<Vec<Item>, AwsError> {
    let (given, of_cluster) = (given.unwrap_or_default(), &cluster.default_strategy);
    check_strategy(&given)?;
    check_associated(&cluster.capacity_providers, &given)?;
    match launch_type {
        Some(_) if !given.is_empty() => Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove \
             one and try again.",
        )),
        Some(LaunchType::Fargate) => Ok(Vec::new()),
        Some(other) => Err(not_here(&format!("Launch type {other}"))),
        None if !given.is_empty() => Ok(given),
        None if !of_cluster.is_empty() => Ok(of_cluster.clone()),
        None => Err(not_here("Launch type EC2")),
    }
}

/// The provider of the next task, given how many each already has: bases first, then the
/// provider that is furthest behind its weight.
pub(crate) fn next_provider<'a>(
    strategy: &'a [Item],
    running: &dyn Fn(&str) -> u32,
) -> Option<&'a str> {
    let base = |item: &Item| u32::try_from(item.base.unwrap_or(0)).unwrap_or(0);
    let owed = strategy.iter().find(|item| running(&item.capacity_provider) < base(item));
    let share = |item: &Item| {
        let beyond = running(&item.capacity_provider).saturating_sub(base(item));
        f64::from(beyond + 1) / f64::from(item.weight.unwrap_or(1))
    };
    let weighed = strategy.iter().filter(|item| item.weight.unwrap_or(0) > 0);
    let behind = weighed.min_by(|one, other| share(one).total_cmp(&share(other)));
    owed.or(behind).map(|item| item.capacity_provider.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn item(provider: &str, base: i32, weight: i32) -> Item {
        let (base, weight) = (Some(base), Some(weight));
        Item { capacity_provider: provider.to_owned(), base, weight }
    }

    #[test]
    fn tasks_are_shared_out_by_base_then_weight() {
        let strategy = [item("FARGATE", 2, 1), item("FARGATE_SPOT", 0, 3)];
        let mut counts = BTreeMap::<String, u32>::new();
        for _ in 0..10 {
            let running = |name: &str| counts.get(name).copied().unwrap_or(0);
            let next = next_provider(&strategy, &running).unwrap().to_owned();
            *counts.entry(next).or_default() += 1;
        }
        assert_eq!((counts["FARGATE"], counts["FARGATE_SPOT"]), (4, 6));
    }

    #[test]
    fn a_strategy_needs_a_weight_and_at_most_one_base() {
        assert!(check_strategy(&[item("FARGATE", 0, 0)]).is_err());
        assert!(check_strategy(&[item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 1)]).is_err());
        assert!(check_strategy(&[item("mine", 0, 1)]).is_err());
        assert!(check_strategy(&[item("FARGATE", 1, 1), item("FARGATE_SPOT", 0, 1)]).is_ok());
    }
}
