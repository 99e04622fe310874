//! OpenID Connect providers.

use std::sync::Arc;

use haar_iam_contract::{
    AddClientIDToOpenIDConnectProvider, AddClientIDToOpenIDConnectProviderOutput,
    AddClientIDToOpenIDConnectProviderRequest, CreateOpenIDConnectProvider,
    CreateOpenIDConnectProviderRequest, CreateOpenIDConnectProviderResponse,
    DeleteOpenIDConnectProvider, DeleteOpenIDConnectProviderOutput,
    DeleteOpenIDConnectProviderRequest, GetOpenIDConnectProvider, GetOpenIDConnectProviderRequest,
    GetOpenIDConnectProviderResponse, ListOpenIDConnectProviders,
    ListOpenIDConnectProvidersRequest, ListOpenIDConnectProvidersResponse,
    OpenIDConnectProviderListEntry, RemoveClientIDFromOpenIDConnectProvider,
    RemoveClientIDFromOpenIDConnectProviderOutput, RemoveClientIDFromOpenIDConnectProviderRequest,
    UpdateOpenIDConnectProviderThumbprint, UpdateOpenIDConnectProviderThumbprintOutput,
    UpdateOpenIDConnectProviderThumbprintRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::ops::tag::tags_of;
use crate::refusal::{invalid, no_such, quota, taken};
use crate::rules::issuers;
use crate::state::{OidcRow, rows_of};
use crate::{Iam, render};

/// Most client ids of a provider.
const CLIENT_IDS_MAX: usize = 100;
/// Most thumbprints of a provider.
const THUMBPRINTS_MAX: usize = 5;
/// Most providers of an account.
const PROVIDERS_MAX: usize = 100;

/// The provider of an ARN.
pub(crate) fn find_oidc(
    snapshot: &Snapshot,
    account: &AccountId,
    arn: &str,
) -> Result<Arc<OidcRow>, AwsError> {
    let invalid = || invalid(format!("Invalid ARN: {arn}"));
    let issuer = arn.split_once(":oidc-provider/").ok_or_else(invalid)?.1;
    let row = snapshot.get::<OidcRow>(&(account.clone(), issuer.to_owned()));
    let missing = || no_such(format!("OpenIDConnect Provider not found for arn {arn}"));
    row.filter(|row| row.id == arn).ok_or_else(missing)
}

fn check_thumbprints(thumbprints: &[String]) -> Result<(), AwsError> {
    if thumbprints.len() > THUMBPRINTS_MAX {
        return Err(invalid("Thumbprint list must contain fewer than 5 entries."));
    }
    match thumbprints.iter().all(|text| issuers::is_thumbprint(text)) {
        true => Ok(()),
        false => Err(invalid("Thumbprint must be 40 hexadecimal digits.")),
    }
}

impl Command<CreateOpenIDConnectProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateOpenIDConnectProviderRequest,
    ) -> Answer<CreateOpenIDConnectProvider> {
        let account = call.account.clone();
        let issuer = issuers::read(&input.url);
        let issuer = issuer.ok_or_else(|| invalid("Invalid Open ID Connect Provider URL"))?;
        let key = (account.clone(), issuer.name.clone());
        if tx.contains::<OidcRow>(&key) {
            let url = &issuer.url;
            return Err(taken(format!("Provider with url {url} already exists.")));
        }
        if rows_of::<OidcRow>(tx, &account).count() >= PROVIDERS_MAX {
            return Err(quota("OpenIDConnectProvidersPerAccount", PROVIDERS_MAX));
        }
        let (clients, thumbprints) = (input.client_id_list, input.thumbprint_list);
        let (mut client_ids, thumbprints) =
            (clients.unwrap_or_default(), thumbprints.unwrap_or_default());
        check_thumbprints(&thumbprints)?;
        client_ids.dedup();
        if client_ids.len() > CLIENT_IDS_MAX {
            return Err(quota("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS_MAX));
        }
        let row = OidcRow {
            id: format!("arn:aws:iam::{account}:oidc-provider/{}", issuer.name),
            issuer: issuer.name,
            url: issuer.url,
            created_at: call.now,
            tags: tags_of(input.tags)?,
            account,
            client_ids,
            thumbprints,
        };
        let output = CreateOpenIDConnectProviderResponse {
            open_id_connect_provider_arn: Some(row.id.clone()),
            tags: render::some_tags(&row.tags),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Query<GetOpenIDConnectProvider> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetOpenIDConnectProviderRequest,
    ) -> Answer<GetOpenIDConnectProvider> {
        let row = find_oidc(snapshot, &call.account, &input.open_id_connect_provider_arn)?;
        Ok(GetOpenIDConnectProviderResponse {
            url: Some(row.issuer.clone()),
            client_id_list: Some(row.client_ids.clone()),
            thumbprint_list: Some(row.thumbprints.clone()),
            create_date: Some(row.created_at),
            tags: Some(render::tags(&row.tags)),
        })
    }
}

impl Query<ListOpenIDConnectProviders> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: ListOpenIDConnectProvidersRequest,
    ) -> Answer<ListOpenIDConnectProviders> {
        let rows = rows_of::<OidcRow>(snapshot, &call.account);
        let entry =
            |row: Arc<OidcRow>| OpenIDConnectProviderListEntry { arn: Some(row.id.clone()) };
        let open_id_connect_provider_list = Some(rows.map(entry).collect());
        Ok(ListOpenIDConnectProvidersResponse { open_id_connect_provider_list })
    }
}

impl Command<UpdateOpenIDConnectProviderThumbprint> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateOpenIDConnectProviderThumbprintRequest,
    ) -> Answer<UpdateOpenIDConnectProviderThumbprint> {
        let row = find_oidc(tx, &call.account, &input.open_id_connect_provider_arn)?;
        check_thumbprints(&input.thumbprint_list)?;
        tx.put(OidcRow { thumbprints: input.thumbprint_list, ..OidcRow::clone(&row) });
        Ok(UpdateOpenIDConnectProviderThumbprintOutput {})
    }
}

impl Command<AddClientIDToOpenIDConnectProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AddClientIDToOpenIDConnectProviderRequest,
    ) -> Answer<AddClientIDToOpenIDConnectProvider> {
        let row = find_oidc(tx, &call.account, &input.open_id_connect_provider_arn)?;
        let mut row = OidcRow::clone(&row);
        if !row.client_ids.contains(&input.client_id) {
            if row.client_ids.len() >= CLIENT_IDS_MAX {
                return Err(quota("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS_MAX));
            }
            row.client_ids.push(input.client_id);
            tx.put(row);
        }
        Ok(AddClientIDToOpenIDConnectProviderOutput {})
    }
}

impl Command<RemoveClientIDFromOpenIDConnectProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveClientIDFromOpenIDConnectProviderRequest,
    ) -> Answer<RemoveClientIDFromOpenIDConnectProvider> {
        let row = find_oidc(tx, &call.account, &input.open_id_connect_provider_arn)?;
        let mut row = OidcRow::clone(&row);
        row.client_ids.retain(|id| *id != input.client_id);
        tx.put(row);
        Ok(RemoveClientIDFromOpenIDConnectProviderOutput {})
    }
}

impl Command<DeleteOpenIDConnectProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteOpenIDConnectProviderRequest,
    ) -> Answer<DeleteOpenIDConnectProvider> {
        let row = find_oidc(tx, &call.account, &input.open_id_connect_provider_arn)?;
        tx.remove::<OidcRow>(&(row.account.clone(), row.issuer.clone()));
        Ok(DeleteOpenIDConnectProviderOutput {})
    }
}
