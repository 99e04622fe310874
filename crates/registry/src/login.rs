//! User names and passwords.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Who asks a registry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The user's password, or the token that stands for it.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Login {
    /// The value of a header that says so.
    pub(crate) fn basic(&self) -> String {
        let pair = format!("{}:{}", self.username, self.password);
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    /// Reads what [`Self::basic`] encodes: `USER:PASSWORD` in base64.
    pub(crate) fn decode(encoded: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let pair = String::from_utf8(bytes).ok()?;
        let (username, password) = pair.split_once(':')?;
        // Docker has put bytes of zero behind passwords.
        let password = password.trim_end_matches('\0').to_owned();
        Some(Self { username: username.to_owned(), password })
    }
}
