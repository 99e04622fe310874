//! Operations, one file for each noun.

mod assume_role;
mod caller;
mod session_policy;
mod user_session;
