//! Policies that AWS supplies (`arn:aws:iam::aws:policy/…`), the same in every account.
//!
//! `managed/policies.json` lists those that people attach to what haar runs. Names, paths and
//! permissions are AWS's; *ours*: `ReadOnlyAccess` and its like name the services that matter
//! here rather than all, and some unique ids are derived from the name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use haar_types::Timestamp;
use serde::Deserialize;

/// One of AWS's policies.
#[derive(Debug)]
pub(crate) struct ManagedPolicy {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) description: String,
    /// The number of its default version, the only one that haar has.
    pub(crate) version: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) document: String,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    path: String,
    id: String,
    created: String,
    version: u32,
    description: String,
    document: serde_json::Value,
}

static POLICIES: LazyLock<BTreeMap<String, ManagedPolicy>> = LazyLock::new(|| {
    let entries: Vec<Entry> = serde_json::from_str(include_str!("managed/policies.json"))
        .expect("the file is part of the program and tested");
    entries.into_iter().map(Entry::policy).map(|policy| (policy.arn.clone(), policy)).collect()
});

impl Entry {
    fn policy(self) -> ManagedPolicy {
        let created: Option<jiff::Timestamp> = self.created.parse().ok();
        ManagedPolicy {
            arn: format!("arn:aws:iam::aws:policy{}{}", self.path, self.name),
            created_at: Timestamp(created.map_or(0, jiff::Timestamp::as_millisecond)),
            document: serde_json::to_string_pretty(&self.document).expect("it was JSON"),
            name: self.name,
            path: self.path,
            id: self.id,
            description: self.description,
            version: self.version,
        }
    }
}

/// The policy of that ARN.
pub(crate) fn find(arn: &str) -> Option<&'static ManagedPolicy> {
    POLICIES.get(arn)
}

/// All of AWS's policies, by ARN.
pub(crate) fn all() -> impl Iterator<Item = &'static ManagedPolicy> {
    POLICIES.values()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use haar_policy::{Document, Grammar};

    use super::*;

    #[test]
    fn every_policy_is_sound_and_has_an_id_of_its_own() {
        let mut ids = BTreeSet::new();
        for policy in all() {
            Document::parse(&policy.document, Grammar::Managed).expect(&policy.name);
            assert!(policy.created_at > Timestamp(0), "{}", policy.name);
            assert!(policy.id.len() == 21 && policy.id.starts_with("ANPA"), "{}", policy.id);
            assert!(ids.insert(&policy.id), "{}", policy.name);
        }
        for name in [
            "service-role/AWSLambdaBasicExecutionRole",
            "service-role/AWSLambdaBasicDurableExecutionRolePolicy",
            "CloudWatchLambdaApplicationSignalsExecutionRolePolicy",
            "AmazonDynamoDBFullAccess_v2",
            "AmazonEventBridgePipesFullAccess",
        ] {
            assert!(find(&format!("arn:aws:iam::aws:policy/{name}")).is_some(), "{name}");
        }
    }
}
