//! `CreateTable`.

use haar_dynamodb_contract::{
    BillingMode, CreateTable, CreateTableInput, CreateTableOutput, GlobalSecondaryIndex,
    IndexStatus, LocalSecondaryIndex, OnDemandThroughput, SSESpecification, StreamSpecification,
    StreamViewType, TableStatus, Tag, WarmThroughput,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_types::Tags;
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::ops::policy;
use crate::refusal::{in_use, invalid, invalid_parameter, no_global_tables};
use crate::render;
use crate::rules::definition::{self, Attributes};
use crate::rules::schema::KeySchema;
use crate::state::{
    Billing, Index, Policy, Sse, SseChanges, Stream, StreamRow, TableRow, Throughput, Ttl,
};

/// Global secondary indexes of a table at most.
pub(super) const GLOBAL_INDEXES_MAX: usize = 20;

/// Local secondary indexes of a table at most.
const LOCAL_INDEXES_MAX: usize = 5;

/// Tags of a resource at most.
pub(crate) const TAGS_MAX: usize = 50;

/// AWS docs: *Amazon DynamoDB API Reference > CreateTable*.
impl Command<CreateTable> for Dynamodb {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateTableInput) -> Answer<CreateTable> {
        definition::check_name(&input.table_name)?;
        if input.global_table_source_arn.is_some() {
            return Err(no_global_tables());
        }
        input.resource_policy.as_deref().map(policy::check).transpose()?;
        let key = (call.account.clone(), call.region.clone(), input.table_name.clone());
        let row = new_row(call, key, &input)?;
        if tx.contains::<TableRow>(&row.key) {
            return Err(in_use(format!("Table already exists: {}", input.table_name)));
        }
        if let Some(stream) = &row.stream {
            tx.put(stream_row(&row, stream));
        }
        let description = render::table(&row, &self.engine);
        tx.put(row);
        Ok(CreateTableOutput { table_description: Some(description) })
    }
}

pub(crate) fn new_row(
    call: &Call,
    key: crate::state::TableKey,
    input: &CreateTableInput,
) -> Result<TableRow, AwsError> {
    let elements = input.key_schema.as_deref().unwrap_or_default();
    let attributes =
        definition::attributes(input.attribute_definitions.clone().unwrap_or_default())?;
    let keys = definition::keys(elements, &attributes)?;
    let mode = input.billing_mode.unwrap_or(BillingMode::Provisioned);
    let (read, write) = definition::throughput(mode, input.provisioned_throughput.clone(), None)?;
    let indexes = indexes(input, &attributes, &keys, mode)?;
    let all = std::iter::once(&keys).chain(indexes.iter().map(|index| &index.keys));
    definition::check_used(&attributes, all, !indexes.is_empty())?;
    definition::check_projected(indexes.iter().map(|index| &index.projected))?;
    let next_index = u32::try_from(indexes.len()).unwrap_or(0) + 1;
    let mut row = TableRow {
        key,
        id: mint(call),
        uuid: call.ids.uuid(),
        status: TableStatus::Creating,
        created_at: call.now,
        keys,
        attributes,
        indexes,
        next_index,
        billing: Billing {
            mode,
            is_named: input.billing_mode == Some(BillingMode::PayPerRequest),
            throughput: Throughput { read, write, ..Throughput::default() },
            on_demand_since: (mode == BillingMode::PayPerRequest).then_some(call.now),
            on_demand: on_demand(input.on_demand_throughput.as_ref()),
            warm: warm(input.warm_throughput.as_ref()),
        },
        stream: None,
        ttl: Ttl::default(),
        tags: tags(input.tags.as_deref().unwrap_or_default())?,
        is_protected: input.deletion_protection_enabled == Some(true),
        class: input.table_class.unwrap_or_default(),
        class_changed_at: None,
        sse: sse(call, input.sse_specification.as_ref()),
        sse_update: None,
        sse_changes: SseChanges::default(),
        policy: input
            .resource_policy
            .clone()
            .map(|document| Policy { document, revision: call.now.0.to_string() }),
        recovery: None,
        restored: None,
        copies: Default::default(),
        has_past: false,
        is_importing: false,
        captures: Vec::new(),
    };
    if let Some(view) = wanted_stream(input.stream_specification.as_ref())? {
        row.stream = Some(new_stream(call, view));
    }
    Ok(row)
}

/// An id that no other table, stream or backup has.
pub(crate) fn mint(call: &Call) -> u64 {
    u64::from_str_radix(&call.ids.hex(16), 16).unwrap_or_default()
}

/// The limits of an on-demand table.
pub(crate) fn on_demand(given: Option<&OnDemandThroughput>) -> Option<(Option<i64>, Option<i64>)> {
    let limit = |units: Option<i64>| units.filter(|units| *units > 0);
    let given = given?;
    let limits = (limit(given.max_read_request_units), limit(given.max_write_request_units));
    (limits != (None, None)).then_some(limits)
}

/// What the table is to take at once.
pub(super) fn warm(given: Option<&WarmThroughput>) -> Option<(i64, i64)> {
    let given = given?;
    Some((given.read_units_per_second.unwrap_or(0), given.write_units_per_second.unwrap_or(0)))
}

/// Encryption with a key of the customer's; the default key is not shown.
pub(crate) fn sse(call: &Call, given: Option<&SSESpecification>) -> Option<Sse> {
    let given = given.filter(|given| given.enabled == Some(true))?;
    let named = given.kms_master_key_id.as_deref().unwrap_or("alias/aws/dynamodb");
    let arn = match named.starts_with("arn:") {
        true => named.to_owned(),
        false if named.starts_with("alias/") => {
            format!("arn:aws:kms:{}:{}:{named}", call.region, call.account)
        }
        false => format!("arn:aws:kms:{}:{}:key/{named}", call.region, call.account),
    };
    Some(Sse { key_arn: arn })
}

