//! Names and tags.

use haar_clock::Ids;
use haar_secretsmanager_contract::Tag;
use haar_types::{AccountId, Region, Tags};
use haar_wire::AwsError;

use crate::refusal::invalid;

/// Tags of a secret at most.
const TAGS_MAX: usize = 50;
/// Letters at the end of an ARN.
const SUFFIX: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Refuses what no secret may be called.
pub(crate) fn check(name: &str) -> Result<(), AwsError> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "/_+=.@-".contains(letter);
    match name.chars().all(legal) {
        true => Ok(()),
        false => Err(invalid(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
             following: -/_+=.@!",
        )),
    }
}

/// The ARN of a new secret: six letters make it another than that of any earlier secret.
pub(crate) fn mint_arn(ids: &Ids, account: &AccountId, region: &Region, name: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{}", ids.of(SUFFIX, 6))
}

/// Adds tags to those that are there.
pub(crate) fn add_tags(tags: &mut Tags, more: Vec<Tag>) -> Result<(), AwsError> {
    for tag in more {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.is_empty() {
            return Err(invalid("Tag keys must not be empty."));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys beginning with aws: are reserved."));
        }
        tags.insert(key, value);
    }
    match tags.len() > TAGS_MAX {
        true => Err(invalid(format!("A secret can have a maximum of {TAGS_MAX} tags."))),
        false => Ok(()),
    }
}
