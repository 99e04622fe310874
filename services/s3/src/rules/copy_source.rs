//! `x-amz-copy-source`: what is to be copied.

use haar_wire::AwsError;
use percent_encoding::percent_decode_str;

use crate::refusal;

/// The object that a copy is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
}

impl CopySource {
    /// Reads `BUCKET/KEY?versionId=ID`, with or without a slash before it, encoded as in a URL.
    pub(crate) fn read(text: &str) -> Result<Self, AwsError> {
        let (path, query) = match text.rsplit_once("?versionId=") {
            Some((path, id)) => (path, Some(id)),
            None => (text, None),
        };
        let refused = || {
            let text = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
            refusal::invalid_argument(text, "x-amz-copy-source", path)
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|t| t.into_owned());
        let path = decode(path).map_err(|_| refused())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(refused)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(refused());
        }
        let version_id = query.map(|id| decode(id).map_err(|_| refused())).transpose()?;
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_come_with_a_slash_or_without_and_encoded() {
        let source = CopySource::read("/b/a%20b/c?versionId=x").unwrap();
        assert_eq!((&*source.bucket, &*source.key), ("b", "a b/c"));
        assert_eq!(source.version_id.as_deref(), Some("x"));
        assert_eq!(CopySource::read("b/k").unwrap().version_id, None);
        assert_eq!(CopySource::read("b").unwrap_err().code(), "InvalidArgument");
    }
}
