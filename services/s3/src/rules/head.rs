//! What headers, queries and forms' fields may hold, and what is said of those that hold something
//! else.

use haar_wire::{AwsError, Kind as Schema, Member, Misread};

use crate::checksum::Kind;
use crate::refusal::{self, invalid_argument};

/// What becomes of a value that a request's member cannot hold.
pub(crate) fn judge(member: &Member, text: &str) -> Misread {
    let name = member.wire;
    match member.schema.kind {
        Schema::Integer | Schema::Long if text.is_empty() => Misread::PassedOver,
        Schema::Integer | Schema::Long => Misread::Told(no_number(name, text)),
        // a condition that cannot be read is none
        Schema::Timestamp(_) if name.to_ascii_lowercase().ends_with("modified-since") => {
            Misread::PassedOver
        }
        _ => refused(name, text).map_or(Misread::Usual, Misread::Told),
    }
}

fn no_number(name: &str, text: &str) -> AwsError {
    let words = match name {
        "partNumber" => "Part number must be an integer between 1 and 10000, inclusive".to_owned(),
        _ => format!("Provided {name} not an integer or within integer range"),
    };
    invalid_argument(&words, name, text)
}

/// What is said of a header or field that holds what it may not; `None` of those that S3 has no
/// words of its own for.
pub(crate) fn refused(name: &str, text: &str) -> Option<AwsError> {
    let words = match name {
        "x-amz-acl" => "", // AWS says no more
        "x-amz-metadata-directive" => "Unknown metadata directive.",
        "x-amz-tagging-directive" => "Unknown tagging directive.",
        "x-amz-object-lock-mode" => "Unknown wormMode directive.",
        "x-amz-object-lock-legal-hold" => "Legal Hold must be either of 'ON' or 'OFF'",
        "x-amz-object-lock-retain-until-date" => {
            "The retain until date must be provided in ISO 8601 format"
        }
        "x-amz-object-attributes" => "Invalid attribute name specified.",
        "encoding-type" => "Invalid Encoding Method specified in Request",
        _ => return refused_otherwise(name, text),
    };
    Some(invalid_argument(words, name, text))
}

/// The same of those that have a code or elements of their own.
fn refused_otherwise(name: &str, text: &str) -> Option<AwsError> {
    Some(match name {
        "x-amz-storage-class" => invalid_class(text),
        "x-amz-server-side-encryption" => {
            let words = "The encryption request that you specified is not valid. The valid value \
                         is AES256.";
            AwsError::new("InvalidEncryptionAlgorithmError", 400, words)
                .element("ArgumentName", name)
                .element("ArgumentValue", text)
        }
        "x-amz-object-ownership" => {
            let words = format!("Invalid x-amz-object-ownership header: {text}");
            AwsError::new("InvalidArgument", 400, words).element("ArgumentName", name)
        }
        "x-amz-checksum-algorithm" => {
            let names = Kind::ALL.map(Kind::name).join(", ");
            refusal::invalid_request(format!(
                "Checksum algorithm provided is unsupported. Please try again with any of the \
                 valid types: [{names}]"
            ))
        }
        "x-amz-sdk-checksum-algorithm" | "x-amz-checksum-type" => {
            refusal::invalid_request(format!("Value for {name} header is invalid."))
        }
        _ => return None,
    })
}

/// A class that nobody has, or no bucket of this kind.
pub(crate) fn invalid_class(text: &str) -> AwsError {
    AwsError::new("InvalidStorageClass", 400, "The storage class you specified is not valid")
        .element("StorageClassRequested", text)
}
