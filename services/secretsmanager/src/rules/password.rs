//! Random passwords.

use haar_clock::Ids;
use haar_secretsmanager_contract::GetRandomPasswordRequest;
use haar_wire::AwsError;

use crate::refusal::invalid;

/// Letters of a password that says no length.
const LENGTH_DEFAULT: usize = 32;
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A password as a request wants it, out of unpredictable bytes.
pub(crate) fn random(ids: &Ids, wish: &GetRandomPasswordRequest) -> Result<String, AwsError> {
    let without = |flag: Option<bool>| flag == Some(true);
    let excluded = wish.exclude_characters.as_deref().unwrap_or_default();
    let kinds = [
        ("abcdefghijklmnopqrstuvwxyz", !without(wish.exclude_lowercase)),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", !without(wish.exclude_uppercase)),
        ("0123456789", !without(wish.exclude_numbers)),
        (PUNCTUATION, !without(wish.exclude_punctuation)),
        (" ", wish.include_space == Some(true)),
    ];
    let kinds: Vec<Vec<char>> = kinds
        .into_iter()
        .filter(|(_, is_wanted)| *is_wanted)
        .map(|(letters, _)| letters.chars().filter(|it| !excluded.contains(*it)).collect())
        .filter(|letters: &Vec<char>| !letters.is_empty())
        .collect();
    let length = wish.password_length.and_then(|length| usize::try_from(length).ok());
    let length = length.unwrap_or(LENGTH_DEFAULT);
    let all: Vec<char> = kinds.iter().flatten().copied().collect();
    if all.is_empty() {
        return Err(invalid("There are no characters left to make a password of."));
    }
    let mut password = Vec::with_capacity(length);
    if wish.require_each_included_type != Some(false) {
        if kinds.len() > length {
            let text = "The password length is less than the number of required character types.";
            return Err(invalid(text));
        }
        password.extend(kinds.iter().map(|letters| letters[below(ids, letters.len())]));
    }
    while password.len() < length {
        password.push(all[below(ids, all.len())]);
    }
    for at in (1..password.len()).rev() {
        password.swap(at, below(ids, at + 1));
    }
    Ok(password.into_iter().collect())
}

/// An unpredictable number below `count`, each as likely as the others.
fn below(ids: &Ids, count: usize) -> usize {
    let count = count as u64;
    loop {
        let mut bytes = [0; 8];
        ids.secret(&mut bytes);
        let drawn = u64::from_le_bytes(bytes);
        if drawn < u64::MAX - u64::MAX % count {
            return (drawn % count) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;

    use super::*;

    #[test]
    fn a_password_has_its_length_and_each_kind_that_is_wanted() {
        let ids = IdSource::seeded(1).ids();
        for length in [4, 5, 64] {
            let wish =
                GetRandomPasswordRequest { password_length: Some(length), ..Default::default() };
            let password = random(&ids, &wish).unwrap();
            assert_eq!(password.chars().count() as i64, length);
            assert!(password.contains(|it: char| it.is_ascii_lowercase()));
            assert!(password.contains(|it: char| it.is_ascii_uppercase()));
            assert!(password.contains(|it: char| it.is_ascii_digit()));
            assert!(password.contains(|it: char| PUNCTUATION.contains(it)));
            assert!(!password.contains(' '));
        }
    }

    #[test]
    fn what_is_excluded_is_not_there() {
        let ids = IdSource::seeded(1).ids();
        let wish = GetRandomPasswordRequest {
            exclude_punctuation: Some(true),
            exclude_uppercase: Some(true),
            exclude_numbers: Some(true),
            exclude_characters: Some("abcdefghijklmnopqrstuvwxy".to_owned()),
            ..Default::default()
        };
        assert_eq!(random(&ids, &wish).unwrap(), "z".repeat(32));
        let nothing = GetRandomPasswordRequest { exclude_lowercase: Some(true), ..wish };
        assert!(random(&ids, &nothing).is_err());
        let short = GetRandomPasswordRequest { password_length: Some(3), ..Default::default() };
        assert!(random(&ids, &short).is_err());
    }
}
