//! What a batch must be before its entries are looked at.

use std::collections::BTreeSet;

use haar_sqs_contract as model;
use haar_wire::AwsError;

use crate::refusal::coded;

/// Most entries of a batch.
const ENTRIES_MAX: usize = 10;
/// Most bytes of a batch of messages.
const BYTES_MAX: usize = 1 << 20;
const ID_MAX: usize = 80;

/// Refuses a batch as a whole; `entry` is the model's name of its entries.
pub(crate) fn check<'a>(
    ids: impl Iterator<Item = &'a str> + Clone,
    entry: &str,
) -> Result<(), AwsError> {
    let count = ids.clone().count();
    if count == 0 {
        let text = format!("There should be at least one {entry} in the request.");
        let error = model::EmptyBatchRequest::message(text);
        return Err(coded(error, "AWS.SimpleQueueService.EmptyBatchRequest"));
    }
    if count > ENTRIES_MAX {
        let text = format!(
            "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {count}."
        );
        let error = model::TooManyEntriesInBatchRequest::message(text);
        return Err(coded(error, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"));
    }
    if ids.clone().any(|id| !is_id(id)) {
        let text = "A batch entry id can only contain alphanumeric characters, hyphens and \
                    underscores. It can be at most 80 letters long.";
        let error = model::InvalidBatchEntryId::message(text);
        return Err(coded(error, "AWS.SimpleQueueService.InvalidBatchEntryId"));
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            let error = model::BatchEntryIdsNotDistinct::message(format!("Id {id} repeated."));
            return Err(coded(error, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"));
        }
    }
    Ok(())
}

/// Refuses a batch whose messages are too long together.
pub(crate) fn check_bytes(bytes: usize) -> Result<(), AwsError> {
    if bytes <= BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "Batch requests cannot be longer than {BYTES_MAX} bytes. You have sent {bytes} bytes."
    );
    let error = model::BatchRequestTooLong::message(text);
    Err(coded(error, "AWS.SimpleQueueService.BatchRequestTooLong"))
}

/// An entry that failed while others may not have.
pub(crate) fn failed(id: String, error: &AwsError) -> model::BatchResultErrorEntry {
    model::BatchResultErrorEntry {
        id,
        sender_fault: error.status() < 500,
        code: error.code().to_owned(),
        message: Some(error.message().to_owned()),
    }
}

fn is_id(id: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(ids: &[&str]) -> (String, String) {
        let error = check(ids.iter().copied(), "SendMessageBatchRequestEntry").unwrap_err();
        (error.name().to_owned(), error.message().to_owned())
    }

    #[test]
    fn a_batch_has_one_to_ten_entries_with_ids_of_their_own() {
        assert!(check(["a", "B-1", "c_2"].into_iter(), "E").is_ok());
        let (name, text) = refused(&[]);
        assert_eq!(name, "EmptyBatchRequest");
        assert_eq!(
            text,
            "There should be at least one SendMessageBatchRequestEntry in the request."
        );
        let eleven: Vec<String> = (0..11).map(|number| number.to_string()).collect();
        let (name, text) = refused(&eleven.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(name, "TooManyEntriesInBatchRequest");
        assert_eq!(text, "Maximum number of entries per request are 10. You have sent 11.");
        assert_eq!(refused(&["a", "a"]).1, "Id a repeated.");
        assert_eq!(refused(&["a.b"]).0, "InvalidBatchEntryId");
        assert_eq!(refused(&[""]).0, "InvalidBatchEntryId");
    }

    #[test]
    fn a_batch_of_messages_has_a_mebibyte_at_most() {
        assert!(check_bytes(1 << 20).is_ok());
        assert_eq!(check_bytes((1 << 20) + 1).unwrap_err().name(), "BatchRequestTooLong");
    }
}
