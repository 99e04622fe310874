//! Backups and restores.

mod continuous;
mod create;
mod read;
mod restore;

use std::sync::Arc;

use haar_dynamodb_contract::{
    BackupDescription, BackupDetails, BackupInUseException, BackupNotFoundException, BackupStatus,
    BackupType, GlobalSecondaryIndexInfo, LocalSecondaryIndexInfo, ProvisionedThroughput,
    SourceTableDetails, SourceTableFeatureDetails, StreamSpecification,
};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::render;
use crate::state::{BackupRow, Throughput};

/// No such backup.
fn no_backup(arn: &str) -> AwsError {
    BackupNotFoundException::message(format!("Backup not found: {arn}")).into()
}

/// A backup that is being made, deleted or restored from.
fn backup_in_use(arn: &str) -> AwsError {
    BackupInUseException::message(format!(
        "There is another ongoing conflicting backup control plane operation on the table. The \
         backup is either being created, deleted or restored to a table: {arn}"
    ))
    .into()
}

/// The backup that a request names, unless it is on its way out.
fn find_backup(snapshot: &Snapshot, arn: &str) -> Result<Arc<BackupRow>, AwsError> {
    let row = BackupRow::key_of(arn).and_then(|key| snapshot.get::<BackupRow>(&key));
    row.filter(|row| row.status != BackupStatus::Deleted).ok_or_else(|| no_backup(arn))
}

fn details(row: &BackupRow, status: BackupStatus) -> BackupDetails {
    BackupDetails {
        backup_arn: row.arn(),
        backup_name: row.name.clone(),
        backup_size_bytes: Some(row.size_bytes),
        backup_status: status,
        backup_type: BackupType::User,
        backup_creation_date_time: row.created_at,
        backup_expiry_date_time: None,
    }
}

fn throughput(units: Throughput) -> ProvisionedThroughput {
    ProvisionedThroughput { read_capacity_units: units.read, write_capacity_units: units.write }
}

fn description(row: &BackupRow, status: BackupStatus) -> BackupDescription {
    let table = &row.table;
    let source = SourceTableDetails {
        table_name: table.name().to_owned(),
        table_id: table.uuid.clone(),
        table_arn: Some(table.arn()),
        table_size_bytes: Some(row.size_bytes),
        key_schema: render::key_schema(&table.keys),
        table_creation_date_time: table.created_at,
        provisioned_throughput: throughput(table.billing.throughput),
        on_demand_throughput: render::on_demand(table.billing.on_demand),
        item_count: Some(row.item_count),
        billing_mode: Some(table.billing.mode),
    };
    BackupDescription {
        backup_details: Some(details(row, status)),
        source_table_details: Some(source),
        source_table_feature_details: Some(features(row)),
    }
}

fn features(row: &BackupRow) -> SourceTableFeatureDetails {
    let table = &row.table;
    let local = table.indexes.iter().filter(|index| !index.is_global);
    let local: Vec<_> = local
        .map(|index| LocalSecondaryIndexInfo {
            index_name: Some(index.name.clone()),
            key_schema: Some(render::key_schema(&index.keys)),
            projection: Some(render::projection(&index.projected)),
        })
        .collect();
    let global = table.indexes.iter().filter(|index| index.is_global);
    let global: Vec<_> = global
        .map(|index| GlobalSecondaryIndexInfo {
            index_name: Some(index.name.clone()),
            key_schema: Some(render::key_schema(&index.keys)),
            projection: Some(render::projection(&index.projected)),
            provisioned_throughput: Some(throughput(index.throughput)),
            on_demand_throughput: render::on_demand(index.on_demand),
        })
        .collect();
    SourceTableFeatureDetails {
        local_secondary_indexes: (!local.is_empty()).then_some(local),
        global_secondary_indexes: (!global.is_empty()).then_some(global),
        stream_description: table.live_stream().map(|stream| StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(stream.view),
        }),
        time_to_live_description: None,
        sse_description: None,
    }
}
