//! Amazon Resource Names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
    /// Names a resource; `region` and `account` may be empty.
    pub fn mint(service: &str, region: &str, account: &str, resource: impl fmt::Display) -> Self {
        let text = format!("arn:aws:{service}:{region}:{account}:{resource}");
        Self::try_from(text).expect("six parts were just written")
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
            *start = u16::try_from(at + 1).expect("length was checked");
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
    fn an_arn_may_lack_region_and_account_but_no_part() {
        let arn: Arn = "arn:aws:s3:::bucket/key".parse().unwrap();
        assert_eq!((arn.region(), arn.account(), arn.resource()), ("", "", "bucket/key"));
        for text in ["", "arn:", "arn:aws:s3::", "arn:aws:s3:::", "urn:aws:s3:::b"] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }
}
