//! Rows as the customer sees them.

use haar_ledger::Snapshot;
use haar_logs_contract::model::{LogGroup, LogGroupClass, LogGroupSummary, LogStream};

use crate::rules::group_name::stream_arn;
use crate::rules::position::Position;
use crate::state::{GroupClass, GroupRow, MetricFilterRow, StreamRow, filters_of, streams_of};

/// A group, with the bytes of all its streams.
pub(crate) fn group(snapshot: &Snapshot, row: &GroupRow) -> LogGroup {
    let stored: u64 = streams_of(snapshot, &row.key).map(|stream| stream.stored_bytes).sum();
    let metric_filters = filters_of::<MetricFilterRow>(snapshot, &row.key).count();
    let arn = row.key.arn();
    LogGroup {
        log_group_name: Some(row.key.name.clone()),
        creation_time: Some(row.created_at.0),
        retention_in_days: row.retention_in_days,
        metric_filter_count: i32::try_from(metric_filters).ok(),
        kms_key_id: row.kms_key_id.clone(),
        arn: Some(format!("{arn}:*")),
        stored_bytes: i64::try_from(stored).ok(),
        log_group_class: Some(class(row.class)),
        log_group_arn: Some(arn),
        deletion_protection_enabled: Some(row.deletion_protection),
        ..LogGroup::default()
    }
}

/// A group in short.
pub(crate) fn group_summary(row: &GroupRow) -> LogGroupSummary {
    LogGroupSummary {
        log_group_name: Some(row.key.name.clone()),
        log_group_arn: Some(row.key.arn()),
        log_group_class: Some(class(row.class)),
    }
}

fn class(class: GroupClass) -> LogGroupClass {
    match class {
        GroupClass::Standard => LogGroupClass::Standard,
        GroupClass::InfrequentAccess => LogGroupClass::InfrequentAccess,
        GroupClass::Delivery => LogGroupClass::Delivery,
    }
}

/// A stream. Its `storedBytes` is 0 for all streams since 2019, as on AWS; it has no token before
/// its first event.
pub(crate) fn stream(row: &StreamRow) -> LogStream {
    let group = &row.key.group;
    let token = Position { timestamp: row.created_at, sequence: row.id };
    LogStream {
        log_stream_name: Some(row.key.name.clone()),
        creation_time: Some(row.created_at.0),
        first_event_timestamp: row.first_event_at.map(|at| at.0),
        last_event_timestamp: row.last_event_at.map(|at| at.0),
        last_ingestion_time: row.last_ingested_at.map(|at| at.0),
        upload_sequence_token: row.last_event_at.map(|_| token.digits(0)),
        arn: Some(stream_arn(&group.account, &group.region, &group.name, &row.key.name)),
        stored_bytes: Some(0),
    }
}
