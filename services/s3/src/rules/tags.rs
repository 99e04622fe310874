//! Tags of buckets and objects.

use haar_s3_contract::model::Tag;
use haar_types::Tags;
use haar_wire::AwsError;
use percent_encoding::percent_decode_str;

/// Most tags of an object.
const OBJECT_COUNT_MAX: usize = 10;
/// Most tags of a bucket.
const BUCKET_COUNT_MAX: usize = 50;

/// What tags are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Bucket,
    Object,
}

/// Tags out of a list.
pub(crate) fn of_list(list: Vec<Tag>, on: On) -> Result<Tags, AwsError> {
    let count_max = if on == On::Bucket { BUCKET_COUNT_MAX } else { OBJECT_COUNT_MAX };
    if list.len() > count_max {
        let what = if on == On::Bucket { "Bucket" } else { "Object" };
        let text = format!("{what} tags cannot be greater than {count_max}");
        return Err(AwsError::new("BadRequest", 400, text));
    }
    let mut tags = Tags::new();
    for tag in list {
        check(&tag)?;
        if tags.insert(tag.key.clone(), tag.value).is_some() {
            let text = "Cannot provide multiple Tags with the same key";
            return Err(invalid(text).element("TagKey", tag.key));
        }
    }
    Ok(tags)
}

/// Tags out of `x-amz-tagging: a=b&c=d`.
pub(crate) fn of_header(text: &str) -> Result<Tags, AwsError> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().map(|text| text.into_owned())
    };
    let mut list = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            let text = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL \
                        query parameters without tag name duplicates.";
            return Err(AwsError::new("InvalidArgument", 400, text));
        };
        list.push(Tag { key, value });
    }
    of_list(list, On::Object)
}

fn check(tag: &Tag) -> Result<(), AwsError> {
    let is_legal = |text: &str| {
        text.chars().all(|letter| {
            letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-@".contains(letter)
        })
    };
    if tag.key.is_empty() || tag.key.chars().count() > 128 || !is_legal(&tag.key) {
        return Err(invalid("The TagKey you have provided is invalid").element("TagKey", &tag.key));
    }
    if tag.key.starts_with("aws:") {
        let text = "System tags cannot be added/updated by requester";
        return Err(invalid(text));
    }
    if tag.value.chars().count() > 256 || !is_legal(&tag.value) {
        let text = "The TagValue you have provided is invalid";
        return Err(invalid(text).element("TagKey", &tag.key).element("TagValue", &tag.value));
    }
    Ok(())
}

fn invalid(text: &str) -> AwsError {
    AwsError::new("InvalidTag", 400, text)
}

/// Tags as answers show them.
pub(crate) fn shown(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_tags_as_a_query() {
        let tags = of_header("a=1&b+c=%2F&d").unwrap();
        assert_eq!(tags["a"], "1");
        assert_eq!(tags["b c"], "/");
        assert_eq!(tags["d"], "");
        assert_eq!(of_header("a=1&a=2").unwrap_err().code(), "InvalidTag");
        let many = (0..11).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(
            of_header(&many).unwrap_err().message(),
            "Object tags cannot be greater than 10"
        );
    }
}
