//! What a sender says of its bytes, and whether it is so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_s3_contract::model::ChecksumAlgorithm;
use haar_wire::{AwsError, Trailers};
use http::{HeaderMap, HeaderName};
use md5::{Digest as _, Md5};

use crate::checksum::{Checksum, Hasher, Kind};
use crate::refusal;

/// What a request says of its bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) content_md5: Option<String>,
    /// A checksum among the headers.
    pub(crate) given: Option<(Kind, String)>,
    /// The kind that is to be computed.
    pub(crate) algorithm: Option<ChecksumAlgorithm>,
    /// The kind that is computed where the request names none.
    pub(crate) usual: Option<Kind>,
    /// Whether S3's own kind is computed too, for the whole that a part will be of.
    pub(crate) also_own: bool,
}

impl Wanted {
    /// The kind of checksum that is computed: what the request names, in headers before its body
    /// or behind it, else the usual one.
    pub(crate) fn kind(&self, trailers: Option<&Trailers>) -> Result<Kind, AwsError> {
        self.refuse_malformed()?;
        let announced = trailers.and_then(|trailers| trailers.get("x-amz-trailer"));
        let trailing = announced.and_then(|name| {
            Kind::ALL.into_iter().find(|kind| kind.header().eq_ignore_ascii_case(name.trim()))
        });
        let named = self.algorithm.map(Kind::of).transpose()?;
        let given = self.given.as_ref().map(|(kind, _)| *kind);
        if given.is_some() && trailing.is_some() {
            return Err(several());
        }
        if let (Some(named), Some(given)) = (named, given.or(trailing))
            && named != given
        {
            let text = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
            return Err(refusal::invalid_request(text));
        }
        Ok(given.or(trailing).or(named).or(self.usual).unwrap_or(Kind::OWN))
    }

    fn refuse_malformed(&self) -> Result<(), AwsError> {
        if let Some(md5) = &self.content_md5
            && !Kind::Md5.is_well_formed(md5)
        {
            return Err(AwsError::new(
                "InvalidDigest",
                400,
                "The Content-MD5 you specified was invalid.",
            )
            .element("Content-MD5", md5));
        }
        match &self.given {
            Some((kind, value)) if !kind.is_well_formed(value) => {
                let text = format!("Value for {} header is invalid.", kind.header());
                Err(refusal::invalid_request(text))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a whole body that is not what its request's head says. What comes with
/// `CompleteMultipartUpload` is the object's checksum.
pub(crate) fn examine(operation: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), AwsError> {
    let says = |name: &HeaderName| {
        name.as_str().starts_with("x-amz-checksum-") || name.as_str() == "content-md5"
    };
    if operation != "DeleteObjects" && !headers.keys().any(says) {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_of_object = operation == "CompleteMultipartUpload";
    let kinds = || Kind::ALL.into_iter().filter(|_| !is_of_object);
    let given = only(kinds().map(|kind| (kind, text(&kind.header()).map(str::to_owned))))?;
    let content_md5 = text("content-md5").map(str::to_owned);
    if operation == "DeleteObjects" && given.is_none() && content_md5.is_none() {
        let text = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(refusal::invalid_request(text));
    }
    let wanted = Wanted { content_md5, given, ..Wanted::default() };
    wanted.refuse_malformed()?;
    if let Some(said) = &wanted.content_md5 {
        verify_md5(said, &Md5::digest(body).into())?;
    }
    let Some((kind, said)) = &wanted.given else { return Ok(()) };
    let mut hasher = Hasher::new(*kind);
    hasher.update(body);
    if hasher.finish() == *said { Ok(()) } else { Err(bad_digest(*kind)) }
}

/// The one checksum among those that a request may carry.
pub(crate) fn only(
    all: impl IntoIterator<Item = (Kind, Option<String>)>,
) -> Result<Option<(Kind, String)>, AwsError> {
    let mut there = all.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    match (there.next(), there.next()) {
        (_, Some(_)) => Err(several()),
        (one, None) => Ok(one),
    }
}

fn several() -> AwsError {
    let text =
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
    refusal::invalid_request(text)
}

/// Compares what was computed with what was said.
pub(crate) fn verify(
    wanted: &Wanted,
    trailers: Option<&Trailers>,
    md5: &[u8; 16],
    computed: &Checksum,
) -> Result<(), AwsError> {
    if let Some(said) = &wanted.content_md5 {
        verify_md5(said, md5)?;
    }
    let trailing = trailers.and_then(|trailers| trailers.get(&computed.kind.header()));
    let said = wanted.given.as_ref().map(|(_, value)| value.clone()).or(trailing);
    match said {
        Some(said) if said != computed.value => Err(bad_digest(computed.kind)),
        _ => Ok(()),
    }
}

fn verify_md5(said: &str, md5: &[u8; 16]) -> Result<(), AwsError> {
    let computed = STANDARD.encode(md5);
    if said == computed {
        return Ok(());
    }
    let text = "The Content-MD5 you specified did not match what we received.";
    let refused = AwsError::new("BadDigest", 400, text);
    Err(refused.element("ExpectedDigest", said).element("CalculatedDigest", computed))
}

/// A checksum that is not the bytes'.
pub(crate) fn bad_digest(kind: Kind) -> AwsError {
    let name = kind.name();
    let text = format!("The {name} you specified did not match the calculated checksum.");
    AwsError::new("BadDigest", 400, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_says_which_kind_is_computed_and_what_it_must_be() {
        let trailers = Trailers::default();
        trailers.add("x-amz-trailer".to_owned(), "x-amz-checksum-crc32".to_owned());
        let wanted = Wanted::default();
        assert_eq!(wanted.kind(Some(&trailers)).unwrap(), Kind::Crc32);
        trailers.add("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned());
        let computed =
            Checksum { kind: Kind::Crc32, value: "AAAAAQ==".to_owned(), is_composite: false };
        let refused = verify(&wanted, Some(&trailers), &[0; 16], &computed).unwrap_err();
        assert_eq!(refused.code(), "BadDigest");
    }

    #[test]
    fn digests_that_cannot_be_are_refused_before_the_body_is_read() {
        let md5 = Wanted { content_md5: Some("x".to_owned()), ..Wanted::default() };
        assert_eq!(md5.kind(None).unwrap_err().code(), "InvalidDigest");
        let given = Some((Kind::Sha1, "AAAA".to_owned()));
        let short = Wanted { given, ..Wanted::default() };
        let text = "Value for x-amz-checksum-sha1 header is invalid.";
        assert_eq!(short.kind(None).unwrap_err().message(), text);
        assert_eq!(Wanted::default().kind(None).unwrap(), Kind::Crc64nvme);
    }
}
