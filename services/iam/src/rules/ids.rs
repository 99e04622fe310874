//! Unique ids and access keys.

use haar_clock::Ids;
use haar_types::AccountId;

/// The letters of ids and access keys: base 32.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an id names. AWS docs: *IAM User Guide > IAM identifiers > Understanding unique ID
/// prefixes*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    User,
    Group,
    Role,
    Policy,
    InstanceProfile,
    ServerCertificate,
    ServiceCredential,
    SshKey,
}

impl IdKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
            Self::Policy => "ANPA",
            Self::InstanceProfile => "AIPA",
            Self::ServerCertificate => "ASCA",
            Self::ServiceCredential => "ACCA",
            Self::SshKey => "APKA",
        }
    }
}

/// An id of 21 letters.
pub(crate) fn mint_id(ids: &Ids, kind: IdKind) -> String {
    format!("{}{}", kind.prefix(), ids.of(LETTERS, 17))
}

/// An access key of 20 letters; `prefix` is `AKIA` or `ASIA`. As on AWS, the account can be read
/// out of it: its first 48 bits are a one, 40 bits of account, and 7 of chance.
pub(crate) fn mint_access_key_id(ids: &Ids, prefix: &str, account: &AccountId) -> String {
    let number: u128 = account.as_str().parse().unwrap_or(0);
    let chance = u128::from(ids.draw() >> 25); // 39 bits
    let bits = (1 << 79) | (number << 39) | chance;
    let letter = |at: u32| char::from(LETTERS[((bits >> (75 - 5 * at)) & 31) as usize]);
    format!("{prefix}{}", (0..16).map(letter).collect::<String>())
}

/// The account that an access key belongs to, read out of the key alone.
pub(crate) fn account_of_access_key(id: &str) -> Option<AccountId> {
    let letters = id.get(4..).filter(|letters| letters.len() == 16)?;
    let mut bits: u128 = 0;
    for byte in letters.bytes() {
        let digit = LETTERS.iter().position(|letter| *letter == byte)?;
        bits = (bits << 5) | digit as u128;
    }
    let number = (bits >> 39) & ((1 << 40) - 1);
    format!("{number:012}").parse().ok()
}

/// The id of a role that does not exist: always the same for its ARN.
pub(crate) fn derived_role_id(arn: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::digest(arn.as_bytes());
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
    format!("AROA{}", hash.iter().take(17).map(letter).collect::<String>())
}

/// A signing certificate's id: 32 letters without a prefix.
pub(crate) fn mint_certificate_id(ids: &Ids) -> String {
    ids.of(LETTERS, 32)
}

/// A secret of 40 letters.
pub(crate) fn mint_secret(ids: &Ids) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 30];
    ids.secret(&mut bytes);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;

    use super::*;

    #[test]
    fn a_key_names_its_account() {
        let ids = IdSource::seeded(1).ids();
        for account in ["000000000000", "123456789012", "999999999999"] {
            let account: AccountId = account.parse().unwrap();
            let key = mint_access_key_id(&ids, "AKIA", &account);
            assert_eq!(key.len(), 20);
            assert_eq!(account_of_access_key(&key), Some(account));
        }
        // the example of a documented key and its account
        assert_eq!(account_of_access_key("ASIAQNZGKIQY56JQ7WML").unwrap().as_str(), "029608264753");
        assert_eq!(account_of_access_key("test"), None);
    }

    #[test]
    fn ids_and_secrets_have_awss_lengths() {
        let ids = IdSource::seeded(2).ids();
        assert_eq!(mint_id(&ids, IdKind::Role).len(), 21);
        assert_eq!(mint_secret(&ids).len(), 40);
    }
}
