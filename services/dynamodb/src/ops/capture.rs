//! Kinesis streams as destinations of changes.

use std::sync::Arc;

use haar_dynamodb_contract::{
    ApproximateCreationDateTimePrecision as Precision, DescribeKinesisStreamingDestination,
    DescribeKinesisStreamingDestinationInput, DescribeKinesisStreamingDestinationOutput,
    DestinationStatus, DisableKinesisStreamingDestination, EnableKinesisStreamingConfiguration,
    EnableKinesisStreamingDestination, KinesisDataStreamDestination,
    KinesisStreamingDestinationInput, KinesisStreamingDestinationOutput, TableStatus,
    UpdateKinesisStreamingConfiguration, UpdateKinesisStreamingDestination,
    UpdateKinesisStreamingDestinationInput, UpdateKinesisStreamingDestinationOutput,
};
use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_kinesis_contract::{DescribeStreamSummary, DescribeStreamSummaryInput};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::lookup::find_table;
use crate::refusal::{in_use, invalid, limit};
use crate::state::{Capture, TableRow};
use crate::transfers::SELF;

/// Streams that a table's changes may go to at a time. *Ours*: AWS does not say.
const ENABLED_MAX: usize = 2;

/// AWS docs: *Amazon DynamoDB API Reference > EnableKinesisStreamingDestination*.
impl Flow<EnableKinesisStreamingDestination> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: KinesisStreamingDestinationInput,
    ) -> Answer<EnableKinesisStreamingDestination> {
        find_table(&self.doors.ledger.snapshot(), &call, &input.table_name)?;
        self.refuse_unseen(&call, &input.stream_arn).await?;
        let asked = input.enable_kinesis_streaming_configuration;
        let precision =
            asked.as_ref().and_then(|asked| asked.approximate_creation_date_time_precision);
        let precision = precision.unwrap_or(Precision::Millisecond);
        let name = self
            .commit(|tx| {
                let mut row = TableRow::clone(&*find_table(tx, &call, &input.table_name)?);
                enable(&mut row, &input.stream_arn, precision)?;
                let name = row.name().to_owned();
                tx.put(row);
                Ok(name)
            })
            .await?;
        Ok(KinesisStreamingDestinationOutput {
            table_name: Some(name),
            stream_arn: Some(input.stream_arn),
            destination_status: Some(DestinationStatus::Enabling),
            enable_kinesis_streaming_configuration: Some(EnableKinesisStreamingConfiguration {
                approximate_creation_date_time_precision: Some(precision),
            }),
        })
    }
}

impl Dynamodb {
    /// The stream must be one that the caller sees, here and now.
    async fn refuse_unseen(&self, call: &Call, stream_arn: &str) -> Result<(), AwsError> {
        let unseen = || invalid("User does not have a permission to use kinesis stream");
        let here = format!("arn:aws:kinesis:{}:{}:stream/", call.region, call.account);
        if !stream_arn.starts_with(&here) {
            return Err(unseen());
        }
        let stream_arn = Some(stream_arn.to_owned());
        let input = DescribeStreamSummaryInput { stream_arn, ..Default::default() };
        let principal = call.principal.via(SELF);
        let seen = self.doors.call::<DescribeStreamSummary>(principal, &call.region, input).await;
        seen.map(|_| ()).map_err(|_| unseen())
    }
}

fn enable(row: &mut TableRow, stream_arn: &str, precision: Precision) -> Result<(), AwsError> {
    if row.status != TableStatus::Active {
        return Err(in_use(format!(
            "Attempt to change a resource which is still in use: Table is \
                                   being changed: {}",
            row.name()
        )));
    }
    let is_off = |capture: &Capture| {
        matches!(capture.status, DestinationStatus::Disabled | DestinationStatus::EnableFailed)
    };
    if row.captures.iter().any(|one| one.stream_arn == stream_arn && !is_off(one)) {
        return Err(invalid(
            "Table is not in a valid state to enable Kinesis Streaming Destination: \
             KinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE \
             operation.",
        ));
    }
    row.captures.retain(|one| one.stream_arn != stream_arn);
    if row.captures.iter().filter(|one| !is_off(one)).count() >= ENABLED_MAX {
        return Err(limit("Too many Kinesis Streaming Destinations are enabled for this table"));
    }
    let (stream_arn, status) = (stream_arn.to_owned(), DestinationStatus::Enabling);
    row.captures.push(Capture { stream_arn, status, precision });
    Ok(())
}

