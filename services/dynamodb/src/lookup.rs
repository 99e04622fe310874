//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_types::Partition;
use haar_wire::AwsError;

use crate::refusal::{invalid, no_resource, no_table_named};
use crate::state::{TableKey, TableRow};

/// The key of a table that a request names, by name or by ARN.
pub(crate) fn table_key(call: &Call, named: &str) -> Result<TableKey, AwsError> {
    if !named.starts_with("arn:") {
        return Ok((call.account.clone(), call.region.clone(), named.to_owned()));
    }
    let key = arn_key(named).filter(|key| key.1 == call.region);
    key.ok_or_else(|| invalid(format!("Invalid table ARN: {named}")))
}

/// The key of the table that an ARN names, alone or with an index.
pub(crate) fn arn_key(arn: &str) -> Option<TableKey> {
    if !Partition::holds(arn) {
        return None;
    }
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, region) = (parts.next()?, parts.next()?);
    let (account, path) = (parts.next()?, parts.next()?);
    let name = path.strip_prefix("table/").filter(|_| service == "dynamodb")?;
    let name = name.split('/').next()?;
    Some((account.parse().ok()?, region.parse().ok()?, name.to_owned()))
}

/// The table that a request names.
pub(crate) fn find_table(
    snapshot: &Snapshot,
    call: &Call,
    named: &str,
) -> Result<Arc<TableRow>, AwsError> {
    let key = table_key(call, named)?;
    snapshot.get::<TableRow>(&key).ok_or_else(|| no_table_named(&key.2))
}

/// The caller's own table that an ARN names.
pub(crate) fn find_by_arn(snapshot: &Snapshot, arn: &str) -> Result<Arc<TableRow>, AwsError> {
    let key = arn_key(arn).ok_or_else(|| invalid(format!("Invalid TableArn: {arn}")))?;
    let row = snapshot.get::<TableRow>(&key).filter(|row| row.arn() == arn);
    row.ok_or_else(|| no_resource(arn))
}
