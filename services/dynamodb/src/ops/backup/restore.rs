//! `RestoreTableFromBackup` and `RestoreTableToPointInTime`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    BackupStatus, BillingMode, GlobalSecondaryIndex, InvalidRestoreTimeException,
    LocalSecondaryIndex, OnDemandThroughput, PointInTimeRecoveryUnavailableException,
    ProvisionedThroughput, RestoreTableFromBackup, RestoreTableFromBackupInput,
    RestoreTableFromBackupOutput, RestoreTableToPointInTime, RestoreTableToPointInTimeInput,
    RestoreTableToPointInTimeOutput, SSESpecification, TableAlreadyExistsException,
    TableDescription, TableNotFoundException, TableStatus,
};
use haar_kernel::{Answer, Call, Flow};
use haar_ledger::Tx;
use haar_types::Tags;
use haar_wire::AwsError;

use super::{backup_in_use, find_backup};
use crate::Dynamodb;
use crate::lookup::{arn_key, table_key};
use crate::ops::table::create::{mint, on_demand, sse};
use crate::refusal::invalid;
use crate::render;
use crate::rules::definition::{check_name, throughput};
use crate::state::{Restored, SseChanges, TableRow, Throughput, Ttl};

/// What is to be another in the restored table.
struct Overrides {
    name: String,
    mode: Option<BillingMode>,
    throughput: Option<ProvisionedThroughput>,
    on_demand: Option<OnDemandThroughput>,
    globals: Option<Vec<GlobalSecondaryIndex>>,
    locals: Option<Vec<LocalSecondaryIndex>>,
    sse: Option<SSESpecification>,
}