/// Reads tags.
pub(crate) fn tags(given: &[Tag]) -> Result<Tags, AwsError> {
    let tags: Tags = given.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    if tags.len() < given.len() {
        return Err(invalid("Duplicate tag keys are not allowed"));
    }
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("Too many tags: the maximum number of tags is {TAGS_MAX}")));
    }
    match tags.keys().any(|key| key.starts_with("aws:")) {
        true => Err(invalid("Tag keys beginning with aws: are reserved")),
        false => Ok(tags),
    }
}

/// The view of the stream that a request asks for.
pub(super) fn wanted_stream(
    given: Option<&StreamSpecification>,
) -> Result<Option<StreamViewType>, AwsError> {
    match given {
        Some(StreamSpecification { stream_enabled: true, stream_view_type: None }) => {
            Err(invalid_parameter("StreamViewType is required when StreamEnabled is true"))
        }
        Some(StreamSpecification { stream_enabled: false, stream_view_type: Some(_) }) => Err(
            invalid_parameter("StreamViewType should not be specified when StreamEnabled is false"),
        ),
        Some(given) => Ok(given.stream_view_type),
        None => Ok(None),
    }
}

/// A stream that begins now.
pub(super) fn new_stream(call: &Call, view: StreamViewType) -> Stream {
    let label = call.now.iso_millis().trim_end_matches('Z').to_owned();
    Stream { id: mint(call), label, view, created_at: call.now, is_enabled: true }
}

/// The row of a table's new stream.
pub(super) fn stream_row(table: &TableRow, stream: &Stream) -> StreamRow {
    let (account, region, name) = table.key.clone();
    StreamRow {
        key: (account, region, name, stream.label.clone()),
        id: stream.id,
        view: stream.view,
        keys: table.keys.clone(),
        created_at: stream.created_at,
        disabled_at: None,
    }
}

fn indexes(
    input: &CreateTableInput,
    attributes: &Attributes,
    keys: &KeySchema,
    mode: BillingMode,
) -> Result<Vec<Index>, AwsError> {
    let empty = |what: &str| invalid_parameter(format!("List of {what} is empty"));
    let locals = input.local_secondary_indexes.as_deref();
    let globals = input.global_secondary_indexes.as_deref();
    if locals.is_some_and(<[_]>::is_empty) {
        return Err(empty("LocalSecondaryIndexes"));
    }
    if globals.is_some_and(<[_]>::is_empty) {
        return Err(empty("GlobalSecondaryIndexes"));
    }
    let locals = locals.unwrap_or_default().iter().map(|one| local(one, attributes, keys));
    let globals = globals.unwrap_or_default().iter().map(|one| global(one, attributes, mode));
    let mut all = locals.chain(globals).collect::<Result<Vec<_>, _>>()?;
    check_indexes(&all)?;
    (1..).zip(&mut all).for_each(|(number, index)| index.number = number);
    Ok(all)
}

/// Refuses two indexes of one name, and too many.
pub(super) fn check_indexes(all: &[Index]) -> Result<(), AwsError> {
    for (at, index) in all.iter().enumerate() {
        if all[..at].iter().any(|other| other.name == index.name) {
            return Err(invalid_parameter(format!("Duplicate index name: {}", index.name)));
        }
    }
    let globals = all.iter().filter(|index| index.is_global).count();
    if globals > GLOBAL_INDEXES_MAX {
        return Err(invalid_parameter(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}"
        )));
    }
    match all.len() - globals > LOCAL_INDEXES_MAX {
        true => Err(invalid_parameter(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}"
        ))),
        false => Ok(()),
    }
}

fn local(
    given: &LocalSecondaryIndex,
    attributes: &Attributes,
    table: &KeySchema,
) -> Result<Index, AwsError> {
    let name = &given.index_name;
    definition::check_name(name)?;
    if table.range.is_none() {
        return Err(invalid_parameter(
            "Table KeySchema does not have a range key, which is required when specifying a \
             LocalSecondaryIndex",
        ));
    }
    let keys = definition::keys(&given.key_schema, attributes)?;
    if keys.range.is_none() {
        return Err(invalid_parameter(format!(
            "Index KeySchema does not have a range key for index: {name}"
        )));
    }
    if keys.hash != table.hash {
        return Err(invalid_parameter(format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: \
             {name}. index hash key: {}, table hash key: {}",
            keys.hash.name, table.hash.name
        )));
    }
    Ok(Index {
        name: name.clone(),
        number: 0,
        is_global: false,
        keys,
        projected: definition::projected(given.projection.clone())?,
        status: IndexStatus::Active,
        throughput: Throughput::default(),
        on_demand: None,
    })
}

/// A global index as it is defined.
pub(super) fn global(
    given: &GlobalSecondaryIndex,
    attributes: &Attributes,
    mode: BillingMode,
) -> Result<Index, AwsError> {
    let name = &given.index_name;
    definition::check_name(name)?;
    let keys = definition::global_keys(&given.key_schema, attributes)?;
    let units = definition::throughput(mode, given.provisioned_throughput.clone(), Some(name))?;
    Ok(Index {
        name: name.clone(),
        number: 0,
        is_global: true,
        keys,
        projected: definition::projected(given.projection.clone())?,
        status: IndexStatus::Active,
        throughput: Throughput { read: units.0, write: units.1, ..Throughput::default() },
        on_demand: on_demand(given.on_demand_throughput.as_ref()),
    })
}
