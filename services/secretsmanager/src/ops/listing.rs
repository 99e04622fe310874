//! Listing secrets and versions.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Query, mint_token, read_token};
use haar_ledger::Snapshot;
use haar_secretsmanager_contract::{
    InvalidNextTokenException, ListSecretVersionIds, ListSecretVersionIdsRequest,
    ListSecretVersionIdsResponse, ListSecrets, ListSecretsRequest, ListSecretsResponse,
    SecretVersionsListEntry, SortByType, SortOrderType,
};
use haar_wire::AwsError;

use crate::lookup::find_any;
use crate::rules::filter;
use crate::state::{SecretRow, VersionRow, secrets, versions};
use crate::{SecretsManager, render};

/// Items of a page at most.
const PAGE_MAX: usize = 100;

/// One page of items that may be in any order, and the token of the next one.
pub(super) fn page_of<T>(
    items: Vec<T>,
    scope: &str,
    max_results: Option<i32>,
    next_token: Option<String>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let limit = max_results.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX);
    let bad =
        || AwsError::from(InvalidNextTokenException::message("The NextToken value is invalid."));
    let start = match next_token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let last = read_token(scope, &token).map_err(|_| bad())?;
            items.iter().position(|item| key(item) == last).map(|at| at + 1).ok_or_else(bad)?
        }
    };
    let more = items.len() > start + limit;
    let page: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next = page.last().filter(|_| more).map(|last| mint_token(scope, &key(last)));
    Ok((page, next))
}

impl Query<ListSecrets> for SecretsManager {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSecretsRequest,
    ) -> Answer<ListSecrets> {
        let filters = input.filters.unwrap_or_default();
        filter::check(&filters)?;
        let also_deleted = input.include_planned_deletion == Some(true);
        let rows = secrets(snapshot, &call.account, &call.region);
        let mut rows: Vec<Arc<SecretRow>> = rows
            .filter(|row| also_deleted || row.deleted.is_none())
            .filter(|row| filter::fits(row, &filters))
            .collect();
        match input.sort_by.unwrap_or_default() {
            SortByType::CreatedDate => rows.sort_by_key(|row| row.created_at),
            SortByType::LastAccessedDate => rows.sort_by_key(|row| row.accessed_at),
            SortByType::LastChangedDate => rows.sort_by_key(|row| row.changed_at),
            SortByType::Name => {} // they come by name
        }
        if input.sort_order != Some(SortOrderType::Asc) {
            rows.reverse();
        }
        let scope = format!(
            "ListSecrets/{}/{}/{filters:?}/{also_deleted}/{:?}/{:?}",
            call.account, call.region, input.sort_by, input.sort_order
        );
        let key = |row: &Arc<SecretRow>| row.arn.clone();
        let (page, next_token) = page_of(rows, &scope, input.max_results, input.next_token, key)?;
        let secret_list = Some(page.iter().map(|row| render::listed(row)).collect());
        Ok(ListSecretsResponse { secret_list, next_token })
    }
}

impl Query<ListSecretVersionIds> for SecretsManager {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSecretVersionIdsRequest,
    ) -> Answer<ListSecretVersionIds> {
        let row = find_any(snapshot, call, &input.secret_id)?;
        let also_bare = input.include_deprecated == Some(true);
        let mut all: Vec<Arc<VersionRow>> = versions(snapshot, &row.arn)
            .filter(|version| also_bare || !row.stages_of(&version.key.1).is_empty())
            .collect();
        all.sort_by_key(|version| std::cmp::Reverse(version.created_at));
        let scope = format!("ListSecretVersionIds/{}/{also_bare}", row.arn);
        let key = |version: &Arc<VersionRow>| version.key.1.clone();
        let (page, next_token) = page_of(all, &scope, input.max_results, input.next_token, key)?;
        let entry = |version: &Arc<VersionRow>| SecretVersionsListEntry {
            version_id: Some(version.key.1.clone()),
            version_stages: Some(row.stages_of(&version.key.1)),
            last_accessed_date: row.accessed_at,
            created_date: Some(version.created_at),
            kms_key_ids: Some(vec![
                version.kms_key_id.clone().unwrap_or_else(|| "DefaultEncryptionKey".to_owned()),
            ]),
        };
        Ok(ListSecretVersionIdsResponse {
            versions: Some(page.iter().map(entry).collect()),
            next_token,
            arn: Some(row.arn.clone()),
            name: Some(row.key.2.clone()),
        })
    }
}
