//! Access control lists. AWS docs: *Amazon S3 User Guide > Access control list (ACL) overview*.

use haar_s3_contract::model::{AccessControlPolicy, Grant, Grantee, Owner, Permission, Type};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use crate::refusal;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// Most grants of one list.
const GRANT_COUNT_MAX: usize = 100;

/// Who may what; the owner's own full control is one of the grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acl(pub(crate) Vec<(Who, Permission)>);

/// Whom something is granted to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Who {
    /// An account, by its canonical id.
    User(String),
    /// A group of AWS's, by its URI.
    Group(String),
}

/// What a request's headers grant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GrantHeaders<'a> {
    pub(crate) canned: Option<&'a str>,
    pub(crate) full_control: Option<&'a str>,
    pub(crate) read: Option<&'a str>,
    pub(crate) read_acp: Option<&'a str>,
    pub(crate) write: Option<&'a str>,
    pub(crate) write_acp: Option<&'a str>,
}

impl GrantHeaders<'_> {
    fn lists(&self) -> impl Iterator<Item = (&str, Permission)> {
        [
            (self.full_control, Permission::FullControl),
            (self.read, Permission::Read),
            (self.read_acp, Permission::ReadAcp),
            (self.write, Permission::Write),
            (self.write_acp, Permission::WriteAcp),
        ]
        .into_iter()
        .filter_map(|(list, permission)| list.map(|list| (list, permission)))
    }

    /// Whether they say anything.
    pub(crate) fn are_there(&self) -> bool {
        self.canned.is_some() || self.lists().next().is_some()
    }

    /// Whether they say no more than that the bucket's owner has full control.
    pub(crate) fn only_bucket_owner(&self, bucket_owner: &str) -> bool {
        let lists = self.lists().collect::<Vec<_>>();
        match (self.canned, &lists[..]) {
            (Some("bucket-owner-full-control"), []) => true,
            (None, [(list, Permission::FullControl)]) => {
                grantees(list).is_ok_and(|all| all == [Who::User(bucket_owner.to_owned())])
            }
            _ => false,
        }
    }

    /// The list that they ask for; `None` for the owner's alone.
    pub(crate) fn acl(&self, owner: &str, bucket_owner: &str) -> Result<Option<Acl>, AwsError> {
        let mut acl = Acl(Vec::new());
        for (list, permission) in self.lists() {
            acl.0.extend(grantees(list)?.into_iter().map(|who| (who, permission)));
        }
        match (self.canned, acl.0.is_empty()) {
            (Some(_), false) => Err(refusal::invalid_request(
                "Specifying both Canned ACLs and Header Grants is not allowed",
            )),
            (None, false) => Ok(Some(acl)),
            (None | Some("private"), true) => Ok(None),
            (Some(canned), true) => Ok(Some(Acl::canned(canned, owner, bucket_owner))),
        }
    }
}

/// The name of a list that is to be a bucket's. AWS takes those of objects, too.
pub(crate) fn canned_of_bucket(name: Option<&str>) -> Result<Option<&str>, AwsError> {
    const NAMES: [&str; 6] = [
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "log-delivery-write",
    ];
    match name {
        Some(other) if !NAMES.contains(&other) && !is_for_owners(other) => {
            Err(refusal::invalid_argument("", "x-amz-acl", other)) // AWS says no more
        }
        known => Ok(known),
    }
}

/// Whether a list is for a bucket's owner, who is a new bucket's anyway: S3 ignores it there.
pub(crate) fn is_for_owners(name: &str) -> bool {
    matches!(name, "bucket-owner-read" | "bucket-owner-full-control")
}

/// `id="…", uri="…"`.
fn grantees(list: &str) -> Result<Vec<Who>, AwsError> {
    let unknown =
        || refusal::invalid_argument("Argument format not recognized", "x-amz-grant", list);
    let one = |text: &str| {
        let (kind, value) = text.trim().split_once('=').ok_or_else(unknown)?;
        let value = value.trim().trim_matches('"');
        match kind.trim().to_ascii_lowercase().as_str() {
            "id" => Ok(Who::User(value.to_owned())),
            "uri" => Ok(Who::Group(value.to_owned())),
            "emailaddress" => Err(no_mail()),
            _ => Err(unknown()),
        }
    };
    let all = list.split(',').map(one).collect::<Result<Vec<Who>, AwsError>>()?;
    all.iter().try_for_each(refuse_unknown)?;
    Ok(all)
}

/// S3 knows nobody by their address since October 2025. AWS docs: *Amazon S3 API Reference >
/// PutBucketAcl*.
fn no_mail() -> AwsError {
    refusal::method_not_allowed("PUT", "ACL")
}

fn refuse_unknown(who: &Who) -> Result<(), AwsError> {
    match who {
        Who::User(id) if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(refusal::invalid_argument("Invalid id", "CanonicalUser/ID", id))
        }
        Who::Group(uri) if ![ALL_USERS, AUTHENTICATED, LOG_DELIVERY].contains(&&**uri) => {
            Err(refusal::invalid_argument("Invalid group uri", "Group/URI", uri))
        }
        _ => Ok(()),
    }
}

