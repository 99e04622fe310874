//! The MD5 digests by which clients check what they sent and got.
//!
//! AWS docs: *Amazon SQS Developer Guide > Amazon SQS message metadata > Calculating the MD5
//! message digest for message attributes*.

use haar_types::hex;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::message::{Attribute, Value};

/// A body's digest.
pub(crate) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// What deduplication by content goes by.
pub(crate) fn of_content(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

/// The digest of attributes; `None` without any.
pub(crate) fn of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a Attribute)>,
) -> Option<String> {
    let mut sorted: Vec<_> = attributes.into_iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    if sorted.is_empty() {
        return None;
    }
    let mut md5 = Md5::new();
    let mut sized = |bytes: &[u8], kind: Option<u8>| {
        md5.update(kind.as_slice());
        md5.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        md5.update(bytes);
    };
    for (name, attribute) in sorted {
        sized(name.as_bytes(), None);
        sized(attribute.data_type.as_bytes(), None);
        match &attribute.value {
            Value::Text(text) => sized(text.as_bytes(), Some(1)),
            Value::Binary(bytes) => sized(bytes, Some(2)),
        }
    }
    Some(hex(&md5.finalize()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn digests_are_as_clients_compute_them() {
        assert_eq!(of_body("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        let text = |data_type: &str, value: &str| Attribute {
            data_type: data_type.to_owned(),
            value: Value::Text(value.to_owned()),
        };
        // Computed apart from this code, by Python's hashlib.
        let one = text("String", "test_attribute_value");
        let digest = of_attributes([("test_attribute_name_1", &one)]);
        assert_eq!(digest.as_deref(), Some("3ea94ad2d58de27a0ed5a726397d0621"));
        let binary = Attribute {
            data_type: "Binary".to_owned(),
            value: Value::Binary(Bytes::from_static(&[0, 1, 255])),
        };
        let number = text("Number.int", "42");
        let both = [("b", &binary), ("a", &number)];
        assert_eq!(of_attributes(both).as_deref(), Some("61e89caab547e0e23b9b76a09be032a9"));
        assert_eq!(of_attributes([]), None);
    }
}
