//! Encryption at rest. Key ids are kept and shown; records are as they were before (*Ours*).

use haar_kernel::{Answer, Call, Command};
use haar_kinesis_contract::{
    EncryptionType, StartStreamEncryption, StartStreamEncryptionInput, StartStreamEncryptionOutput,
    StopStreamEncryption, StopStreamEncryptionInput, StopStreamEncryptionOutput,
};
use haar_ledger::Tx;
use haar_wire::AwsError;

use crate::Kinesis;
use crate::lookup::find_active;
use crate::refusal::invalid_argument;

fn check_kind(kind: EncryptionType) -> Result<(), AwsError> {
    match kind {
        EncryptionType::Kms => Ok(()),
        _ => Err(invalid_argument("EncryptionType must be KMS.")),
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > StartStreamEncryption*.
impl Command<StartStreamEncryption> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: StartStreamEncryptionInput,
    ) -> Answer<StartStreamEncryption> {
        check_kind(input.encryption_type)?;
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let mut row = find_active(tx, call, name, arn)?;
        row.key_id = Some(input.key_id);
        tx.put(row);
        Ok(StartStreamEncryptionOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > StopStreamEncryption*.
impl Command<StopStreamEncryption> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: StopStreamEncryptionInput,
    ) -> Answer<StopStreamEncryption> {
        check_kind(input.encryption_type)?;
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let mut row = find_active(tx, call, name, arn)?;
        row.key_id = None;
        tx.put(row);
        Ok(StopStreamEncryptionOutput {})
    }
}
