//! Archives.

use haar_events_contract::model::{
    Archive, ArchiveState, CreateArchive, CreateArchiveRequest, CreateArchiveResponse,
    DeleteArchive, DeleteArchiveRequest, DeleteArchiveResponse, DescribeArchive,
    DescribeArchiveRequest, DescribeArchiveResponse, ListArchives, ListArchivesRequest,
    ListArchivesResponse, UpdateArchive, UpdateArchiveRequest, UpdateArchiveResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_pattern::{Dialect, Pattern};
use haar_wire::AwsError;

use super::{check_count, listing, named};
use crate::Events;
use crate::lookup::get_bus;
use crate::refusal::{bad_pattern, exists, invalid, no_bus, not_found};
use crate::state::{ArchiveRow, BusKey, GoneRow, NameKey};

/// Archives of an account in a region. *Amazon EventBridge quotas*.
const ARCHIVES_MAX: usize = 100;

impl Command<CreateArchive> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateArchiveRequest,
    ) -> Answer<CreateArchive> {
        let key = NameKey::own(call, &input.archive_name);
        if tx.contains::<ArchiveRow>(&key) {
            return Err(exists(format!("Archive {} already exists.", key.name)));
        }
        let source = BusKey::of_arn(&input.event_source_arn)
            .ok_or_else(|| invalid("Parameter EventSourceArn is not valid."))?;
        if source.account != call.account || source.region != call.region {
            return Err(invalid("Parameter EventSourceArn is not valid."));
        }
        get_bus(tx, &source).ok_or_else(|| no_bus(&source.name))?;
        check_pattern(input.event_pattern.as_deref())?;
        check_count::<ArchiveRow>(tx, call, ARCHIVES_MAX)?;
        let row = ArchiveRow {
            key,
            id: call.ids.draw(),
            source,
            pattern: input.event_pattern.filter(|pattern| !pattern.is_empty()),
            retention_days: days(input.retention_days),
            description: input.description,
            kms_key: input.kms_key_identifier,
            created_at: call.now,
            swept_at: call.now,
        };
        let output = CreateArchiveResponse {
            archive_arn: Some(row.key.arn("archive")),
            state: Some(ArchiveState::Enabled),
            state_reason: None,
            creation_time: Some(row.created_at),
        };
        tx.put(row);
        Ok(output)
    }
}

fn check_pattern(pattern: Option<&str>) -> Result<(), AwsError> {
    let pattern = pattern.filter(|pattern| !pattern.is_empty());
    let compiled = pattern.map(|pattern| Pattern::compile(pattern, &Dialect::EVENT_BUS));
    compiled.transpose().map(drop).map_err(bad_pattern)
}

fn days(retention: Option<i32>) -> u32 {
    retention.and_then(|days| u32::try_from(days).ok()).unwrap_or(0)
}

/// An archive that a request names.
pub(super) fn find(snapshot: &Snapshot, call: &Call, name: &str) -> Result<ArchiveRow, AwsError> {
    let row = snapshot.get::<ArchiveRow>(&NameKey::own(call, name));
    let row = row.ok_or_else(|| not_found(format!("Archive {name} does not exist.")))?;
    Ok(ArchiveRow::clone(&row))
}

impl Query<DescribeArchive> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeArchiveRequest,
    ) -> Answer<DescribeArchive> {
        let row = find(snapshot, call, &input.archive_name)?;
        let (count, bytes) = self.measured(&row);
        Ok(DescribeArchiveResponse {
            archive_arn: Some(row.key.arn("archive")),
            archive_name: Some(row.key.name.clone()),
            event_source_arn: Some(row.source.arn()),
            description: row.description,
            event_pattern: row.pattern,
            state: Some(ArchiveState::Enabled),
            state_reason: None,
            kms_key_identifier: row.kms_key,
            retention_days: i32::try_from(row.retention_days).ok(),
            size_bytes: Some(bytes),
            event_count: Some(count),
            creation_time: Some(row.created_at),
        })
    }
}

impl Events {
    fn measured(&self, row: &ArchiveRow) -> (i64, i64) {
        self.archived.measure(row.id).unwrap_or_else(|error| {
            tracing::error!(%error, "an archive cannot be measured");
            (0, 0)
        })
    }
}

impl Query<ListArchives> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListArchivesRequest,
    ) -> Answer<ListArchives> {
        let listing = listing::<ListArchives>(call, &input)?;
        let prefix = input.name_prefix.unwrap_or_default();
        let is_asked_for = |row: &ArchiveRow| {
            row.key.name.starts_with(&prefix)
                && input.event_source_arn.as_ref().is_none_or(|arn| row.source.arn() == *arn)
                && input.state.is_none_or(|state| state == ArchiveState::Enabled)
        };
        let all = named::<ArchiveRow>(snapshot, call).filter(|row| is_asked_for(row));
        let page = listing.page(all, |row| row.key.name.clone());
        let shown = |row: &std::sync::Arc<ArchiveRow>| {
            let (count, bytes) = self.measured(row);
            Archive {
                archive_name: Some(row.key.name.clone()),
                event_source_arn: Some(row.source.arn()),
                state: Some(ArchiveState::Enabled),
                state_reason: None,
                retention_days: i32::try_from(row.retention_days).ok(),
                size_bytes: Some(bytes),
                event_count: Some(count),
                creation_time: Some(row.created_at),
            }
        };
        let archives = page.items.iter().map(shown).collect();
        Ok(ListArchivesResponse { archives: Some(archives), next_token: page.next })
    }
}

impl Command<UpdateArchive> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateArchiveRequest,
    ) -> Answer<UpdateArchive> {
        let mut row = find(tx, call, &input.archive_name)?;
        check_pattern(input.event_pattern.as_deref())?;
        row.pattern = input.event_pattern.or(row.pattern).filter(|pattern| !pattern.is_empty());
        row.description = input.description.or(row.description);
        row.kms_key = input.kms_key_identifier.or(row.kms_key);
        if input.retention_days.is_some() {
            row.retention_days = days(input.retention_days);
        }
        let output = UpdateArchiveResponse {
            archive_arn: Some(row.key.arn("archive")),
            state: Some(ArchiveState::Enabled),
            state_reason: None,
            creation_time: Some(row.created_at),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Command<DeleteArchive> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteArchiveRequest,
    ) -> Answer<DeleteArchive> {
        let row = find(tx, call, &input.archive_name)?;
        tx.remove::<ArchiveRow>(&row.key);
        tx.put(GoneRow { id: row.id });
        Ok(DeleteArchiveResponse {})
    }
}
