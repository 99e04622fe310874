//! Tags of users, roles, policies and instance profiles.

use haar_iam_contract::{
    ListInstanceProfileTags, ListInstanceProfileTagsRequest, ListInstanceProfileTagsResponse,
    ListPolicyTags, ListPolicyTagsRequest, ListPolicyTagsResponse, ListRoleTags,
    ListRoleTagsRequest, ListRoleTagsResponse, ListUserTags, ListUserTagsRequest,
    ListUserTagsResponse, Tag, TagInstanceProfile, TagInstanceProfileOutput,
    TagInstanceProfileRequest, TagPolicy, TagPolicyOutput, TagPolicyRequest, TagRole,
    TagRoleOutput, TagRoleRequest, TagUser, TagUserOutput, TagUserRequest, UntagInstanceProfile,
    UntagInstanceProfileOutput, UntagInstanceProfileRequest, UntagPolicy, UntagPolicyOutput,
    UntagPolicyRequest, UntagRole, UntagRoleOutput, UntagRoleRequest, UntagUser, UntagUserOutput,
    UntagUserRequest,
};
use haar_kernel::{Answer, Call, Command, Page, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::lookup::{find_instance_profile, find_own_policy, find_role, find_user, paged};
use crate::refusal::{invalid, limit};
use crate::rules::TAGS_MAX;
use crate::state::{InstanceProfileRow, PolicyRow, RoleRow, UserRow};
use crate::{Iam, render};

/// The tags of a new resource.
pub(crate) fn tags_of(tags: Option<Vec<Tag>>) -> Result<Tags, AwsError> {
    let mut all = Tags::new();
    add(&mut all, tags.unwrap_or_default())?;
    Ok(all)
}

/// Adds tags; keys differ by more than their case.
fn add(to: &mut Tags, tags: Vec<Tag>) -> Result<(), AwsError> {
    let mut seen = std::collections::BTreeSet::new();
    for tag in tags {
        let key = tag.key.to_lowercase();
        if key.starts_with("aws:") {
            return Err(invalid("Tag keys and values that start with aws: are reserved."));
        }
        if !seen.insert(key.clone()) {
            return Err(invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        to.retain(|known, _| known.to_lowercase() != key);
        to.insert(tag.key, tag.value);
    }
    if to.len() > TAGS_MAX {
        return Err(limit("The number of tags has reached the maximum limit."));
    }
    Ok(())
}

fn remove(from: &mut Tags, keys: &[String]) {
    from.retain(|known, _| !keys.iter().any(|key| key.eq_ignore_ascii_case(known)));
}

fn listed(
    tags: &Tags,
    scope: String,
    marker: Option<String>,
    items_max: Option<i32>,
) -> Result<Page<Tag>, AwsError> {
    paged(render::tags(tags), &scope, (marker, items_max), |tag| tag.key.clone())
}

/// The three operations on one kind of resource's tags.
macro_rules! tag_operations {
    ($row:ty, $find:ident, $name:ident, $tag:ident $tag_in:ident $tag_out:ident,
     $untag:ident $untag_in:ident $untag_out:ident, $list:ident $list_in:ident $list_out:ident) => {
        impl Command<$tag> for Iam {
            fn command(&self, call: &Call, tx: &mut Tx, input: $tag_in) -> Answer<$tag> {
                let mut row = <$row>::clone(&*$find(tx, &call.account, &input.$name)?);
                add(&mut row.tags, input.tags)?;
                tx.put(row);
                Ok($tag_out {})
            }
        }

        impl Command<$untag> for Iam {
            fn command(&self, call: &Call, tx: &mut Tx, input: $untag_in) -> Answer<$untag> {
                let mut row = <$row>::clone(&*$find(tx, &call.account, &input.$name)?);
                remove(&mut row.tags, &input.tag_keys);
                tx.put(row);
                Ok($untag_out {})
            }
        }

        impl Query<$list> for Iam {
            fn query(&self, call: &Call, snapshot: &Snapshot, input: $list_in) -> Answer<$list> {
                let row = $find(snapshot, &call.account, &input.$name)?;
                let scope = format!("{}/{}", stringify!($list), row.id);
                let page = listed(&row.tags, scope, input.marker, input.max_items)?;
                Ok($list_out {
                    tags: page.items,
                    is_truncated: Some(page.next.is_some()),
                    marker: page.next,
                })
            }
        }
    };
}

tag_operations!(
    UserRow, find_user, user_name, TagUser TagUserRequest TagUserOutput,
    UntagUser UntagUserRequest UntagUserOutput,
    ListUserTags ListUserTagsRequest ListUserTagsResponse
);
tag_operations!(
    RoleRow, find_role, role_name, TagRole TagRoleRequest TagRoleOutput,
    UntagRole UntagRoleRequest UntagRoleOutput,
    ListRoleTags ListRoleTagsRequest ListRoleTagsResponse
);
tag_operations!(
    PolicyRow, find_own_policy, policy_arn, TagPolicy TagPolicyRequest TagPolicyOutput,
    UntagPolicy UntagPolicyRequest UntagPolicyOutput,
    ListPolicyTags ListPolicyTagsRequest ListPolicyTagsResponse
);
tag_operations!(
    InstanceProfileRow, find_instance_profile, instance_profile_name,
    TagInstanceProfile TagInstanceProfileRequest TagInstanceProfileOutput,
    UntagInstanceProfile UntagInstanceProfileRequest UntagInstanceProfileOutput,
    ListInstanceProfileTags ListInstanceProfileTagsRequest ListInstanceProfileTagsResponse
);
