//! Who may call a function URL.
//!
//! AWS docs: *Lambda Developer Guide > Control access to Lambda function URLs*: since October
//! 2025 a caller needs both `lambda:InvokeFunctionUrl` and `lambda:InvokeFunction`, by its own
//! policies or the function's; a URL of type `NONE` is open to whom the function's policy lets in.

use haar_kernel::{Call, Question, Room};
use haar_lambda_contract::model::SERVICE;
use haar_wire::AwsError;
use http::request::Parts;

use super::url::{UrlHead, UrlResponse};
use crate::Lambda;
use crate::state::UrlRow;

/// AWS's words for callers that no policy lets in, or that did not sign.
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: \
     https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

/// Lets a request in; answers who signed it, where the URL asks for a signature.
pub(super) fn admit(
    room: &Lambda,
    parts: &Parts,
    body: &[u8],
    url: &UrlRow,
) -> Result<Option<Call>, UrlResponse> {
    let signed = url.auth_type == "AWS_IAM";
    let call = match signed {
        true => room.doors.visitor(parts, body, SERVICE.signing_name),
        false => room.doors.passer_by(parts),
    };
    let call = call.map_err(|error| unproven(&error))?;
    if signed && call.principal.access_key_id.is_none() {
        return Err(forbidden());
    }
    let resource = String::from(url.key.arn());
    let auth_type = [condition("lambda:FunctionUrlAuthType", &url.auth_type)];
    let via_url = [condition("lambda:InvokedViaFunctionUrl", "true")];
    let snapshot = room.doors.ledger.snapshot();
    for (action, keys) in
        [("lambda:InvokeFunctionUrl", &auth_type), ("lambda:InvokeFunction", &via_url)]
    {
        let policy = room.resource_policy(&call, &snapshot, &resource);
        let question = Question { action, resource: &resource, policy, keys };
        room.doors.authorise(&call, &question).map_err(|_| forbidden())?;
    }
    Ok(signed.then_some(call))
}

fn condition(key: &str, value: &str) -> (String, Vec<String>) {
    (key.to_owned(), vec![value.to_owned()])
}

fn forbidden() -> UrlResponse {
    refusal(403, "AccessDeniedException", &serde_json::json!({ "Message": FORBIDDEN }))
}

/// A signature that proves nothing: AWS says what is wrong with it.
fn unproven(error: &AwsError) -> UrlResponse {
    let body = serde_json::json!({ "message": error.message() });
    refusal(error.status(), error.name(), &body)
}

fn refusal(status: u16, kind: &str, body: &serde_json::Value) -> UrlResponse {
    let headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-amzn-errortype".to_owned(), kind.to_owned()),
    ];
    UrlResponse { head: UrlHead { status, headers }, body: body.to_string().into() }
}
