//! Console passwords. haar has no console to log in to: it keeps that there is one, never which.

use haar_iam_contract::{
    CreateLoginProfile, CreateLoginProfileRequest, CreateLoginProfileResponse, DeleteLoginProfile,
    DeleteLoginProfileOutput, DeleteLoginProfileRequest, GetLoginProfile, GetLoginProfileRequest,
    GetLoginProfileResponse, LoginProfile, UpdateLoginProfile, UpdateLoginProfileOutput,
    UpdateLoginProfileRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{find_user, user_or_caller};
use crate::refusal::{no_such, taken};
use crate::state::UserRow;

fn profile(user: &UserRow) -> Result<LoginProfile, AwsError> {
    let missing = || no_such(format!("Login Profile for User {} cannot be found.", user.name));
    let (created_at, must_change) = user.login.ok_or_else(missing)?;
    Ok(LoginProfile {
        user_name: user.name.clone(),
        create_date: created_at,
        password_reset_required: Some(must_change),
    })
}

impl Command<CreateLoginProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateLoginProfileRequest,
    ) -> Answer<CreateLoginProfile> {
        let mut user = UserRow::clone(&*user_or_caller(call, tx, input.user_name.as_deref())?);
        if user.login.is_some() {
            let name = &user.name;
            return Err(taken(format!("Login Profile for user {name} already exists.")));
        }
        user.login = Some((call.now, input.password_reset_required.unwrap_or(false)));
        let login_profile = profile(&user)?;
        tx.put(user);
        Ok(CreateLoginProfileResponse { login_profile })
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

impl Command<UpdateLoginProfile> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateLoginProfileRequest,
    ) -> Answer<UpdateLoginProfile> {
        let mut user = UserRow::clone(&*find_user(tx, &call.account, &input.user_name)?);
        let known = profile(&user)?;
        let must_change = input.password_reset_required.or(known.password_reset_required);
        user.login = Some((known.create_date, must_change.unwrap_or(false)));
        tx.put(user);
        Ok(UpdateLoginProfileOutput {})
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
        tx.put(UserRow { login: None, ..UserRow::clone(&user) });
        Ok(DeleteLoginProfileOutput {})
    }
}
