//! What happens when a function calls itself in a loop.

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    GetFunctionRecursionConfig, GetFunctionRecursionConfigResponse, PutFunctionRecursionConfig,
    PutFunctionRecursionConfigResponse, RecursiveLoop as RecursiveLoopText,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use crate::Lambda;
use crate::lookup::find_unqualified;
use crate::state::{FunctionRow, RecursiveLoop};

/// AWS docs: *Lambda API Reference > PutFunctionRecursionConfig*.
impl Command<PutFunctionRecursionConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutFunctionRecursionConfig>,
    ) -> Answer<PutFunctionRecursionConfig> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let asked = match input.recursive_loop {
            RecursiveLoopText::Allow => RecursiveLoop::Allow,
            RecursiveLoopText::Terminate => RecursiveLoop::Terminate,
        };
        tx.update::<FunctionRow>(&function.key, |row| row.recursive_loop = asked);
        Ok(PutFunctionRecursionConfigResponse { recursive_loop: Some(input.recursive_loop) })
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionRecursionConfig*.
impl Query<GetFunctionRecursionConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionRecursionConfig>,
    ) -> Answer<GetFunctionRecursionConfig> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let recursive_loop = match function.recursive_loop {
            RecursiveLoop::Allow => RecursiveLoopText::Allow,
            RecursiveLoop::Terminate => RecursiveLoopText::Terminate,
        };
        Ok(GetFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop) })
    }
}
