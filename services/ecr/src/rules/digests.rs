//! Digests as clients write them. Source: *OCI Image Specification 1.1 > Descriptors > Registered
//! algorithms*.

use std::fmt;
use std::str::FromStr;

use haar_blobs::{Digest, Digest512};
use serde::{Deserialize, Serialize};

/// What a client calls some bytes. All that is kept is kept by its SHA-256 digest; one that was
/// pushed by its SHA-512 digest is found by both (*Ours*: ECR knows the first alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum SaidDigest {
    /// `sha256:` and 64 hex digits.
    Sha256(Digest),
    /// `sha512:` and 128 hex digits.
    Sha512(Digest512),
}

impl SaidDigest {
    /// True when these bytes are what is called so.
    pub(crate) fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sha256(digest) => Digest::of(bytes) == *digest,
            Self::Sha512(digest) => Digest512::of(bytes) == *digest,
        }
    }

    /// The other name than the usual one, if it is that.
    pub(crate) fn sha512(&self) -> Option<Digest512> {
        match self {
            Self::Sha256(_) => None,
            Self::Sha512(digest) => Some(*digest),
        }
    }
}

/// A text that is no digest of an algorithm that is known here.
#[derive(Debug, thiserror::Error)]
#[error("unsupported digest '{0}'")]
pub(crate) struct Unsupported(String);

impl FromStr for SaidDigest {
    type Err = Unsupported;

    /// Hex digits are lower-case.
    fn from_str(text: &str) -> Result<Self, Unsupported> {
        let refused = || Unsupported(text.to_owned());
        let (algorithm, hex) = text.split_once(':').ok_or_else(refused)?;
        if hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(refused());
        }
        let read = match algorithm {
            "sha256" => text.parse().ok().map(Self::Sha256),
            "sha512" => text.parse().ok().map(Self::Sha512),
            _ => None,
        };
        read.ok_or_else(refused)
    }
}

impl fmt::Display for SaidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha512(digest) => digest.fmt(f),
        }
    }
}

impl From<Digest> for SaidDigest {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}

impl TryFrom<String> for SaidDigest {
    type Error = Unsupported;

    fn try_from(text: String) -> Result<Self, Unsupported> {
        text.parse()
    }
}

impl From<SaidDigest> for String {
    fn from(digest: SaidDigest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_with_their_algorithm_and_in_lower_case() {
        for text in [Digest::of(b"x").to_string(), Digest512::of(b"x").to_string()] {
            let said: SaidDigest = text.parse().unwrap();
            assert_eq!(said.to_string(), text);
            assert!(said.is_of(b"x") && !said.is_of(b"y"));
            let (algorithm, hex) = text.split_once(':').unwrap();
            assert!(format!("{algorithm}:{}", hex.to_uppercase()).parse::<SaidDigest>().is_err());
            assert!(hex.parse::<SaidDigest>().is_err());
        }
        let short = Digest::of(b"x").to_string().replace("sha256", "sha512");
        assert!(short.parse::<SaidDigest>().is_err());
        assert!("md5:00".parse::<SaidDigest>().is_err());
    }
}
