//! Listings: pages over keys, with common prefixes in the place of what lies below them.
//!
//! A common prefix costs one step however much lies below it: the listing goes on behind it.

use std::collections::BTreeSet;

use haar_kv::{Entry, Keyspace};
use haar_s3_contract::model::{CommonPrefix, EncodingType};
use haar_wire::AwsError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::refusal;
use crate::store::{behind, key_of, place, prefix};

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b'*');
/// Most entries of a page.
pub(crate) const PAGE_MAX: i32 = 1000;

/// Where a listing of buckets, or of a bucket's configurations, goes on.
pub(crate) fn read_token(scope: &str, token: Option<&str>) -> Result<Option<String>, AwsError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    haar_kernel::read_token(scope, token).map(Some).map_err(|_| bad_token(token))
}

/// A token that was not minted here.
pub(crate) fn bad_token(token: &str) -> AwsError {
    let text = "The continuation token provided is incorrect";
    refusal::invalid_argument(text, "continuation-token", token)
}

/// What a listing asks for.
pub(crate) struct Asked<'a> {
    pub(crate) bucket: u64,
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// Entries behind this key, or below prefixes behind it.
    pub(crate) after: Option<&'a str>,
    pub(crate) count: usize,
}

/// The same, for whoever reads it on another thread.
pub(crate) struct Owned {
    bucket: u64,
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    count: usize,
}

impl Owned {
    /// As it was.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            bucket: self.bucket,
            prefix: &self.prefix,
            delimiter: self.delimiter.as_deref(),
            after: self.after.as_deref(),
            count: self.count,
        }
    }
}

/// A page.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) prefixes: Vec<String>,
    /// The last key or prefix of the page, where more follows.
    pub(crate) next: Option<String>,
}

impl Asked<'_> {
    /// A copy.
    pub(crate) fn owned(&self) -> Owned {
        Owned {
            bucket: self.bucket,
            prefix: self.prefix.to_owned(),
            delimiter: self.delimiter.map(str::to_owned),
            after: self.after.map(str::to_owned),
            count: self.count,
        }
    }

    /// Where the first entry may stand.
    fn begin(&self) -> Vec<u8> {
        let first = prefix(self.bucket, self.prefix);
        let Some(after) = self.after else { return first };
        let mut begin = place(self.bucket, after);
        match self.folded(after) {
            // The marker is a common prefix: all below it is behind us.
            Some(folded) if folded == after => begin = behind(&prefix(self.bucket, &folded)),
            _ => begin.push(0),
        }
        begin.max(first)
    }

    /// The common prefix that a key lies below, if one.
    pub(crate) fn folded(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty())?;
        let rest = key.strip_prefix(self.prefix)?;
        let at = rest.find(delimiter)?;
        Some(key[..self.prefix.len() + at + delimiter.len()].to_owned())
    }

    /// Reads a page out of keys in their order; `read` makes an item of an entry, or nothing
    /// where it is not to be seen.
    pub(crate) fn page<T>(
        &self,
        keys: &Keyspace,
        read: impl Fn(&str, &Entry) -> Option<T>,
    ) -> Result<Page<T>, AwsError> {
        let end = behind(&prefix(self.bucket, self.prefix));
        let mut page = Page { items: Vec::new(), prefixes: Vec::new(), next: None };
        let mut last = None;
        let mut range = keys.range(self.begin()..end.clone());
        while let Some(entry) = range.next() {
            let entry = entry.map_err(|error| refusal::disk(&error))?;
            let (key, _) = key_of(&entry.key);
            let Some(item) = read(&key, &entry) else { continue };
            if page.items.len() + page.prefixes.len() == self.count {
                page.next = last;
                break;
            }
            match self.folded(&key) {
                None => page.items.push(item),
                Some(folded) => {
                    let next = behind(&prefix(self.bucket, &folded));
                    range = keys.range(next..end.clone());
                    last = Some(folded.clone());
                    page.prefixes.push(folded);
                    continue;
                }
            }
            last = Some(key);
        }
        Ok(page)
    }
}

/// How many entries a page may have.
pub(crate) fn count(asked: Option<i32>, name: &str) -> Result<(usize, i32), AwsError> {
    let asked = asked.unwrap_or(PAGE_MAX);
    if asked < 0 {
        let text = format!("Argument {name} must be an integer between 0 and 2147483647");
        return Err(refusal::invalid_argument(&text, name, &asked.to_string()));
    }
    let most = asked.min(PAGE_MAX);
    Ok((usize::try_from(most).unwrap_or(0), most))
}

/// Texts as the caller wants them encoded.
#[derive(Clone, Copy)]
pub(crate) struct Encoding(pub(crate) Option<EncodingType>);

impl Encoding {
    pub(crate) fn text(self, text: &str) -> String {
        match self.0 {
            Some(EncodingType::Url) => utf8_percent_encode(text, PLAIN).to_string(),
            None => text.to_owned(),
        }
    }

    pub(crate) fn maybe(self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    pub(crate) fn prefixes(self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        let shown = |prefix: &String| CommonPrefix { prefix: Some(self.text(prefix)) };
        (!prefixes.is_empty()).then(|| prefixes.iter().map(shown).collect())
    }
}

/// Prefixes without repetition, in their order.
pub(crate) type Prefixes = BTreeSet<String>;
