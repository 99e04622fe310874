//! Pure rules: ids, names, sizes, documents.

mod documents;
mod ids;
mod linked_roles;

pub(crate) use documents::{Parsed, policy_size, url_encoded};
pub(crate) use ids::{
    IdKind, account_of_access_key, derived_role_id, mint_access_key_id, mint_id, mint_secret,
};
pub(crate) use linked_roles::linked_role_name;

/// Most bytes of a managed policy, white space not counted.
pub(crate) const POLICY_BYTES_MAX: usize = 6144;
/// Most bytes of a trust policy.
pub(crate) const TRUST_BYTES_MAX: usize = 2048;
/// Most versions of a managed policy.
pub(crate) const VERSIONS_MAX: usize = 5;
/// Most managed policies of an identity.
pub(crate) const ATTACHED_MAX: usize = 10;
/// Most groups of a user.
pub(crate) const GROUPS_PER_USER_MAX: usize = 10;
/// Most access keys of a user.
pub(crate) const KEYS_PER_USER_MAX: usize = 2;
/// Most tags of a resource.
pub(crate) const TAGS_MAX: usize = 50;
/// How long a session may be when its role does not say.
pub(crate) const SESSION_SECONDS_DEFAULT: u32 = 3600;
/// Items of a page when the caller does not say.
pub(crate) const PAGE_DEFAULT: usize = 100;
