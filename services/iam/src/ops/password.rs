//! Passwords: hashed aside, since that takes a processor for a while, and then kept in one commit.

use std::sync::Arc;

use haar_iam_contract::{
    ChangePassword, ChangePasswordOutput, ChangePasswordRequest, InvalidUserTypeException,
    PasswordPolicyViolationException,
};
use haar_kernel::{Answer, Call, Flow, unwritten};
use haar_ledger::{Committed, Snapshot, Tx};
use haar_policy::Principal;
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::find_user;
use crate::ops::account::account_of;
use crate::ops::login_profile::no_login;
use crate::rules::passwords::{self, REMEMBERED_MAX, ROUNDS};
use crate::state::{PasswordRow, UserRow};

/// A password as it is to be kept.
pub(crate) struct Hashed {
    salt: Vec<u8>,
    rounds: u32,
    hash: Vec<u8>,
}

/// Refuses what the account's policy refuses.
pub(crate) fn check_policy(
    snapshot: &Snapshot,
    call: &Call,
    password: &str,
) -> Result<(), AwsError> {
    let policy = account_of(snapshot, &call.account).password_policy;
    passwords::check(policy.as_ref(), password).map_err(violation)
}

fn violation(text: String) -> AwsError {
    PasswordPolicyViolationException::message(text).into()
}

async fn hash_aside(password: String, salt: Vec<u8>, rounds: u32) -> Result<Hashed, AwsError> {
    let work = move || {
        let hash = passwords::hash(&password, &salt, rounds);
        Hashed { salt, rounds, hash }
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| AwsError::internal_failure("the password could not be hashed"))
}

/// Hashes a user's new password. Those before it keep their meaning: the salt stays.
pub(crate) async fn hashed(
    snapshot: &Snapshot,
    call: &Call,
    user: Option<&UserRow>,
    password: String,
) -> Result<Hashed, AwsError> {
    let known = user.and_then(|user| snapshot.get::<PasswordRow>(&user.id));
    let (salt, rounds) = match known {
        Some(row) => (row.salt.clone(), row.rounds),
        None => (passwords::mint_salt(&call.ids), ROUNDS),
    };
    hash_aside(password, salt, rounds).await
}

/// Makes it the user's password.
pub(crate) fn keep(tx: &mut Tx, call: &Call, user: &UserRow, new: &Hashed) {
    let known = tx.get::<PasswordRow>(&user.id).filter(|row| row.salt == new.salt);
    let before = known.map(|row| row.hashes.clone()).unwrap_or_default();
    let hashes = std::iter::once(new.hash.clone()).chain(before).take(REMEMBERED_MAX + 1);
    tx.put(PasswordRow {
        user: user.id.clone(),
        salt: new.salt.clone(),
        rounds: new.rounds,
        hashes: hashes.collect(),
        changed_at: call.now,
    });
}

/// Waits until a commit is on disk.
pub(crate) async fn on_disk<T>(committed: Committed<T>) -> Result<T, AwsError> {
    committed.durable().await.map_err(unwritten)
}

fn wrong_password() -> AwsError {
    AwsError::access_denied("The old password was incorrect.")
}

/// The caller, whose password it is.
fn caller(call: &Call, snapshot: &Snapshot) -> Result<Arc<UserRow>, AwsError> {
    match &call.principal.identity {
        Principal::User { name, .. } => find_user(snapshot, &call.account, name),
        _ => {
            let text = "Only IAM Users can change their own password";
            Err(InvalidUserTypeException::message(text).into())
        }
    }
}

/// Refuses what is not the present password, and a new one that was used of late.
fn check_change(
    snapshot: &Snapshot,
    call: &Call,
    user: &UserRow,
    (old, new): (&Hashed, &Hashed),
) -> Result<(), AwsError> {
    if user.login.is_none() {
        return Err(no_login(user));
    }
    let row = snapshot.get::<PasswordRow>(&user.id).filter(|row| row.salt == old.salt);
    let row = row.ok_or_else(wrong_password)?;
    if !row.hashes.first().is_some_and(|present| passwords::is_same(present, &old.hash)) {
        return Err(wrong_password());
    }
    let policy = account_of(snapshot, &call.account).password_policy;
    let reuse = policy.and_then(|policy| policy.reuse_prevention);
    let reuse = reuse.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let mut former = row.hashes.iter().take(reuse);
    match former.any(|hash| passwords::is_same(hash, &new.hash)) {
        true => Err(violation("Password has been used previously".to_owned())),
        false => Ok(()),
    }
}

/// AWS docs: *IAM API Reference > ChangePassword*.
impl Flow<ChangePassword> for Iam {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ChangePasswordRequest,
    ) -> Answer<ChangePassword> {
        let snapshot = self.doors.ledger.snapshot();
        let user = caller(&call, &snapshot)?;
        if user.login.is_none() {
            return Err(no_login(&user));
        }
        let old = hashed(&snapshot, &call, Some(&user), input.old_password).await?;
        let new = input.new_password;
        let hash = hash_aside(new.clone(), old.salt.clone(), old.rounds).await?;
        let committed = self.doors.ledger.transact(|tx| {
            let user = caller(&call, tx)?;
            check_change(tx, &call, &user, (&old, &hash))?;
            check_policy(tx, &call, &new)?;
            keep(tx, &call, &user, &hash);
            tx.put(UserRow {
                login: user.login.map(|(created_at, _)| (created_at, false)),
                ..UserRow::clone(&user)
            });
            Ok::<_, AwsError>(())
        })?;
        on_disk(committed).await?;
        Ok(ChangePasswordOutput {})
    }
}
