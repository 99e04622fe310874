//! Which code signing configuration a function has.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    DeleteFunctionCodeSigningConfig, GetFunctionCodeSigningConfig,
    GetFunctionCodeSigningConfigResponse, PutFunctionCodeSigningConfig,
    PutFunctionCodeSigningConfigResponse,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::code_signing::{find, no_images};
use crate::lookup::{find_unqualified, find_version};
use crate::state::{FunctionRow, VersionKey};
use crate::{Lambda, Refusal};

/// Finds a function that can have a configuration: one of an archive.
fn find_zipped(call: &Call, snapshot: &Snapshot, name: &str) -> Result<Arc<FunctionRow>, Refusal> {
    let function = find_unqualified(snapshot, &call.account, &call.region, name)?;
    let latest = find_version(snapshot, &VersionKey::latest(&function.key))?;
    match latest.settings.package_type.as_str() {
        "Zip" => Ok(function),
        _ => Err(no_images()),
    }
}

/// AWS docs: *Lambda API Reference > PutFunctionCodeSigningConfig*. It counts from the next
/// deployment on.
impl Command<PutFunctionCodeSigningConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutFunctionCodeSigningConfig>,
    ) -> Answer<PutFunctionCodeSigningConfig> {
        let function = find_zipped(call, tx, &input.function_name)?;
        let config = find(call, tx, &input.code_signing_config_arn)?;
        let key = Some(config.key.clone());
        tx.update::<FunctionRow>(&function.key, |row| row.code_signing = key);
        Ok(PutFunctionCodeSigningConfigResponse {
            code_signing_config_arn: config.key.arn().into(),
            function_name: function.key.name.clone(),
        })
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionCodeSigningConfig*. The ARN is empty where a
/// function has none.
impl Query<GetFunctionCodeSigningConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionCodeSigningConfig>,
    ) -> Answer<GetFunctionCodeSigningConfig> {
        let function = find_zipped(call, snapshot, &input.function_name)?;
        let arn = function.code_signing.as_ref().map(|key| key.arn().into());
        Ok(GetFunctionCodeSigningConfigResponse {
            code_signing_config_arn: arn.unwrap_or_default(),
            function_name: function.key.name.clone(),
        })
    }
}

/// AWS docs: *Lambda API Reference > DeleteFunctionCodeSigningConfig*.
impl Command<DeleteFunctionCodeSigningConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteFunctionCodeSigningConfig>,
    ) -> Answer<DeleteFunctionCodeSigningConfig> {
        let function = find_zipped(call, tx, &input.function_name)?;
        tx.update::<FunctionRow>(&function.key, |row| row.code_signing = None);
        Ok(Default::default())
    }
}
