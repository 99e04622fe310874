//! Pure rules: ids, names, sizes, documents.

pub(crate) mod certificates;
mod documents;
pub(crate) mod granting;
mod ids;
pub(crate) mod issuers;
mod linked_roles;
pub(crate) mod passwords;
mod picture;
pub(crate) mod private_keys;
pub(crate) mod saml;
pub(crate) mod ssh;
pub(crate) mod totp;

pub(crate) use documents::{Parsed, policy_size, url_encoded};
pub(crate) use ids::{
    IdKind, account_of_access_key, derived_role_id, mint_access_key_id, mint_certificate_id,
    mint_id, mint_secret,
};
pub(crate) use linked_roles::{has_linked_roles, linked_role_name};
pub(crate) use picture::qr_png;

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
/// Most MFA devices of a user.
pub(crate) const MFA_PER_USER_MAX: usize = 8;
/// Most server certificates of an account.
pub(crate) const SERVER_CERTIFICATES_MAX: usize = 20;
/// Most SSH public keys of a user.
pub(crate) const SSH_KEYS_PER_USER_MAX: usize = 5;
/// Most signing certificates of a user.
pub(crate) const SIGNING_CERTIFICATES_PER_USER_MAX: usize = 2;
/// Most credentials of a user for one service.
pub(crate) const CREDENTIALS_PER_SERVICE_MAX: usize = 2;
/// Most tags of a resource.
pub(crate) const TAGS_MAX: usize = 50;
/// How long a session may be when its role does not say.
pub(crate) const SESSION_SECONDS_DEFAULT: u32 = 3600;
/// Items of a page when the caller does not say.
pub(crate) const PAGE_DEFAULT: usize = 100;
