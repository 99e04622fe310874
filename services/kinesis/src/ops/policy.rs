//! Policies that streams and consumers carry.

use haar_kernel::{Answer, Call, Command, Query};
use haar_kinesis_contract::{
    DeleteResourcePolicy, DeleteResourcePolicyInput, DeleteResourcePolicyOutput, GetResourcePolicy,
    GetResourcePolicyInput, GetResourcePolicyOutput, PutResourcePolicy, PutResourcePolicyInput,
    PutResourcePolicyOutput,
};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar};
use haar_wire::AwsError;

use crate::Kinesis;
use crate::lookup::{find, find_consumer};
use crate::refusal::{invalid_argument, no_policy};
use crate::state::{ConsumerRow, StreamRow};

/// Bytes of a policy at most.
const POLICY_BYTES_MAX: usize = 20 * 1024;

/// Sets what a stream or a consumer carries; answers what it carried.
fn set(
    tx: &mut Tx,
    call: &Call,
    arn: &str,
    policy: Option<String>,
) -> Result<Option<String>, AwsError> {
    if arn.contains("/consumer/") {
        let row = find_consumer(tx, call, Some(arn), None, None)?;
        let earlier = row.policy.clone();
        tx.put(ConsumerRow { policy, ..ConsumerRow::clone(&row) });
        return Ok(earlier);
    }
    let row = find(tx, call, None, Some(arn))?;
    let earlier = row.policy.clone();
    tx.put(StreamRow { policy, ..StreamRow::clone(&row) });
    Ok(earlier)
}

/// AWS docs: *Kinesis Data Streams API Reference > PutResourcePolicy*.
impl Command<PutResourcePolicy> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutResourcePolicyInput,
    ) -> Answer<PutResourcePolicy> {
        if input.policy.len() > POLICY_BYTES_MAX {
            return Err(invalid_argument("Policy is too large: 20 KB at most."));
        }
        if let Err(error) = Document::parse(&input.policy, Grammar::Resource) {
            return Err(invalid_argument(format!("Policy is not valid: {error}")));
        }
        set(tx, call, &input.resource_arn, Some(input.policy))?;
        Ok(PutResourcePolicyOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DeleteResourcePolicy*.
impl Command<DeleteResourcePolicy> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteResourcePolicyInput,
    ) -> Answer<DeleteResourcePolicy> {
        let earlier = set(tx, call, &input.resource_arn, None)?;
        earlier.ok_or_else(|| no_policy(&input.resource_arn))?;
        Ok(DeleteResourcePolicyOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > GetResourcePolicy*. Without a policy the
/// answer is an empty text.
impl Query<GetResourcePolicy> for Kinesis {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetResourcePolicyInput,
    ) -> Answer<GetResourcePolicy> {
        let arn = input.resource_arn.as_str();
        let policy = match arn.contains("/consumer/") {
            true => find_consumer(snapshot, call, Some(arn), None, None)?.policy.clone(),
            false => find(snapshot, call, None, Some(arn))?.policy.clone(),
        };
        Ok(GetResourcePolicyOutput { policy: policy.unwrap_or_default() })
    }
}
