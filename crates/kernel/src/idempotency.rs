//! Idempotency tokens: a command that a client sends again with the same token is answered as
//! the first time, and done once.
//!
//! The answer is kept in the very commit that it tells of, by account, region, operation and
//! token, so a crash loses both or neither. A refused command keeps nothing: sent again, it is
//! tried again. Expired rows go when later ones are written.

use std::time::Duration;

use haar_ledger::{IndexEntry, Row, Tx};
use haar_types::{Timestamp, hex};
use haar_wire::{AwsError, Json, OperationSchema, Shape};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::operation::Erased;
use crate::{Call, Room};

/// How long a token is remembered unless the room says otherwise.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Expired rows that one write takes away at most.
const PURGED_MAX: usize = 8;
/// The index of rows by the end of their time.
const BY_EXPIRY: &str = "expiry";

/// Whose token it is, and for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TokenKey {
    account: String,
    region: String,
    operation: String,
    token: String,
}

/// What a token stood for. Writer: the lane of commands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    key: TokenKey,
    /// Hash of the input without its token.
    input: String,
    /// The answer, as JSON.
    output: String,
    expires_at: Timestamp,
}

impl Row for TokenRow {
    type Key = TokenKey;
    const TABLE: &'static str = "kernel.token";

    fn key(&self) -> TokenKey {
        self.key.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new(BY_EXPIRY, format!("{:020}", self.expires_at.0.max(0)))]
    }
}

/// Runs a command, unless its token was here before: then answers what it answered.
pub(crate) fn once(
    room: &dyn Room,
    operation: &'static OperationSchema,
    call: &Call,
    tx: &mut Tx,
    input: Box<dyn Shape>,
    run: &dyn Fn(&mut Tx, Box<dyn Shape>) -> Erased,
) -> Erased {
    let Some((token, lifetime)) = token_of(room, operation, &*input) else {
        return run(tx, input);
    };
    let key = TokenKey {
        account: call.account.to_string(),
        region: call.region.to_string(),
        operation: format!("{}.{}", operation.service.id, operation.name),
        token,
    };
    let hash = hash(operation, &*input);
    if let Some(row) = tx.get::<TokenRow>(&key).filter(|row| row.expires_at > call.now) {
        let earlier: Json = serde_json::from_str(&row.output).map_err(unreadable)?;
        if row.input != hash {
            return Err(room.token_reused(operation, &key.token, &earlier));
        }
        let mut output = (operation.new_output)();
        haar_wire::from_json_into(earlier, &mut *output).map_err(unreadable)?;
        return Ok(output);
    }
    let output = run(tx, input)?;
    purge(tx, call.now);
    let kept = haar_wire::to_json(&*output).to_string();
    tx.put(TokenRow { key, input: hash, output: kept, expires_at: call.now + lifetime });
    Ok(output)
}

/// The token that a client gave, where the kernel looks after them.
fn token_of(
    room: &dyn Room,
    operation: &'static OperationSchema,
    input: &dyn Shape,
) -> Option<(String, Duration)> {
    let member = operation.idempotency_token()?;
    let token = haar_wire::text_member(input, member).filter(|token| !token.is_empty())?;
    Some((token, room.token_lifetime(operation)?))
}

fn hash(operation: &OperationSchema, input: &dyn Shape) -> String {
    let mut json = haar_wire::to_json(input);
    if let (Some(members), Some(token)) = (json.as_object_mut(), operation.idempotency_token()) {
        members.remove(token);
    }
    let digest = Sha256::digest(json.to_string());
    hex(&digest)
}

fn purge(tx: &mut Tx, now: Timestamp) {
    let oldest = tx.by_index_prefix::<TokenRow>(BY_EXPIRY, "");
    let expired = oldest.take_while(|row| row.expires_at <= now).take(PURGED_MAX);
    let expired: Vec<TokenKey> = expired.map(|row| row.key()).collect();
    for key in expired {
        tx.remove::<TokenRow>(&key);
    }
}

fn unreadable(error: impl std::fmt::Display) -> AwsError {
    tracing::error!(%error, "a kept answer cannot be read");
    AwsError::internal_failure("an earlier answer cannot be read")
}

/// AWS's usual refusal of a token that came before with other parameters.
pub(crate) fn reused(operation: &OperationSchema, token: &str) -> AwsError {
    let message = format!(
        "The client token '{token}' was used in an earlier {} request with other parameters.",
        operation.name
    );
    let known = operation.errors.iter().find(|error| error.name.contains("Idempotent"));
    match known.and_then(|schema| Some((schema.name, schema.error()?))) {
        Some((name, error)) => AwsError::new(name, error.status, message).query_code(error.code),
        None => AwsError::new("IdempotentParameterMismatch", 400, message),
    }
}
