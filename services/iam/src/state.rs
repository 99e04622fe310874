//! The room's tables.

mod access_key;
mod account;
mod grants;
mod group;
mod instance_profile;
mod policy;
mod role;
mod user;

pub(crate) use access_key::{AccessKeyRow, AccessKeyUseRow, KeyOwner};
pub(crate) use account::{AccountRow, InstallRow, PasswordPolicy};
pub(crate) use grants::{Bearer, Grants, Named, Owned, owned, rows_of};
pub(crate) use group::GroupRow;
pub(crate) use instance_profile::InstanceProfileRow;
pub(crate) use policy::{PolicyRow, PolicyVersion};
pub(crate) use role::RoleRow;
pub(crate) use user::UserRow;

use haar_ledger::Tables;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new()
        .with::<AccessKeyRow>()
        .with::<AccessKeyUseRow>()
        .with::<AccountRow>()
        .with::<GroupRow>()
        .with::<InstallRow>()
        .with::<InstanceProfileRow>()
        .with::<PolicyRow>()
        .with::<RoleRow>()
        .with::<UserRow>()
}
