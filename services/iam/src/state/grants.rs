//! What users, groups and roles have in common: names, paths, policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haar_ledger::{IndexEntry, Row, Snapshot};
use haar_types::AccountId;
use serde::{Deserialize, Serialize};

/// Key of a named row: its account and its name in lower case, since IAM's names differ by
/// more than their case.
pub(crate) type Owned = (AccountId, String);

/// The key of a name.
pub(crate) fn owned(account: &AccountId, name: &str) -> Owned {
    (account.clone(), name.to_lowercase())
}

/// An account's rows, by name.
pub(crate) fn rows_of<'a, R: Row<Key = Owned>>(
    snapshot: &'a Snapshot,
    account: &'a AccountId,
) -> impl DoubleEndedIterator<Item = Arc<R>> + 'a {
    let first = (account.clone(), String::new());
    let last = (account.clone(), char::MAX.to_string());
    snapshot.range::<R>(first..last)
}

/// An identity's policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Inline documents by name.
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub(crate) attached: BTreeSet<String>,
}

impl Grants {
    /// Bytes of all inline documents; IAM does not count white space.
    pub(crate) fn inline_bytes(&self) -> usize {
        self.inline.values().map(|text| crate::rules::policy_size(text)).sum()
    }

    /// Finds the identity by what is attached to it. AWS-managed policies are shared by all
    /// accounts, so the account is part of the entry.
    pub(crate) fn index(&self, account: &AccountId) -> impl Iterator<Item = IndexEntry> {
        let entry = move |arn: &String| IndexEntry::new("attached", format!("{account}|{arn}"));
        self.attached.iter().map(entry)
    }
}

/// A row with a name and a path.
pub(crate) trait Named: Row<Key = Owned> {
    /// The row's kind as ARNs have it: `instance-profile`.
    const KIND: &'static str;

    /// Its account.
    fn account(&self) -> &AccountId;
    /// Its name as it was given.
    fn name(&self) -> &str;
    /// Its path, `/` or `/…/`.
    fn path(&self) -> &str;

    /// Its ARN.
    fn arn(&self) -> String {
        format!("arn:aws:iam::{}:{}{}{}", self.account(), Self::KIND, self.path(), self.name())
    }
}

/// A row that has policies.
pub(crate) trait Bearer: Named {
    /// Most bytes of all its inline policies.
    const INLINE_BYTES_MAX: usize;
    /// The quota of attached policies, as messages name it.
    const ATTACHED_QUOTA: &'static str;

    /// Its policies.
    fn grants(&self) -> &Grants;
    /// The same, to be changed.
    fn grants_mut(&mut self) -> &mut Grants;
}
