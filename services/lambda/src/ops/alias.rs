//! Aliases.

use std::collections::BTreeMap;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    AliasRoutingConfiguration, CreateAlias, DeleteAlias, GetAlias, ListAliases,
    ListAliasesResponse, UpdateAlias,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::function::remove_qualifier;
use super::listing::Listing;
use super::provisioned::follow_alias;
use crate::lookup::{check_revision, find_alias, find_unqualified, find_version};
use crate::rules::routing;
use crate::state::{AliasRow, FunctionKey, QualifiedKey, Version, VersionKey};
use crate::{Lambda, Refusal, render};

/// AWS docs: *Lambda API Reference > CreateAlias*.
impl Command<CreateAlias> for Lambda {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<CreateAlias>) -> Answer<CreateAlias> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let key = QualifiedKey::new(&function.key, Some(&input.name));
        if tx.contains::<AliasRow>(&key) {
            let text = format!("Alias already exists: {}", key.arn());
            return Err(Refusal::ResourceConflict(text).into());
        }
        let version = find_target(tx, &function.key, &input.function_version)?;
        let row = AliasRow {
            function: function.key.clone(),
            name: input.name,
            version,
            description: input.description.unwrap_or_default(),
            weights: weights(tx, &function.key, version, input.routing_config)?,
            revision_id: call.ids.uuid(),
        };
        tx.put(row.clone());
        Ok(render::alias(&row))
    }
}

/// The version that an alias is to point at.
fn find_target(
    snapshot: &Snapshot,
    function: &FunctionKey,
    version: &str,
) -> Result<Version, Refusal> {
    let not_found = || Refusal::no_function(function.qualified_arn(Some(version)));
    let version: Version = version.parse().map_err(|()| not_found())?;
    let key = VersionKey { function: function.clone(), version };
    find_version(snapshot, &key).map(|_| version).map_err(|_| not_found())
}

fn weights(
    snapshot: &Snapshot,
    function: &FunctionKey,
    version: Version,
    routing: Option<AliasRoutingConfiguration>,
) -> Result<BTreeMap<Version, f64>, Refusal> {
    let given = routing.and_then(|routing| routing.additional_version_weights);
    let weights = routing::weights(version, &given.unwrap_or_default())?;
    for version in weights.keys() {
        find_target(snapshot, function, &version.to_string())?;
    }
    Ok(weights)
}

/// AWS docs: *Lambda API Reference > GetAlias*.
impl Query<GetAlias> for Lambda {
    fn query(&self, call: &Call, snapshot: &Snapshot, input: Input<GetAlias>) -> Answer<GetAlias> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let key = QualifiedKey::new(&function.key, Some(&input.name));
        Ok(render::alias(&*find_alias(snapshot, &key)?))
    }
}

/// AWS docs: *Lambda API Reference > UpdateAlias*.
impl Command<UpdateAlias> for Lambda {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<UpdateAlias>) -> Answer<UpdateAlias> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let key = QualifiedKey::new(&function.key, Some(&input.name));
        let mut row = AliasRow::clone(&*find_alias(tx, &key)?);
        check_revision(input.revision_id.as_deref(), &row.revision_id, "GetFunction/GetAlias")?;
        if let Some(version) = &input.function_version {
            row.version = find_target(tx, &function.key, version)?;
        }
        if let Some(description) = input.description {
            row.description = description;
        }
        let kept = || {
            let texts = row.weights.iter().map(|(version, weight)| (version.to_string(), *weight));
            AliasRoutingConfiguration { additional_version_weights: Some(texts.collect()) }
        };
        let routing = input.routing_config.unwrap_or_else(kept);
        row.weights = weights(tx, &function.key, row.version, Some(routing))?;
        row.revision_id = call.ids.uuid();
        tx.put(row.clone());
        follow_alias(tx, &row)?;
        Ok(render::alias(&row))
    }
}

/// AWS docs: *Lambda API Reference > DeleteAlias*.
impl Command<DeleteAlias> for Lambda {
    fn command(&self, call: &Call, tx: &mut Tx, input: Input<DeleteAlias>) -> Answer<DeleteAlias> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let key = QualifiedKey::new(&function.key, Some(&input.name));
        tx.remove::<AliasRow>(&key);
        remove_qualifier(tx, &key);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > ListAliases*.
impl Query<ListAliases> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListAliases>,
    ) -> Answer<ListAliases> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let subject = format!("aliases/{}", function.key.name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let version = input.function_version.as_deref();
        let aliases = snapshot
            .range::<AliasRow>(QualifiedKey::all(&function.key))
            .filter(|row| version.is_none_or(|version| row.version.to_string() == version));
        let page = listing.page(aliases, |row| row.name.clone());
        let aliases = page.items.iter().map(|row| render::alias(row)).collect();
        Ok(ListAliasesResponse { aliases: Some(aliases), next_marker: page.next })
    }
}
