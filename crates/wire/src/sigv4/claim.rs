//! What a request says about its caller.

use std::borrow::Cow;
use std::time::Duration;

use haar_types::Timestamp;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::headers::text_of;

/// A caller's claim, unproven, in the request's own words. Parts that a request lacks are empty;
/// [`verify`](super::verify) refuses those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The access key.
    pub access_key_id: Cow<'a, str>,
    /// The scope's day: `20260131`.
    pub date: Cow<'a, str>,
    /// The scope's region.
    pub region: Cow<'a, str>,
    /// The scope's service, by its signing name.
    pub service: Cow<'a, str>,
    /// Names of the headers that are signed, in their order: `host;x-amz-date`.
    pub signed_headers: Cow<'a, str>,
    /// The signature, in hex.
    pub signature: Cow<'a, str>,
    /// The session's token.
    pub session_token: Option<Cow<'a, str>>,
    /// How long a presigned request is good; `None` when the header is signed.
    pub presigned: Option<Duration>,
    /// When it says it was signed: `20260131T093000Z`.
    pub signed_at: Cow<'a, str>,
    /// What is said about the body.
    pub payload: Payload,
    /// The algorithm's name, `AWS4-HMAC-SHA256` unless it is another.
    pub algorithm: Cow<'a, str>,
    /// The `Credential` as written, for messages.
    pub credential: Cow<'a, str>,
}

