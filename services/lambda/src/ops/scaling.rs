//! Scaling of functions on capacity providers, which haar does not have: no function has such
//! settings, and none takes them.

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    GetFunctionScalingConfig, GetFunctionScalingConfigResponse, PutFunctionScalingConfig,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use crate::lookup::resolve;
use crate::{Lambda, Refusal};

/// AWS docs: *Lambda API Reference > PutFunctionScalingConfig*.
impl Command<PutFunctionScalingConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutFunctionScalingConfig>,
    ) -> Answer<PutFunctionScalingConfig> {
        let (account, region) = (&call.account, &call.region);
        let qualifier = Some(input.qualifier.as_str());
        resolve(tx, account, region, &input.function_name, qualifier, 0.0)?;
        let text =
            "FunctionScalingConfig is only supported for functions with a capacity provider.";
        Err(Refusal::invalid(text).into())
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionScalingConfig*.
impl Query<GetFunctionScalingConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionScalingConfig>,
    ) -> Answer<GetFunctionScalingConfig> {
        let (account, region) = (&call.account, &call.region);
        let qualifier = Some(input.qualifier.as_str());
        let found = resolve(snapshot, account, region, &input.function_name, qualifier, 0.0)?;
        Ok(GetFunctionScalingConfigResponse {
            function_arn: Some(found.invoked_arn().into()),
            ..GetFunctionScalingConfigResponse::default()
        })
    }
}
