//! Which images are to be copied where. AWS docs: *Amazon ECR User Guide > Private image
//! replication*.

use std::ops::Bound;

use haar_ecr_contract::model::{RCTAppliedFor, ReplicationConfiguration};
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Region, Timestamp};

use crate::announce::Telling;
use crate::creation;
use crate::rules::mutability;
use crate::state::{
    Destination, ImageKey, ImageRow, LayerRow, RegistryKey, ReplicationKey, ReplicationRow,
    ReplicationState, RepositoryKey, RepositoryRow, TagRow,
};

/// Where a configuration sends images of a repository.
pub(crate) fn destinations(
    configuration: &ReplicationConfiguration,
    repository: &RepositoryKey,
) -> Vec<Destination> {
    let fits = |filters: &Option<Vec<_>>| {
        let filters: &[haar_ecr_contract::model::RepositoryFilter] =
            filters.as_deref().unwrap_or_default();
        filters.is_empty() || filters.iter().any(|it| repository.name.starts_with(&it.filter))
    };
    let rules = configuration.rules.iter().filter(|rule| fits(&rule.repository_filters));
    let mut all: Vec<Destination> = rules
        .flat_map(|rule| &rule.destinations)
        .filter_map(|to| {
            let account: AccountId = to.registry_id.parse().ok()?;
            let region: Region = to.region.parse().ok()?;
            Some(RegistryKey { account, region })
        })
        .filter(|to| *to != repository.registry)
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Notes the copies that a push asks for.
pub(crate) fn schedule(tx: &mut Tx, image: &ImageKey, tag: Option<&str>) {
    let Some(configuration) = image.repository.registry.row(tx).replication else { return };
    for destination in destinations(&configuration, &image.repository) {
        let key = (image.clone(), destination);
        let mut tags = tx.get::<ReplicationRow>(&key).map_or_else(Vec::new, |row| row.tags.clone());
        tags.extend(tag.map(str::to_owned).filter(|tag| !tags.contains(tag)));
        tx.put(ReplicationRow { key, state: ReplicationState::InProgress, tags });
    }
}

/// The copies of an image.
pub(crate) fn copies(snapshot: &Snapshot, image: &ImageKey) -> Vec<ReplicationKey> {
    let account = "000000000000".parse().expect("twelve digits");
    let region = "0".parse().expect("a legal text");
    let first = (image.clone(), RegistryKey { account, region });
    let rows = snapshot.range::<ReplicationRow>((Bound::Included(first), Bound::Unbounded));
    rows.take_while(|row| row.key.0 == *image).map(|row| row.key.clone()).collect()
}

/// Forgets the copies of an image that is gone; they stay where they are.
pub(crate) fn forget(tx: &mut Tx, image: &ImageKey) {
    for key in copies(tx, image) {
        tx.remove::<ReplicationRow>(&key);
    }
}

/// Makes a copy: rows only, as blobs are shared.
pub(crate) fn copy(tx: &mut Tx, row: &ReplicationRow, telling: &Telling<'_>) {
    let now = telling.now;
    let (source, destination) = &row.key;
    let Some(image) = tx.get::<ImageRow>(source) else {
        tx.remove::<ReplicationRow>(&row.key);
        return;
    };
    let target = destination.repository(&source.repository.name);
    creation::ensure(tx, &target, RCTAppliedFor::Replication, now);
    for blob in image.config.iter().chain(&image.layers) {
        let key = target.layer(blob.digest);
        let original = tx.get::<LayerRow>(&source.repository.layer(blob.digest));
        if let Some(original) = original.filter(|_| !tx.contains::<LayerRow>(&key)) {
            tx.put(LayerRow { key, touched_at: now, ..(*original).clone() });
        }
    }
    let key = target.image(source.digest);
    if !tx.contains::<ImageRow>(&key) {
        tx.put(ImageRow { key, pushed_at: now, pulled_at: None, ..(*image).clone() });
    }
    for tag in &row.tags {
        let stands = tx.get::<TagRow>(&source.repository.tag(tag));
        if stands.is_some_and(|standing| standing.digest == source.digest) {
            set_tag(tx, &target, tag, &image, now);
        }
    }
    let told: Vec<Option<&str>> = match row.tags.is_empty() {
        true => vec![None],
        false => row.tags.iter().map(|tag| Some(tag.as_str())).collect(),
    };
    for tag in told {
        telling.replicated(tx, &source.repository, &target.image(source.digest), tag);
    }
    tx.put(ReplicationRow { state: ReplicationState::Complete, tags: Vec::new(), ..row.clone() });
}

/// An immutable tag that stands stays; the copy comes without it.
fn set_tag(tx: &mut Tx, target: &RepositoryKey, tag: &str, image: &ImageRow, now: Timestamp) {
    let key = target.tag(tag);
    let repository = tx.get::<RepositoryRow>(target);
    let is_immutable = repository.is_some_and(|row| mutability::is_immutable(&row.settings, tag));
    if !(is_immutable && tx.contains::<TagRow>(&key)) {
        tx.put(TagRow { key, digest: image.key.digest, checked_at: now });
    }
}
