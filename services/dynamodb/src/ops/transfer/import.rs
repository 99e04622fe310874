//! `ImportTable`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    CreateTableInput, ImportConflictException, ImportStatus, ImportTable, ImportTableDescription,
    ImportTableInput, ImportTableOutput, InputCompressionType, InputFormat,
    TableCreationParameters,
};
use haar_kernel::{Answer, Call, Flow};
use haar_ledger::Snapshot;
use haar_s3_contract::{ListObjectsV2, ListObjectsV2Request};
use haar_types::Arn;
use haar_wire::{AwsError, same};

use super::{TOKEN_LIFETIME, not_offered};
use crate::Dynamodb;
use crate::ops::table::create::new_row;
use crate::refusal::in_use;
use crate::rules::definition::check_name;
use crate::state::{Caller, ImportCounts, ImportRow, TableRow};
use crate::transfers::{SELF, lasting};

/// AWS docs: *Amazon DynamoDB API Reference > ImportTable*.
impl Flow<ImportTable> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: ImportTableInput) -> Answer<ImportTable> {
        if input.input_format == InputFormat::Ion {
            return Err(not_offered("imports of Amazon Ion"));
        }
        if input.input_compression_type == Some(InputCompressionType::Zstd) {
            return Err(not_offered("imports of files that ZSTD compressed"));
        }
        if let Some(row) = before(&self.doors.ledger.snapshot(), &call, &input)? {
            return Ok(answer(&row));
        }
        let created = table_of(&input.table_creation_parameters);
        check_name(&created.table_name)?;
        let key = (call.account.clone(), call.region.clone(), created.table_name.clone());
        let mut table = new_row(&call, key.clone(), &created)?;
        table.is_importing = true;
        let (account, region, name) = key;
        let mut row = ImportRow {
            key: (account, region, name, format!("{:014}-{}", call.now.0, call.ids.hex(8))),
            table_uuid: table.uuid.clone(),
            caller: Some(Caller::of(&call.principal)),
            input,
            status: ImportStatus::InProgress,
            started_at: call.now,
            ended_at: None,
            counts: ImportCounts::default(),
            failure: None,
        };
        if let Err(error) = self.may_list(&call, &row).await {
            row.failure = Some(lasting(&error).ok_or(error)?);
            row.status = ImportStatus::Failed;
            row.ended_at = Some(call.now);
        }
        let row = self
            .commit(|tx| {
                if tx.contains::<TableRow>(&table.key) {
                    return Err(in_use(format!("Table already exists: {}", table.name())));
                }
                if row.status == ImportStatus::InProgress {
                    tx.put(table);
                }
                tx.put(row.clone());
                Ok(row)
            })
            .await?;
        Ok(answer(&ImportRow { status: ImportStatus::InProgress, ..row }))
    }
}

impl Dynamodb {
    /// Asks for the caller's permission at once, so that the table is only made with it.
    async fn may_list(&self, call: &Call, row: &ImportRow) -> Result<(), AwsError> {
        let source = &row.input.s3_bucket_source;
        let input = ListObjectsV2Request {
            bucket: source.s3_bucket.clone(),
            prefix: source.s3_key_prefix.clone(),
            expected_bucket_owner: source.s3_bucket_owner.clone(),
            max_keys: Some(1),
            ..ListObjectsV2Request::default()
        };
        let principal = call.principal.via(SELF);
        self.doors.call::<ListObjectsV2>(principal, &call.region, input).await.map(drop)
    }
}

fn table_of(given: &TableCreationParameters) -> CreateTableInput {
    let given = given.clone();
    CreateTableInput {
        table_name: given.table_name,
        attribute_definitions: Some(given.attribute_definitions),
        key_schema: Some(given.key_schema),
        billing_mode: given.billing_mode,
        provisioned_throughput: given.provisioned_throughput,
        on_demand_throughput: given.on_demand_throughput,
        sse_specification: given.sse_specification,
        global_secondary_indexes: given.global_secondary_indexes,
        ..CreateTableInput::default()
    }
}

/// The import that a token began.
fn before(
    snapshot: &Snapshot,
    call: &Call,
    input: &ImportTableInput,
) -> Result<Option<Arc<ImportRow>>, AwsError> {
    let Some(token) = &input.client_token else { return Ok(None) };
    let fits = |row: &Arc<ImportRow>| {
        (&row.key.0, &row.key.1) == (&call.account, &call.region)
            && row.input.client_token.as_ref() == Some(token)
            && row.started_at + TOKEN_LIFETIME > call.now
    };
    match snapshot.all::<ImportRow>().find(fits) {
        Some(row) if !same(&row.input, input) => {
            let text = format!("Import with the same client token exists: {}", row.arn());
            Err(ImportConflictException::message(text).into())
        }
        found => Ok(found),
    }
}

fn answer(row: &ImportRow) -> ImportTableOutput {
    ImportTableOutput { import_table_description: describe(row) }
}

pub(super) fn describe(row: &ImportRow) -> ImportTableDescription {
    let (input, counts) = (row.input.clone(), row.counts);
    let (account, region, name, _) = &row.key;
    let table = Arn::mint("dynamodb", region, account, "table/", name);
    let (code, message) = row.failure.clone().unzip();
    let has_ended = row.status != ImportStatus::InProgress;
    ImportTableDescription {
        import_arn: Some(row.arn()),
        import_status: Some(row.status),
        table_arn: Some(table.to_string()),
        table_id: Some(row.table_uuid.clone()),
        client_token: input.client_token,
        s3_bucket_source: Some(input.s3_bucket_source),
        error_count: has_ended.then_some(counts.errors),
        cloud_watch_log_group_arn: None,
        input_format: Some(input.input_format),
        input_format_options: input.input_format_options,
        input_compression_type: input.input_compression_type,
        table_creation_parameters: Some(input.table_creation_parameters),
        start_time: Some(row.started_at),
        end_time: row.ended_at.filter(|_| has_ended),
        processed_size_bytes: has_ended.then_some(counts.bytes),
        processed_item_count: has_ended.then_some(counts.processed),
        imported_item_count: has_ended.then_some(counts.imported),
        failure_code: code.filter(|_| has_ended),
        failure_message: message.filter(|_| has_ended),
    }
}
