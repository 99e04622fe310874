//! Random passwords.

use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_secretsmanager_contract::{
    GetRandomPassword, GetRandomPasswordRequest, GetRandomPasswordResponse,
};

use crate::SecretsManager;
use crate::rules::password::random;

impl Query<GetRandomPassword> for SecretsManager {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: GetRandomPasswordRequest,
    ) -> Answer<GetRandomPassword> {
        let random_password = Some(random(&call.ids, &input)?);
        Ok(GetRandomPasswordResponse { random_password })
    }
}
