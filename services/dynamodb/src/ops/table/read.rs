//! `DescribeTable` and `ListTables`.

use haar_dynamodb_contract::{
    DescribeTable, DescribeTableInput, DescribeTableOutput, ListTables, ListTablesInput,
    ListTablesOutput,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use crate::Dynamodb;
use crate::lookup::find_table;
use crate::render;
use crate::state::TableRow;

/// Names on a page.
const PAGE: usize = 100;

/// AWS docs: *Amazon DynamoDB API Reference > DescribeTable*.
impl Query<DescribeTable> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeTableInput,
    ) -> Answer<DescribeTable> {
        let row = find_table(snapshot, call, &input.table_name)?;
        Ok(DescribeTableOutput { table: Some(render::table(&row, &self.engine)) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > ListTables*.
impl Query<ListTables> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTablesInput,
    ) -> Answer<ListTables> {
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
        let after = input.exclusive_start_table_name.unwrap_or_default();
        let first = (call.account.clone(), call.region.clone(), after.clone());
        let own =
            |row: &std::sync::Arc<TableRow>| row.key.0 == call.account && row.key.1 == call.region;
        let rows = snapshot.range::<TableRow>(first..).take_while(own);
        let mut names = rows.map(|row| row.name().to_owned()).filter(|name| *name != after);
        let page: Vec<String> = names.by_ref().take(limit).collect();
        let last = page.last().cloned().filter(|_| names.next().is_some());
        Ok(ListTablesOutput { table_names: Some(page), last_evaluated_table_name: last })
    }
}