/// What a signature says about the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: the body's own hash was signed.
    #[default]
    Body,
    /// The announced hash, in hex.
    Hashed(String),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-…`: the body comes in chunks.
    Chunked {
        /// Each chunk is signed.
        signed: bool,
        /// Trailing headers follow the last chunk.
        trailer: bool,
    },
}

impl Payload {
    /// What `x-amz-content-sha256` says, whoever sends it.
    pub fn of(parts: &Parts) -> Option<Self> {
        text_of(&parts.headers, "x-amz-content-sha256").map(Self::named)
    }

    /// Reads `x-amz-content-sha256`.
    pub(crate) fn named(text: &str) -> Self {
        match text {
            "UNSIGNED-PAYLOAD" => Self::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::Chunked { signed: true, trailer: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => {
                Self::Chunked { signed: true, trailer: true }
            }
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::Chunked { signed: false, trailer: true },
            hash => Self::Hashed(hash.to_owned()),
        }
    }

    /// What stands in the canonical request; `None` when the body's own hash does.
    pub(crate) fn canonical(&self) -> Option<&str> {
        match self {
            Self::Body => None,
            Self::Hashed(hash) => Some(hash),
            Self::Unsigned => Some("UNSIGNED-PAYLOAD"),
            Self::Chunked { signed: true, trailer: false } => {
                Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
            }
            Self::Chunked { signed: true, trailer: true } => {
                Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
            }
            Self::Chunked { signed: false, .. } => Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        }
    }
}

impl Claim<'_> {
    /// `20260131/us-east-1/lambda/aws4_request`
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    /// When it says that it was signed, where that can be read.
    pub fn signed_time(&self) -> Option<Timestamp> {
        super::verify::parse_time(&self.signed_at)
    }

    /// S3 signs paths as they are, and has rules of its own for headers and bodies.
    pub(crate) fn is_s3(&self) -> bool {
        self.service == "s3" || self.service.starts_with("s3-") || self.service == "s3express"
    }

    /// Names of the headers that are signed, in lower case, in their order.
    pub(crate) fn signed_names(&self) -> impl Iterator<Item = String> + '_ {
        self.signed_headers.split(';').filter(|name| !name.is_empty()).map(str::to_ascii_lowercase)
    }

    /// True where a header is signed, by its name in lower case.
    pub(crate) fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(name))
    }
}

/// Reads what a request claims, from its `Authorization` header or its query; `None` when it
/// claims nothing in the manner of SigV4.
pub fn claim(parts: &Parts) -> Option<Claim<'_>> {
    from_header(parts).or_else(|| from_query(parts))
}

/// The claim of one who signed a text rather than a request.
pub fn text_claim<'a>(
    credential: &'a str,
    token: Option<&'a str>,
    signature: &'a str,
) -> Claim<'a> {
    let mut claim = Claim {
        algorithm: "AWS4-HMAC-SHA256".into(),
        session_token: token.map(Cow::from),
        signature: signature.into(),
        ..Claim::default()
    };
    claim.set_credential(credential.into());
    claim
}

fn from_header(parts: &Parts) -> Option<Claim<'_>> {
    let headers = &parts.headers;
    let text = text_of(headers, "authorization")?.trim();
    let (algorithm, fields) = text.split_once(' ')?;
    if !algorithm.starts_with("AWS4-") {
        return None;
    }
    let mut claim = Claim { algorithm: algorithm.into(), ..Claim::default() };
    for (name, value) in fields.split(',').filter_map(|field| field.trim().split_once('=')) {
        match name {
            "Credential" => claim.set_credential(value.into()),
            "SignedHeaders" => claim.signed_headers = value.into(),
            "Signature" => claim.signature = value.into(),
            _ => {}
        }
    }
    claim.session_token = text_of(headers, "x-amz-security-token").map(Cow::from);
    claim.signed_at = text_of(headers, "x-amz-date")
        .map(Cow::from)
        .or_else(|| http_date(text_of(headers, "date")?).map(Cow::from))
        .unwrap_or_default();
    claim.payload =
        text_of(headers, "x-amz-content-sha256").map(Payload::named).unwrap_or_default();
    Some(claim)
}

fn from_query(parts: &Parts) -> Option<Claim<'_>> {
    let query = parts.uri.query().filter(|query| query.contains("X-Amz-"))?;
    let mut claim = Claim::default();
    let mut payload = text_of(&parts.headers, "x-amz-content-sha256").map(Payload::named);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decode_str(value).decode_utf8_lossy();
        if name.eq_ignore_ascii_case("X-Amz-Content-Sha256") {
            payload = Some(Payload::named(&value));
        }
        claim.set_from_query(&percent_decode_str(name).decode_utf8_lossy(), value);
    }
    if claim.algorithm.is_empty() && claim.credential.is_empty() {
        return None;
    }
    let implied = if claim.is_s3() { Payload::Unsigned } else { Payload::Body };
    claim.payload = payload.unwrap_or(implied);
    claim.presigned.get_or_insert_default();
    Some(claim)
}

impl<'a> Claim<'a> {
    fn set_from_query(&mut self, name: &str, value: Cow<'a, str>) {
        match name {
            "X-Amz-Algorithm" => self.algorithm = value,
            "X-Amz-Credential" => self.set_credential(value),
            "X-Amz-Date" => self.signed_at = value,
            "X-Amz-Expires" => self.presigned = value.parse().map(Duration::from_secs).ok(),
            "X-Amz-SignedHeaders" => self.signed_headers = value,
            "X-Amz-Signature" => self.signature = value,
            "X-Amz-Security-Token" => self.session_token = Some(value),
            _ => {}
        }
    }

    /// `KEY/DATE/REGION/SERVICE/aws4_request`; the key itself may hold slashes. The
    /// asymmetric kind has no region in its scope.
    fn set_credential(&mut self, text: Cow<'a, str>) {
        let has_region = self.algorithm.starts_with("AWS4-HMAC") || self.algorithm.is_empty();
        match &text {
            Cow::Borrowed(text) => self.set_scope(text, has_region, Cow::Borrowed),
            Cow::Owned(text) => self.set_scope(text, has_region, |part| part.to_owned().into()),
        }
        self.credential = text;
    }

    fn set_scope<'b>(
        &mut self,
        text: &'b str,
        has_region: bool,
        take: fn(&'b str) -> Cow<'a, str>,
    ) {
        let mut parts = text.rsplitn(4 + usize::from(has_region), '/');
        let mut next = || take(parts.next().unwrap_or_default());
        let _terminator = next();
        self.service = next();
        if has_region {
            self.region = next();
        }
        self.date = next();
        self.access_key_id = next();
    }
}

/// A `Date` header in the form of `x-amz-date`.
fn http_date(text: &str) -> Option<String> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp(i64::try_from(since.as_millis()).ok()?);
    Some(at.strftime("%Y%m%dT%H%M%SZ"))
}
