//! Listing secrets and versions.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Query, mint_token, read_token};
use haar_ledger::Snapshot;
use haar_secretsmanager_contract::{
    InvalidNextTokenException, ListSecretVersionIds, ListSecretVersionIdsRequest,
    ListSecretVersionIdsResponse, ListSecrets, ListSecretsRequest, ListSecretsResponse,
    SecretVersionsListEntry, SortByType, SortOrderType,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::lookup::find_any;
use crate::rules::filter;
use crate::state::{SecretRow, VersionRow, secrets, versions};
use crate::{SecretsManager, render};

/// Items of a page at most.
const PAGE_MAX: usize = 100;

/// Which page a caller wants of a listing.
pub(super) struct PageAsk {
    /// Names the listing.
    pub(super) scope: String,
    pub(super) max_results: Option<i32>,
    pub(super) next_token: Option<String>,
    pub(super) is_descending: bool,
}

impl PageAsk {
    /// Sorts items by their keys and cuts the page out of them, with the token of the next one.
    /// The page begins behind the key that the last one ended with, whether that item is there
    /// still or not.
    pub(super) fn cut<T>(
        self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), AwsError> {
        let limit = self.max_results.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX);
        let token = self.next_token.filter(|token| !token.is_empty());
        let last = token.map(|token| read_token(&self.scope, &token)).transpose();
        let last = last
            .map_err(|_| InvalidNextTokenException::message("The NextToken value is invalid."))?;
        let mut items: Vec<(String, T)> = items.map(|item| (key(&item), item)).collect();
        items.sort_by(|(one, _), (other, _)| match self.is_descending {
            true => other.cmp(one),
            false => one.cmp(other),
        });
        let is_behind = |key: &String| match (&last, self.is_descending) {
            (None, _) => true,
            (Some(last), true) => key < last,
            (Some(last), false) => key > last,
        };
        let mut rest = items.into_iter().filter(|(key, _)| is_behind(key));
        let (keys, page): (Vec<String>, Vec<T>) = rest.by_ref().take(limit).unzip();
        let more = rest.next().is_some();
        let next = keys.last().filter(|_| more).map(|last| mint_token(&self.scope, last));
        Ok((page, next))
    }
}

/// A time as a text that sorts as times do.
fn sortable(at: Option<Timestamp>) -> String {
    format!("{:020}", at.map_or(0, |at| at.0.max(0)))
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
        let rows = rows
            .filter(|row| also_deleted || row.deleted.is_none())
            .filter(|row| filter::fits(row, &filters));
        let scope = format!(
            "ListSecrets/{}/{}/{filters:?}/{also_deleted}/{:?}/{:?}",
            call.account, call.region, input.sort_by, input.sort_order
        );
        let sort_by = input.sort_by.unwrap_or_default();
        let key = |row: &Arc<SecretRow>| {
            let name = &row.key.2;
            match sort_by {
                SortByType::CreatedDate => format!("{}/{name}", sortable(Some(row.created_at))),
                SortByType::LastAccessedDate => format!("{}/{name}", sortable(row.accessed_at)),
                SortByType::LastChangedDate => format!("{}/{name}", sortable(Some(row.changed_at))),
                SortByType::Name => name.clone(),
            }
        };
        let is_descending = input.sort_order != Some(SortOrderType::Asc);
        let (max_results, next_token) = (input.max_results, input.next_token);
        let ask = PageAsk { scope, max_results, next_token, is_descending };
        let (page, next_token) = ask.cut(rows, key)?;
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
        let all = versions(snapshot, &row.arn)
            .filter(|version| also_bare || !row.stages_of(&version.key.1).is_empty());
        let scope = format!("ListSecretVersionIds/{}/{also_bare}", row.arn);
        let (max_results, next_token) = (input.max_results, input.next_token);
        let ask = PageAsk { scope, max_results, next_token, is_descending: true };
        let (page, next_token) = ask.cut(all, |version: &Arc<VersionRow>| {
            format!("{}/{}", sortable(Some(version.created_at)), version.key.1)
        })?;
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
