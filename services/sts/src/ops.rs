//! Operations, one file for each noun.

mod assume_role;
mod caller;
mod mfa;
mod session_policy;
mod user_session;
mod web_identity;