impl Acl {
    fn canned(name: &str, owner: &str, bucket_owner: &str) -> Self {
        let group = |uri: &str, permission| (Who::Group(uri.to_owned()), permission);
        let mut grants = vec![(Who::User(owner.to_owned()), Permission::FullControl)];
        match name {
            "public-read" => grants.push(group(ALL_USERS, Permission::Read)),
            "public-read-write" => grants
                .extend([group(ALL_USERS, Permission::Read), group(ALL_USERS, Permission::Write)]),
            "authenticated-read" => grants.push(group(AUTHENTICATED, Permission::Read)),
            "bucket-owner-read" if owner != bucket_owner => {
                grants.push((Who::User(bucket_owner.to_owned()), Permission::Read));
            }
            "bucket-owner-full-control" if owner != bucket_owner => {
                grants.push((Who::User(bucket_owner.to_owned()), Permission::FullControl));
            }
            "log-delivery-write" => grants.extend([
                group(LOG_DELIVERY, Permission::Write),
                group(LOG_DELIVERY, Permission::ReadAcp),
            ]),
            _ => {}
        }
        Self(grants)
    }

    /// The list that a request's body holds. Its owner must be the real one.
    pub(crate) fn of_policy(policy: &AccessControlPolicy, owner: &str) -> Result<Self, AwsError> {
        let named = policy.owner.as_ref().and_then(|owner| owner.id.as_deref());
        if named.is_none_or(|named| named != owner) {
            return Err(refusal::malformed_xml());
        }
        let mut acl = Self(Vec::new());
        for grant in policy.grants.iter().flatten() {
            let (Some(grantee), Some(permission)) = (&grant.grantee, grant.permission) else {
                return Err(refusal::malformed_xml());
            };
            let who = match (grantee.r#type, &grantee.id, &grantee.uri) {
                (Type::CanonicalUser, Some(id), _) => Who::User(id.clone()),
                (Type::Group, _, Some(uri)) => Who::Group(uri.clone()),
                (Type::AmazonCustomerByEmail, ..) => return Err(no_mail()),
                _ => return Err(refusal::malformed_xml()),
            };
            refuse_unknown(&who)?;
            acl.0.push((who, permission));
        }
        match acl.0.len() > GRANT_COUNT_MAX {
            true => Err(refusal::malformed_xml()),
            false => Ok(acl),
        }
    }

    /// Whether anyone, or any account, is granted something.
    pub(crate) fn is_public(&self) -> bool {
        let is_open = |who: &Who| matches!(who, Who::Group(uri) if uri != LOG_DELIVERY);
        self.0.iter().any(|(who, _)| is_open(who))
    }

    /// As what a caller is granted something, if it is: `user` is the canonical id of its account,
    /// if it has one. As one of a group rather than as one of its account, which must agree.
    pub(crate) fn grantee(
        &self,
        user: Option<&str>,
        wanted: Permission,
        ignore_public: bool,
    ) -> Option<&Who> {
        let granted = self.0.iter().filter(|(who, permission)| {
            let is_for = match who {
                Who::User(id) => user == Some(id),
                Who::Group(uri) if ignore_public => uri == LOG_DELIVERY && user.is_none(),
                Who::Group(uri) if uri == ALL_USERS => true,
                Who::Group(uri) => uri == AUTHENTICATED && user.is_some(),
            };
            is_for && (*permission == wanted || *permission == Permission::FullControl)
        });
        granted.map(|(who, _)| who).max_by_key(|who| matches!(who, Who::Group(_)))
    }
}

/// A list as answers show it.
pub(crate) fn shown(acl: Option<&Acl>, owner: &str) -> Vec<Grant> {
    let own = Acl(vec![(Who::User(owner.to_owned()), Permission::FullControl)]);
    let grants = acl.unwrap_or(&own).0.iter().map(|(who, permission)| {
        let mut grantee = Grantee::default();
        match who {
            Who::User(id) => {
                grantee.r#type = Type::CanonicalUser;
                grantee.id = Some(id.clone());
            }
            Who::Group(uri) => {
                grantee.r#type = Type::Group;
                grantee.uri = Some(uri.clone());
            }
        }
        Grant { grantee: Some(grantee), permission: Some(*permission) }
    });
    grants.collect()
}

/// An owner as answers show it.
pub(crate) fn owner(id: String) -> Owner {
    Owner { display_name: None, id: Some(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canned_lists_grant_what_they_say() {
        let (owner, other) = ("a".repeat(64), "b".repeat(64));
        let headers = GrantHeaders { canned: Some("public-read"), ..GrantHeaders::default() };
        let acl = headers.acl(&owner, &owner).unwrap().unwrap();
        let grantee = |user, wanted, ignore| acl.grantee(user, wanted, ignore);
        let (anyone, own) = (Who::Group(ALL_USERS.to_owned()), Who::User(owner.clone()));
        assert!(acl.is_public());
        assert_eq!(grantee(None, Permission::Read, false), Some(&anyone));
        assert_eq!(grantee(Some(&owner), Permission::Read, false), Some(&anyone));
        assert_eq!(grantee(None, Permission::Read, true), None);
        assert_eq!(grantee(Some(&other), Permission::Write, false), None);
        assert_eq!(grantee(Some(&owner), Permission::WriteAcp, false), Some(&own));
    }

    #[test]
    fn headers_name_accounts_and_groups_that_there_are() {
        let owner = "a".repeat(64);
        let list = format!("id=\"{owner}\", uri=\"{LOG_DELIVERY}\"");
        let headers = GrantHeaders { read: Some(&list), ..GrantHeaders::default() };
        assert_eq!(headers.acl(&owner, &owner).unwrap().unwrap().0.len(), 2);
        let bad = GrantHeaders { read: Some("id=\"me\""), ..GrantHeaders::default() };
        assert_eq!(bad.acl(&owner, &owner).unwrap_err().code(), "InvalidArgument");
    }
}
