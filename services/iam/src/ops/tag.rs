//! Tags of users, roles, policies, instance profiles, MFA devices, certificates and
//! providers.

use haar_iam_contract::{self as model, Tag};
use haar_kernel::{Answer, Call, Command, Page, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::lookup::{
    find_instance_profile, find_mfa, find_own_policy, find_role, find_user, paged,
};
use crate::ops::oidc_provider::find_oidc;
use crate::ops::saml_provider::find_saml;
use crate::ops::server_certificate::find_server_certificate;
use crate::refusal::{invalid, limit};
use crate::rules::TAGS_MAX;
use crate::state::{
    InstanceProfileRow, MfaRow, OidcRow, PolicyRow, RoleRow, SamlRow, ServerCertificateRow, UserRow,
};
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
        impl Command<model::$tag> for Iam {
            fn command(
                &self,
                call: &Call,
                tx: &mut Tx,
                input: model::$tag_in,
            ) -> Answer<model::$tag> {
                let mut row = <$row>::clone(&*$find(tx, &call.account, &input.$name)?);
                add(&mut row.tags, input.tags)?;
                tx.put(row);
                Ok(model::$tag_out {})
            }
        }

        impl Command<model::$untag> for Iam {
            fn command(
                &self,
                call: &Call,
                tx: &mut Tx,
                input: model::$untag_in,
            ) -> Answer<model::$untag> {
                let mut row = <$row>::clone(&*$find(tx, &call.account, &input.$name)?);
                remove(&mut row.tags, &input.tag_keys);
                tx.put(row);
                Ok(model::$untag_out {})
            }
        }

        impl Query<model::$list> for Iam {
            fn query(
                &self,
                call: &Call,
                snapshot: &Snapshot,
                input: model::$list_in,
            ) -> Answer<model::$list> {
                let row = $find(snapshot, &call.account, &input.$name)?;
                let scope = format!("{}/{}", stringify!($list), row.id);
                let page = listed(&row.tags, scope, input.marker, input.max_items)?;
                Ok(model::$list_out {
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
    MfaRow, find_mfa, serial_number, TagMFADevice TagMFADeviceRequest TagMFADeviceOutput,
    UntagMFADevice UntagMFADeviceRequest UntagMFADeviceOutput,
    ListMFADeviceTags ListMFADeviceTagsRequest ListMFADeviceTagsResponse
);
tag_operations!(
    OidcRow, find_oidc, open_id_connect_provider_arn,
    TagOpenIDConnectProvider TagOpenIDConnectProviderRequest TagOpenIDConnectProviderOutput,
    UntagOpenIDConnectProvider UntagOpenIDConnectProviderRequest UntagOpenIDConnectProviderOutput,
    ListOpenIDConnectProviderTags ListOpenIDConnectProviderTagsRequest
    ListOpenIDConnectProviderTagsResponse
);
tag_operations!(
    ServerCertificateRow, find_server_certificate, server_certificate_name,
    TagServerCertificate TagServerCertificateRequest TagServerCertificateOutput,
    UntagServerCertificate UntagServerCertificateRequest UntagServerCertificateOutput,
    ListServerCertificateTags ListServerCertificateTagsRequest ListServerCertificateTagsResponse
);
tag_operations!(
    SamlRow, find_saml, saml_provider_arn,
    TagSAMLProvider TagSAMLProviderRequest TagSAMLProviderOutput,
    UntagSAMLProvider UntagSAMLProviderRequest UntagSAMLProviderOutput,
    ListSAMLProviderTags ListSAMLProviderTagsRequest ListSAMLProviderTagsResponse
);
tag_operations!(
    InstanceProfileRow, find_instance_profile, instance_profile_name,
    TagInstanceProfile TagInstanceProfileRequest TagInstanceProfileOutput,
    UntagInstanceProfile UntagInstanceProfileRequest UntagInstanceProfileOutput,
    ListInstanceProfileTags ListInstanceProfileTagsRequest ListInstanceProfileTagsResponse
);
