//! Rows as answers show them.

use std::collections::{BTreeMap, BTreeSet};

use haar_dynamodb_contract::{
    AttributeDefinition, BillingMode, BillingModeSummary, GlobalSecondaryIndexDescription,
    GlobalSecondaryIndexWarmThroughputDescription, IndexStatus, ItemCollectionMetrics,
    KeySchemaElement, KeyType, LocalSecondaryIndexDescription, OnDemandThroughput, Projection,
    ProjectionType, ProvisionedThroughputDescription, RestoreSummary, ReturnItemCollectionMetrics,
    SSEDescription, SSEStatus, SSEType, ScalarAttributeType, StreamSpecification, TableClass,
    TableClassSummary, TableDescription, TableStatus, TableWarmThroughputDescription,
};

use crate::convert::to_wire_value;
use crate::engine::Engine;
use crate::rules::schema::{KeyPart, KeySchema, PrimaryKey, Projected};
use crate::state::{Index, TableRow, Throughput};

/// What a new on-demand table takes at once.
const WARM: (i64, i64) = (12_000, 4_000);

/// A key as the model has it.
pub(crate) fn key_schema(keys: &KeySchema) -> Vec<KeySchemaElement> {
    let element =
        |part: &KeyPart, key_type| KeySchemaElement { attribute_name: part.name.clone(), key_type };
    let hashes = keys.hashes().map(|part| element(part, KeyType::Hash));
    hashes.chain(keys.ranges().map(|part| element(part, KeyType::Range))).collect()
}

/// A projection as the model has it.
pub(crate) fn projection(projected: &Projected) -> Projection {
    let attributes = projected.attributes.clone();
    Projection {
        projection_type: Some(projected.kind),
        non_key_attributes: (projected.kind == ProjectionType::Include).then_some(attributes),
    }
}

fn throughput(units: Throughput) -> ProvisionedThroughputDescription {
    ProvisionedThroughputDescription {
        last_increase_date_time: units.increased_at,
        last_decrease_date_time: units.decreased_at,
        number_of_decreases_today: Some(units.decreases),
        read_capacity_units: Some(units.read),
        write_capacity_units: Some(units.write),
    }
}

/// The limits of an on-demand table or index.
pub(crate) fn on_demand(limits: Option<(Option<i64>, Option<i64>)>) -> Option<OnDemandThroughput> {
    limits.map(|(read, write)| OnDemandThroughput {
        max_read_request_units: read,
        max_write_request_units: write,
    })
}

/// A table, with its counts.
pub(crate) fn table(row: &TableRow, engine: &Engine) -> TableDescription {
    let (items, bytes) = engine.counts(row.id, 0);
    let locals: Vec<_> = row
        .indexes
        .iter()
        .filter(|index| !index.is_global)
        .map(|index| local_index(row, index, engine))
        .collect();
    let globals: Vec<_> = row
        .indexes
        .iter()
        .filter(|index| index.is_global)
        .map(|index| global_index(row, index, engine))
        .collect();
    // AWS tells no such time in the answer that makes the table
    let on_demand_since = row.billing.on_demand_since.filter(|_| !is_new(row));
    TableDescription {
        attribute_definitions: Some(attribute_definitions(row)),
        table_name: Some(row.name().to_owned()),
        key_schema: Some(key_schema(&row.keys)),
        table_status: Some(row.status),
        creation_date_time: Some(row.created_at),
        provisioned_throughput: Some(throughput(row.billing.throughput)),
        table_size_bytes: Some(bytes),
        item_count: Some(items),
        table_arn: Some(row.arn()),
        table_id: Some(row.uuid.clone()),
        billing_mode_summary: row.billing.is_named.then_some(BillingModeSummary {
            billing_mode: Some(row.billing.mode),
            last_update_to_pay_per_request_date_time: on_demand_since,
        }),
        local_secondary_indexes: (!locals.is_empty()).then_some(locals),
        global_secondary_indexes: (!globals.is_empty()).then_some(globals),
        stream_specification: row.live_stream().map(|stream| StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(stream.view),
        }),
        latest_stream_label: row.stream.as_ref().map(|stream| stream.label.clone()),
        latest_stream_arn: row.stream_arn(),
        restore_summary: restored(row),
        sse_description: encryption(row),
        table_class_summary: class(row),
        deletion_protection_enabled: Some(row.is_protected),
        on_demand_throughput: on_demand(row.billing.on_demand),
        warm_throughput: Some(warm(row)),
        ..TableDescription::default()
    }
}

/// While it changes AWS tells the old key, if there was one.
fn encryption(row: &TableRow) -> Option<SSEDescription> {
    let status = match row.sse_update {
        Some(_) => SSEStatus::Updating,
        None => SSEStatus::Enabled,
    };
    (row.sse.is_some() || row.sse_update.is_some()).then(|| SSEDescription {
        status: Some(status),
        sse_type: row.sse.as_ref().map(|_| SSEType::Kms),
        kms_master_key_arn: row.sse.as_ref().map(|sse| sse.key_arn.clone()),
        inaccessible_encryption_date_time: None,
    })
}

