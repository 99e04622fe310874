//! Codes of MFA devices, given with a request for a session.

use haar_iam_contract::peek::{MFA_PRESENT, MfaError};
use haar_kernel::{Call, unwritten};
use haar_wire::AwsError;

use crate::Sts;

impl Sts {
    /// Takes a request's code; the condition keys that follow, which are none without one.
    pub(crate) async fn mfa_keys(
        &self,
        call: &Call,
        serial: Option<&str>,
        code: Option<&str>,
    ) -> Result<Vec<(String, String)>, AwsError> {
        let (serial, code) = match (serial, code) {
            (None, None) => return Ok(Vec::new()),
            (Some(serial), Some(code)) => (serial, code),
            _ => {
                return Err(AwsError::access_denied(
                    "MultiFactorAuthentication failed, must provide both MFA serial number and \
                     one time pass code.",
                ));
            }
        };
        let taken = self.iam().take_mfa_code(&call.principal.identity, serial, code, self.now());
        let committed = taken.map_err(|error| {
            AwsError::access_denied(match error {
                MfaError::NotTheirs => {
                    "MultiFactorAuthentication failed, unable to validate MFA code.  Please \
                     verify your MFA serial number is valid and associated with this user."
                }
                MfaError::WrongCode => {
                    "MultiFactorAuthentication failed with invalid MFA one time pass code. "
                }
            })
        })?;
        committed.durable().await.map_err(unwritten)?;
        Ok(vec![(MFA_PRESENT.to_owned(), "true".to_owned())])
    }
}
