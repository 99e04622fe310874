//! `UpdateTable`.

use haar_dynamodb_contract::{
    BillingMode, CreateGlobalSecondaryIndexAction, DeleteGlobalSecondaryIndexAction,
    GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, IndexStatus, ProvisionedThroughput,
    SSESpecification, TableStatus, UpdateGlobalSecondaryIndexAction, UpdateTable, UpdateTableInput,
    UpdateTableOutput,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_wire::AwsError;

use super::create::{self, check_indexes, global, new_stream, stream_row, wanted_stream};
use super::{check_status, end_stream};
use crate::Dynamodb;
use crate::lookup::find_table;
use crate::refusal::{in_use, invalid, invalid_parameter, limit, no_global_tables, no_resource};
use crate::render;
use crate::rules::definition::{self, throughput};
use crate::rules::encryption::one_more;
use crate::rules::throughput::changed;
use crate::state::{SseUpdate, TableRow};

/// AWS docs: *Amazon DynamoDB API Reference > UpdateTable*.
impl Command<UpdateTable> for Dynamodb {
    fn command(&self, call: &Call, tx: &mut Tx, input: UpdateTableInput) -> Answer<UpdateTable> {
        let mut row = TableRow::clone(&*find_table(tx, call, &input.table_name)?);
        check_status(&row)?;
        check_asked(&input)?;
        update_billing(&mut row, call, &input)?;
        update_indexes(&mut row, call, &input)?;
        update_stream(&mut row, call, tx, &input)?;
        if let Some(class) = input.table_class.filter(|class| *class != row.class) {
            (row.class, row.class_changed_at) = (class, Some(call.now));
        }
        update_encryption(&mut row, call, input.sse_specification.as_ref())?;
        if let Some(protects) = input.deletion_protection_enabled {
            row.is_protected = protects;
        }
        if asks_more_than_encryption(&input) {
            row.status = TableStatus::Updating;
        }
        let mut description = render::table(&row, &self.engine);
        // AWS answers before it begins to fill an index
        for index in description.global_secondary_indexes.iter_mut().flatten() {
            index.backfilling = index.backfilling.map(|_| false);
        }
        tx.put(row);
        Ok(UpdateTableOutput { table_description: Some(description) })
    }
}

fn check_asked(input: &UpdateTableInput) -> Result<(), AwsError> {
    if input.replica_updates.is_some() || input.global_table_witness_updates.is_some() {
        return Err(no_global_tables());
    }
    match asks_more_than_encryption(input) || input.sse_specification.is_some() {
        true => Ok(()),
        false => Err(invalid(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
             GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
        )),
    }
}

fn asks_more_than_encryption(input: &UpdateTableInput) -> bool {
    input.billing_mode.is_some()
        || input.provisioned_throughput.is_some()
        || input.global_secondary_index_updates.is_some()
        || input.stream_specification.is_some()
        || input.table_class.is_some()
        || input.deletion_protection_enabled.is_some()
        || input.on_demand_throughput.is_some()
        || input.warm_throughput.is_some()
}

/// Asks for other encryption, which leaves the table as active as it is.
fn update_encryption(
    row: &mut TableRow,
    call: &Call,
    given: Option<&SSESpecification>,
) -> Result<(), AwsError> {
    let Some(given) = given else { return Ok(()) };
    let to = create::sse(call, Some(given));
    if row.sse_update.as_ref().is_some_and(|update| update.to != to) {
        return Err(in_use(
            "Attempt to change a resource which is still in use: Server-Side Encryption is still \
             being updated",
        ));
    }
    let refusal = match (&to, &row.sse) {
        (None, None) => "Table is already encrypted by default",
        (Some(to), Some(own)) if to == own => {
            "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if \
             you want to change Master Key"
        }
        _ if row.sse_update.is_some() => return Ok(()), // the same once more
        _ => {
            row.sse_changes = one_more(row.sse_changes, row.created_at, call.now)?;
            row.sse_update = Some(SseUpdate { to });
            return Ok(());
        }
    };
    Err(invalid(format!("One or more parameter values were invalid: {refusal}")))
}

fn update_billing(
    row: &mut TableRow,
    call: &Call,
    input: &UpdateTableInput,
) -> Result<(), AwsError> {
    let mode = input.billing_mode.unwrap_or(row.billing.mode);
    let turns = mode != row.billing.mode;
    let given = input.provisioned_throughput.clone();
    if turns || given.is_some() {
        let (read, write) = throughput(mode, given, None)?;
        row.billing.throughput =
            changed(row.billing.throughput, (read, write), call.now, turns, "table", row.name())?;
    }
    if turns {
        row.billing.mode = mode;
        row.billing.is_named = true;
        if mode == BillingMode::PayPerRequest {
            row.billing.on_demand_since = Some(call.now);
            row.indexes.iter_mut().for_each(|index| index.throughput = Default::default());
        } else {
            check_all_provisioned(row, input)?;
        }
    }
    if let Some(limits) = &input.on_demand_throughput {
        row.billing.on_demand = create::on_demand(Some(limits));
    }
    if let Some(warm) = &input.warm_throughput {
        row.billing.warm = create::warm(Some(warm));
    }
    Ok(())
}

/// A table that becomes provisioned has all its indexes provisioned in the same request.
fn check_all_provisioned(row: &TableRow, input: &UpdateTableInput) -> Result<(), AwsError> {
    let updates = input.global_secondary_index_updates.as_deref().unwrap_or_default();
    let given = |name: &str| {
        updates
            .iter()
            .filter_map(|update| update.update.as_ref())
            .any(|update| update.index_name == name && update.provisioned_throughput.is_some())
    };
    match row.indexes.iter().find(|index| index.is_global && !given(&index.name)) {
        Some(index) => throughput(BillingMode::Provisioned, None, Some(&index.name)).map(drop),
        None => Ok(()),
    }
}

fn update_indexes(
    row: &mut TableRow,
    call: &Call,
    input: &UpdateTableInput,
) -> Result<(), AwsError> {
    let updates = input.global_secondary_index_updates.as_deref().unwrap_or_default();
    let changes = updates.iter().filter(|one| one.create.is_some() || one.delete.is_some()).count();
    let busy = row
        .indexes
        .iter()
        .any(|index| matches!(index.status, IndexStatus::Creating | IndexStatus::Deleting));
    if changes > 1 || (changes == 1 && busy) {
        return Err(limit(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted \
             simultaneously per table",
        ));
    }
    for update in updates {
        match update {
            GlobalSecondaryIndexUpdate { create: Some(create), update: None, delete: None } => {
                create_index(row, input, create)?;
            }
            GlobalSecondaryIndexUpdate { create: None, update: Some(update), delete: None } => {
                update_index(row, call, update)?;
            }
            GlobalSecondaryIndexUpdate { create: None, update: None, delete: Some(delete) } => {
                delete_index(row, delete)?;
            }
            _ => {
                return Err(invalid_parameter(
                    "Only one of Create, Update and Delete may be given for an index",
                ));
            }
        }
    }
    Ok(())
}

fn create_index(
    row: &mut TableRow,
    input: &UpdateTableInput,
    create: &CreateGlobalSecondaryIndexAction,
) -> Result<(), AwsError> {
    if row.index(&create.index_name).is_some() {
        return Err(invalid(format!(
            "Attempting to create an index which already exists: {}",
            create.index_name
        )));
    }
    let given = input.attribute_definitions.clone().unwrap_or_default();
    let mut attributes = row.attributes.clone();
    for (name, kind) in definition::attributes(given)? {
        match attributes.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != kind => {
                return Err(invalid_parameter(format!(
                    "Attribute {name} is defined with another type already"
                )));
            }
            Some(_) => {}
            None => attributes.push((name, kind)),
        }
    }
    let create = create.clone();
    let asked = GlobalSecondaryIndex {
        index_name: create.index_name,
        key_schema: create.key_schema,
        projection: create.projection,
        provisioned_throughput: create.provisioned_throughput,
        on_demand_throughput: create.on_demand_throughput,
        warm_throughput: create.warm_throughput,
    };
    let mut index = global(&asked, &attributes, row.billing.mode)?;
    index.status = IndexStatus::Creating;
    index.number = row.next_index;
    row.next_index += 1;
    row.indexes.push(index);
    check_indexes(&row.indexes)?;
    definition::check_projected(row.indexes.iter().map(|index| &index.projected))?;
    let all = std::iter::once(&row.keys).chain(row.indexes.iter().map(|index| &index.keys));
    definition::check_used(&attributes, all, true)?;
    row.attributes = attributes;
    Ok(())
}

