//! Console passwords. haar has no console to log in to: passwords are kept hashed, and who changes
//! theirs must know the old one.

use std::sync::Arc;

use haar_iam_contract::{
    CreateLoginProfile, CreateLoginProfileRequest, CreateLoginProfileResponse, DeleteLoginProfile,
    DeleteLoginProfileOutput, DeleteLoginProfileRequest, GetLoginProfile, GetLoginProfileRequest,
    GetLoginProfileResponse, LoginProfile, UpdateLoginProfile, UpdateLoginProfileOutput,
    UpdateLoginProfileRequest,
};
use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{find_user, user_or_caller};
use crate::ops::password::{check_policy, hashed, keep, on_disk};
use crate::refusal::{no_such, taken, validation};
use crate::state::{PasswordRow, UserRow};

/// A user without a password.
pub(crate) fn no_login(user: &UserRow) -> AwsError {
    no_such(format!("Login Profile for User {} cannot be found.", user.name))
}

fn profile(user: &UserRow) -> Result<LoginProfile, AwsError> {
    let (created_at, must_change) = user.login.ok_or_else(|| no_login(user))?;
    Ok(LoginProfile {
        user_name: user.name.clone(),
        create_date: created_at,
        password_reset_required: Some(must_change),
    })
}

impl Flow<CreateLoginProfile> for Iam {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: CreateLoginProfileRequest,
    ) -> Answer<CreateLoginProfile> {
        let password = input.password.ok_or_else(|| validation("Must specify a password."))?;
        let name = input.user_name.as_deref();
        let snapshot = self.doors.ledger.snapshot();
        check_policy(&snapshot, &call, &password)?;
        let hash = hashed(&snapshot, &call, None, password).await?;
        let committed = self.doors.ledger.transact(|tx| {
            let mut user = UserRow::clone(&*user_or_caller(&call, tx, name)?);
            if user.login.is_some() {
                let name = &user.name;
                return Err(taken(format!("Login Profile for user {name} already exists.")));
            }
            user.login = Some((call.now, input.password_reset_required.unwrap_or(false)));
            let login_profile = profile(&user)?;
            keep(tx, &call, &user, &hash);
            tx.put(user);
            Ok(CreateLoginProfileResponse { login_profile })
        })?;
        on_disk(committed).await
    }
}

impl Query<GetLoginProfile> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetLoginProfileRequest,
    ) -> Answer<GetLoginProfile> {
        let user = user_or_caller(call, snapshot, input.user_name.as_deref())?;
        Ok(GetLoginProfileResponse { login_profile: profile(&user)? })
    }
}

impl Flow<UpdateLoginProfile> for Iam {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: UpdateLoginProfileRequest,
    ) -> Answer<UpdateLoginProfile> {
        let snapshot = self.doors.ledger.snapshot();
        let user = find_user(&snapshot, &call.account, &input.user_name)?;
        profile(&user)?;
        let hash = match input.password {
            Some(password) => {
                check_policy(&snapshot, &call, &password)?;
                Some(hashed(&snapshot, &call, Some(&user), password).await?)
            }
            None => None,
        };
        let committed = self.doors.ledger.transact(|tx| {
            let mut user = UserRow::clone(&*find_user(tx, &call.account, &input.user_name)?);
            let known = profile(&user)?;
            let must_change = input.password_reset_required.or(known.password_reset_required);
            user.login = Some((known.create_date, must_change.unwrap_or(false)));
            if let Some(hash) = &hash {
                keep(tx, &call, &user, hash);
            }
            tx.put(user);
            Ok::<_, AwsError>(UpdateLoginProfileOutput {})
        })?;
        on_disk(committed).await
    }
}

impl Command<DeleteLoginProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteLoginProfileRequest,
    ) -> Answer<DeleteLoginProfile> {
        let user = user_or_caller(call, tx, input.user_name.as_deref())?;
        profile(&user)?;
        tx.remove::<PasswordRow>(&user.id);
        tx.put(UserRow { login: None, ..UserRow::clone(&user) });
        Ok(DeleteLoginProfileOutput {})
    }
}