/// The destination, which must be active.
fn active<'a>(
    row: &'a mut TableRow,
    stream_arn: &str,
    verb: &str,
) -> Result<&'a mut Capture, AwsError> {
    let mut all = row.captures.iter_mut();
    let found = all.find(|capture| capture.stream_arn == stream_arn);
    found.filter(|capture| capture.status == DestinationStatus::Active).ok_or_else(|| {
        invalid(format!(
            "Table is not in a valid state to {} Kinesis Streaming Destination: \
             KinesisStreamingDestination must be ACTIVE to perform {verb} operation.",
            verb.to_lowercase()
        ))
    })
}

/// AWS docs: *Amazon DynamoDB API Reference > DisableKinesisStreamingDestination*.
impl Command<DisableKinesisStreamingDestination> for Dynamodb {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: KinesisStreamingDestinationInput,
    ) -> Answer<DisableKinesisStreamingDestination> {
        let mut row = TableRow::clone(&*find_table(tx, call, &input.table_name)?);
        let capture = active(&mut row, &input.stream_arn, "DISABLE")?;
        capture.status = DestinationStatus::Disabling;
        let output = KinesisStreamingDestinationOutput {
            table_name: Some(row.name().to_owned()),
            stream_arn: Some(input.stream_arn),
            destination_status: Some(DestinationStatus::Disabling),
            enable_kinesis_streaming_configuration: input.enable_kinesis_streaming_configuration,
        };
        tx.put(row);
        Ok(output)
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > UpdateKinesisStreamingDestination*.
impl Command<UpdateKinesisStreamingDestination> for Dynamodb {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateKinesisStreamingDestinationInput,
    ) -> Answer<UpdateKinesisStreamingDestination> {
        let mut row = TableRow::clone(&*find_table(tx, call, &input.table_name)?);
        let asked = input.update_kinesis_streaming_configuration.as_ref();
        let asked = asked.and_then(|asked| asked.approximate_creation_date_time_precision);
        let precision = asked.ok_or_else(|| {
            invalid("Streaming destination cannot be updated with given parameters: \
                     UpdateKinesisStreamingConfiguration cannot be null or contain only null values")
        })?;
        let uuid = row.uuid.clone();
        let capture = active(&mut row, &input.stream_arn, "UPDATE")?;
        if capture.precision == precision {
            return Err(invalid(format!(
                "Invalid Request: Precision is already set to the desired value of {precision} for \
                 tableId: {uuid}, kdsArn: {}",
                input.stream_arn
            )));
        }
        (capture.precision, capture.status) = (precision, DestinationStatus::Updating);
        let output = UpdateKinesisStreamingDestinationOutput {
            table_name: Some(row.name().to_owned()),
            stream_arn: Some(input.stream_arn),
            destination_status: Some(DestinationStatus::Updating),
            update_kinesis_streaming_configuration: Some(UpdateKinesisStreamingConfiguration {
                approximate_creation_date_time_precision: Some(precision),
            }),
        };
        tx.put(row);
        Ok(output)
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DescribeKinesisStreamingDestination*.
impl Query<DescribeKinesisStreamingDestination> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeKinesisStreamingDestinationInput,
    ) -> Answer<DescribeKinesisStreamingDestination> {
        let row = find_table(snapshot, call, &input.table_name)?;
        let shown = |capture: &Capture| KinesisDataStreamDestination {
            stream_arn: Some(capture.stream_arn.clone()),
            destination_status: Some(capture.status),
            destination_status_description: None,
            approximate_creation_date_time_precision: Some(capture.precision),
        };
        Ok(DescribeKinesisStreamingDestinationOutput {
            table_name: Some(row.name().to_owned()),
            kinesis_data_stream_destinations: Some(row.captures.iter().map(shown).collect()),
        })
    }
}
