//! `ExportTableToPointInTime`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    ExportConflictException, ExportDescription, ExportFormat, ExportStatus,
    ExportTableToPointInTime, ExportTableToPointInTimeInput, ExportTableToPointInTimeOutput,
    ExportType, InvalidExportTimeException, PointInTimeRecoveryUnavailableException,
    TableNotFoundException,
};
use haar_kernel::{Answer, Call, Flow};
use haar_ledger::Snapshot;
use haar_wire::{AwsError, same};

use super::{TOKEN_LIFETIME, not_offered};
use crate::Dynamodb;
use crate::lookup::arn_key;
use crate::ops::table::create::mint;
use crate::state::{ExportRow, TableRow};
use crate::transfers::{Place, SELF, lasting};

/// AWS docs: *Amazon DynamoDB API Reference > ExportTableToPointInTime*.
impl Flow<ExportTableToPointInTime> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ExportTableToPointInTimeInput,
    ) -> Answer<ExportTableToPointInTime> {
        if input.export_format == Some(ExportFormat::Ion) {
            return Err(not_offered("exports in Amazon Ion"));
        }
        if input.export_type == Some(ExportType::IncrementalExport) {
            return Err(not_offered("incremental exports"));
        }
        if let Some(row) = before(&self.doors.ledger.snapshot(), &call, &input)? {
            return Ok(answer(&row));
        }
        let mut row = self.new_export(&call, input)?;
        // as AWS does, and with it the caller's permission is asked
        let place = Place {
            principal: call.principal.via(SELF),
            ..Place::of((&row.key.0, &row.key.1), &row.input.s3_bucket, None)
        };
        let place = Place { owner: row.input.s3_bucket_owner.as_deref(), ..place };
        let begun = self.put_object(&place, format!("{}/_started", row.base()), Vec::new()).await;
        if let Err(error) = begun {
            row.failure = Some(lasting(&error).ok_or(error)?);
            row.status = ExportStatus::Failed;
            row.ended_at = Some(call.now);
        }
        let row = self
            .commit(|tx| {
                if row.status == ExportStatus::InProgress {
                    let table = find(tx, &row.input.table_arn)?;
                    let mut table = TableRow::clone(&table);
                    // it may be another one by now, or keep its past since later
                    if table.id != row.table.0 {
                        return Err(not_found(&row.input.table_arn));
                    }
                    let recovery = table.recovery.as_ref().ok_or_else(|| no_recovery(&table))?;
                    if row.at < recovery.earliest(call.now) {
                        return Err(outside());
                    }
                    table.begin_copy(row.id);
                    tx.put(table);
                }
                tx.put(row.clone());
                Ok(row)
            })
            .await?;
        Ok(answer(&ExportRow { status: ExportStatus::InProgress, ..row }))
    }
}

impl Dynamodb {
    fn new_export(
        &self,
        call: &Call,
        input: ExportTableToPointInTimeInput,
    ) -> Result<ExportRow, AwsError> {
        let table = find(&self.doors.ledger.snapshot(), &input.table_arn)?;
        let recovery = table.recovery.as_ref().ok_or_else(|| no_recovery(&table))?;
        let at = input.export_time.unwrap_or(call.now);
        if at < recovery.earliest(call.now) || at > call.now {
            return Err(outside());
        }
        let (account, region, name) = table.key.clone();
        Ok(ExportRow {
            key: (account, region, name, format!("{:014}-{}", call.now.0, call.ids.hex(8))),
            id: mint(call),
            table: (table.id, table.uuid.clone()),
            at,
            input,
            status: ExportStatus::InProgress,
            started_at: call.now,
            ended_at: None,
            item_count: 0,
            size_bytes: 0,
            failure: None,
        })
    }
}

fn find(snapshot: &Snapshot, arn: &str) -> Result<Arc<TableRow>, AwsError> {
    let row = arn_key(arn).and_then(|key| snapshot.get::<TableRow>(&key));
    let row = row.filter(|row| row.serves() && row.arn() == arn);
    row.ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> AwsError {
    TableNotFoundException::message(format!("Table not found: {arn}")).into()
}

fn outside() -> AwsError {
    let text = "The specified ExportTime is outside of the point in time recovery window.";
    InvalidExportTimeException::message(text).into()
}

fn no_recovery(table: &TableRow) -> AwsError {
    let name = table.name();
    let text = format!("Point in time recovery is not enabled for table '{name}'");
    PointInTimeRecoveryUnavailableException::message(text).into()
}

/// The export that a token began.
fn before(
    snapshot: &Snapshot,
    call: &Call,
    input: &ExportTableToPointInTimeInput,
) -> Result<Option<Arc<ExportRow>>, AwsError> {
    let Some(token) = &input.client_token else { return Ok(None) };
    let fits = |row: &Arc<ExportRow>| {
        (&row.key.0, &row.key.1) == (&call.account, &call.region)
            && row.input.client_token.as_ref() == Some(token)
            && row.started_at + TOKEN_LIFETIME > call.now
    };
    let found = snapshot.all::<ExportRow>().find(fits);
    match found {
        Some(row) if !same(&row.input, input) => {
            let text = format!("Export with the same client token exists: {}", row.arn());
            Err(ExportConflictException::message(text).into())
        }
        found => Ok(found),
    }
}

fn answer(row: &ExportRow) -> ExportTableToPointInTimeOutput {
    ExportTableToPointInTimeOutput { export_description: Some(describe(row)) }
}

pub(super) fn describe(row: &ExportRow) -> ExportDescription {
    let input = &row.input;
    let (code, message) = row.failure.clone().unzip();
    let is_done = row.status == ExportStatus::Completed;
    ExportDescription {
        export_arn: Some(row.arn()),
        export_status: Some(row.status),
        start_time: Some(row.started_at),
        end_time: row.ended_at.filter(|_| row.status != ExportStatus::InProgress),
        export_manifest: is_done.then(|| format!("{}/manifest-summary.json", row.base())),
        table_arn: Some(input.table_arn.clone()),
        table_id: Some(row.table.1.clone()),
        export_time: Some(row.at),
        client_token: input.client_token.clone(),
        s3_bucket: Some(input.s3_bucket.clone()),
        s3_bucket_owner: input.s3_bucket_owner.clone(),
        s3_prefix: input.s3_prefix.clone(),
        s3_sse_algorithm: Some(input.s3_sse_algorithm.unwrap_or_default()),
        s3_sse_kms_key_id: input.s3_sse_kms_key_id.clone(),
        failure_code: code.filter(|_| row.status == ExportStatus::Failed),
        failure_message: message.filter(|_| row.status == ExportStatus::Failed),
        export_format: Some(ExportFormat::DynamodbJson),
        billed_size_bytes: is_done.then_some(row.size_bytes),
        item_count: is_done.then_some(row.item_count),
        export_type: Some(ExportType::FullExport),
        incremental_export_specification: None,
    }
}
