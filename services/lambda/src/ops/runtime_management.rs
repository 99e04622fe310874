//! When a runtime's patch version changes.

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    GetRuntimeManagementConfig, GetRuntimeManagementConfigResponse, PutRuntimeManagementConfig,
    PutRuntimeManagementConfigResponse, UpdateRuntimeOn,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use crate::lookup::resolve;
use crate::state::{RuntimeManagement, VersionRow};
use crate::{Lambda, Refusal};

/// AWS docs: *Lambda API Reference > PutRuntimeManagementConfig*.
impl Command<PutRuntimeManagementConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutRuntimeManagementConfig>,
    ) -> Answer<PutRuntimeManagementConfig> {
        let qualifier = input.qualifier.as_deref();
        let (account, region) = (&call.account, &call.region);
        let found = resolve(tx, account, region, &input.function_name, qualifier, 0.0)?;
        let management = match (input.update_runtime_on, input.runtime_version_arn.clone()) {
            (UpdateRuntimeOn::Manual, Some(arn)) => RuntimeManagement::Manual(arn),
            (UpdateRuntimeOn::Manual, None) => {
                return Err(Refusal::invalid(
                    "RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual.",
                )
                .into());
            }
            (_, Some(_)) => {
                return Err(Refusal::invalid(
                    "RuntimeVersionArn is only allowed when UpdateRuntimeOn is set to Manual.",
                )
                .into());
            }
            (UpdateRuntimeOn::Auto, None) => RuntimeManagement::Auto,
            (UpdateRuntimeOn::FunctionUpdate, None) => RuntimeManagement::FunctionUpdate,
        };
        let key = found.version.version_key();
        tx.update::<VersionRow>(&key, |row| row.runtime_management = management);
        Ok(PutRuntimeManagementConfigResponse {
            update_runtime_on: input.update_runtime_on,
            function_arn: key.qualified_arn().into(),
            runtime_version_arn: input.runtime_version_arn,
        })
    }
}

/// AWS docs: *Lambda API Reference > GetRuntimeManagementConfig*.
impl Query<GetRuntimeManagementConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetRuntimeManagementConfig>,
    ) -> Answer<GetRuntimeManagementConfig> {
        let qualifier = input.qualifier.as_deref();
        let (account, region) = (&call.account, &call.region);
        let found = resolve(snapshot, account, region, &input.function_name, qualifier, 0.0)?;
        let (update_runtime_on, runtime_version_arn) = match &found.version.runtime_management {
            RuntimeManagement::Auto => (UpdateRuntimeOn::Auto, None),
            RuntimeManagement::FunctionUpdate => (UpdateRuntimeOn::FunctionUpdate, None),
            RuntimeManagement::Manual(arn) => (UpdateRuntimeOn::Manual, Some(arn.clone())),
        };
        Ok(GetRuntimeManagementConfigResponse {
            update_runtime_on: Some(update_runtime_on),
            runtime_version_arn,
            function_arn: Some(found.version.version_key().qualified_arn().into()),
        })
    }
}
