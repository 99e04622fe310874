//! Lists of task definitions and families.

use std::collections::BTreeMap;

use haar_ecs_contract::model::{
    ListTaskDefinitionFamilies, ListTaskDefinitionFamiliesResponse, ListTaskDefinitions,
    ListTaskDefinitionsResponse, SortOrder, TaskDefinitionFamilyStatus, TaskDefinitionStatus,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use super::Input;
use crate::Ecs;
use crate::lookup::Listing;
use crate::state::{DefinitionKey, DefinitionRow};

/// AWS docs: *Amazon ECS API Reference > ListTaskDefinitions*. `familyPrefix` is the whole name.
impl Query<ListTaskDefinitions> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListTaskDefinitions>,
    ) -> Answer<ListTaskDefinitions> {
        let status = input.status.unwrap_or(TaskDefinitionStatus::Active);
        let bounds = match &input.family_prefix {
            Some(family) => DefinitionKey::family(&call.account, &call.region, family),
            None => DefinitionKey::all(&call.account, &call.region),
        };
        let rows = snapshot.range::<DefinitionRow>(bounds).filter(|row| row.status == status);
        let mut keys: Vec<DefinitionKey> = rows.map(|row| row.key.clone()).collect();
        let is_descending = input.sort == Some(SortOrder::Desc);
        if is_descending {
            keys.reverse();
        }
        let family = input.family_prefix.as_deref().unwrap_or_default();
        let scope = format!("definitions/{family}/{status}/{is_descending}");
        let bounds = (input.next_token.as_deref(), input.max_results);
        let page = Listing::new(call, scope, bounds, 100)?.page(keys, ToString::to_string);
        Ok(ListTaskDefinitionsResponse {
            task_definition_arns: Some(page.items.iter().map(DefinitionKey::arn).collect()),
            next_token: page.next,
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListTaskDefinitionFamilies*.
impl Query<ListTaskDefinitionFamilies> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListTaskDefinitionFamilies>,
    ) -> Answer<ListTaskDefinitionFamilies> {
        let prefix = input.family_prefix.as_deref().unwrap_or_default();
        let status = input.status.unwrap_or(TaskDefinitionFamilyStatus::Active);
        let mut families = BTreeMap::new();
        let all = DefinitionKey::all(&call.account, &call.region);
        for row in snapshot.range::<DefinitionRow>(all) {
            let is_active = families.entry(row.key.family.clone()).or_insert(false);
            *is_active |= row.status == TaskDefinitionStatus::Active;
        }
        let wanted = families.into_iter().filter(|(family, is_active)| {
            let fits = match status {
                TaskDefinitionFamilyStatus::Active => *is_active,
                TaskDefinitionFamilyStatus::Inactive => !*is_active,
                TaskDefinitionFamilyStatus::All => true,
            };
            fits && family.starts_with(prefix)
        });
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, format!("families/{prefix}/{status}"), bounds, 100)?;
        let page = listing.page(wanted.map(|(family, _)| family), Clone::clone);
        Ok(ListTaskDefinitionFamiliesResponse { families: Some(page.items), next_token: page.next })
    }
}
