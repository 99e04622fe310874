//! Resource tags.

use haar_ecr_contract::model::Tag;
use haar_types::Tags;
use haar_wire::AwsError;

use crate::refusal;

/// Tags of one resource at most.
const COUNT_MAX: usize = 50;

/// Adds tags to those that a resource has.
pub(crate) fn add(tags: &mut Tags, added: Vec<Tag>) -> Result<(), AwsError> {
    for Tag { key, value } in added {
        let named = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !named || key.to_ascii_lowercase().starts_with("aws:") {
            let text = "Invalid parameter at 'tags' failed to satisfy constraint: 'Tag keys must \
                        have 1 to 128 characters and not begin with aws:, tag values at most 256'";
            return Err(refusal::error("InvalidTagParameterException", text));
        }
        tags.insert(key, value);
    }
    if tags.len() > COUNT_MAX {
        let text = format!(
            "The list of tags on the repository is over the limit. The maximum number of tags that can be applied to a repository is {COUNT_MAX}."
        );
        return Err(refusal::error("TooManyTagsException", text));
    }
    Ok(())
}

/// Tags as the wire has them.
pub(crate) fn shown(tags: &Tags) -> Vec<Tag> {
    let shown = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
    tags.iter().map(shown).collect()
}