/// In the order of their names, however they were given.
fn attribute_definitions(row: &TableRow) -> Vec<AttributeDefinition> {
    let by_name: BTreeMap<_, _> = row.attributes.iter().map(|(name, kind)| (name, kind)).collect();
    let definition = |(name, kind): (&String, &ScalarAttributeType)| AttributeDefinition {
        attribute_name: name.clone(),
        attribute_type: *kind,
    };
    by_name.into_iter().map(definition).collect()
}

fn is_new(row: &TableRow) -> bool {
    row.status == TableStatus::Creating
}

fn restored(row: &TableRow) -> Option<RestoreSummary> {
    row.restored.as_ref().map(|from| RestoreSummary {
        source_backup_arn: from.backup_arn.clone(),
        source_table_arn: Some(from.table_arn.clone()),
        restore_date_time: from.at,
        restore_in_progress: from.is_under_way(),
    })
}

fn class(row: &TableRow) -> Option<TableClassSummary> {
    let shown = row.class != TableClass::Standard || row.class_changed_at.is_some();
    shown.then_some(TableClassSummary {
        table_class: Some(row.class),
        last_update_date_time: row.class_changed_at,
    })
}

fn warm_units(row: &TableRow, units: Throughput) -> (i64, i64) {
    let least = match row.billing.mode {
        BillingMode::PayPerRequest => WARM,
        BillingMode::Provisioned => (units.read, units.write),
    };
    let asked = row.billing.warm.unwrap_or(least);
    (asked.0.max(least.0), asked.1.max(least.1))
}

fn warm(row: &TableRow) -> TableWarmThroughputDescription {
    let (read, write) = warm_units(row, row.billing.throughput);
    TableWarmThroughputDescription {
        read_units_per_second: Some(read),
        write_units_per_second: Some(write),
        status: Some(row.status),
    }
}

/// An index's ARN.
pub(crate) fn index_arn(row: &TableRow, index: &Index) -> String {
    format!("{}/index/{}", row.arn(), index.name)
}

fn local_index(row: &TableRow, index: &Index, engine: &Engine) -> LocalSecondaryIndexDescription {
    let (items, bytes) = engine.counts(row.id, index.number);
    LocalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.keys)),
        projection: Some(projection(&index.projected)),
        index_size_bytes: Some(bytes),
        item_count: Some(items),
        index_arn: Some(index_arn(row, index)),
    }
}

fn global_index(row: &TableRow, index: &Index, engine: &Engine) -> GlobalSecondaryIndexDescription {
    let (items, bytes) = engine.counts(row.id, index.number);
    let (read, write) = warm_units(row, index.throughput);
    // an index that comes with its table is made while the table is
    let status = if is_new(row) { IndexStatus::Creating } else { index.status };
    GlobalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.keys)),
        projection: Some(projection(&index.projected)),
        index_status: Some(status),
        backfilling: (index.status == IndexStatus::Creating).then_some(true),
        provisioned_throughput: Some(throughput(index.throughput)),
        index_size_bytes: Some(bytes),
        item_count: Some(items),
        index_arn: Some(index_arn(row, index)),
        on_demand_throughput: on_demand(index.on_demand),
        warm_throughput: Some(GlobalSecondaryIndexWarmThroughputDescription {
            read_units_per_second: Some(read),
            write_units_per_second: Some(write),
            status: Some(status),
        }),
    }
}

/// The sizes of collections that a request wrote to, each told once.
#[derive(Default)]
pub(crate) struct Collections {
    /// Beginnings of keys, which carry their table's id.
    told: BTreeSet<Vec<u8>>,
    by_table: BTreeMap<String, Vec<ItemCollectionMetrics>>,
}

impl Collections {
    /// Adds that of an item, where the table has local indexes and the caller asked.
    pub(crate) fn add(
        &mut self,
        name: &str,
        table: &TableRow,
        key: &PrimaryKey,
        asked: Option<ReturnItemCollectionMetrics>,
    ) {
        let Some(shown) = collection_metrics(table, key, asked) else { return };
        if self.told.insert(key.bytes[..key.partition_len].to_vec()) {
            self.by_table.entry(name.to_owned()).or_default().push(shown);
        }
    }

    /// As answers have them.
    pub(crate) fn shown(self) -> Option<BTreeMap<String, Vec<ItemCollectionMetrics>>> {
        Some(self.by_table).filter(|by_table| !by_table.is_empty())
    }
}

/// The size of an item's collection, where the table has local indexes and the caller asked.
pub(crate) fn collection_metrics(
    table: &TableRow,
    key: &PrimaryKey,
    asked: Option<ReturnItemCollectionMetrics>,
) -> Option<ItemCollectionMetrics> {
    let asked = asked == Some(ReturnItemCollectionMetrics::Size) && table.has_local_indexes();
    let hash = key.item.get(&table.keys.hash.name).filter(|_| asked)?;
    Some(ItemCollectionMetrics {
        item_collection_key: Some(
            [(table.keys.hash.name.clone(), to_wire_value(hash.clone()))].into(),
        ),
        // AWS gives an estimate between two bounds; collections here are far from 10 GB
        size_estimate_range_gb: Some(vec![0.0, 1.0]),
    })
}
