//! `DeleteTable`.

use haar_dynamodb_contract::{DeleteTable, DeleteTableInput, DeleteTableOutput, TableStatus};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;

use crate::Dynamodb;
use crate::lookup::find_table;
use crate::ops::table::{check_status, end_stream};
use crate::refusal::{in_use, invalid};
use crate::render;
use crate::state::TableRow;

/// AWS docs: *Amazon DynamoDB API Reference > DeleteTable*.
impl Command<DeleteTable> for Dynamodb {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteTableInput) -> Answer<DeleteTable> {
        let mut row = TableRow::clone(&*find_table(tx, call, &input.table_name)?);
        check_status(&row)?;
        if row.sse_update.is_some() {
            return Err(in_use(format!(
                "Attempt to change a resource which is still in use: Table: {} is in the process \
                 of being updated.",
                row.name()
            )));
        }
        if row.is_protected {
            return Err(invalid(
                "Resource cannot be deleted as it is currently protected against deletion. Disable \
                 deletion protection first.",
            ));
        }
        row.status = TableStatus::Deleting;
        end_stream(tx, &mut row, call.now);
        let mut description = render::table(&row, &self.engine);
        // AWS shows no more of a table that goes
        description.attribute_definitions = None;
        description.key_schema = None;
        description.creation_date_time = None;
        description.local_secondary_indexes = None;
        description.global_secondary_indexes = None;
        tx.put(row);
        Ok(DeleteTableOutput { table_description: Some(description) })
    }
}
