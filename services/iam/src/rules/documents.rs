//! Policy documents: sizes, encoding, and a memory of those already read.

use std::sync::Arc;

use haar_kernel::Kept;
use haar_policy::{Document, Grammar, PolicyError};
use haar_wire::sigv4::URI_ENCODED;
use percent_encoding::utf8_percent_encode;

/// Documents that are remembered at most.
const REMEMBERED_MAX: usize = 4096;

/// A policy's size as IAM counts it: white space is free.
pub(crate) fn policy_size(text: &str) -> usize {
    text.chars().filter(|letter| !letter.is_whitespace()).map(char::len_utf8).sum()
}

/// A document as IAM's answers have it.
pub(crate) fn url_encoded(text: &str) -> String {
    utf8_percent_encode(text, URI_ENCODED).to_string()
}

/// Reads each document once.
#[derive(Debug)]
pub(crate) struct Parsed(Kept<String, Document>);

impl Default for Parsed {
    fn default() -> Self {
        Self(Kept::new(REMEMBERED_MAX))
    }
}

impl Parsed {
    /// The document of a text that was accepted before; a text that cannot be read (rows of
    /// an older haar) says nothing.
    pub(crate) fn document(&self, text: &str) -> Option<Arc<Document>> {
        self.0.get(text).or_else(|| Some(self.0.keep(text.to_owned(), read(text).ok()?)))
    }
}

fn read(text: &str) -> Result<Document, PolicyError> {
    Document::parse(text, Grammar::Inline).or_else(|_| Document::parse(text, Grammar::Trust))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_free_and_documents_travel_encoded() {
        assert_eq!(policy_size("{ \"a\" :\n 1 }"), 7);
        assert_eq!(url_encoded("{\"a\": 1}"), "%7B%22a%22%3A%201%7D");
    }
}
