//! What has policies of its own, found by its ARN.

use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_types::{AccountId, Arn};
use haar_wire::AwsError;

use crate::lookup::{find_group, find_role, find_user};
use crate::policies::{Source, sources_of_group, sources_of_role, sources_of_user};
use crate::refusal::{invalid, no_such};
use crate::state::{GroupRow, Named as _, RoleRow, UserRow};

/// A user, a group or a role.
pub(crate) enum Entity {
    User(Arc<UserRow>),
    Group(Arc<GroupRow>),
    Role(Arc<RoleRow>),
}

impl Entity {
    /// Whether an ARN says clearly which of them it names.
    pub(crate) fn is_named_by(arn: &Arn) -> bool {
        let kind = arn.resource().split_once('/').map(|(kind, _)| kind);
        kind.is_some_and(|kind| ["user", "group", "role"].contains(&kind))
    }

    /// The one that an ARN names by all of its parts, its path too; policies were weighed for this
    /// very ARN.
    ///
    /// # Errors
    /// When the account has none of that name.
    pub(crate) fn named(
        snapshot: &Snapshot,
        account: &AccountId,
        arn: &Arn,
    ) -> Result<Option<Self>, AwsError> {
        let Some((kind, name)) = arn.resource().split_once('/') else { return Ok(None) };
        let name = name.rsplit('/').next().unwrap_or_default();
        let found = match kind {
            "user" => Self::User(find_user(snapshot, account, name)?),
            "group" => Self::Group(find_group(snapshot, account, name)?),
            "role" => Self::Role(find_role(snapshot, account, name)?),
            _ => return Ok(None),
        };
        Ok(Some(found).filter(|found| found.arn() == arn.to_string()))
    }

    /// The same, for who is told of an ARN.
    ///
    /// # Errors
    /// When it names none.
    pub(crate) fn find(
        snapshot: &Snapshot,
        account: &AccountId,
        arn: &str,
    ) -> Result<Self, AwsError> {
        let parsed: Arn = arn.parse().map_err(|_| invalid(format!("ARN {arn} is not valid.")))?;
        let found = Self::named(snapshot, account, &parsed)?;
        found.ok_or_else(|| no_such(format!("ARN {arn} was not found.")))
    }

    /// Its policies; a user's groups' too.
    pub(crate) fn sources(&self, snapshot: &Snapshot) -> Vec<Source> {
        match self {
            Self::User(user) => sources_of_user(snapshot, user),
            Self::Group(group) => sources_of_group(snapshot, group),
            Self::Role(role) => sources_of_role(snapshot, role),
        }
    }

    /// The ARN of its permissions boundary.
    pub(crate) fn boundary(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.boundary.as_deref(),
            Self::Group(_) => None,
            Self::Role(role) => role.boundary.as_deref(),
        }
    }

    fn arn(&self) -> String {
        match self {
            Self::User(user) => user.arn(),
            Self::Group(group) => group.arn(),
            Self::Role(role) => role.arn(),
        }
    }
}
