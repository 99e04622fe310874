//! `Query` and `Scan`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    Query, QueryInput, QueryOutput, ReturnConsumedCapacity, Scan, ScanInput, ScanOutput,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::capacity::{Units, read_halves};
use crate::convert::{WireItem, to_wire};
use crate::engine::{Reading, Scanned};
use crate::requests::{PageInput, Plan, plan_query, plan_scan};
use crate::rules::value::Item;
use crate::state::TableRow;

/// A page as both operations answer it.
struct Page {
    items: Option<Vec<WireItem>>,
    count: Option<i32>,
    scanned_count: Option<i32>,
    last_evaluated_key: Option<WireItem>,
    units: Units,
}

impl Dynamodb {
    /// Reads what is planned.
    pub(crate) fn read_page(
        &self,
        table: &Arc<TableRow>,
        plan: &Plan,
    ) -> Result<(Scanned, Units), AwsError> {
        let reading = Reading {
            table,
            index: plan.index.as_ref(),
            span: plan.span.clone(),
            limit: plan.limit,
            whole_items: plan.whole_items,
        };
        let pass = |item: &Item| plan.filter.as_ref().is_none_or(|filter| filter.holds(item));
        let scanned = self.engine.page(&reading, pass)?;
        let units = units_of(plan, &scanned);
        self.has_read(table, &units)?;
        Ok((scanned, units))
    }

    fn page(&self, table: &Arc<TableRow>, plan: &Plan) -> Result<Page, AwsError> {
        let (scanned, units) = self.read_page(table, plan)?;
        let count = i32::try_from(scanned.items.len()).ok();
        let shown = |item| match &plan.projection {
            Some(projection) => to_wire(projection.apply(item)),
            None => to_wire(item),
        };
        Ok(Page {
            items: (!plan.counts_only).then(|| scanned.items.into_iter().map(shown).collect()),
            count,
            scanned_count: i32::try_from(scanned.scanned).ok(),
            last_evaluated_key: scanned.last.map(to_wire),
            units,
        })
    }
}

fn units_of(plan: &Plan, scanned: &Scanned) -> Units {
    let Some(index) = &plan.index else {
        return Units::of_read(scanned.bytes, plan.is_consistent);
    };
    let mut units = Units::of_index(index, read_halves(scanned.bytes, plan.is_consistent));
    for bytes in &scanned.fetched {
        units.table += read_halves(*bytes, plan.is_consistent);
    }
    units
}

/// AWS docs: *Amazon DynamoDB API Reference > Query*.
impl Flow<Query> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: QueryInput) -> Answer<Query> {
        let table = self.serving(&call, &input.table_name)?;
        let asked: Option<ReturnConsumedCapacity> = input.return_consumed_capacity;
        let page = PageInput {
            index_name: input.index_name,
            select: input.select,
            attributes_to_get: input.attributes_to_get,
            limit: input.limit,
            consistent_read: input.consistent_read,
            filter_legacy: input.query_filter,
            operator: input.conditional_operator,
            exclusive_start_key: input.exclusive_start_key,
            projection: input.projection_expression,
            filter: input.filter_expression,
            names: input.expression_attribute_names,
            values: input.expression_attribute_values,
        };
        let conditions = (input.key_condition_expression, input.key_conditions);
        let is_forward = input.scan_index_forward.unwrap_or(true);
        let plan = plan_query(&table, page, conditions, is_forward)?;
        let page = self.page(&table, &plan)?;
        Ok(QueryOutput {
            items: page.items,
            count: page.count,
            scanned_count: page.scanned_count,
            last_evaluated_key: page.last_evaluated_key,
            consumed_capacity: page.units.shown(&table, asked),
        })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > Scan*.
impl Flow<Scan> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: ScanInput) -> Answer<Scan> {
        let table = self.serving(&call, &input.table_name)?;
        let asked: Option<ReturnConsumedCapacity> = input.return_consumed_capacity;
        let segments = (input.segment, input.total_segments);
        let page = PageInput {
            index_name: input.index_name,
            select: input.select,
            attributes_to_get: input.attributes_to_get,
            limit: input.limit,
            consistent_read: input.consistent_read,
            filter_legacy: input.scan_filter,
            operator: input.conditional_operator,
            exclusive_start_key: input.exclusive_start_key,
            projection: input.projection_expression,
            filter: input.filter_expression,
            names: input.expression_attribute_names,
            values: input.expression_attribute_values,
        };
        let plan = plan_scan(&table, page, segments)?;
        let page = self.page(&table, &plan)?;
        Ok(ScanOutput {
            items: page.items,
            count: page.count,
            scanned_count: page.scanned_count,
            last_evaluated_key: page.last_evaluated_key,
            consumed_capacity: page.units.shown(&table, asked),
        })
    }
}
