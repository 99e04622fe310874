//! Who is calling, whose a key is, and why somebody was denied.

use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_policy::Principal;
use haar_sts_contract::{
    DecodeAuthorizationMessage, DecodeAuthorizationMessageRequest,
    DecodeAuthorizationMessageResponse, GetAccessKeyInfo, GetAccessKeyInfoRequest,
    GetAccessKeyInfoResponse, GetCallerIdentity, GetCallerIdentityRequest,
    GetCallerIdentityResponse, InvalidAuthorizationMessageException,
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

/// AWS docs: *STS API Reference > DecodeAuthorizationMessage*.
impl Query<DecodeAuthorizationMessage> for Sts {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: DecodeAuthorizationMessageRequest,
    ) -> Answer<DecodeAuthorizationMessage> {
        let decoded = self.iam().open_denial(&call.account, &input.encoded_message);
        let invalid = || InvalidAuthorizationMessageException::message("Message is not valid");
        Ok(DecodeAuthorizationMessageResponse {
            decoded_message: Some(decoded.ok_or_else(invalid)?),
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
