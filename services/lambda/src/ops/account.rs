//! What an account may use and uses.

use haar_kernel::{Answer, Call, Query};
use haar_lambda_contract::model::{
    AccountLimit, AccountUsage, GetAccountSettings, GetAccountSettingsResponse,
};
use haar_ledger::Snapshot;

use super::Input;
use super::code_storage::code_bytes;
use crate::rules::settings::{UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX};
use crate::state::{FunctionKey, FunctionRow};
use crate::{Lambda, render};

/// AWS docs: *Lambda API Reference > GetAccountSettings*.
impl Query<GetAccountSettings> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: Input<GetAccountSettings>,
    ) -> Answer<GetAccountSettings> {
        let all = FunctionKey::all(&call.account, &call.region);
        let functions: Vec<_> = snapshot.range::<FunctionRow>(all).collect();
        let reserved: u32 = functions.iter().filter_map(|row| row.reserved_concurrency).sum();
        let concurrency = self.account_concurrency(&call.account, &call.region);
        let limit = AccountLimit {
            total_code_size: Some(render::size(self.code_bytes_max(call))),
            code_size_unzipped: Some(render::size(UNZIPPED_BYTES_MAX)),
            code_size_zipped: Some(render::size(ZIP_BYTES_MAX as u64)),
            concurrent_executions: Some(render::count(concurrency)),
            unreserved_concurrent_executions: Some(render::count(
                concurrency.saturating_sub(reserved),
            )),
        };
        let usage = AccountUsage {
            total_code_size: Some(render::size(code_bytes(snapshot, &call.account, &call.region))),
            function_count: Some(render::size(functions.len() as u64)),
        };
        Ok(GetAccountSettingsResponse { account_limit: Some(limit), account_usage: Some(usage) })
    }
}
