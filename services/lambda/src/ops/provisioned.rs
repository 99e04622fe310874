//! Provisioned concurrency.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    DeleteProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig,
    GetProvisionedConcurrencyConfigResponse, ListProvisionedConcurrencyConfigs,
    ListProvisionedConcurrencyConfigsResponse, ProvisionedConcurrencyConfigListItem,
    ProvisionedConcurrencyStatusEnum, PutProvisionedConcurrencyConfig,
    PutProvisionedConcurrencyConfigResponse,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::concurrency::{provisioned_sum, reserved_sum};
use super::listing::Listing;
use crate::lookup::{find_alias, find_function, find_unqualified, find_version};
use crate::render::{count, long_time};
use crate::rules::concurrency::check_provision;
use crate::rules::names::{Qualifier, function_and_qualifier};
use crate::state::{
    AliasRow, FunctionKey, FunctionRow, ProvisionedRow, ProvisionedStatus, QualifiedKey, Version,
    VersionKey,
};
use crate::{Lambda, Refusal};

fn find_subject(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: &str,
) -> Result<(Arc<FunctionRow>, QualifiedKey), Refusal> {
    let (key, qualifier) =
        function_and_qualifier(&call.account, &call.region, name, Some(qualifier))?;
    let function = find_function(snapshot, &key)?;
    Ok((function, QualifiedKey::new(&key, qualifier.as_deref())))
}

/// The version behind a qualifier, which must be published.
fn find_target(snapshot: &Snapshot, key: &QualifiedKey) -> Result<Version, Refusal> {
    let version = match Qualifier::parse(&key.qualifier) {
        Qualifier::Alias(_) => find_alias(snapshot, key)?.version,
        Qualifier::Version(version) => version,
    };
    if version == Version::Latest {
        return Err(Refusal::invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ));
    }
    find_version(snapshot, &VersionKey { function: key.function.clone(), version })?;
    Ok(version)
}

/// Refuses a second provision of the same version by another name.
fn check_twins(snapshot: &Snapshot, key: &QualifiedKey, version: Version) -> Result<(), Refusal> {
    let twin = snapshot
        .range::<ProvisionedRow>(QualifiedKey::all(&key.function))
        .find(|row| row.key != *key && row.version == version);
    match (twin, Qualifier::parse(&key.qualifier)) {
        (None, _) => Ok(()),
        (Some(_), Qualifier::Alias(_)) => Err(Refusal::invalid(
            "Alias can't be used for Provisioned Concurrency configuration on an already \
             Provisioned version",
        )),
        (Some(_), Qualifier::Version(_)) => {
            Err(Refusal::invalid("Version is pointed by a Provisioned Concurrency alias"))
        }
    }
}

/// AWS docs: *Lambda API Reference > PutProvisionedConcurrencyConfig*.
impl Command<PutProvisionedConcurrencyConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PutProvisionedConcurrencyConfig>,
    ) -> Answer<PutProvisionedConcurrencyConfig> {
        let (function, key) = find_subject(call, tx, &input.function_name, &input.qualifier)?;
        let version = find_target(tx, &key)?;
        check_twins(tx, &key, version)?;
        let asked = input.provisioned_concurrent_executions.unsigned_abs();
        let present = tx.get::<ProvisionedRow>(&key);
        let own = present.as_ref().map_or(0, |row| row.requested);
        let elsewhere = provisioned_sum(tx, &function.key).saturating_sub(own);
        let promised = promised_elsewhere(tx, &function.key);
        let account = self.account_concurrency(&call.account, &call.region);
        check_provision(account, asked, elsewhere, function.reserved_concurrency, promised)?;
        let row = ProvisionedRow {
            key,
            version,
            requested: asked,
            available: 0,
            allocated: 0,
            status: ProvisionedStatus::InProgress,
            last_modified_at: call.now,
            charged_until: present
                .filter(|row| row.requested == asked && row.version == version)
                .and_then(|row| row.charged_until),
        };
        let shown = show(&row);
        tx.put(row);
        Ok(PutProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: Some(shown.requested),
            available_provisioned_concurrent_executions: Some(shown.available),
            allocated_provisioned_concurrent_executions: Some(shown.allocated),
            status: Some(shown.status),
            status_reason: shown.reason,
            last_modified: Some(shown.last_modified),
        })
    }
}

