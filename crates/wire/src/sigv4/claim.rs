//! What a request says about its caller.

use std::time::Duration;

use haar_types::Timestamp;
use http::HeaderMap;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// A caller's claim, unproven. Parts that a request lacks are empty; [`verify`](super::verify)
/// refuses those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The access key.
    pub access_key_id: String,
    /// The scope's day: `20260131`.
    pub date: String,
    /// The scope's region.
    pub region: String,
    /// The scope's service, by its signing name.
    pub service: String,
    /// Names of the headers that are signed, in lower case, in their order.
    pub signed_headers: Vec<String>,
    /// The signature, in hex.
    pub signature: String,
    /// The session's token.
    pub session_token: Option<String>,
    /// How long a presigned request is good; `None` when the header is signed.
    pub presigned: Option<Duration>,
    /// When it says it was signed: `20260131T093000Z`.
    pub signed_at: String,
    /// What is said about the body.
    pub payload: Payload,
    /// The algorithm's name, `AWS4-HMAC-SHA256` unless it is another.
    pub algorithm: String,
    /// The `Credential` as written, for messages.
    pub credential: String,
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
        header(&parts.headers, "x-amz-content-sha256").map(Self::named)
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

impl Claim {
    /// `20260131/us-east-1/lambda/aws4_request`
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    /// S3 signs paths as they are, and has rules of its own for headers and bodies.
    pub(crate) fn is_s3(&self) -> bool {
        self.service == "s3" || self.service.starts_with("s3-") || self.service == "s3express"
    }
}

/// Reads what a request claims, from its `Authorization` header or its query; `None` when it
/// claims nothing in the manner of SigV4.
pub fn claim(parts: &Parts) -> Option<Claim> {
    from_header(parts).or_else(|| from_query(parts))
}

/// The claim of one who signed a text rather than a request.
pub fn text_claim(credential: &str, token: Option<&str>, signature: &str) -> Claim {
    let mut claim = Claim {
        algorithm: "AWS4-HMAC-SHA256".to_owned(),
        session_token: token.map(str::to_owned),
        signature: signature.to_owned(),
        ..Claim::default()
    };
    claim.set_credential(credential);
    claim
}

/// The access key of a request that is signed in the manner of version 2, which no bucket takes
/// any more: by its header `Authorization: AWS KEY:SIGNATURE`, or by its query.
pub fn old_key(parts: &Parts) -> Option<String> {
    let of_header = header(&parts.headers, "authorization")
        .and_then(|text| text.strip_prefix("AWS ")?.split_once(':'))
        .map(|(key, _)| key.trim().to_owned());
    let of_query = || {
        let mut pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, key) = pairs.find(|(name, _)| *name == "AWSAccessKeyId")?;
        Some(percent_decode_str(key).decode_utf8_lossy().into_owned())
    };
    of_header.or_else(of_query)
}

/// A header's text, if it is one.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn from_header(parts: &Parts) -> Option<Claim> {
    let text = header(&parts.headers, "authorization")?.trim();
    let (algorithm, fields) = text.split_once(' ')?;
    if !algorithm.starts_with("AWS4-") {
        return None;
    }
    let mut claim = Claim { algorithm: algorithm.to_owned(), ..Claim::default() };
    for (name, value) in fields.split(',').filter_map(|field| field.trim().split_once('=')) {
        match name {
            "Credential" => claim.set_credential(value),
            "SignedHeaders" => claim.set_signed_headers(value),
            "Signature" => claim.signature = value.to_owned(),
            _ => {}
        }
    }
    claim.session_token = header(&parts.headers, "x-amz-security-token").map(str::to_owned);
    claim.signed_at = header(&parts.headers, "x-amz-date")
        .map(str::to_owned)
        .or_else(|| http_date(header(&parts.headers, "date")?))
        .unwrap_or_default();
    claim.payload =
        header(&parts.headers, "x-amz-content-sha256").map(Payload::named).unwrap_or_default();
    Some(claim)
}

fn from_query(parts: &Parts) -> Option<Claim> {
    let query = parts.uri.query().filter(|query| query.contains("X-Amz-"))?;
    let mut claim = Claim::default();
    let mut payload = header(&parts.headers, "x-amz-content-sha256").map(Payload::named);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decode_str(value).decode_utf8_lossy();
        claim.set_from_query(&percent_decode_str(name).decode_utf8_lossy(), &value);
        if name.eq_ignore_ascii_case("X-Amz-Content-Sha256") {
            payload = Some(Payload::named(&value));
        }
    }
    if claim.algorithm.is_empty() && claim.credential.is_empty() {
        return None;
    }
    let implied = if claim.is_s3() { Payload::Unsigned } else { Payload::Body };
    claim.payload = payload.unwrap_or(implied);
    claim.presigned.get_or_insert_default();
    Some(claim)
}

impl Claim {
    fn set_from_query(&mut self, name: &str, value: &str) {
        match name {
            "X-Amz-Algorithm" => self.algorithm = value.to_owned(),
            "X-Amz-Credential" => self.set_credential(value),
            "X-Amz-Date" => self.signed_at = value.to_owned(),
            "X-Amz-Expires" => self.presigned = value.parse().map(Duration::from_secs).ok(),
            "X-Amz-SignedHeaders" => self.set_signed_headers(value),
            "X-Amz-Signature" => self.signature = value.to_owned(),
            "X-Amz-Security-Token" => self.session_token = Some(value.to_owned()),
            _ => {}
        }
    }

    /// `KEY/DATE/REGION/SERVICE/aws4_request`; the key itself may hold slashes. The
    /// asymmetric kind has no region in its scope.
    fn set_credential(&mut self, text: &str) {
        self.credential = text.to_owned();
        let mut parts = text.rsplit('/');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let _terminator = next();
        self.service = next();
        if self.algorithm.starts_with("AWS4-HMAC") || self.algorithm.is_empty() {
            self.region = next();
        }
        self.date = next();
        let mut key: Vec<&str> = parts.collect();
        key.reverse();
        self.access_key_id = key.join("/");
    }

    fn set_signed_headers(&mut self, text: &str) {
        let names = text.split(';').map(str::to_ascii_lowercase);
        self.signed_headers = names.filter(|name| !name.is_empty()).collect();
    }
}

/// A `Date` header in the form of `x-amz-date`.
fn http_date(text: &str) -> Option<String> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp(i64::try_from(since.as_millis()).ok()?);
    Some(at.strftime("%Y%m%dT%H%M%SZ"))
}
