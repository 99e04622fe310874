//! How rows are named.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use haar_types::{AccountId, Arn, Region};
use serde::{Deserialize, Serialize};

/// Sorts behind every text that AWS allows in a name.
const LAST: &str = "\u{10ffff}";

/// A function: account, region, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its plain name.
    pub name: String,
}

impl FunctionKey {
    /// Names a function.
    pub fn new(account: &AccountId, region: &Region, name: &str) -> Self {
        Self { account: account.clone(), region: region.clone(), name: name.to_owned() }
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    pub fn arn(&self) -> Arn {
        Arn::mint("lambda", &self.region, &self.account, "function:", &self.name)
    }

    /// The same with a qualifier, where one is given.
    pub fn qualified_arn(&self, qualifier: Option<&str>) -> Arn {
        match qualifier {
            None => self.arn(),
            Some(qualifier) => {
                let name = format_args!("{}:{qualifier}", self.name);
                Arn::mint("lambda", &self.region, &self.account, "function:", name)
            }
        }
    }

    /// All functions of an account in a region.
    pub fn all(account: &AccountId, region: &Region) -> RangeInclusive<Self> {
        Self::new(account, region, "")..=Self::new(account, region, LAST)
    }
}

/// A version of a function. `$LATEST` sorts before the numbers, as AWS lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// The one that can be changed.
    Latest,
    /// A published one, from 1.
    Number(u64),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "$LATEST" => Ok(Self::Latest),
            number if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().map(Self::Number).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

/// A version of a function, in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionKey {
    /// The function.
    pub function: FunctionKey,
    /// Which version.
    pub version: Version,
}

impl VersionKey {
    /// The function's `$LATEST`.
    pub fn latest(function: &FunctionKey) -> Self {
        Self { function: function.clone(), version: Version::Latest }
    }

    /// A published version.
    pub fn number(function: &FunctionKey, number: u64) -> Self {
        Self { function: function.clone(), version: Version::Number(number) }
    }

    /// `…:function:NAME` for `$LATEST`, `…:function:NAME:7` for a published version.
    pub fn arn(&self) -> Arn {
        match self.version {
            Version::Latest => self.function.arn(),
            Version::Number(_) => self.qualified_arn(),
        }
    }

    /// `…:function:NAME:$LATEST` or `…:function:NAME:7`.
    pub fn qualified_arn(&self) -> Arn {
        self.function.qualified_arn(Some(&self.version.to_string()))
    }

    /// All versions of a function, `$LATEST` first.
    pub fn all(function: &FunctionKey) -> RangeInclusive<Self> {
        Self::latest(function)..=Self::number(function, u64::MAX)
    }
}

/// Something that hangs on a function's qualifier: an alias, a policy, a URL. An empty
/// qualifier is the function itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QualifiedKey {
    /// The function.
    pub function: FunctionKey,
    /// A version, an alias, or nothing.
    pub qualifier: String,
}

impl QualifiedKey {
    /// Names a function's qualifier; `None` is the function itself.
    pub fn new(function: &FunctionKey, qualifier: Option<&str>) -> Self {
        let qualifier = qualifier.unwrap_or_default().to_owned();
        Self { function: function.clone(), qualifier }
    }

    /// The qualifier, where there is one.
    pub fn qualifier(&self) -> Option<&str> {
        Some(self.qualifier.as_str()).filter(|qualifier| !qualifier.is_empty())
    }

    /// The ARN, with the qualifier where there is one.
    pub fn arn(&self) -> Arn {
        self.function.qualified_arn(self.qualifier())
    }

    /// All qualifiers of a function.
    pub fn all(function: &FunctionKey) -> RangeInclusive<Self> {
        Self::new(function, None)..=Self::new(function, Some(LAST))
    }
}

/// A layer: account, region, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its plain name.
    pub name: String,
}

impl LayerKey {
    /// Names a layer.
    pub fn new(account: &AccountId, region: &Region, name: &str) -> Self {
        Self { account: account.clone(), region: region.clone(), name: name.to_owned() }
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME`.
    pub fn arn(&self) -> Arn {
        Arn::mint("lambda", &self.region, &self.account, "layer:", &self.name)
    }

    /// All layers of an account in a region.
    pub fn all(account: &AccountId, region: &Region) -> RangeInclusive<Self> {
        Self::new(account, region, "")..=Self::new(account, region, LAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_comes_before_the_published_versions() {
        let mut versions = [Version::Number(2), Version::Latest, Version::Number(10)];
        versions.sort();
        assert_eq!(versions, [Version::Latest, Version::Number(2), Version::Number(10)]);
    }

    #[test]
    fn a_version_is_read_as_it_is_written() {
        for text in ["$LATEST", "1", "42"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        for text in ["", "live", "-1", "1x", "99999999999999999999999"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_arn_has_a_qualifier_only_where_one_is_meant() {
        let key = FunctionKey::new(&AccountId::default(), &Region::default(), "f");
        let base = "arn:aws:lambda:us-east-1:000000000000:function:f";
        assert_eq!(key.arn().as_str(), base);
        assert_eq!(VersionKey::latest(&key).arn().as_str(), base);
        assert_eq!(VersionKey::latest(&key).qualified_arn().as_str(), format!("{base}:$LATEST"));
        assert_eq!(VersionKey::number(&key, 7).arn().as_str(), format!("{base}:7"));
        assert_eq!(QualifiedKey::new(&key, None).arn().as_str(), base);
    }
}