/// What is promised to the account's other functions: their reservations, or what they
/// provision where they reserve nothing.
fn promised_elsewhere(snapshot: &Snapshot, key: &FunctionKey) -> u32 {
    let provisioned: u32 = snapshot
        .range::<FunctionRow>(FunctionKey::all(&key.account, &key.region))
        .filter(|row| row.key != *key && row.reserved_concurrency.is_none())
        .map(|row| provisioned_sum(snapshot, &row.key))
        .sum();
    reserved_sum(snapshot, key, true).saturating_add(provisioned)
}

struct Shown {
    requested: i32,
    available: i32,
    allocated: i32,
    status: ProvisionedConcurrencyStatusEnum,
    reason: Option<String>,
    last_modified: String,
}

fn show(row: &ProvisionedRow) -> Shown {
    let (status, reason) = match &row.status {
        ProvisionedStatus::InProgress => ("IN_PROGRESS", None),
        ProvisionedStatus::Ready => ("READY", None),
        ProvisionedStatus::Failed(reason) => ("FAILED", Some(reason.clone())),
    };
    Shown {
        requested: count(row.requested),
        available: count(row.available),
        allocated: count(row.allocated),
        status: status.parse().expect("these are the model's texts"),
        reason,
        last_modified: long_time(row.last_modified_at),
    }
}

fn find_config(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: &str,
) -> Result<Arc<ProvisionedRow>, Refusal> {
    let (_, key) = find_subject(call, snapshot, name, qualifier)?;
    snapshot.get::<ProvisionedRow>(&key).ok_or_else(|| {
        let text = "No Provisioned Concurrency Config found for this function";
        Refusal::ProvisionedConcurrencyConfigNotFound(text.to_owned())
    })
}

/// AWS docs: *Lambda API Reference > GetProvisionedConcurrencyConfig*.
impl Query<GetProvisionedConcurrencyConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetProvisionedConcurrencyConfig>,
    ) -> Answer<GetProvisionedConcurrencyConfig> {
        let row = find_config(call, snapshot, &input.function_name, &input.qualifier)?;
        let shown = show(&row);
        Ok(GetProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: Some(shown.requested),
            available_provisioned_concurrent_executions: Some(shown.available),
            allocated_provisioned_concurrent_executions: Some(shown.allocated),
            status: Some(shown.status),
            status_reason: shown.reason,
            last_modified: Some(shown.last_modified),
        })
    }
}

/// AWS docs: *Lambda API Reference > DeleteProvisionedConcurrencyConfig*.
impl Command<DeleteProvisionedConcurrencyConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteProvisionedConcurrencyConfig>,
    ) -> Answer<DeleteProvisionedConcurrencyConfig> {
        let (_, key) = find_subject(call, tx, &input.function_name, &input.qualifier)?;
        tx.remove::<ProvisionedRow>(&key);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > ListProvisionedConcurrencyConfigs*.
impl Query<ListProvisionedConcurrencyConfigs> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListProvisionedConcurrencyConfigs>,
    ) -> Answer<ListProvisionedConcurrencyConfigs> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let subject = format!("provisioned/{}", function.key.name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let rows = snapshot.range::<ProvisionedRow>(QualifiedKey::all(&function.key));
        let page = listing.page(rows, |row| row.key.qualifier.clone());
        let items = page.items.iter().map(|row| {
            let shown = show(row);
            ProvisionedConcurrencyConfigListItem {
                function_arn: Some(row.key.arn().into()),
                requested_provisioned_concurrent_executions: Some(shown.requested),
                available_provisioned_concurrent_executions: Some(shown.available),
                allocated_provisioned_concurrent_executions: Some(shown.allocated),
                status: Some(shown.status),
                status_reason: shown.reason,
                last_modified: Some(shown.last_modified),
            }
        });
        Ok(ListProvisionedConcurrencyConfigsResponse {
            provisioned_concurrency_configs: Some(items.collect()),
            next_marker: page.next,
        })
    }
}

/// Has an alias's provisioned concurrency follow it to another version.
///
/// # Errors
/// When the alias now points at what cannot be provisioned.
pub(super) fn follow_alias(tx: &mut Tx, alias: &AliasRow) -> Result<(), Refusal> {
    let key = QualifiedKey::new(&alias.function, Some(&alias.name));
    let Some(row) = tx.get::<ProvisionedRow>(&key).filter(|row| row.version != alias.version)
    else {
        return Ok(());
    };
    check_twins(tx, &key, find_target(tx, &key)?)?;
    tx.put(ProvisionedRow {
        version: alias.version,
        available: 0,
        allocated: 0,
        status: ProvisionedStatus::InProgress,
        charged_until: None,
        ..ProvisionedRow::clone(&row)
    });
    Ok(())
}
