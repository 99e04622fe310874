//! `/aws/reference/secretsmanager/NAME`: secrets read as parameters.
//! AWS docs: *Parameter Store > Referencing Secrets Manager secrets*.

use haar_kernel::{Answer, Call};
use haar_secretsmanager_contract::{GetSecretValue, GetSecretValueRequest};
use haar_ssm_contract::{Parameter, ParameterType};
use haar_wire::AwsError;
use serde_json::json;

use crate::Ssm;
use crate::refusal::{invalid, not_found};

/// What such names begin with.
const PREFIX: &str = "/aws/reference/secretsmanager/";

/// The secret that a name stands for, with what follows it.
pub(super) fn secret_named(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)
}

/// A secret as a parameter, read with the caller's own permissions. `named` may end in
/// `:version-id` or `:version-stage`.
pub(super) async fn parameter(
    room: &Ssm,
    call: &Call,
    named: &str,
    decrypt: bool,
) -> Result<Parameter, AwsError> {
    if !decrypt {
        let text = "WithDecryption flag must be True for retrieving a Secret Manager secret.";
        return Err(invalid(text));
    }
    let (secret, selector) = match named.split_once(':') {
        Some((secret, selector)) => (secret, Some(selector.to_owned())),
        None => (named, None),
    };
    let wanted = |version_stage, version_id| GetSecretValueRequest {
        secret_id: secret.to_owned(),
        version_stage,
        version_id,
    };
    let first = read(room, call, wanted(selector.clone(), None)).await;
    let found = match (first, &selector) {
        (Err(error), Some(id)) if error.name() == "ResourceNotFoundException" => {
            read(room, call, wanted(None, Some(id.clone()))).await
        }
        (found, _) => found,
    };
    let missing = |error: AwsError| match error.name() {
        "ResourceNotFoundException" => not_found(),
        _ => error,
    };
    let found = found.map_err(missing)?;
    let text = "A secret that holds bytes cannot be read as a parameter.";
    let value = found.secret_string.ok_or_else(|| invalid(text))?;
    let source = json!({
        "ARN": found.arn,
        "name": found.name,
        "versionId": found.version_id,
        "versionStages": found.version_stages,
        "createdDate": found.created_date.map(haar_types::Timestamp::iso_millis),
    });
    let name = format!("{PREFIX}{secret}");
    Ok(Parameter {
        arn: Some(crate::rules::name::arn_of(&call.account, &call.region, &name)),
        name: Some(name),
        r#type: Some(ParameterType::SecureString),
        value: Some(value),
        version: Some(0),
        selector: selector.map(|selector| format!(":{selector}")),
        source_result: Some(source.to_string()),
        last_modified_date: found.created_date,
        data_type: Some("text".to_owned()),
    })
}

async fn read(room: &Ssm, call: &Call, input: GetSecretValueRequest) -> Answer<GetSecretValue> {
    let principal = call.principal.via("ssm.amazonaws.com");
    room.doors.call::<GetSecretValue>(principal, &call.region, input).await
}
