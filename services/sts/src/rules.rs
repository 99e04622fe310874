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

/// Session tags as condition keys. Own tags win over inherited ones.
pub(crate) fn session_tags(
    given: &[Tag],
    inherited: &[(String, String)],
) -> Result<Vec<(String, String)>, AwsError> {
    let mut seen = BTreeSet::new();
    if given.len() > TAGS_MAX {
        return Err(validation(format!("No more than {TAGS_MAX} session tags are allowed.")));
    }
    for tag in given {
        if !seen.insert(tag.key.to_lowercase()) {
            return Err(AwsError::new(
                "InvalidParameterValue",
                400,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(validation("Tag keys that start with aws: are reserved."));
        }
    }
    let own = given.iter().map(|tag| (principal_tag(&tag.key), tag.value.clone()));
    let is_new = |(name, _): &&(String, String)| {
        !given.iter().any(|tag| principal_tag(&tag.key).eq_ignore_ascii_case(name))
    };
    Ok(own.chain(inherited.iter().filter(is_new).cloned()).collect())
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
    fn own_tags_win_over_inherited_ones() {
        let inherited = [("aws:PrincipalTag/Team".to_owned(), "old".to_owned())];
        let tags = session_tags(&[tag("team", "new")], &inherited).unwrap();
        assert_eq!(tags, [("aws:PrincipalTag/team".to_owned(), "new".to_owned())]);
        assert!(session_tags(&[tag("a", ""), tag("A", "")], &[]).is_err());
        assert!(session_tags(&[tag("aws:x", "")], &[]).is_err());
    }
}
