//! Pure rules: how long, with which policies and tags.

pub(crate) mod jwt;

use std::collections::BTreeSet;
use std::time::Duration;

use haar_kernel::Principal;
use haar_policy::Principal as Identity;
use haar_sts_contract::Tag;
use haar_wire::AwsError;

use crate::refusal::validation;

/// Most session tags.
const TAGS_MAX: usize = 50;
/// What AWS calls 100 % of a packed session policy. *Ours*: AWS does not tell how it packs;
/// bytes of the documents and tags are counted as they are.
const PACKED_BYTES_MAX: usize = 4096;

/// Who asks for how long a session.
pub(crate) struct Lifetime {
    /// As asked, in seconds.
    pub(crate) asked: Option<i32>,
    /// When nothing is asked.
    pub(crate) default: u64,
    /// The longest.
    pub(crate) max: u64,
}

impl Lifetime {
    /// The session's length; `too_long` says in AWS's words why it is refused.
    pub(crate) fn decide(&self, too_long: &str) -> Result<Duration, AwsError> {
        let asked = self.asked.and_then(|seconds| u64::try_from(seconds).ok());
        match asked {
            None => Ok(Duration::from_secs(self.default.min(self.max))),
            Some(seconds) if seconds > self.max => Err(validation(too_long)),
            Some(seconds) => Ok(Duration::from_secs(seconds)),
        }
    }
}

/// Refuses what a caller's session may not ask of STS. AWS docs: *AWS STS API Reference >
/// GetFederationToken*, *GetSessionToken*, *AssumeRole > Permissions*.
pub(crate) fn refuse_sessions(caller: &Principal, operation: &str) -> Result<(), AwsError> {
    let is_temporary = caller.access_key_id.as_ref().is_some_and(|key| key.starts_with("ASIA"));
    let may = match caller.identity {
        // asks for no credentials at all
        _ if operation == "AssumeRoleWithWebIdentity" => true,
        Identity::Federated { .. } => operation == "GetCallerIdentity",
        Identity::RoleSession { .. } => {
            !matches!(operation, "GetFederationToken" | "GetSessionToken")
        }
        Identity::User { .. } | Identity::Root { .. } if is_temporary => {
            matches!(operation, "AssumeRole" | "GetCallerIdentity")
        }
        _ => true,
    };
    let text = || format!("Cannot call {operation} with session credentials");
    if may { Ok(()) } else { Err(AwsError::access_denied(text())) }
}

/// The tags of a session: given ones beside those that the caller's session hands on.
pub(crate) struct SessionTags<'a> {
    /// Given with the request.
    pub(crate) given: &'a [Tag],
    /// Keys of given ones that later sessions inherit.
    pub(crate) transitive: &'a [String],
    /// What the caller's session hands on, as condition keys.
    pub(crate) inherited: &'a [(String, String)],
}

impl SessionTags<'_> {
    /// All of them as condition keys. What is inherited cannot be given anew. AWS docs: *IAM User
    /// Guide > Pass session tags in AWS STS > Chaining roles with session tags*.
    pub(crate) fn keys(&self) -> Result<Vec<(String, String)>, AwsError> {
        if self.given.len() > TAGS_MAX {
            return Err(validation(format!("No more than {TAGS_MAX} session tags are allowed.")));
        }
        let mut seen = BTreeSet::new();
        for tag in self.given {
            let key = tag.key.to_lowercase();
            if key.starts_with("aws:") {
                return Err(validation("Tag keys that start with aws: are reserved."));
            }
            if !seen.insert(key) {
                return Err(invalid(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
        }
        if self.transitive.iter().any(|key| self.is_inherited(key)) {
            return Err(invalid(
                "One of the specified transitive tag keys can't be set because it conflicts with a \
                 transitive tag key from the calling session.",
            ));
        }
        if !self.transitive.iter().all(|key| seen.contains(&key.to_lowercase())) {
            return Err(invalid(
                "The specified transitive tag key must be included in the requested tags.",
            ));
        }
        if self.given.iter().any(|tag| self.is_inherited(&tag.key)) {
            return Err(invalid(
                "One of the specified tags can't be set because it conflicts with a transitive tag \
                 from the calling session.",
            ));
        }
        let own = self.given.iter().map(|tag| (principal_tag(&tag.key), tag.value.clone()));
        Ok(own.chain(self.inherited.iter().cloned()).collect())
    }

    fn is_inherited(&self, key: &str) -> bool {
        let name = principal_tag(key);
        self.inherited.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name))
    }
}

fn invalid(text: &str) -> AwsError {
    AwsError::new("InvalidParameterValue", 400, text)
}

/// The condition key of a session tag.
pub(crate) fn principal_tag(key: &str) -> String {
    format!("aws:PrincipalTag/{key}")
}

/// How much of the room for policies and tags is used, in per cent.
pub(crate) fn packed_percent(policies: &[String], tags: &[Tag]) -> Option<i32> {
    let policies: usize = policies.iter().map(String::len).sum();
    let tags: usize = tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum();
    let bytes = policies + tags;
    (bytes > 0).then(|| i32::try_from((bytes * 100).div_ceil(PACKED_BYTES_MAX)).unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_session_is_as_long_as_asked_and_never_longer_than_allowed() {
        let decide = |asked| Lifetime { asked, default: 3600, max: 7200 }.decide("too long");
        assert_eq!(decide(None).unwrap(), Duration::from_secs(3600));
        assert_eq!(decide(Some(900)).unwrap(), Duration::from_secs(900));
        assert_eq!(decide(Some(7201)).unwrap_err().message(), "too long");
    }

    #[test]
    fn what_a_session_inherits_cannot_be_given_anew() {
        let inherited = [("aws:PrincipalTag/Team".to_owned(), "old".to_owned())];
        let keys = |given: &[Tag], transitive: &[&str]| {
            let transitive: Vec<String> = transitive.iter().map(|key| (*key).to_owned()).collect();
            SessionTags { given, transitive: &transitive, inherited: &inherited }.keys()
        };
        let both = [
            ("aws:PrincipalTag/unit".to_owned(), "a".to_owned()),
            ("aws:PrincipalTag/Team".to_owned(), "old".to_owned()),
        ];
        assert_eq!(keys(&[tag("unit", "a")], &["Unit"]).unwrap(), both);
        for (given, transitive) in [
            (vec![tag("team", "new")], vec![]),
            (vec![tag("team", "new")], vec!["team"]),
            (vec![tag("unit", "a")], vec!["other"]),
            (vec![tag("a", ""), tag("A", "")], vec![]),
            (vec![tag("aws:x", "")], vec![]),
        ] {
            assert!(keys(&given, &transitive).is_err(), "{given:?} {transitive:?}");
        }
    }
}
