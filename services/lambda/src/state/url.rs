//! Function URLs.

use haar_ledger::{IndexEntry, Row};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::QualifiedKey;

/// The URL of a function or of an alias. Writer: operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UrlRow {
    /// Key: the function or alias.
    pub key: QualifiedKey,
    /// The first label of its host name; unique.
    pub url_id: String,
    /// `AWS_IAM` or `NONE`.
    pub auth_type: String,
    /// `BUFFERED` or `RESPONSE_STREAM`.
    pub invoke_mode: String,
    /// Cross-origin settings.
    pub cors: Option<Cors>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub last_modified_at: Timestamp,
}

/// `Cors`; `None` where never given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// `AllowCredentials`.
    pub allow_credentials: Option<bool>,
    /// `AllowHeaders`.
    pub allow_headers: Option<Vec<String>>,
    /// `AllowMethods`.
    pub allow_methods: Option<Vec<String>>,
    /// `AllowOrigins`.
    pub allow_origins: Option<Vec<String>>,
    /// `ExposeHeaders`.
    pub expose_headers: Option<Vec<String>>,
    /// `MaxAge`, in seconds.
    pub max_age_s: Option<i32>,
}

impl UrlRow {
    /// The index by which a URL is found by its host name.
    pub const BY_URL_ID: &'static str = "url_id";
}

impl Row for UrlRow {
    type Key = QualifiedKey;
    const TABLE: &'static str = "lambda.url";

    fn key(&self) -> QualifiedKey {
        self.key.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new(Self::BY_URL_ID, self.url_id.as_str())]
    }
}
