//! Platform applications: mobile push is kept in the outbox, whatever the credentials.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Listing, Query};
use haar_ledger::{Snapshot, Tx};
use haar_sns_contract::{
    CreatePlatformApplication, CreatePlatformApplicationInput, CreatePlatformApplicationResponse,
    DeletePlatformApplication, DeletePlatformApplicationInput, DeletePlatformApplicationOutput,
    GetPlatformApplicationAttributes, GetPlatformApplicationAttributesInput,
    GetPlatformApplicationAttributesResponse, LIST_PLATFORM_APPLICATIONS, ListPlatformApplications,
    ListPlatformApplicationsInput, ListPlatformApplicationsResponse, PlatformApplication,
    SetPlatformApplicationAttributes, SetPlatformApplicationAttributesInput,
    SetPlatformApplicationAttributesOutput,
};
use haar_wire::AwsError;

use super::listing::{PAGE, bad_token};
use crate::Sns;
use crate::refusal::{invalid, not_found};
use crate::state::{ApplicationRow, EndpointRow};

const PLATFORMS: &[&str] = &[
    "ADM",
    "APNS",
    "APNS_SANDBOX",
    "APNS_VOIP",
    "APNS_VOIP_SANDBOX",
    "BAIDU",
    "GCM",
    "MACOS",
    "MACOS_SANDBOX",
    "MPNS",
    "WNS",
];
/// Never shown again.
const SECRET: &[&str] = &["PlatformCredential", "PlatformPrincipal"];

/// The application that an ARN names.
pub(super) fn find(snapshot: &Snapshot, arn: &str) -> Result<Arc<ApplicationRow>, AwsError> {
    let row = snapshot.get::<ApplicationRow>(&arn.to_owned());
    row.ok_or_else(|| not_found("PlatformApplication does not exist"))
}

/// AWS docs: *Amazon SNS API Reference > CreatePlatformApplication*.
impl Command<CreatePlatformApplication> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreatePlatformApplicationInput,
    ) -> Answer<CreatePlatformApplication> {
        if !PLATFORMS.contains(&input.platform.as_str()) {
            return Err(invalid(format!("Platform Reason: {} is not supported", input.platform)));
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if input.name.is_empty() || input.name.len() > 256 || !input.name.bytes().all(letter) {
            return Err(invalid("Name"));
        }
        let has_credential = input.attributes.get("PlatformCredential");
        if has_credential.is_none_or(String::is_empty) {
            return Err(invalid("Attributes Reason: Platform credentials are invalid"));
        }
        let arn = format!(
            "arn:aws:sns:{}:{}:app/{}/{}",
            call.region, call.account, input.platform, input.name
        );
        tx.put(ApplicationRow { arn: arn.clone(), attributes: input.attributes });
        Ok(CreatePlatformApplicationResponse { platform_application_arn: Some(arn) })
    }
}

/// AWS docs: *Amazon SNS API Reference > DeletePlatformApplication*. Its endpoints go with it (*Ours*).
impl Command<DeletePlatformApplication> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: DeletePlatformApplicationInput,
    ) -> Answer<DeletePlatformApplication> {
        let arn = input.platform_application_arn;
        let devices: Vec<String> = tx
            .all::<EndpointRow>()
            .filter(|row| row.application == arn)
            .map(|row| row.arn.clone())
            .collect();
        devices.iter().for_each(|device| _ = tx.remove::<EndpointRow>(device));
        tx.remove::<ApplicationRow>(&arn);
        Ok(DeletePlatformApplicationOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > GetPlatformApplicationAttributes*.
impl Query<GetPlatformApplicationAttributes> for Sns {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: GetPlatformApplicationAttributesInput,
    ) -> Answer<GetPlatformApplicationAttributes> {
        let row = find(snapshot, &input.platform_application_arn)?;
        Ok(GetPlatformApplicationAttributesResponse { attributes: shown(&row).attributes })
    }
}

/// AWS docs: *Amazon SNS API Reference > SetPlatformApplicationAttributes*.
impl Command<SetPlatformApplicationAttributes> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: SetPlatformApplicationAttributesInput,
    ) -> Answer<SetPlatformApplicationAttributes> {
        let row = find(tx, &input.platform_application_arn)?;
        let mut row = ApplicationRow::clone(&row);
        row.attributes.extend(input.attributes);
        tx.put(row);
        Ok(SetPlatformApplicationAttributesOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > ListPlatformApplications*.
impl Query<ListPlatformApplications> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPlatformApplicationsInput,
    ) -> Answer<ListPlatformApplications> {
        let listing = Listing::of(&LIST_PLATFORM_APPLICATIONS, call, &input, PAGE, PAGE);
        let listing = listing.map_err(|_| bad_token())?;
        let prefix = format!("arn:aws:sns:{}:{}:app/", call.region, call.account);
        let own = snapshot.all::<ApplicationRow>().filter(|row| row.arn.starts_with(&prefix));
        let page = listing.page(own, |row| row.arn.clone());
        let applications = page.items.iter().map(|row| shown(row)).collect();
        Ok(ListPlatformApplicationsResponse {
            platform_applications: Some(applications),
            next_token: page.next,
        })
    }
}

fn shown(row: &ApplicationRow) -> PlatformApplication {
    let mut attributes = row.attributes.clone();
    attributes.retain(|name, _| !SECRET.contains(&name.as_str()));
    attributes.entry("Enabled".to_owned()).or_insert_with(|| "true".to_owned());
    PlatformApplication {
        platform_application_arn: Some(row.arn.clone()),
        attributes: Some(attributes),
    }
}
