//! Prefix lists that AWS manages. Customers' own are not offered.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    DescribeManagedPrefixLists, DescribeManagedPrefixListsRequest,
    DescribeManagedPrefixListsResult, DescribePrefixLists, DescribePrefixListsRequest,
    DescribePrefixListsResult, Filter, GetManagedPrefixListEntries,
    GetManagedPrefixListEntriesRequest, GetManagedPrefixListEntriesResult, PrefixList,
    PrefixListEntry,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_types::Tags;
use haar_wire::AwsError;

use crate::listing::{cut, cut_at, page_up_to, place_of};
use crate::refusal::refuse;
use crate::rules::{Filters, ManagedList, managed_list, managed_lists};
use crate::{Ec2, render};

/// Items of a page at most, of managed lists and of what they hold.
const MANAGED_PAGE: usize = 100;

fn find(place: &Place, id: &str) -> Result<ManagedList, AwsError> {
    let missing = || {
        let text = format!("The prefix list ID '{id}' does not exist");
        refuse("InvalidPrefixListID.NotFound", text)
    };
    managed_list(place, id).filter(|list| list.id == id).ok_or_else(missing)
}

fn wanted(
    place: &Place,
    ids: Option<Vec<String>>,
    filters: Option<Vec<Filter>>,
) -> Result<Vec<ManagedList>, AwsError> {
    let filters = Filters::new(filters)?;
    let mut lists = Vec::new();
    for id in ids.unwrap_or_default() {
        lists.push(find(place, &id)?);
    }
    if lists.is_empty() {
        lists = managed_lists(place);
    }
    let mut found = Vec::new();
    for list in lists {
        let fits = filters.match_(&Tags::new(), |name| match name {
            "prefix-list-id" => Some(vec![list.id.clone()]),
            "prefix-list-name" => Some(vec![list.name.clone()]),
            "owner-id" => Some(vec!["AWS".to_owned()]),
            _ => None,
        })?;
        if fits {
            found.push(list);
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

impl Query<DescribePrefixLists> for Ec2 {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: DescribePrefixListsRequest,
    ) -> Answer<DescribePrefixLists> {
        let lists = wanted(&place_of(call), input.prefix_list_ids, input.filters)?;
        let key = |list: &ManagedList| list.id.clone();
        let page = cut(lists, "DescribePrefixLists", input.max_results, input.next_token, key)?;
        let list = |list: &ManagedList| PrefixList {
            cidrs: Some(list.ranges.iter().map(|range| (*range).to_owned()).collect()),
            prefix_list_id: Some(list.id.clone()),
            prefix_list_name: Some(list.name.clone()),
        };
        let prefix_lists = Some(page.items.iter().map(list).collect());
        Ok(DescribePrefixListsResult { next_token: page.next, prefix_lists })
    }
}

impl Query<DescribeManagedPrefixLists> for Ec2 {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: DescribeManagedPrefixListsRequest,
    ) -> Answer<DescribeManagedPrefixLists> {
        let place = place_of(call);
        let lists = wanted(&place, input.prefix_list_ids, input.filters)?;
        let key = |list: &ManagedList| list.id.clone();
        let scope = "DescribeManagedPrefixLists";
        let limit = page_up_to(MANAGED_PAGE, input.max_results);
        let page = cut_at(lists, scope, limit, input.next_token, key)?;
        let lists = page.items.iter().filter_map(|list| render::prefix_list(&place, &list.id));
        Ok(DescribeManagedPrefixListsResult {
            prefix_lists: Some(lists.collect()),
            next_token: page.next,
        })
    }
}

impl Query<GetManagedPrefixListEntries> for Ec2 {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: GetManagedPrefixListEntriesRequest,
    ) -> Answer<GetManagedPrefixListEntries> {
        let list = find(&place_of(call), &input.prefix_list_id)?;
        let mut ranges = list.ranges.to_vec();
        ranges.sort_unstable();
        let scope = format!("GetManagedPrefixListEntries/{}", list.id);
        let (limit, key) =
            (page_up_to(MANAGED_PAGE, input.max_results), |range: &&str| (*range).to_owned());
        let page = cut_at(ranges, &scope, limit, input.next_token, key)?;
        let entry =
            |range: &&str| PrefixListEntry { cidr: Some((*range).to_owned()), description: None };
        let entries = Some(page.items.iter().map(entry).collect());
        Ok(GetManagedPrefixListEntriesResult { entries, next_token: page.next })
    }
}
