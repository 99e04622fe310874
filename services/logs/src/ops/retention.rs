//! For how long a group keeps its events.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_logs_contract::model::{
    DeleteRetentionPolicy, DeleteRetentionPolicyRequest, PutRetentionPolicy,
    PutRetentionPolicyRequest,
};

use crate::Logs;
use crate::lookup::{find_group, group_key};
use crate::refusal;
use crate::rules::retention::check_days;
use crate::state::GroupRow;

/// AWS docs: *CloudWatch Logs API Reference > PutRetentionPolicy*.
impl Command<PutRetentionPolicy> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutRetentionPolicyRequest,
    ) -> Answer<PutRetentionPolicy> {
        check_days(input.retention_in_days).map_err(refusal::invalid)?;
        let row = (*find_group(tx, &group_key(call, &input.log_group_name))?).clone();
        tx.put(GroupRow { retention_in_days: Some(input.retention_in_days), ..row });
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DeleteRetentionPolicy*.
impl Command<DeleteRetentionPolicy> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteRetentionPolicyRequest,
    ) -> Answer<DeleteRetentionPolicy> {
        let row = (*find_group(tx, &group_key(call, &input.log_group_name))?).clone();
        tx.put(GroupRow { retention_in_days: None, ..row });
        Ok(Default::default())
    }
}
