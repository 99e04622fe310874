//! Platform endpoints: an application on one device.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Listing, Query};
use haar_ledger::{Snapshot, Tx};
use haar_sns_contract::{
    CreateEndpointResponse, CreatePlatformEndpoint, CreatePlatformEndpointInput, DeleteEndpoint,
    DeleteEndpointInput, DeleteEndpointOutput, Endpoint, GetEndpointAttributes,
    GetEndpointAttributesInput, GetEndpointAttributesResponse,
    LIST_ENDPOINTS_BY_PLATFORM_APPLICATION, ListEndpointsByPlatformApplication,
    ListEndpointsByPlatformApplicationInput, ListEndpointsByPlatformApplicationResponse,
    SetEndpointAttributes, SetEndpointAttributesInput, SetEndpointAttributesOutput,
};
use haar_wire::AwsError;

use super::application;
use super::listing::{PAGE, bad_token};
use crate::Sns;
use crate::refusal::{invalid, not_found};
use crate::state::EndpointRow;

const USER_DATA_MAX: usize = 2048;

fn find(snapshot: &Snapshot, arn: &str) -> Result<Arc<EndpointRow>, AwsError> {
    let row = snapshot.get::<EndpointRow>(&arn.to_owned());
    row.ok_or_else(|| not_found("Endpoint does not exist"))
}

/// AWS docs: *Amazon SNS API Reference > CreatePlatformEndpoint*. The same token gets the same
/// endpoint.
impl Command<CreatePlatformEndpoint> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreatePlatformEndpointInput,
    ) -> Answer<CreatePlatformEndpoint> {
        let application = application::find(tx, &input.platform_application_arn)?;
        if input.token.is_empty() {
            return Err(invalid("Token Reason: no value for required parameter"));
        }
        let mut attributes = input.attributes.unwrap_or_default();
        if let Some(data) = input.custom_user_data {
            attributes.insert("CustomUserData".to_owned(), data);
        }
        check_user_data(attributes.get("CustomUserData"))?;
        attributes.insert("Token".to_owned(), input.token.clone());
        attributes.entry("Enabled".to_owned()).or_insert_with(|| "true".to_owned());
        let same = tx.all::<EndpointRow>().find(|row| {
            row.application == application.arn
                && row.attributes.get("Token").is_some_and(|token| *token == input.token)
        });
        if let Some(row) = same {
            return match row.attributes == attributes {
                true => Ok(CreateEndpointResponse { endpoint_arn: Some(row.arn.clone()) }),
                false => Err(invalid(format!(
                    "Token Reason: Endpoint {} already exists with the same Token, but different \
                     attributes.",
                    row.arn
                ))),
            };
        }
        let stem = application.arn.replacen(":app/", ":endpoint/", 1);
        let arn = format!("{stem}/{}", call.ids.uuid());
        tx.put(EndpointRow { arn: arn.clone(), application: application.arn.clone(), attributes });
        Ok(CreateEndpointResponse { endpoint_arn: Some(arn) })
    }
}

fn check_user_data(data: Option<&String>) -> Result<(), AwsError> {
    match data.is_none_or(|data| data.len() <= USER_DATA_MAX) {
        true => Ok(()),
        false => Err(invalid("CustomUserData Reason: must be at most 2048 bytes long in UTF-8")),
    }
}

/// AWS docs: *Amazon SNS API Reference > DeleteEndpoint*. One that is not there is no error.
impl Command<DeleteEndpoint> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: DeleteEndpointInput,
    ) -> Answer<DeleteEndpoint> {
        tx.remove::<EndpointRow>(&input.endpoint_arn);
        Ok(DeleteEndpointOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > GetEndpointAttributes*.
impl Query<GetEndpointAttributes> for Sns {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: GetEndpointAttributesInput,
    ) -> Answer<GetEndpointAttributes> {
        let row = find(snapshot, &input.endpoint_arn)?;
        Ok(GetEndpointAttributesResponse { attributes: Some(row.attributes.clone()) })
    }
}

/// AWS docs: *Amazon SNS API Reference > SetEndpointAttributes*.
impl Command<SetEndpointAttributes> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: SetEndpointAttributesInput,
    ) -> Answer<SetEndpointAttributes> {
        let mut row = EndpointRow::clone(&*find(tx, &input.endpoint_arn)?);
        let known =
            |name: &&String| !matches!(name.as_str(), "CustomUserData" | "Enabled" | "Token");
        if input.attributes.keys().find(known).is_some() {
            return Err(invalid("Attributes"));
        }
        check_user_data(input.attributes.get("CustomUserData"))?;
        row.attributes.extend(input.attributes);
        tx.put(row);
        Ok(SetEndpointAttributesOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > ListEndpointsByPlatformApplication*.
impl Query<ListEndpointsByPlatformApplication> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListEndpointsByPlatformApplicationInput,
    ) -> Answer<ListEndpointsByPlatformApplication> {
        let application = application::find(snapshot, &input.platform_application_arn)?;
        let schema = &LIST_ENDPOINTS_BY_PLATFORM_APPLICATION;
        let listing = Listing::of(schema, call, &input, PAGE, PAGE).map_err(|_| bad_token())?;
        let own = snapshot.all::<EndpointRow>().filter(|row| row.application == application.arn);
        let page = listing.page(own, |row| row.arn.clone());
        let shown = |row: &Arc<EndpointRow>| Endpoint {
            endpoint_arn: Some(row.arn.clone()),
            attributes: Some(row.attributes.clone()),
        };
        Ok(ListEndpointsByPlatformApplicationResponse {
            endpoints: Some(page.items.iter().map(shown).collect()),
            next_token: page.next,
        })
    }
}
