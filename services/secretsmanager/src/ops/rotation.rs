//! Rotation: refused, since nothing would call the function that rotates.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_secretsmanager_contract::{
    CancelRotateSecret, CancelRotateSecretRequest, RotateSecret, RotateSecretRequest,
};
use haar_wire::AwsError;

use crate::SecretsManager;
use crate::lookup::find;
use crate::refusal::bad_request;

impl Command<RotateSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RotateSecretRequest,
    ) -> Answer<RotateSecret> {
        find(tx, call, &input.secret_id)?;
        match input.rotation_lambda_arn {
            Some(_) => Err(AwsError::new(
                "NotImplemented",
                501,
                "secretsmanager: rotation by a Lambda function is not implemented by haar",
            )),
            None => {
                Err(bad_request("No Lambda rotation function ARN is associated with this secret."))
            }
        }
    }
}

impl Command<CancelRotateSecret> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CancelRotateSecretRequest,
    ) -> Answer<CancelRotateSecret> {
        find(tx, call, &input.secret_id)?;
        Err(bad_request(
            "You tried to enable or cancel rotation on a secret that doesn't already have a Lambda \
             function ARN configured.",
        ))
    }
}
