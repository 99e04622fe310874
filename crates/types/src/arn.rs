//! Amazon Resource Names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Region};

/// An Amazon Resource Name: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
///
/// Region and account may be empty (IAM has no region, S3 neither). AWS docs:
/// *IAM User Guide > Amazon Resource Names*.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    text: Box<str>,
    /// Byte offsets at which service, region, account and resource begin.
    starts: [u16; 4],
}

/// Why a text is no ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArnError(String);

impl fmt::Display for ArnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an ARN: {}", self.0)
    }
}

impl std::error::Error for ArnError {}

impl Arn {
    /// Names a resource of a kind, such as `function:` or `table/`; callers' names of any length
    /// come after that, or none.
    pub fn mint(
        service: &'static str,
        region: &Region,
        account: &AccountId,
        kind: &'static str,
        name: impl fmt::Display,
    ) -> Self {
        let mut text = "arn:aws:".to_owned();
        let mut starts = [0; 4];
        for (start, part) in starts.iter_mut().zip([service, region.as_str(), account.as_str()]) {
            *start = offset(text.len());
            text.push_str(part);
            text.push(':');
        }
        starts[3] = offset(text.len());
        Self { text: format!("{text}{kind}{name}").into(), starts }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `aws`, `aws-cn`, …
    pub fn partition(&self) -> &str {
        &self.text[4..usize::from(self.starts[0]) - 1]
    }

    /// The service's name in ARNs, such as `lambda`.
    pub fn service(&self) -> &str {
        self.between(0)
    }

    /// The region, or an empty text.
    pub fn region(&self) -> &str {
        self.between(1)
    }

    /// The account, or an empty text.
    pub fn account(&self) -> &str {
        self.between(2)
    }

    /// All behind the fifth colon, such as `function:hello:1`.
    pub fn resource(&self) -> &str {
        &self.text[usize::from(self.starts[3])..]
    }

    fn between(&self, part: usize) -> &str {
        &self.text[usize::from(self.starts[part])..usize::from(self.starts[part + 1]) - 1]
    }
}

fn offset(at: usize) -> u16 {
    u16::try_from(at).expect("texts are bounded, and what is minted before a name is short")
}

impl TryFrom<String> for Arn {
    type Error = ArnError;

    fn try_from(text: String) -> Result<Self, ArnError> {
        if !text.starts_with("arn:") || text.len() > usize::from(u16::MAX) {
            return Err(ArnError(text));
        }
        let mut starts = [0_u16; 4];
        let mut colons = text.match_indices(':').skip(1).map(|(at, _)| at);
        for start in &mut starts {
            let Some(at) = colons.next() else { return Err(ArnError(text)) };
            *start = offset(at + 1);
        }
        if usize::from(starts[3]) == text.len() {
            return Err(ArnError(text));
        }
        Ok(Self { text: text.into(), starts })
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.text.into()
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart_and_keeps_colons_in_its_resource() {
        let arn: Arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:1".parse().unwrap();
        assert_eq!((arn.partition(), arn.service()), ("aws", "lambda"));
        assert_eq!((arn.region(), arn.account()), ("eu-west-1", "123456789012"));
        assert_eq!(arn.resource(), "function:f:1");
    }

    #[test]
    fn an_arn_is_minted_for_any_name() {
        let mint = |name: &str| {
            Arn::mint("lambda", &Region::default(), &AccountId::default(), "function:", name)
        };
        let arn = mint("f");
        assert_eq!(arn.as_str(), "arn:aws:lambda:us-east-1:000000000000:function:f");
        assert_eq!(arn.as_str().parse(), Ok(arn.clone()));
        assert_eq!((arn.service(), arn.resource()), ("lambda", "function:f"));
        assert_eq!(mint("").resource(), "function:");
        assert_eq!(mint(&"a".repeat(100_000)).account(), "000000000000");
    }

    #[test]
    fn an_arn_may_lack_region_and_account_but_no_part() {
        let arn: Arn = "arn:aws:s3:::bucket/key".parse().unwrap();
        assert_eq!((arn.region(), arn.account(), arn.resource()), ("", "", "bucket/key"));
        for text in ["", "arn:", "arn:aws:s3::", "arn:aws:s3:::", "urn:aws:s3:::b"] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }
}
