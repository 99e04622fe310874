//! Tags. *Developer Guide > Tagging resources*.

use haar_ecs_contract::model::Tag;
use haar_types::Tags;
use haar_wire::AwsError;

use crate::refusal::invalid;

/// Most tags of a resource.
const TAGS_MAX: usize = 50;

/// Reads tags that a customer gives; `aws:` is not theirs.
pub(crate) fn read(tags: Option<Vec<Tag>>) -> Result<Tags, AwsError> {
    let mut all = Tags::new();
    for tag in tags.into_iter().flatten() {
        let key = tag.key.unwrap_or_default();
        if key.is_empty() {
            return Err(invalid("Tag key can not be empty."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys must not begin with aws:."));
        }
        if all.insert(key, tag.value.unwrap_or_default()).is_some() {
            return Err(invalid("Multiple tags contain the same key."));
        }
    }
    check_count(&all)?;
    Ok(all)
}

/// Refuses more tags than a resource may have; AWS's own do not count.
pub(crate) fn check_count(tags: &Tags) -> Result<(), AwsError> {
    let own = tags.keys().filter(|key| !key.starts_with("aws:")).count();
    if own > TAGS_MAX {
        return Err(invalid(format!("The maximum number of tags is {TAGS_MAX}.")));
    }
    Ok(())
}

/// As the API shows them.
pub(crate) fn show(tags: &Tags) -> Vec<Tag> {
    let one = |(key, value): (&String, &String)| {
        let (key, value) = (Some(key.clone()), Some(value.clone()));
        Tag { key, value }
    };
    tags.iter().map(one).collect()
}
