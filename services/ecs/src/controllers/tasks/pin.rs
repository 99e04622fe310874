//! Tasks of one revision of a service run the same images: the digests that the first one found.
//! *Developer Guide > Container image resolution*.

use std::collections::BTreeMap;

use haar_controller::{ActCx, ActError};
use haar_ecs_contract::model::{ContainerDefinition, VersionConsistency};
use haar_ledger::Snapshot;

use super::Tasks;
use crate::doors::ReadyImage;
use crate::state::{DefinitionRow, RevisionRow, ServicePartKey, ServiceRow, TaskRow};

/// The revision of its service that a task runs.
fn revision_of(snapshot: &Snapshot, row: &TaskRow) -> Option<ServicePartKey> {
    let service = snapshot.get::<ServiceRow>(row.service.as_ref()?)?;
    let mut rollouts = service.rollouts.iter();
    let rollout = rollouts.find(|one| Some(&one.id) == row.started_by.as_ref())?;
    Some(ServicePartKey::new(&service.key, &rollout.revision_id))
}

/// Digests that a task's containers are to run.
pub(super) fn pins(snapshot: &Snapshot, row: &TaskRow) -> BTreeMap<String, String> {
    let revision = revision_of(snapshot, row).and_then(|key| snapshot.get::<RevisionRow>(&key));
    revision.map(|row| row.pins.clone()).unwrap_or_default()
}

/// An image by its digest, where that is known.
pub(super) fn pinned(image: &str, digest: Option<&String>) -> String {
    match digest.filter(|_| !image.contains('@')) {
        Some(digest) => format!("{}@{digest}", haar_substrate::repository_of(image)),
        None => image.to_owned(),
    }
}

fn is_consistent(one: &ContainerDefinition) -> bool {
    one.version_consistency != Some(VersionConsistency::Disabled)
}

impl Tasks {
    /// Remembers what a service's task found, for those that come after it.
    pub(super) async fn pin(
        &self,
        cx: &ActCx,
        (row, definition): (&TaskRow, &DefinitionRow),
        pulled: &BTreeMap<String, ReadyImage>,
    ) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(key) = revision_of(&snapshot, row) else { return Ok(()) };
        let all = definition.definition.container_definitions.iter().flatten();
        let names = all.filter(|one| is_consistent(one)).filter_map(|one| one.name.as_ref());
        let found = names.filter_map(|name| Some((name, pulled.get(name)?)));
        let found = found.filter(|(_, image)| image.is_kept_by_digest);
        let found: Vec<_> =
            found.map(|(name, image)| (name.clone(), image.digest.clone())).collect();
        let is_news = |revision: &RevisionRow| {
            found.iter().any(|(name, _)| !revision.pins.contains_key(name))
        };
        if !snapshot.get::<RevisionRow>(&key).is_some_and(|revision| is_news(&revision)) {
            return Ok(());
        }
        let committed = cx.ledger.write(|tx| {
            tx.update::<RevisionRow>(&key, |revision| {
                for (name, digest) in &found {
                    let pin = revision.pins.entry(name.clone()).or_insert_with(|| digest.clone());
                    let mut images = revision.images.iter_mut();
                    if let Some(image) =
                        images.find(|image| image.container_name.as_ref() == Some(name))
                    {
                        image.image_digest = Some(pin.clone());
                    }
                }
            });
        });
        committed.durable().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_takes_the_place_of_a_tag() {
        let digest = "sha256:ab".to_owned();
        for (image, expected) in [
            ("app", "app@sha256:ab"),
            ("app:1", "app@sha256:ab"),
            ("host:5000/team/app:1", "host:5000/team/app@sha256:ab"),
            ("host:5000/app", "host:5000/app@sha256:ab"),
            ("app@sha256:cd", "app@sha256:cd"),
        ] {
            assert_eq!(pinned(image, Some(&digest)), expected);
        }
        assert_eq!(pinned("app:1", None), "app:1");
    }
}
