//! Why a signature is refused, in each dialect's codes.

use std::fmt;

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigFault {
    /// The request has no signature.
    Missing,
    /// The signature lacks a part, or a part cannot be read.
    Incomplete,
    /// The same of a signature in the query, for which S3 has a code of its own.
    IncompleteQuery,
    /// Nobody has this access key, or the session token is not one of ours.
    UnknownKey,
    /// The session's time is over.
    ExpiredToken,
    /// It does not match what was signed.
    Mismatch,
    /// It is too old, or from the future.
    Skewed,
    /// A presigned request's time is over.
    ExpiredRequest,
    /// A header that must be signed is not.
    UnsignedHeaders,
    /// The body is not what its announced hash says.
    BodyMismatch,
    /// S3 is not told which hash of the body was signed.
    NoBodyHash,
    /// The body's chunks are not framed as announced.
    BadChunk,
    /// It is of a version that is not taken any more.
    Outdated,
}

/// Whose codes an error takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JSON and CBOR services: `InvalidSignatureException`.
    Json,
    /// JSON by paths, as Lambda: the same codes, always with 403.
    RestJson,
    /// Query services: `SignatureDoesNotMatch`.
    Query,
    /// EC2: `AuthFailure`.
    Ec2,
    /// S3.
    S3,
}

/// A refused signature, with AWS's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigError {
    /// What is wrong.
    pub fault: SigFault,
    /// AWS's words.
    pub message: String,
}

impl fmt::Display for SigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SigError {}

impl SigError {
    pub(crate) fn new(fault: SigFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }

    /// The refusal of a request without a signature.
    pub fn missing() -> Self {
        Self::new(SigFault::Missing, "Missing Authentication Token")
    }

    /// The refusal of an access key that nobody has, or of a token that is not ours.
    pub fn unknown_key() -> Self {
        let message = "The security token included in the request is invalid.";
        Self::new(SigFault::UnknownKey, message)
    }

    /// The refusal of a session that is over.
    pub fn expired_token() -> Self {
        let message = "The security token included in the request is expired";
        Self::new(SigFault::ExpiredToken, message)
    }

    /// The refusal of a signature that was made for another service.
    pub fn wrong_service(expected: &str) -> Self {
        let message = format!("Credential should be scoped to correct service: '{expected}'. ");
        Self::new(SigFault::Mismatch, message)
    }

    /// The refusal of a signature of version 2.
    pub fn outdated() -> Self {
        let text = "The authorization mechanism you have provided is not supported. Please use \
                    AWS4-HMAC-SHA256.";
        Self::new(SigFault::Outdated, text)
    }

    /// The refusal of a body that is not what its announced hash says.
    pub fn body_mismatch() -> Self {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        Self::new(SigFault::BodyMismatch, text)
    }

    pub(crate) fn mismatch() -> Self {
        Self::new(
            SigFault::Mismatch,
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method. Consult the service \
             documentation for details.",
        )
    }

    /// AWS's error code.
    pub fn code(&self, dialect: Dialect) -> &'static str {
        use Dialect::{Ec2, Json, Query, RestJson, S3};
        let dialect = if dialect == RestJson { Json } else { dialect };
        match (self.fault, dialect) {
            (SigFault::Missing, Ec2) => "MissingParameter",
            (SigFault::Skewed | SigFault::ExpiredRequest | SigFault::ExpiredToken, Ec2) => {
                "RequestExpired"
            }
            (_, Ec2) => "AuthFailure",
            (SigFault::Missing, S3) => "AccessDenied",
            (SigFault::Missing, Query) => "MissingAuthenticationToken",
            (SigFault::Missing, Json) => "MissingAuthenticationTokenException",
            (SigFault::Incomplete, S3) => "AuthorizationHeaderMalformed",
            (SigFault::IncompleteQuery, S3) => "AuthorizationQueryParametersError",
            (SigFault::Incomplete | SigFault::IncompleteQuery, Query) => "IncompleteSignature",
            (SigFault::Incomplete | SigFault::IncompleteQuery, Json) => {
                "IncompleteSignatureException"
            }
            (SigFault::UnknownKey, S3) => "InvalidAccessKeyId",
            (SigFault::UnknownKey, Query) => "InvalidClientTokenId",
            (SigFault::UnknownKey, Json) => "UnrecognizedClientException",
            (SigFault::ExpiredToken, Json) => "ExpiredTokenException",
            (SigFault::ExpiredToken, Query | S3) => "ExpiredToken",
            (SigFault::Skewed, S3) => "RequestTimeTooSkewed",
            (SigFault::ExpiredRequest, S3) => "AccessDenied",
            (SigFault::UnsignedHeaders, S3) => "AccessDenied",
            (SigFault::BodyMismatch, S3) => "XAmzContentSHA256Mismatch",
            (SigFault::BadChunk, S3) => "IncompleteBody",
            (SigFault::Outdated | SigFault::NoBodyHash, S3) => "InvalidRequest",
            (SigFault::ExpiredRequest, Query) => "RequestExpired",
            (SigFault::Mismatch, Query | S3) => "SignatureDoesNotMatch",
            (_, Query) => "SignatureDoesNotMatch",
            (_, Json | RestJson) => "InvalidSignatureException",
        }
    }

    /// The words that go with it: EC2 has few, the others AWS's own of each fault.
    pub fn words(&self, dialect: Dialect) -> &str {
        match (self.code(dialect), dialect) {
            ("AuthFailure", Dialect::Ec2) => {
                "AWS was not able to validate the provided access credentials"
            }
            ("RequestExpired", Dialect::Ec2) => "Request has expired.",
            ("MissingParameter", Dialect::Ec2) => {
                "The request must contain the parameter AWSAccessKeyId"
            }
            ("InvalidAccessKeyId", Dialect::S3) => {
                "The AWS Access Key Id you provided does not exist in our records."
            }
            _ => &self.message,
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(&self, dialect: Dialect) -> u16 {
        match (self.fault, dialect) {
            (_, Dialect::Ec2) if self.code(dialect) != "AuthFailure" => 400,
            (_, Dialect::Ec2) => 401,
            (SigFault::Incomplete | SigFault::IncompleteQuery, _) => 400,
            (SigFault::BodyMismatch | SigFault::BadChunk, _) => 400,
            (SigFault::Outdated | SigFault::NoBodyHash, Dialect::S3) => 400,
            (_, Dialect::Json) => 400,
            (SigFault::ExpiredToken, Dialect::S3) => 400,
            _ => 403,
        }
    }
}
