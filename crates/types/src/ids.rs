//! Accounts, regions, partitions and request ids.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A 12-digit AWS account id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// The account of callers whose access key names none: `000000000000`.
    pub const DEFAULT: &'static str = "000000000000";

    /// The account's twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account of that id, if it is one.
    pub fn named(text: &str) -> Option<Self> {
        let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_id.then(|| Self(text.into()))
    }
}

impl Default for AccountId {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for AccountId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::named(text).ok_or_else(|| format!("{text} is not an account id"))
    }
}

/// A region's code, such as `us-east-1`. Any well-formed code is accepted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Region(Arc<str>);

impl Region {
    /// The region of callers that name none.
    pub const DEFAULT: &'static str = "us-east-1";

    /// The region's code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(legal);
        if fits { Ok(Self(text.into())) } else { Err(format!("{text} is not a region")) }
    }
}

/// The id that names one request in answers and logs; a lower-case UUID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes an id that an `IdSource` drew.
    pub fn new(uuid: impl Into<Arc<str>>) -> Self {
        Self(uuid.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A partition of AWS: `aws`, `aws-cn`, `aws-us-gov`. haar mints names in `aws` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partition;

impl Partition {
    /// False for an ARN of another partition; what is no ARN is nobody's.
    pub fn holds(arn: &str) -> bool {
        arn.strip_prefix("arn:").is_none_or(|rest| rest.starts_with("aws:"))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("aws")
    }
}

macro_rules! shown_as_text {
    ($($type:ty),+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}
shown_as_text!(AccountId, Region, RequestId);
