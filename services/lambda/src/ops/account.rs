//! What an account may use and uses.

use std::collections::BTreeMap;

use haar_kernel::{Answer, Call, Query, Quota};
use haar_lambda_contract::model::{
    AccountLimit, AccountUsage, GetAccountSettings, GetAccountSettingsResponse,
};
use haar_ledger::Snapshot;

use super::Input;
use crate::rules::settings::{UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX};
use crate::state::{
    FunctionKey, FunctionRow, LayerKey, LayerVersionKey, LayerVersionRow, VersionKey, VersionRow,
};
use crate::{Lambda, Refusal, render};

/// Gigabytes of all archives of an account in a region.
const CODE_STORAGE: Quota = Quota {
    service: "lambda",
    code: "L-2ACBD22F",
    name: "Function and layer storage",
    default: 75,
};

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
            total_code_size: Some(render::size(code_bytes(call, snapshot))),
            function_count: Some(render::size(functions.len() as u64)),
        };
        Ok(GetAccountSettingsResponse { account_limit: Some(limit), account_usage: Some(usage) })
    }
}

impl Lambda {
    /// Refuses bytes for which the caller's storage has no room left. Code that they take the
    /// place of still counts, as its functions may still run.
    ///
    /// # Errors
    /// With AWS's words.
    pub(super) fn check_code_storage(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        added: u64,
    ) -> Result<(), Refusal> {
        let present = code_bytes(call, snapshot);
        match present.saturating_add(added) > self.code_bytes_max(call) {
            true => Err(Refusal::CodeStorageExceeded),
            false => Ok(()),
        }
    }

    fn code_bytes_max(&self, call: &Call) -> u64 {
        let quotas = &self.doors.settings.quotas;
        quotas.limit(&CODE_STORAGE, &call.account, &call.region).saturating_mul(1 << 30)
    }
}

/// Bytes of all archives of the caller, layers included. `$LATEST` and a version that was
/// published from it count once.
fn code_bytes(call: &Call, snapshot: &Snapshot) -> u64 {
    let functions = snapshot.range::<FunctionRow>(FunctionKey::all(&call.account, &call.region));
    let of_functions = functions.map(|function| {
        let all = VersionKey::all(&function.key);
        let versions: Vec<_> = snapshot.range::<VersionRow>(all).collect();
        let archives: BTreeMap<_, _> =
            versions.iter().map(|row| (row.code.sha256.as_str(), row.code.size)).collect();
        archives.values().sum::<u64>()
    });
    let first = LayerKey::all(&call.account, &call.region);
    let first_version = LayerVersionKey { layer: first.start().clone(), version: 0 };
    let last_version = LayerVersionKey { layer: first.end().clone(), version: u64::MAX };
    let of_layers =
        snapshot.range::<LayerVersionRow>(first_version..=last_version).map(|row| row.code.size);
    of_functions.sum::<u64>() + of_layers.sum::<u64>()
}
