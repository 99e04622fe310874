//! Conditional requests. AWS docs: *Amazon S3 User Guide > Conditional requests*.

use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::refusal;
use crate::render::http_date;
use crate::store::Record;

/// The conditions of a read, or those that a copy makes of its source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) if_match: Option<&'a str>,
    pub(crate) if_none_match: Option<&'a str>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Match,
    Unmodified,
    NoneMatch,
    Modified,
}

impl Conditions<'_> {
    fn failed(&self, record: &Record) -> Option<Failed> {
        let modified = record.modified_at.seconds();
        match (self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !is_among(&record.etag, tags) => return Some(Failed::Match),
            (None, Some(since)) if modified > since.seconds() => return Some(Failed::Unmodified),
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if is_among(&record.etag, tags) => Some(Failed::NoneMatch),
            (None, Some(since)) if modified <= since.seconds() => Some(Failed::Modified),
            _ => None,
        }
    }

    /// Refuses a read; what the reader has already is answered 304.
    pub(crate) fn check_read(&self, record: &Record) -> Result<(), AwsError> {
        match self.failed(record) {
            None => Ok(()),
            Some(Failed::Match) => Err(refusal::precondition_failed("If-Match")),
            Some(Failed::Unmodified) => Err(refusal::precondition_failed("If-Unmodified-Since")),
            Some(Failed::NoneMatch | Failed::Modified) => {
                let modified = http_date(record.modified_at);
                Err(AwsError::new("NotModified", 304, "Not Modified")
                    .header("etag", record.quoted_etag())
                    .header("last-modified", modified))
            }
        }
    }

    /// Refuses a copy.
    pub(crate) fn check_copy(&self, record: &Record) -> Result<(), AwsError> {
        let name = match self.failed(record) {
            None => return Ok(()),
            Some(Failed::Match) => "x-amz-copy-source-If-Match",
            Some(Failed::Unmodified) => "x-amz-copy-source-If-Unmodified-Since",
            Some(Failed::NoneMatch) => "x-amz-copy-source-If-None-Match",
            Some(Failed::Modified) => "x-amz-copy-source-If-Modified-Since",
        };
        Err(refusal::precondition_failed(name))
    }
}

/// The conditions of a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteConditions {
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
}

impl WriteConditions {
    /// Refuses a write over what is there now.
    pub(crate) fn check(&self, key: &str, newest: Option<&Record>) -> Result<(), AwsError> {
        let newest = newest.filter(|record| !record.is_marker);
        match &self.if_none_match {
            Some(tags) if tags != "*" => {
                let text = "A header you provided implies functionality that is not implemented";
                return Err(
                    AwsError::new("NotImplemented", 501, text).element("Header", "If-None-Match")
                );
            }
            Some(_) if newest.is_some() => {
                return Err(refusal::precondition_failed("If-None-Match"));
            }
            _ => {}
        }
        match (&self.if_match, newest) {
            (Some(_), None) => Err(refusal::no_such_key(key)),
            (Some(tags), Some(record)) if !is_among(&record.etag, tags) => {
                Err(refusal::precondition_failed("If-Match"))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is anything to check.
    pub(crate) fn are_there(&self) -> bool {
        self.if_match.is_some() || self.if_none_match.is_some()
    }
}

fn is_among(etag: &str, tags: &str) -> bool {
    let same = |tag: &str| {
        let tag = tag.trim();
        tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == etag
    };
    tags.split(',').any(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let modified_at = Timestamp(1_800_000_000_500);
        Record { etag: "abc".to_owned(), modified_at, ..Record::default() }
    }

    #[test]
    fn tags_go_before_dates() {
        let past = Some(Timestamp(1_700_000_000_000));
        let same = Conditions {
            if_match: Some("\"abc\""),
            if_unmodified_since: past,
            ..Conditions::default()
        };
        assert!(same.check_read(&record()).is_ok());
        let other = Conditions {
            if_none_match: Some("\"x\", \"abc\""),
            if_modified_since: past,
            ..Conditions::default()
        };
        assert_eq!(other.check_read(&record()).unwrap_err().status(), 304);
        assert_eq!(other.check_copy(&record()).unwrap_err().status(), 412);
    }

    #[test]
    fn dates_count_in_whole_seconds() {
        let now = Some(Timestamp(1_800_000_000_000));
        let unmodified = Conditions { if_unmodified_since: now, ..Conditions::default() };
        assert!(unmodified.check_read(&record()).is_ok());
        let modified = Conditions { if_modified_since: now, ..Conditions::default() };
        assert_eq!(modified.check_read(&record()).unwrap_err().status(), 304);
    }

    #[test]
    fn a_write_may_ask_for_a_free_key_or_for_one_version() {
        let free =
            WriteConditions { if_none_match: Some("*".to_owned()), ..WriteConditions::default() };
        assert!(free.check("k", None).is_ok());
        assert_eq!(free.check("k", Some(&record())).unwrap_err().code(), "PreconditionFailed");
        let mine =
            WriteConditions { if_match: Some("\"abc\"".to_owned()), ..WriteConditions::default() };
        assert!(mine.check("k", Some(&record())).is_ok());
        assert_eq!(mine.check("k", None).unwrap_err().code(), "NoSuchKey");
    }
}
