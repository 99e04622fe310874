//! Container Insights with enhanced observability: each task and each container for itself.
//!
//! *CloudWatch User Guide > Amazon ECS Container Insights with enhanced observability metrics*.

use super::insights::{Place, Sums};
use super::{Sight, percent};

/// Tells what each task of a cluster uses, and each of its containers.
pub(super) fn tell(place: &Place<'_>, sights: &[Sight]) {
    for sight in sights.iter().filter(|sight| sight.row.key.cluster == *place.cluster) {
        let family = ("TaskDefinitionFamily", sight.row.definition.family.as_str());
        let service = sight.row.service.as_ref();
        let service = service.map(|service| ("ServiceName", service.name.as_str()));
        for whose in [Some(family), service].into_iter().flatten() {
            tell_one(place, sight, whose);
        }
    }
}

fn tell_one(place: &Place<'_>, sight: &Sight, whose: (&str, &str)) {
    let mut sums = Sums::default();
    sums.add(sight);
    let values = sums.values();
    let mut dimensions = vec![
        ("ClusterName", place.cluster.name.as_str()),
        whose,
        ("TaskId", sight.row.key.id.as_str()),
    ];
    // a container's metrics have names of their own, and no scratch disk
    let (stem, kind, count) = match &sight.container {
        None => ("", "Task", values.len()),
        Some(name) => {
            dimensions.push(("ContainerName", name));
            ("Container", "Container", values.len() - 1)
        }
    };
    for (metric, unit, value) in values.into_iter().take(count) {
        place.tell(&dimensions, (&format!("{stem}{metric}"), unit, value));
    }
    for (metric, value) in [
        ("CpuUtilization", percent(sight.cpu_used, sight.cpu_reserved)),
        ("MemoryUtilization", percent(sight.memory_used, sight.memory_reserved)),
    ] {
        place.tell(&dimensions, (&format!("{kind}{metric}"), "Percent", value));
    }
}