fn update_index(
    row: &mut TableRow,
    call: &Call,
    update: &UpdateGlobalSecondaryIndexAction,
) -> Result<(), AwsError> {
    let (mode, name) = (row.billing.mode, row.name().to_owned());
    let index = row.indexes.iter_mut().find(|index| index.name == update.index_name);
    let index = index.ok_or_else(|| no_index(&update.index_name))?;
    let given: Option<ProvisionedThroughput> = update.provisioned_throughput.clone();
    if given.is_some() {
        let units = throughput(mode, given, Some(&index.name))?;
        let what = format!("index: {}", index.name);
        index.throughput = changed(index.throughput, units, call.now, true, &what, &name)?;
    }
    if let Some(limits) = &update.on_demand_throughput {
        index.on_demand = create::on_demand(Some(limits));
    }
    Ok(())
}

fn delete_index(
    row: &mut TableRow,
    delete: &DeleteGlobalSecondaryIndexAction,
) -> Result<(), AwsError> {
    let found = row.indexes.iter_mut().find(|index| index.name == delete.index_name);
    let index = found.filter(|index| index.is_global);
    let index = index.ok_or_else(|| no_index(&delete.index_name))?;
    index.status = IndexStatus::Deleting;
    Ok(())
}

fn no_index(name: &str) -> AwsError {
    no_resource(&format!("index {name}"))
}

fn update_stream(
    row: &mut TableRow,
    call: &Call,
    tx: &mut Tx,
    input: &UpdateTableInput,
) -> Result<(), AwsError> {
    let Some(asked) = &input.stream_specification else { return Ok(()) };
    match (wanted_stream(Some(asked))?, row.live_stream().is_some()) {
        (Some(_), true) => {
            Err(invalid(format!("Table already has an enabled stream: TableName: {}", row.name())))
        }
        (None, false) => {
            Err(invalid(format!("Table already has a disabled stream: TableName: {}", row.name())))
        }
        (Some(view), false) => {
            let stream = new_stream(call, view);
            tx.put(stream_row(row, &stream));
            row.stream = Some(stream);
            Ok(())
        }
        (None, true) => {
            end_stream(tx, row, call.now);
            Ok(())
        }
    }
}
