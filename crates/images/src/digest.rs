//! SHA-256 digests, as images write them.

use std::io::{self, Read};

use haar_substrate::ImageError;
use sha2::{Digest, Sha256};

/// Before the digits.
const PREFIX: &str = "sha256:";
const DIGITS: usize = 64;

/// The 64 digits of a digest; what is written otherwise is malformed, and never a path.
pub(crate) fn digits(digest: &str) -> Result<&str, ImageError> {
    let digits = digest.strip_prefix(PREFIX).filter(|digits| {
        digits.len() == DIGITS
            && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    });
    digits.ok_or_else(|| ImageError::Malformed(format!("{digest:?} is not a SHA-256 digest")))
}

/// The digest of some bytes.
pub(crate) fn of(bytes: &[u8]) -> String {
    finish(Sha256::new_with_prefix(bytes))
}

/// The digest of what a hash has taken in.
pub(crate) fn finish(hash: Sha256) -> String {
    let mut text = PREFIX.to_owned();
    for byte in hash.finalize() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Takes in all that is read through it.
pub(crate) struct HashRead<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> HashRead<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// Reads what is left, and answers the digest of everything.
    pub(crate) fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(finish(self.hash))
    }
}

impl<R: Read> Read for HashRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
