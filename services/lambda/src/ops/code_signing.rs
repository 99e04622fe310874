//! Code signing configurations.
//!
//! haar reads no signatures, so all code counts as unsigned: a configuration that enforces lets
//! no archive in, one that warns lets all in.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    AllowedPublishers, CodeSigningConfig, CodeSigningPolicies, CodeSigningPolicy,
    CreateCodeSigningConfig, CreateCodeSigningConfigResponse, DeleteCodeSigningConfig,
    GetCodeSigningConfig, GetCodeSigningConfigResponse, ListCodeSigningConfigs,
    ListCodeSigningConfigsResponse, ListFunctionsByCodeSigningConfig,
    ListFunctionsByCodeSigningConfigResponse, UpdateCodeSigningConfig,
    UpdateCodeSigningConfigResponse,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::listing::Listing;
use crate::render::long_time;
use crate::rules::tags;
use crate::state::{CodeSigningKey, CodeSigningRow, FunctionKey, FunctionRow};
use crate::{Lambda, Refusal};

/// Letters of a configuration's id behind `csc-`.
const ID_LEN: usize = 17;

/// The key that an ARN names, in the caller's account and region.
pub(super) fn key_of(call: &Call, arn: &str) -> Option<CodeSigningKey> {
    let (_, id) = arn.split_once(":code-signing-config:")?;
    let key = CodeSigningKey::new(&call.account, &call.region, id);
    (key.arn().as_str() == arn).then_some(key)
}

/// Only code in archives is signed.
pub(super) fn no_images() -> Refusal {
    Refusal::invalid("Code signing is not supported for functions created with container images.")
}

/// Finds the configuration that a function is to have.
///
/// # Errors
/// When it is not there.
pub(super) fn find(
    call: &Call,
    snapshot: &Snapshot,
    arn: &str,
) -> Result<Arc<CodeSigningRow>, Refusal> {
    key_of(call, arn)
        .and_then(|key| snapshot.get::<CodeSigningRow>(&key))
        .ok_or_else(|| Refusal::CodeSigningConfigNotFound(lacking(arn)))
}

/// Finds a configuration that a call is about: one that is not there is a resource like others.
fn find_asked(call: &Call, snapshot: &Snapshot, arn: &str) -> Result<Arc<CodeSigningRow>, Refusal> {
    find(call, snapshot, arn).map_err(|_| Refusal::ResourceNotFound(lacking(arn)))
}

/// What is said of a configuration that is not there.
fn lacking(arn: &str) -> String {
    format!(
        "The code signing configuration cannot be found. Check that the provided configuration \
         is not deleted: {arn}."
    )
}

/// Refuses new code for a function whose configuration enforces signatures.
///
/// # Errors
/// When it does.
pub(super) fn check_code(
    snapshot: &Snapshot,
    function: &FunctionKey,
    config: Option<&CodeSigningKey>,
) -> Result<(), Refusal> {
    let row = config.and_then(|key| snapshot.get::<CodeSigningRow>(key));
    match row {
        Some(row) if row.enforces => Err(Refusal::CodeVerificationFailed(format!(
            "Lambda cannot deploy the function. The function or layer might be signed using a \
             signature that the client is not configured to accept. Check the provided signature \
             for {}.",
            function.name
        ))),
        _ => Ok(()),
    }
}

fn enforces(policies: &CodeSigningPolicies) -> bool {
    policies.untrusted_artifact_on_deployment == Some(CodeSigningPolicy::Enforce)
}

fn shown(row: &CodeSigningRow) -> CodeSigningConfig {
    let policy = match row.enforces {
        true => CodeSigningPolicy::Enforce,
        false => CodeSigningPolicy::Warn,
    };
    CodeSigningConfig {
        code_signing_config_id: row.key.id.clone(),
        code_signing_config_arn: row.key.arn().into(),
        description: Some(row.description.clone()),
        allowed_publishers: AllowedPublishers {
            signing_profile_version_arns: row.publishers.clone(),
        },
        code_signing_policies: CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(policy),
        },
        last_modified: long_time(row.last_modified_at),
    }
}

