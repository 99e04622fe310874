//! Passwords: what they must be like, and how they are kept.

use haar_clock::Ids;
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::state::PasswordPolicy;

/// Rounds of PBKDF2 with HMAC-SHA-256, as OWASP advises; each row says how many it took. Builds
/// without optimisation, thirty times as slow, spare themselves the time.
pub(crate) const ROUNDS: u32 = if cfg!(debug_assertions) { 10_000 } else { 600_000 };
/// Bytes of a user's salt.
pub(crate) const SALT_LEN: usize = 16;
/// Most former passwords that a policy can forbid.
pub(crate) const REMEMBERED_MAX: usize = 24;
/// What AWS counts as a symbol.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";
/// The length of a password where the account has no policy of its own.
const LENGTH_MIN_DEFAULT: usize = 8;

/// A password that is kept: nobody can read it there.
pub(crate) fn hash(password: &str, salt: &[u8], rounds: u32) -> Vec<u8> {
    let mut hash = vec![0; 32];
    pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, rounds, &mut hash);
    hash
}

/// A salt for a user's passwords.
pub(crate) fn mint_salt(ids: &Ids) -> Vec<u8> {
    let mut salt = vec![0; SALT_LEN];
    ids.secret(&mut salt);
    salt
}

/// Whether two hashes are of the same password; takes as long for all.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Refuses a password that the account's policy does not let pass, with AWS's words. AWS docs: *IAM
/// User Guide > Setting an account password policy*.
pub(crate) fn check(policy: Option<&PasswordPolicy>, password: &str) -> Result<(), String> {
    let has = |of: fn(char) -> bool| password.chars().any(of);
    let kinds = [
        ("uppercase letter", has(|it| it.is_ascii_uppercase())),
        ("lowercase letter", has(|it| it.is_ascii_lowercase())),
        ("number", has(|it| it.is_ascii_digit())),
        ("symbol", has(|it| SYMBOLS.contains(it))),
    ];
    let length = password.chars().count();
    let Some(policy) = policy else {
        if length < LENGTH_MIN_DEFAULT {
            return Err(too_short(LENGTH_MIN_DEFAULT));
        }
        return match kinds.iter().filter(|(_, is_there)| *is_there).count() {
            0..=2 => Err("Password should have at least three of: uppercase letters, lowercase \
                          letters, numbers, symbols"
                .to_owned()),
            _ => Ok(()),
        };
    };
    let length_min = usize::try_from(policy.length_min).unwrap_or(0);
    if length < length_min {
        return Err(too_short(length_min));
    }
    let wanted = [policy.uppercase, policy.lowercase, policy.numbers, policy.symbols];
    let missing = kinds.iter().zip(wanted).find(|((_, is_there), wanted)| *wanted && !is_there);
    match missing {
        Some(((kind, _), _)) => Err(format!("Password should have at least one {kind}")),
        None => Ok(()),
    }
}

fn too_short(length_min: usize) -> String {
    format!("Password should have a minimum length of {length_min}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_policy_eight_letters_of_three_kinds_suffice() {
        for good in ["Passw0rd", "passw0rd!", "PASSW0RD!", "Aa1Aa1Aa1"] {
            assert_eq!(check(None, good), Ok(()), "{good}");
        }
        assert_eq!(check(None, "Pa1!"), Err("Password should have a minimum length of 8".into()));
        assert!(check(None, "passwords1").unwrap_err().contains("at least three"));
    }

    #[test]
    fn a_policy_alone_says_what_is_missing() {
        let policy = PasswordPolicy {
            length_min: 6,
            symbols: true,
            numbers: true,
            ..PasswordPolicy::default()
        };
        let told = |password| check(Some(&policy), password).unwrap_err();
        assert_eq!(told("a1!"), "Password should have a minimum length of 6");
        assert_eq!(told("secret!"), "Password should have at least one number");
        assert_eq!(told("secret1"), "Password should have at least one symbol");
        assert_eq!(check(Some(&policy), "secret1!"), Ok(()));
    }

    #[test]
    fn a_hash_depends_on_password_and_salt() {
        let one = hash("a", b"salt", 1_000);
        assert!(is_same(&one, &hash("a", b"salt", 1_000)));
        assert!(!is_same(&one, &hash("b", b"salt", 1_000)));
        assert!(!is_same(&one, &hash("a", b"pepper", 1_000)));
    }
}
