//! Which container waits for which. *Developer Guide > Container dependency*.

use std::collections::BTreeSet;

use haar_ecs_contract::model::{ContainerCondition, ContainerDefinition, HealthStatus};

use crate::state::{TaskContainer, TaskStatus};

/// Whether what a container waits for has come, or never will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It may start.
    Ready,
    /// Not yet; for these containers.
    Waits(Vec<String>),
    /// It never will, for this reason.
    Never(String),
}

/// Whether a container may start, by what is known of the others.
pub(crate) fn readiness(definition: &ContainerDefinition, all: &[TaskContainer]) -> Readiness {
    let mut waits = Vec::new();
    for dependency in definition.depends_on.iter().flatten() {
        let name = &dependency.container_name;
        let Some(other) = all.iter().find(|one| one.name == *name) else { continue };
        match met(dependency.condition, other) {
            Some(true) => {}
            Some(false) => return Readiness::Never(never(definition, name, dependency.condition)),
            None => waits.push(name.clone()),
        }
    }
    if waits.is_empty() { Readiness::Ready } else { Readiness::Waits(waits) }
}

/// `None`: not yet. `Some(false)`: never.
fn met(condition: ContainerCondition, other: &TaskContainer) -> Option<bool> {
    let started = other.started_at.is_some();
    let ended = other.last_status == TaskStatus::Stopped;
    match condition {
        ContainerCondition::Start if started => Some(true),
        ContainerCondition::Complete if started && ended => Some(true),
        ContainerCondition::Success if started && ended => Some(other.exit_code == Some(0)),
        ContainerCondition::Healthy => match other.health.as_ref().map(|health| health.status) {
            Some(HealthStatus::Healthy) => Some(true),
            Some(HealthStatus::Unhealthy) => Some(false),
            _ if ended => Some(false),
            _ => None,
        },
        _ if ended => Some(false),
        _ => None,
    }
}

fn never(definition: &ContainerDefinition, name: &str, condition: ContainerCondition) -> String {
    let target = definition.name.as_deref().unwrap_or_default();
    let why = match condition {
        ContainerCondition::Success => "did not exit successfully",
        ContainerCondition::Healthy => "is not healthy",
        _ => "did not start",
    };
    format!(
        "dependency graph: failed to resolve the container ordering dependency [{name}] for target \
         [{target}] as dependency {why}."
    )
}

/// The containers in an order in which each comes after all that it waits for; an error names
/// one that waits for itself.
pub(crate) fn start_order(containers: &[ContainerDefinition]) -> Result<Vec<&str>, String> {
    let mut order: Vec<&str> = Vec::new();
    let mut placed = BTreeSet::new();
    while order.len() < containers.len() {
        let next = containers.iter().filter_map(|one| Some((one.name.as_deref()?, one)));
        let next = next.filter(|(name, _)| !placed.contains(name)).find(|(_, one)| {
            let mut needs = one.depends_on.iter().flatten();
            needs.all(|need| placed.contains(need.container_name.as_str()))
        });
        let Some((name, _)) = next else {
            let rest = containers.iter().filter_map(|one| one.name.as_deref());
            let first = rest.into_iter().find(|name| !placed.contains(name));
            return Err(first.unwrap_or_default().to_owned());
        };
        placed.insert(name);
        order.push(name);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use haar_ecs_contract::model::ContainerDependency;
    use haar_types::Timestamp;

    use super::*;
    use crate::state::Health;

    fn container(name: &str, needs: &[(&str, ContainerCondition)]) -> ContainerDefinition {
        let needs = needs.iter().map(|(container_name, condition)| ContainerDependency {
            container_name: (*container_name).to_owned(),
            condition: *condition,
        });
        ContainerDefinition {
            name: Some(name.to_owned()),
            depends_on: Some(needs.collect()),
            ..Default::default()
        }
    }

    fn seen(name: &str, status: TaskStatus, exit_code: Option<i32>) -> TaskContainer {
        TaskContainer {
            name: name.to_owned(),
            id: String::new(),
            last_status: status,
            image_digest: None,
            image_id: None,
            attempt: 0,
            started_at: (status > TaskStatus::Pending).then_some(Timestamp(0)),
            finished_at: None,
            exit_code,
            reason: None,
            health: None,
        }
    }

    #[test]
    fn a_container_starts_once_its_conditions_hold() {
        use ContainerCondition::{Complete, Start, Success};
        for (condition, status, code, expected) in [
            (Start, TaskStatus::Pending, None, "waits"),
            (Start, TaskStatus::Running, None, "ready"),
            (Complete, TaskStatus::Running, None, "waits"),
            (Complete, TaskStatus::Stopped, Some(1), "ready"),
            (Success, TaskStatus::Stopped, Some(0), "ready"),
            (Success, TaskStatus::Stopped, Some(1), "never"),
        ] {
            let found = readiness(&container("b", &[("a", condition)]), &[seen("a", status, code)]);
            let found = match found {
                Readiness::Ready => "ready",
                Readiness::Waits(_) => "waits",
                Readiness::Never(_) => "never",
            };
            assert_eq!(found, expected, "{condition} {status:?}");
        }
    }

    #[test]
    fn health_decides_for_those_who_wait_for_it() {
        let waiting = container("b", &[("a", ContainerCondition::Healthy)]);
        let mut other = seen("a", TaskStatus::Running, None);
        let at = Timestamp(0);
        for (status, ready) in [(HealthStatus::Unknown, false), (HealthStatus::Healthy, true)] {
            other.health = Some(Health { status, failure_count: 0, due_at: at, since: at });
            let found = readiness(&waiting, std::slice::from_ref(&other));
            assert_eq!(found == Readiness::Ready, ready);
        }
    }

    #[test]
    fn circles_are_found() {
        let start = ContainerCondition::Start;
        let line = [container("b", &[("a", start)]), container("a", &[])];
        assert_eq!(start_order(&line).unwrap(), ["a", "b"]);
        let circle = [container("b", &[("a", start)]), container("a", &[("b", start)])];
        assert_eq!(start_order(&circle).unwrap_err(), "b");
    }
}
