//! Published versions.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    ListVersionsByFunction, ListVersionsByFunctionResponse, PublishVersion,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::code_storage::put_version;
use super::listing::{Listing, sortable};
use crate::lookup::{check_revision, check_settled, find_function, find_unqualified, find_version};
use crate::state::{FunctionRow, RuntimeManagement, Version, VersionKey, VersionRow};
use crate::{Lambda, Refusal, render};

/// AWS docs: *Lambda API Reference > PublishVersion*.
impl Command<PublishVersion> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<PublishVersion>,
    ) -> Answer<PublishVersion> {
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let latest = find_version(tx, &VersionKey::latest(&function.key))?;
        let verbs = "GetFunction/GetAlias";
        check_revision(input.revision_id.as_deref(), &latest.revision_id, verbs)?;
        check_settled(&latest)?;
        let sha256 = input.code_sha256.as_deref().filter(|sha256| !sha256.is_empty());
        if let Some(given) = sha256.filter(|given| *given != latest.code.sha256) {
            return Err(Refusal::invalid(format!(
                "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({}). \
                 Please try again with the CodeSHA256 in $LATEST.",
                latest.code.sha256
            ))
            .into());
        }
        let version = publish(call, tx, &latest, input.description.as_deref())?;
        Ok(render::function_configuration(&version, version.version_key().arn()))
    }
}

/// Freezes `$LATEST` as a new version, unless the newest version is the same; then that one.
///
/// # Errors
/// When the function is gone, or its code is a folder.
pub(super) fn publish(
    call: &Call,
    tx: &mut Tx,
    latest: &VersionRow,
    description: Option<&str>,
) -> Result<Arc<VersionRow>, Refusal> {
    if latest.code.folder.is_some() {
        return Err(Refusal::invalid(
            "The code of this function is a folder that may change: it has no versions. Update \
             it with an archive first.",
        ));
    }
    let function = find_function(tx, &latest.function)?;
    let newest = VersionKey::number(&latest.function, function.version_count);
    if let Some(newest) = tx.get::<VersionRow>(&newest).filter(|row| is_same(row, latest)) {
        return Ok(newest);
    }
    let number = function.version_count + 1;
    let version = VersionRow {
        version: Version::Number(number),
        description: description.unwrap_or(&latest.description).to_owned(),
        published_from: latest.description.clone(),
        revision_id: call.ids.uuid(),
        runtime_management: RuntimeManagement::default(),
        replaced: None,
        ..latest.clone()
    };
    put_version(tx, version.clone());
    tx.put(FunctionRow { version_count: number, ..FunctionRow::clone(&function) });
    Ok(Arc::new(version))
}

fn is_same(version: &VersionRow, latest: &VersionRow) -> bool {
    version.code.sha256 == latest.code.sha256
        && version.settings == latest.settings
        && version.published_from == latest.description
}

/// AWS docs: *Lambda API Reference > ListVersionsByFunction*.
impl Query<ListVersionsByFunction> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListVersionsByFunction>,
    ) -> Answer<ListVersionsByFunction> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let subject = format!("versions/{}", function.key.name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let versions = snapshot.range::<VersionRow>(VersionKey::all(&function.key));
        let page = listing.page(versions, |row| match row.version {
            Version::Latest => sortable(0),
            Version::Number(number) => sortable(number),
        });
        let shown = page
            .items
            .iter()
            .map(|row| render::function_configuration(row, row.version_key().qualified_arn()));
        Ok(ListVersionsByFunctionResponse {
            versions: Some(shown.collect()),
            next_marker: page.next,
        })
    }
}
