//! Reserved concurrency.

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    Concurrency, DeleteFunctionConcurrency, GetFunctionConcurrency, GetFunctionConcurrencyResponse,
    PutFunctionConcurrency,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use crate::lookup::find_unqualified;
use crate::rules::concurrency;
use crate::state::{FunctionKey, FunctionRow, ProvisionedRow, QualifiedKey};
use crate::{Lambda, render};

/// What the account's functions reserve together, `but` one.
pub(super) fn reserved_sum(snapshot: &Snapshot, key: &FunctionKey, but: bool) -> u32 {
    snapshot
        .range::<FunctionRow>(FunctionKey::all(&key.account, &key.region))
        .filter(|row| !(but && row.key == *key))
        .filter_map(|row| row.reserved_concurrency)
        .fold(0, u32::saturating_add)
}

/// What a function's qualifiers provision together.
pub(super) fn provisioned_sum(snapshot: &Snapshot, key: &FunctionKey) -> u32 {
    snapshot
        .range::<ProvisionedRow>(QualifiedKey::all(key))
        .map(|row| row.requested)
        .fold(0, u32::saturating_add)
}

/// AWS docs: *Lambda API Reference > PutFunctionConcurrency*.
impl Command<PutFunctionConcurrency> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutFunctionConcurrency>,
    ) -> Answer<PutFunctionConcurrency> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let asked = input.reserved_concurrent_executions.unsigned_abs();
        let others = reserved_sum(tx, &function.key, true);
        let provisioned = provisioned_sum(tx, &function.key);
        let account = self.account_concurrency(&call.account, &call.region);
        concurrency::check_reservation(account, asked, others, provisioned)?;
        tx.update::<FunctionRow>(&function.key, |row| row.reserved_concurrency = Some(asked));
        Ok(Concurrency { reserved_concurrent_executions: Some(render::count(asked)) })
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionConcurrency*.
impl Query<GetFunctionConcurrency> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionConcurrency>,
    ) -> Answer<GetFunctionConcurrency> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let reserved = function.reserved_concurrency.map(render::count);
        Ok(GetFunctionConcurrencyResponse { reserved_concurrent_executions: reserved })
    }
}

/// AWS docs: *Lambda API Reference > DeleteFunctionConcurrency*.
impl Command<DeleteFunctionConcurrency> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteFunctionConcurrency>,
    ) -> Answer<DeleteFunctionConcurrency> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        tx.update::<FunctionRow>(&function.key, |row| row.reserved_concurrency = None);
        Ok(Default::default())
    }
}
