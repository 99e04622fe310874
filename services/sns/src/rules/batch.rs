//! What a batch must be before its entries are looked at.

use std::collections::BTreeSet;

use haar_sns_contract as model;
use haar_wire::AwsError;

use super::message::BYTES_MAX;

const ENTRIES_MAX: usize = 10;
const ID_MAX: usize = 80;

/// Refuses a batch as a whole.
pub(crate) fn check<'a>(ids: impl Iterator<Item = &'a str> + Clone) -> Result<(), AwsError> {
    let count = ids.clone().count();
    if count == 0 {
        let text = "The batch request doesn't contain any entries.";
        return Err(model::EmptyBatchRequestException::message(text).into());
    }
    if count > ENTRIES_MAX {
        let text = "The batch request contains more entries than permissible.";
        return Err(model::TooManyEntriesInBatchRequestException::message(text).into());
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_id = |id: &str| (1..=ID_MAX).contains(&id.len()) && id.bytes().all(letter);
    if !ids.clone().all(is_id) {
        let text = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        return Err(model::InvalidBatchEntryIdException::message(text).into());
    }
    let mut seen = BTreeSet::new();
    if !ids.clone().all(|id| seen.insert(id)) {
        let text = "Two or more batch entries in the request have the same Id.";
        return Err(model::BatchEntryIdsNotDistinctException::message(text).into());
    }
    Ok(())
}

/// Refuses a batch whose messages are too long together.
pub(crate) fn check_bytes(bytes: usize) -> Result<(), AwsError> {
    match bytes <= BYTES_MAX {
        true => Ok(()),
        false => {
            let text = "The length of all the batch messages put together is more than the limit.";
            Err(model::BatchRequestTooLongException::message(text).into())
        }
    }
}

/// An entry that failed while others may not have.
pub(crate) fn failed(id: String, error: &AwsError) -> model::BatchResultErrorEntry {
    model::BatchResultErrorEntry {
        id,
        code: error.code().to_owned(),
        message: Some(error.message().to_owned()),
        sender_fault: error.status() < 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_to_ten_entries_with_ids_of_their_own() {
        let code = |ids: &[&str]| check(ids.iter().copied()).unwrap_err().code().to_owned();
        assert!(check(["a", "b"].into_iter()).is_ok());
        assert_eq!(code(&[]), "EmptyBatchRequest");
        assert_eq!(code(&["a"; 11]), "TooManyEntriesInBatchRequest");
        assert_eq!(code(&["a", "a"]), "BatchEntryIdsNotDistinct");
        assert_eq!(code(&["a b"]), "InvalidBatchEntryId");
        assert_eq!(check_bytes(BYTES_MAX + 1).unwrap_err().code(), "BatchRequestTooLong");
    }
}
