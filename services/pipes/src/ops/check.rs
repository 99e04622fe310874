//! What no pipe may be.

use haar_iam_contract::passing::check_pass_role;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Auth, Call};
use haar_ledger::Snapshot;
use haar_pipes_contract::model::{PipeLogConfiguration, PipeLogConfigurationParameters};
use haar_wire::AwsError;

use crate::Pipes;
use crate::reader::SERVICE_PRINCIPAL;
use crate::refusal::{invalid, invalid_field, not_here};
use crate::rules::{enrichment, source, target};
use crate::state::PipeRow;

impl Pipes {
    /// Refuses what no pipe may be, and completes what was left open.
    pub(super) fn check(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        row: &mut PipeRow,
    ) -> Result<(), AwsError> {
        let kind = source::kind(&row.source)?;
        source::check(kind, &row.source, &row.source_parameters)?;
        let batch_max = match &row.enrichment {
            Some(arn) => enrichment::check(arn)?.batch_max(),
            None => usize::MAX,
        };
        let to = target::kind(&row.target)?;
        target::check(to, &row.target, row.target_parameters.as_ref())?;
        let batch_max = batch_max.min(to.batch_max());
        source::complete(kind, &mut row.source_parameters, batch_max)?;
        self.check_role(call, snapshot, row)
    }

    fn check_role(&self, call: &Call, snapshot: &Snapshot, row: &PipeRow) -> Result<(), AwsError> {
        let (arn, pipe) = (row.role_arn.as_str(), row.key.arn());
        check_pass_role(&self.doors, call, snapshot, arn, SERVICE_PRINCIPAL)?;
        let Some(iam) = self.doors.peeks.get::<dyn IamPeek>() else { return Ok(()) };
        let assumed = iam.service_may_assume(snapshot, arn, SERVICE_PRINCIPAL, &pipe);
        if self.doors.settings.auth == Auth::Enforce && assumed.is_err() {
            return Err(invalid(format!(
                "The role {arn} could not be assumed by {SERVICE_PRINCIPAL}."
            )));
        }
        Ok(())
    }
}

/// How executions are logged, as it is kept.
pub(super) fn logging(
    given: &PipeLogConfigurationParameters,
) -> Result<PipeLogConfiguration, AwsError> {
    if given.firehose_log_destination.is_some() {
        return Err(not_here("Firehose streams as destinations of logs"));
    }
    if let Some(bucket) = &given.s3_log_destination
        && bucket.output_format == Some(haar_pipes_contract::model::S3OutputFormat::W3c)
    {
        return Err(not_here("format w3c of logs"));
    }
    let destinations =
        given.s3_log_destination.is_some() || given.cloudwatch_logs_log_destination.is_some();
    if !destinations && given.level != haar_pipes_contract::model::LogLevel::Off {
        let text = "At least one log destination must be specified.";
        return Err(invalid_field("LogConfiguration", text));
    }
    let json = haar_wire::to_json(given);
    haar_wire::from_json(json).map_err(|error| invalid(error.to_string()))
}
