//! Who is calling, and whose a key is.

use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_policy::Principal;
use haar_sts_contract::{
    GetAccessKeyInfo, GetAccessKeyInfoRequest, GetAccessKeyInfoResponse, GetCallerIdentity,
    GetCallerIdentityRequest, GetCallerIdentityResponse,
};
use haar_wire::AwsError;

use crate::Sts;

impl Query<GetCallerIdentity> for Sts {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        _input: GetCallerIdentityRequest,
    ) -> Answer<GetCallerIdentity> {
        if call.principal.identity == Principal::Anonymous {
            return Err(AwsError::missing_authentication_token());
        }
        let user_id = call.principal.identity.user_id();
        Ok(GetCallerIdentityResponse {
            user_id: Some(user_id),
            account: Some(call.account.to_string()),
            arn: Some(call.principal.arn()),
        })
    }
}

impl Query<GetAccessKeyInfo> for Sts {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: GetAccessKeyInfoRequest,
    ) -> Answer<GetAccessKeyInfo> {
        let account = self.iam().account_of_access_key(&input.access_key_id);
        let unknown =
            || AwsError::new("InvalidClientTokenId", 403, "The access key ID is not valid.");
        Ok(GetAccessKeyInfoResponse { account: Some(account.ok_or_else(unknown)?.to_string()) })
    }
}