/// AWS docs: *Amazon DynamoDB API Reference > RestoreTableFromBackup*.
impl Flow<RestoreTableFromBackup> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: RestoreTableFromBackupInput,
    ) -> Answer<RestoreTableFromBackup> {
        let arn = input.backup_arn;
        let row = find_backup(&self.doors.ledger.snapshot(), &arn)?;
        let overrides = Overrides {
            name: input.target_table_name,
            mode: input.billing_mode_override,
            throughput: input.provisioned_throughput_override,
            on_demand: input.on_demand_throughput_override,
            globals: input.global_secondary_index_override,
            locals: input.local_secondary_index_override,
            sse: input.sse_specification_override,
        };
        let restored = Restored {
            backup_arn: Some(arn.clone()),
            table_arn: row.table.arn(),
            at: row.created_at,
            source: Some(row.id),
            table: None,
        };
        // looked up again: it may have been deleted meanwhile
        let still_there = |tx: &mut Tx, _| match find_backup(tx, &arn)?.status {
            BackupStatus::Available => Ok(()),
            _ => Err(backup_in_use(&arn)),
        };
        let description =
            self.restore(&call, &row.table, (overrides, restored), still_there).await?;
        Ok(RestoreTableFromBackupOutput { table_description: Some(description) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > RestoreTableToPointInTime*.
impl Flow<RestoreTableToPointInTime> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: RestoreTableToPointInTimeInput,
    ) -> Answer<RestoreTableToPointInTime> {
        let key = match (&input.source_table_arn, &input.source_table_name) {
            (Some(arn), _) => arn_key(arn),
            (None, Some(name)) => Some(table_key(&call, name)?),
            (None, None) => None,
        };
        let key = key.ok_or_else(|| {
            invalid("One of SourceTableName and SourceTableArn must be specified")
        })?;
        let source = self
            .engine
            .table(&key)
            .map_err(|_| TableNotFoundException::message(format!("Table not found: {}", key.2)))?;
        let no_recovery = || -> AwsError {
            PointInTimeRecoveryUnavailableException::message(format!(
                "Point in time recovery is not enabled for table '{}'",
                source.name()
            ))
            .into()
        };
        let recovery = source.recovery.as_ref().ok_or_else(no_recovery)?;
        let at = match (input.restore_date_time, input.use_latest_restorable_time) {
            (Some(at), None | Some(false)) => at,
            (None, Some(true)) => call.now,
            _ => {
                return Err(invalid(
                    "Exactly one of RestoreDateTime and UseLatestRestorableTime must be specified",
                ));
            }
        };
        if at < recovery.earliest(call.now) || at > call.now {
            return Err(InvalidRestoreTimeException::message(
                "The restore time is not between EarliestRestorableDateTime and \
                 LatestRestorableDateTime",
            )
            .into());
        }
        let overrides = Overrides {
            name: input.target_table_name,
            mode: input.billing_mode_override,
            throughput: input.provisioned_throughput_override,
            on_demand: input.on_demand_throughput_override,
            globals: input.global_secondary_index_override,
            locals: input.local_secondary_index_override,
            sse: input.sse_specification_override,
        };
        let restored = Restored {
            backup_arn: None,
            table_arn: source.arn(),
            at,
            source: None,
            table: Some(source.id),
        };
        // its past is kept, and it stays, until the copy is made
        let hold = |tx: &mut Tx, id| {
            let there = tx.get::<TableRow>(&key).filter(|row| row.id == source.id && row.serves());
            let there = there.filter(|row| row.recovery.is_some()).ok_or_else(no_recovery)?;
            let mut row = TableRow::clone(&there);
            row.begin_copy(id);
            tx.put(row);
            Ok(())
        };
        let description = self.restore(&call, &source, (overrides, restored), hold).await?;
        Ok(RestoreTableToPointInTimeOutput { table_description: Some(description) })
    }
}

impl Dynamodb {
    /// Writes the row of a restored table, in one commit with what holds its source for it; the
    /// controller fills it.
    async fn restore(
        &self,
        call: &Call,
        source: &TableRow,
        (overrides, restored): (Overrides, Restored),
        hold: impl FnOnce(&mut Tx, u64) -> Result<(), AwsError>,
    ) -> Result<TableDescription, AwsError> {
        check_name(&overrides.name)?;
        let row = restored_row(call, source, overrides, restored)?;
        let description = render::table(&row, &self.engine);
        self.commit(|tx| {
            if tx.contains::<TableRow>(&row.key) {
                let text = format!("Table already exists: {}", row.name());
                return Err(TableAlreadyExistsException::message(text).into());
            }
            hold(tx, row.id)?;
            tx.put(row);
            Ok(())
        })
        .await?;
        Ok(description)
    }
}

/// Streams, tags, time to live, policies and streams of Kinesis are not restored.
fn restored_row(
    call: &Call,
    source: &TableRow,
    overrides: Overrides,
    restored: Restored,
) -> Result<TableRow, AwsError> {
    let mut row = source.clone();
    row.key = (call.account.clone(), call.region.clone(), overrides.name);
    row.id = mint(call);
    row.uuid = call.ids.uuid();
    row.status = TableStatus::Creating;
    row.created_at = call.now;
    row.stream = None;
    row.ttl = Ttl::default();
    row.tags = Tags::new();
    row.is_protected = false;
    row.policy = None;
    row.recovery = None;
    row.restored = Some(restored);
    row.copies.clear();
    row.has_past = false;
    row.is_importing = false;
    row.sse_update = None;
    row.sse_changes = SseChanges::default();
    row.captures.clear();
    if let Some(mode) = overrides.mode.or(overrides.throughput.as_ref().map(|_| row.billing.mode)) {
        let (read, write) = throughput(mode, overrides.throughput, None)?;
        row.billing.mode = mode;
        row.billing.is_named = true;
        row.billing.on_demand_since = (mode == BillingMode::PayPerRequest).then_some(call.now);
        row.billing.throughput = Throughput { read, write, ..Throughput::default() };
    }
    if row.billing.mode != source.billing.mode {
        row.billing.on_demand = None; // limits are for tables on demand
    }
    if let Some(limits) = &overrides.on_demand {
        if row.billing.mode != BillingMode::PayPerRequest {
            return Err(invalid(
                "One or more parameter values were invalid: OnDemandThroughput cannot be \
                 specified when BillingMode is PROVISIONED",
            ));
        }
        row.billing.on_demand = on_demand(Some(limits));
    }
    if let Some(given) = overrides.sse {
        row.sse = sse(call, Some(&given));
    }
    let given = overrides.globals;
    let of_all = |all: &Vec<GlobalSecondaryIndex>| names(all.iter().map(|index| &index.index_name));
    let globals = given.as_ref().map(of_all);
    let locals = overrides.locals.map(|all| names(all.iter().map(|index| &index.index_name)));
    row.indexes.retain(|index| {
        let wanted = if index.is_global { &globals } else { &locals };
        wanted.as_ref().is_none_or(|wanted| wanted.contains(&index.name))
    });
    provision_indexes(&mut row, &given.unwrap_or_default(), source.billing.mode)?;
    row.forget_attributes();
    Ok(row)
}

/// Indexes have what is asked for them, and must be asked for where the table's mode is another.
fn provision_indexes(
    row: &mut TableRow,
    given: &[GlobalSecondaryIndex],
    before: BillingMode,
) -> Result<(), AwsError> {
    let mode = row.billing.mode;
    for index in row.indexes.iter_mut().filter(|index| index.is_global) {
        let given = given.iter().find(|given| given.index_name == index.name);
        let units = given.and_then(|given| given.provisioned_throughput.clone());
        if units.is_some() || mode != before {
            let (read, write) = throughput(mode, units, Some(&index.name))?;
            index.throughput = Throughput { read, write, ..Throughput::default() };
        }
    }
    Ok(())
}

fn names<'n>(all: impl Iterator<Item = &'n String>) -> Vec<String> {
    all.cloned().collect()
}
