//! The room's tables.

mod access_key;
mod account;
mod credential;
mod grants;
mod group;
mod instance_profile;
mod last_use;
mod policy;
mod provider;
mod report;
mod role;
mod server_certificate;
mod user;

pub(crate) use access_key::{AccessKeyRow, AccessKeyUseRow, KeyOwner};
pub(crate) use account::{AccountRow, InstallRow, PasswordPolicy};
pub(crate) use credential::{
    MfaHolder, MfaRow, OfUser, PasswordRow, ServiceCredentialRow, SigningCertificateRow, SshKeyRow,
};
pub(crate) use grants::{Bearer, Grants, Named, Owned, owned, rows_of};
pub(crate) use group::GroupRow;
pub(crate) use instance_profile::InstanceProfileRow;
pub(crate) use last_use::{EntityUse, LastUse, LastUseReportRow, LastUseRow, LastUses};
pub(crate) use policy::{PolicyRow, PolicyVersion};
pub(crate) use provider::{OidcRow, SamlKey, SamlRow};
pub(crate) use report::CredentialReportRow;
pub(crate) use role::RoleRow;
pub(crate) use server_certificate::ServerCertificateRow;
pub(crate) use user::UserRow;

use haar_ledger::Tables;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new()
        .with::<AccessKeyRow>()
        .with::<AccessKeyUseRow>()
        .with::<AccountRow>()
        .with::<CredentialReportRow>()
        .with::<GroupRow>()
        .with::<InstallRow>()
        .with::<InstanceProfileRow>()
        .with::<LastUseReportRow>()
        .with::<LastUseRow>()
        .with::<MfaRow>()
        .with::<OidcRow>()
        .with::<PasswordRow>()
        .with::<PolicyRow>()
        .with::<RoleRow>()
        .with::<SamlRow>()
        .with::<ServerCertificateRow>()
        .with::<ServiceCredentialRow>()
        .with::<SigningCertificateRow>()
        .with::<SshKeyRow>()
        .with::<UserRow>()
}
