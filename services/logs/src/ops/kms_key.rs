//! The key that a group's events are said to be encrypted with. haar keeps and shows it.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_logs_contract::model::{
    AssociateKmsKey, AssociateKmsKeyRequest, DisassociateKmsKey, DisassociateKmsKeyRequest,
};
use haar_wire::AwsError;

use crate::Logs;
use crate::lookup::{find_group, group_key, identified_group};
use crate::refusal;
use crate::state::{GroupKey, GroupRow};

/// The group that is meant. Results of queries, which have keys on AWS too, are not here.
fn meant(call: &Call, name: Option<&str>, resource: Option<&str>) -> Result<GroupKey, AwsError> {
    match (name, resource) {
        (Some(name), None) => Ok(group_key(call, name)),
        (None, Some(arn)) if arn.contains(":log-group:") => identified_group(call, arn),
        (None, Some(_)) => {
            Err(refusal::invalid("Keys of query results are not implemented by haar."))
        }
        _ => Err(refusal::invalid(
            "Exactly one of logGroupName and resourceIdentifier must be specified.",
        )),
    }
}

/// AWS docs: *CloudWatch Logs API Reference > AssociateKmsKey*.
impl Command<AssociateKmsKey> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AssociateKmsKeyRequest,
    ) -> Answer<AssociateKmsKey> {
        let (name, resource) = (input.log_group_name, input.resource_identifier);
        let key = meant(call, name.as_deref(), resource.as_deref())?;
        let row = (*find_group(tx, &key)?).clone();
        tx.put(GroupRow { kms_key_id: Some(input.kms_key_id), ..row });
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DisassociateKmsKey*.
impl Command<DisassociateKmsKey> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DisassociateKmsKeyRequest,
    ) -> Answer<DisassociateKmsKey> {
        let (name, resource) = (input.log_group_name, input.resource_identifier);
        let key = meant(call, name.as_deref(), resource.as_deref())?;
        let row = (*find_group(tx, &key)?).clone();
        tx.put(GroupRow { kms_key_id: None, ..row });
        Ok(Default::default())
    }
}
