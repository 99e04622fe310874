//! API destinations.

use haar_events_contract::model::{
    ApiDestination, ApiDestinationState, CreateApiDestination, CreateApiDestinationRequest,
    CreateApiDestinationResponse, DeleteApiDestination, DeleteApiDestinationRequest,
    DeleteApiDestinationResponse, DescribeApiDestination, DescribeApiDestinationRequest,
    DescribeApiDestinationResponse, ListApiDestinations, ListApiDestinationsRequest,
    ListApiDestinationsResponse, UpdateApiDestination, UpdateApiDestinationRequest,
    UpdateApiDestinationResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::{check_count, listing, named};
use crate::Events;
use crate::refusal::{exists, invalid, not_found};
use crate::state::{ConnectionRow, DestinationRow, NameKey};

/// Calls a second where nobody says. *Amazon EventBridge User Guide > API destinations*.
const RATE_USUAL: i32 = 300;

/// Destinations of an account in a region. *Amazon EventBridge quotas*.
const DESTINATIONS_MAX: usize = 3000;

/// A connection by its ARN, if it is there.
pub(crate) fn connection(snapshot: &Snapshot, arn: &str) -> Option<std::sync::Arc<ConnectionRow>> {
    let row = snapshot.get::<ConnectionRow>(&NameKey::of_arn(arn, "connection")?)?;
    (row.arn() == arn).then_some(row)
}

fn check_connection(snapshot: &Snapshot, arn: &str) -> Result<(), AwsError> {
    let text = format!("Connection '{arn}' does not exist.");
    connection(snapshot, arn).map(drop).ok_or_else(|| not_found(text))
}

/// *Ours*: `http` too, so that what runs on one's own machine can be called.
fn check_endpoint(endpoint: &str) -> Result<(), AwsError> {
    let is_url = endpoint.starts_with("https://") || endpoint.starts_with("http://");
    match is_url {
        true => Ok(()),
        false => Err(invalid("Parameter InvocationEndpoint is not valid.")),
    }
}

fn state(snapshot: &Snapshot, row: &DestinationRow) -> ApiDestinationState {
    match connection(snapshot, &row.connection_arn) {
        Some(connection) if connection.is_authorized => ApiDestinationState::Active,
        _ => ApiDestinationState::Inactive,
    }
}

fn rate(given: Option<i32>) -> u32 {
    u32::try_from(given.unwrap_or(RATE_USUAL)).unwrap_or(1)
}

fn find(snapshot: &Snapshot, call: &Call, name: &str) -> Result<DestinationRow, AwsError> {
    let row = snapshot.get::<DestinationRow>(&NameKey::own(call, name));
    let text = format!(
        "Failed to describe the api-destination(s). An api-destination '{name}' does not exist."
    );
    row.map(|row| DestinationRow::clone(&row)).ok_or_else(|| not_found(text))
}

impl Command<CreateApiDestination> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateApiDestinationRequest,
    ) -> Answer<CreateApiDestination> {
        let key = NameKey::own(call, &input.name);
        if tx.contains::<DestinationRow>(&key) {
            let text = format!("An api-destination '{}' already exists.", key.name);
            return Err(exists(text));
        }
        check_connection(tx, &input.connection_arn)?;
        check_endpoint(&input.invocation_endpoint)?;
        check_count::<DestinationRow>(tx, call, DESTINATIONS_MAX)?;
        let row = DestinationRow {
            key,
            id: call.ids.uuid(),
            description: input.description,
            connection_arn: input.connection_arn,
            endpoint: input.invocation_endpoint,
            method: input.http_method,
            rate_per_second: rate(input.invocation_rate_limit_per_second),
            created_at: call.now,
            modified_at: call.now,
        };
        let output = CreateApiDestinationResponse {
            api_destination_arn: Some(row.arn()),
            api_destination_state: Some(state(tx, &row)),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Command<UpdateApiDestination> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateApiDestinationRequest,
    ) -> Answer<UpdateApiDestination> {
        let mut row = find(tx, call, &input.name)?;
        row.connection_arn = input.connection_arn.unwrap_or(row.connection_arn);
        row.endpoint = input.invocation_endpoint.unwrap_or(row.endpoint);
        check_connection(tx, &row.connection_arn)?;
        check_endpoint(&row.endpoint)?;
        row.method = input.http_method.unwrap_or(row.method);
        row.description = input.description.or(row.description);
        if input.invocation_rate_limit_per_second.is_some() {
            row.rate_per_second = rate(input.invocation_rate_limit_per_second);
        }
        row.modified_at = call.now;
        let output = UpdateApiDestinationResponse {
            api_destination_arn: Some(row.arn()),
            api_destination_state: Some(state(tx, &row)),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Query<DescribeApiDestination> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeApiDestinationRequest,
    ) -> Answer<DescribeApiDestination> {
        let row = find(snapshot, call, &input.name)?;
        Ok(DescribeApiDestinationResponse {
            api_destination_arn: Some(row.arn()),
            name: Some(row.key.name.clone()),
            description: row.description.clone(),
            api_destination_state: Some(state(snapshot, &row)),
            connection_arn: Some(row.connection_arn.clone()),
            invocation_endpoint: Some(row.endpoint.clone()),
            http_method: Some(row.method),
            invocation_rate_limit_per_second: i32::try_from(row.rate_per_second).ok(),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        })
    }
}

impl Query<ListApiDestinations> for Events {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListApiDestinationsRequest,
    ) -> Answer<ListApiDestinations> {
        let listing = listing::<ListApiDestinations>(call, &input)?;
        let prefix = input.name_prefix.unwrap_or_default();
        let is_asked_for = |row: &DestinationRow| {
            row.key.name.starts_with(&prefix)
                && input.connection_arn.as_ref().is_none_or(|arn| row.connection_arn == *arn)
        };
        let all = named::<DestinationRow>(snapshot, call).filter(|row| is_asked_for(row));
        let page = listing.page(all, |row| row.key.name.clone());
        let shown = |row: &std::sync::Arc<DestinationRow>| ApiDestination {
            api_destination_arn: Some(row.arn()),
            name: Some(row.key.name.clone()),
            api_destination_state: Some(state(snapshot, row)),
            connection_arn: Some(row.connection_arn.clone()),
            invocation_endpoint: Some(row.endpoint.clone()),
            http_method: Some(row.method),
            invocation_rate_limit_per_second: i32::try_from(row.rate_per_second).ok(),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        };
        let destinations = page.items.iter().map(shown).collect();
        Ok(ListApiDestinationsResponse {
            api_destinations: Some(destinations),
            next_token: page.next,
        })
    }
}

impl Command<DeleteApiDestination> for Events {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteApiDestinationRequest,
    ) -> Answer<DeleteApiDestination> {
        let row = find(tx, call, &input.name)?;
        tx.remove::<DestinationRow>(&row.key);
        Ok(DeleteApiDestinationResponse {})
    }
}
