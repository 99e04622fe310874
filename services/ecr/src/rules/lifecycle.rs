//! Lifecycle policies: which images go. AWS docs: *Amazon ECR User Guide > Automate the cleanup
//! of images by using lifecycle policies*.

mod evaluate;
mod policy;

use std::time::Duration;

use haar_blobs::Digest;
use haar_types::Timestamp;

use super::glob;

pub(crate) use evaluate::evaluate;

/// The shortest time that an image stays in the archive before a policy may delete it.
pub(crate) const ARCHIVE_DAYS_MIN: u32 = 90;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A policy that was read: its rules, those first that are applied first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) priority: i32,
    tags: TagSelection,
    in_archive: bool,
    limit: Limit,
    pub(crate) action: Action,
}

/// Which images a rule is about, by their tags.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TagSelection {
    Any,
    Untagged,
    /// Each pattern must fit one of the tags.
    Patterns(Vec<String>),
}

/// How many of them, or of what age, may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Count(usize),
    SincePushed(Duration),
    SincePulled(Duration),
    SinceTransitioned(Duration),
}

/// What becomes of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Deleted.
    Expire,
    /// Moved to the archive.
    Archive,
}

/// An image, as rules see it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) digest: Digest,
    pub(crate) tags: Vec<String>,
    pub(crate) pushed_at: Timestamp,
    pub(crate) pulled_at: Option<Timestamp>,
    pub(crate) archived_at: Option<Timestamp>,
    pub(crate) activated_at: Option<Timestamp>,
    pub(crate) is_archived: bool,
    /// An index lists it, or it is about an image that is there: it goes with that one.
    pub(crate) is_held: bool,
}

/// What a policy wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) digest: Digest,
    pub(crate) action: Action,
    /// The rule's.
    pub(crate) priority: i32,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        policy::parse(text)
    }
}

impl TagSelection {
    fn selects(&self, tags: &[String]) -> bool {
        match self {
            Self::Any => true,
            Self::Untagged => tags.is_empty(),
            Self::Patterns(patterns) => {
                patterns.iter().all(|pattern| tags.iter().any(|tag| glob::matches(pattern, tag)))
            }
        }
    }
}
