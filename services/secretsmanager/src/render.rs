//! Rows as answers show them.

use std::collections::BTreeMap;

use haar_kernel::DataKey;
use haar_ledger::Snapshot;
use haar_secretsmanager_contract::peek::SecretValue;
use haar_secretsmanager_contract::{
    DescribeSecretResponse, ReplicationStatusType, SecretListEntry, StatusType, Tag,
};
use haar_types::{Region, Tags};

use crate::state::{Replica, ReplicaState, SecretRow, VersionRow};

/// The key that replicas have where none is named.
const DEFAULT_KEY: &str = "alias/aws/secretsmanager";

/// What a sealed value belongs to.
pub(crate) fn about(arn: &str, version: &str) -> String {
    format!("secretsmanager|{arn}|{version}")
}

/// A version's value; `None` when this installation's key does not open it.
pub(crate) fn value(key: &DataKey, row: &VersionRow) -> Option<SecretValue> {
    let plain = key.open(&about(&row.key.0, &row.key.1), &row.sealed.bytes)?;
    match row.sealed.is_binary {
        true => Some(SecretValue::Binary(plain)),
        false => String::from_utf8(plain).ok().map(SecretValue::Text),
    }
}

/// Versions that have stages, each with them.
pub(crate) fn by_version(row: &SecretRow) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (stage, version) in &row.stages {
        versions.entry(version.clone()).or_default().push(stage.clone());
    }
    versions
}

fn tags(tags: &Tags) -> Option<Vec<Tag>> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    Some(tags.iter().map(tag).collect())
}

/// Where the primary of a replicated secret is.
pub(crate) fn primary_region(row: &SecretRow) -> Option<String> {
    let own = (!row.replicas.is_empty()).then_some(&row.key.1);
    row.primary.as_ref().or(own).map(Region::to_string)
}

/// A secret's replicas, if it has any.
pub(crate) fn replication(
    snapshot: &Snapshot,
    row: &SecretRow,
) -> Option<Vec<ReplicationStatusType>> {
    let status = |(region, replica): (&Region, &Replica)| {
        let key = (row.key.0.clone(), region.clone(), row.key.2.clone());
        let there = snapshot.get::<SecretRow>(&key).filter(|there| there.primary.is_some());
        let (status, message) = match &replica.state {
            ReplicaState::InProgress => (StatusType::InProgress, None),
            ReplicaState::InSync => (StatusType::InSync, None),
            ReplicaState::Failed(reason) => (StatusType::Failed, Some(reason.clone())),
        };
        let master_key = replica.kms_key_id.as_deref().unwrap_or(DEFAULT_KEY);
        ReplicationStatusType {
            region: Some(region.to_string()),
            kms_key_id: Some(master_key.to_owned()),
            status: Some(status),
            status_message: message,
            last_accessed_date: there.and_then(|there| there.accessed_at),
        }
    };
    let all: Vec<_> = row.replicas.iter().map(status).collect();
    Some(all).filter(|all| !all.is_empty())
}

pub(crate) fn described(row: &SecretRow) -> DescribeSecretResponse {
    DescribeSecretResponse {
        arn: Some(row.arn.clone()),
        name: Some(row.key.2.clone()),
        description: row.description.clone(),
        kms_key_id: row.kms_key_id.clone(),
        last_changed_date: Some(row.changed_at),
        last_accessed_date: row.accessed_at,
        deleted_date: row.deleted.map(|(at, _)| at),
        tags: tags(&row.tags),
        version_ids_to_stages: Some(by_version(row)).filter(|versions| !versions.is_empty()),
        created_date: Some(row.created_at),
        rotation_enabled: row.rotation.as_ref().map(|rotation| rotation.is_enabled),
        rotation_lambda_arn: row.rotation.as_ref().map(|rotation| rotation.function_arn.clone()),
        rotation_rules: row.rotation.as_ref().map(|rotation| rotation.rules.shown()),
        last_rotated_date: row.rotation.as_ref().and_then(|rotation| rotation.rotated_at),
        next_rotation_date: row.rotation.as_ref().and_then(|rotation| rotation.next_at),
        primary_region: primary_region(row),
        ..DescribeSecretResponse::default()
    }
}

pub(crate) fn listed(row: &SecretRow) -> SecretListEntry {
    SecretListEntry {
        arn: Some(row.arn.clone()),
        name: Some(row.key.2.clone()),
        description: row.description.clone(),
        kms_key_id: row.kms_key_id.clone(),
        last_changed_date: Some(row.changed_at),
        last_accessed_date: row.accessed_at,
        deleted_date: row.deleted.map(|(at, _)| at),
        tags: tags(&row.tags),
        secret_versions_to_stages: Some(by_version(row)).filter(|versions| !versions.is_empty()),
        created_date: Some(row.created_at),
        rotation_enabled: row.rotation.as_ref().map(|rotation| rotation.is_enabled),
        rotation_lambda_arn: row.rotation.as_ref().map(|rotation| rotation.function_arn.clone()),
        rotation_rules: row.rotation.as_ref().map(|rotation| rotation.rules.shown()),
        last_rotated_date: row.rotation.as_ref().and_then(|rotation| rotation.rotated_at),
        next_rotation_date: row.rotation.as_ref().and_then(|rotation| rotation.next_at),
        primary_region: primary_region(row),
        ..SecretListEntry::default()
    }
}
