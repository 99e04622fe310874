//! Tags of resources.

use haar_ec2_contract::{ResourceType, Tag, TagSpecification};
use haar_types::Tags;
use haar_wire::AwsError;

use crate::refusal::{invalid, refuse};

/// Tags of one resource at most.
const TAGS_MAX: usize = 50;
/// Letters of a key and of a value at most.
const KEY_MAX: usize = 127;
const VALUE_MAX: usize = 255;

/// The tags that a request gives to what it makes.
pub(crate) fn specified_tags(
    specifications: Option<Vec<TagSpecification>>,
    kind: ResourceType,
) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for specification in specifications.unwrap_or_default() {
        if specification.resource_type != Some(kind) {
            let named = specification.resource_type.map_or("", ResourceType::as_str);
            let text =
                format!("'{named}' is not a valid taggable resource type for this operation.");
            return Err(invalid(text));
        }
        for tag in specification.tags.unwrap_or_default() {
            if tag.key.as_ref().is_some_and(|key| tags.contains_key(key)) {
                return Err(invalid("Duplicate tag keys are not allowed."));
            }
            add_tags(&mut tags, vec![tag])?;
        }
    }
    Ok(tags)
}

/// Adds tags to those that are there.
pub(crate) fn add_tags(tags: &mut Tags, more: Vec<Tag>) -> Result<(), AwsError> {
    for tag in more {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.is_empty() {
            return Err(invalid("Tag keys must not be empty"));
        }
        if key.starts_with("aws:") {
            let text = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(invalid(text));
        }
        if key.chars().count() > KEY_MAX {
            let text = format!("Tag key exceeds the maximum length of {KEY_MAX} characters");
            return Err(invalid(text));
        }
        if value.chars().count() > VALUE_MAX {
            let text = format!("Tag value exceeds the maximum length of {VALUE_MAX} characters");
            return Err(invalid(text));
        }
        tags.insert(key, value);
    }
    if tags.len() > TAGS_MAX {
        let text = "The maximum number of Tags for a resource has been reached.";
        return Err(refuse("TagLimitExceeded", text));
    }
    Ok(())
}

/// Tags as answers show them.
pub(crate) fn wire_tags(tags: &Tags) -> Option<Vec<Tag>> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    Some(tags.iter().map(tag).collect())
}