/// AWS docs: *Lambda API Reference > CreateCodeSigningConfig*.
impl Command<CreateCodeSigningConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<CreateCodeSigningConfig>,
    ) -> Answer<CreateCodeSigningConfig> {
        let tags = input.tags.unwrap_or_default();
        tags::check(&tags)?;
        let id = call.ids.of(b"0123456789abcdefghijklmnopqrstuvwxyz", ID_LEN);
        let row = CodeSigningRow {
            key: CodeSigningKey::new(&call.account, &call.region, &format!("csc-{id}")),
            description: input.description.unwrap_or_default(),
            publishers: input.allowed_publishers.signing_profile_version_arns,
            enforces: input.code_signing_policies.is_some_and(|policies| enforces(&policies)),
            tags,
            last_modified_at: call.now,
        };
        let code_signing_config = shown(&row);
        tx.put(row);
        Ok(CreateCodeSigningConfigResponse { code_signing_config })
    }
}

/// AWS docs: *Lambda API Reference > GetCodeSigningConfig*.
impl Query<GetCodeSigningConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetCodeSigningConfig>,
    ) -> Answer<GetCodeSigningConfig> {
        let row = find_asked(call, snapshot, &input.code_signing_config_arn)?;
        Ok(GetCodeSigningConfigResponse { code_signing_config: shown(&row) })
    }
}

/// AWS docs: *Lambda API Reference > UpdateCodeSigningConfig*.
impl Command<UpdateCodeSigningConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateCodeSigningConfig>,
    ) -> Answer<UpdateCodeSigningConfig> {
        let found = find_asked(call, tx, &input.code_signing_config_arn)?;
        let mut row = CodeSigningRow::clone(&found);
        if let Some(description) = input.description {
            row.description = description;
        }
        if let Some(publishers) = input.allowed_publishers {
            row.publishers = publishers.signing_profile_version_arns;
        }
        if let Some(policies) = input.code_signing_policies {
            row.enforces = enforces(&policies);
        }
        row.last_modified_at = call.now;
        let code_signing_config = shown(&row);
        tx.put(row);
        Ok(UpdateCodeSigningConfigResponse { code_signing_config })
    }
}

/// AWS docs: *Lambda API Reference > DeleteCodeSigningConfig*.
impl Command<DeleteCodeSigningConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteCodeSigningConfig>,
    ) -> Answer<DeleteCodeSigningConfig> {
        let row = find_asked(call, tx, &input.code_signing_config_arn)?;
        if users(call, tx, &row.key).next().is_some() {
            return Err(Refusal::ResourceConflict(
                "Cannot delete the code signing configuration because it is in use by at least \
                 one function."
                    .to_owned(),
            )
            .into());
        }
        tx.remove::<CodeSigningRow>(&row.key);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > ListCodeSigningConfigs*.
impl Query<ListCodeSigningConfigs> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListCodeSigningConfigs>,
    ) -> Answer<ListCodeSigningConfigs> {
        let marker = input.marker.as_deref();
        let listing = Listing::new(call, "code-signing-configs", marker, input.max_items)?;
        let all = CodeSigningKey::all(&call.account, &call.region);
        let page = listing.page(snapshot.range::<CodeSigningRow>(all), |row| row.key.id.clone());
        let configs = page.items.iter().map(|row| shown(row)).collect();
        Ok(ListCodeSigningConfigsResponse {
            next_marker: page.next,
            code_signing_configs: Some(configs),
        })
    }
}

/// AWS docs: *Lambda API Reference > ListFunctionsByCodeSigningConfig*.
impl Query<ListFunctionsByCodeSigningConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListFunctionsByCodeSigningConfig>,
    ) -> Answer<ListFunctionsByCodeSigningConfig> {
        let row = find_asked(call, snapshot, &input.code_signing_config_arn)?;
        let subject = format!("functions-by/{}", row.key.id);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let page = listing.page(users(call, snapshot, &row.key), |row| row.key.name.clone());
        let arns = page.items.iter().map(|row| row.key.arn().into()).collect();
        Ok(ListFunctionsByCodeSigningConfigResponse {
            next_marker: page.next,
            function_arns: Some(arns),
        })
    }
}

/// The functions that use a configuration.
fn users<'a>(
    call: &Call,
    snapshot: &'a Snapshot,
    key: &'a CodeSigningKey,
) -> impl Iterator<Item = Arc<FunctionRow>> + 'a {
    snapshot
        .range::<FunctionRow>(FunctionKey::all(&call.account, &call.region))
        .filter(move |row| row.code_signing.as_ref() == Some(key))
}
