//! Credentials that are good for one service.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_iam_contract::{
    CreateServiceSpecificCredential, CreateServiceSpecificCredentialRequest,
    CreateServiceSpecificCredentialResponse, DeleteServiceSpecificCredential,
    DeleteServiceSpecificCredentialOutput, DeleteServiceSpecificCredentialRequest,
    ListServiceSpecificCredentials, ListServiceSpecificCredentialsRequest,
    ListServiceSpecificCredentialsResponse, ResetServiceSpecificCredential,
    ResetServiceSpecificCredentialRequest, ResetServiceSpecificCredentialResponse,
    ServiceNotSupportedException, ServiceSpecificCredential, ServiceSpecificCredentialMetadata,
    UpdateServiceSpecificCredential, UpdateServiceSpecificCredentialOutput,
    UpdateServiceSpecificCredentialRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;
use sha2::{Digest as _, Sha256};

use crate::Iam;
use crate::lookup::{find_user, paged, user_of_id, user_or_caller};
use crate::ops::{is_active, status};
use crate::refusal::{no_such, quota, validation};
use crate::rules::{CREDENTIALS_PER_SERVICE_MAX, IdKind, mint_id};
use crate::state::{OfUser as _, ServiceCredentialRow, UserRow, rows_of};

/// Amazon Bedrock, whose keys are one text and may end.
const BEDROCK: &str = "bedrock.amazonaws.com";
/// The services that have such credentials.
const SERVICES: [&str; 3] = [BEDROCK, "cassandra.amazonaws.com", "codecommit.amazonaws.com"];
const DAY: Duration = Duration::from_secs(86_400);

fn check_service(service: &str) -> Result<(), AwsError> {
    let text = format!("No such service {service} is supported for Service Specific Credentials");
    match SERVICES.contains(&service) {
        true => Ok(()),
        false => Err(ServiceNotSupportedException::message(text).into()),
    }
}

/// A new secret, in base 64.
fn mint_secret(call: &Call) -> String {
    let mut bytes = [0; 32];
    call.ids.secret(&mut bytes);
    STANDARD.encode(bytes)
}

/// The first of a user's names that is free: `ann-at-123456789012`, `ann+1-at-…`.
fn free_name(user: &UserRow, known: &[Arc<ServiceCredentialRow>]) -> String {
    let stem = |count: usize| match count {
        0 => format!("{}-at-{}", user.name, user.account),
        count => format!("{}+{count}-at-{}", user.name, user.account),
    };
    let is_free = |name: &String| !known.iter().any(|row| row.name == *name);
    (0..=known.len()).map(stem).find(is_free).unwrap_or_else(|| stem(known.len()))
}

/// A user's credential. One that is named alone is looked for as the caller's.
fn find_credential(
    snapshot: &Snapshot,
    call: &Call,
    user: Option<&str>,
    id: &str,
) -> Result<(Arc<UserRow>, ServiceCredentialRow), AwsError> {
    let user = user_or_caller(call, snapshot, user)?;
    let row = snapshot.get::<ServiceCredentialRow>(&id.to_owned());
    let row = row.filter(|row| row.user == user.id);
    let missing = || no_such(format!("No such credential {id} exists"));
    let row = ServiceCredentialRow::clone(&*row.ok_or_else(missing)?);
    Ok((user, row))
}

/// A credential with its secret, which is seen this once.
fn shown(
    row: &ServiceCredentialRow,
    user: &UserRow,
    secret: String,
) -> Option<ServiceSpecificCredential> {
    let mut all = ServiceSpecificCredential {
        create_date: row.created_at,
        expiration_date: row.expires_at,
        service_name: row.service.clone(),
        service_specific_credential_id: row.id.clone(),
        user_name: user.name.clone(),
        status: status(row.is_active),
        ..ServiceSpecificCredential::default()
    };
    let (name, secret) = (Some(row.name.clone()), Some(secret));
    if row.service == BEDROCK {
        (all.service_credential_alias, all.service_credential_secret) = (name, secret);
    } else {
        (all.service_user_name, all.service_password) = (name, secret);
    }
    Some(all)
}

impl Command<CreateServiceSpecificCredential> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateServiceSpecificCredentialRequest,
    ) -> Answer<CreateServiceSpecificCredential> {
        let user = find_user(tx, &call.account, &input.user_name)?;
        check_service(&input.service_name)?;
        if input.credential_age_days.is_some() && input.service_name != BEDROCK {
            let text = format!("Credential age is not supported for {}.", input.service_name);
            return Err(validation(text));
        }
        let rows = ServiceCredentialRow::of_user(tx, &user.id);
        let of_service: Vec<_> =
            rows.into_iter().filter(|row| row.service == input.service_name).collect();
        if of_service.len() >= CREDENTIALS_PER_SERVICE_MAX {
            let name = "ServiceSpecificCredentialsPerUser";
            return Err(quota(name, CREDENTIALS_PER_SERVICE_MAX));
        }
        let secret = mint_secret(call);
        let age = input.credential_age_days.and_then(|days| u32::try_from(days).ok());
        let row = ServiceCredentialRow {
            id: mint_id(&call.ids, IdKind::ServiceCredential),
            account: call.account.clone(),
            user: user.id.clone(),
            name: free_name(&user, &of_service),
            service: input.service_name,
            secret_hash: Sha256::digest(secret.as_bytes()).to_vec(),
            is_active: true,
            created_at: call.now,
            expires_at: age.map(|days| call.now + DAY * days),
        };
        let service_specific_credential = shown(&row, &user, secret);
        tx.put(row);
        Ok(CreateServiceSpecificCredentialResponse { service_specific_credential })
    }
}

impl Command<ResetServiceSpecificCredential> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ResetServiceSpecificCredentialRequest,
    ) -> Answer<ResetServiceSpecificCredential> {
        let id = &input.service_specific_credential_id;
        let (user, row) = find_credential(tx, call, input.user_name.as_deref(), id)?;
        let secret = mint_secret(call);
        let secret_hash = Sha256::digest(secret.as_bytes()).to_vec();
        let row = ServiceCredentialRow { secret_hash, ..row };
        let service_specific_credential = shown(&row, &user, secret);
        tx.put(row);
        Ok(ResetServiceSpecificCredentialResponse { service_specific_credential })
    }
}

impl Command<UpdateServiceSpecificCredential> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateServiceSpecificCredentialRequest,
    ) -> Answer<UpdateServiceSpecificCredential> {
        let id = &input.service_specific_credential_id;
        let (_, row) = find_credential(tx, call, input.user_name.as_deref(), id)?;
        let is_active = is_active(&input.status)?;
        tx.put(ServiceCredentialRow { is_active, ..row });
        Ok(UpdateServiceSpecificCredentialOutput {})
    }
}

impl Command<DeleteServiceSpecificCredential> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteServiceSpecificCredentialRequest,
    ) -> Answer<DeleteServiceSpecificCredential> {
        let id = &input.service_specific_credential_id;
        let (_, row) = find_credential(tx, call, input.user_name.as_deref(), id)?;
        tx.remove::<ServiceCredentialRow>(&row.id);
        Ok(DeleteServiceSpecificCredentialOutput {})
    }
}

impl Query<ListServiceSpecificCredentials> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListServiceSpecificCredentialsRequest,
    ) -> Answer<ListServiceSpecificCredentials> {
        if let Some(service) = &input.service_name {
            check_service(service)?;
        }
        let users = match (input.all_users, &input.user_name) {
            (Some(true), Some(_)) => {
                return Err(validation("UserName and AllUsers cannot both be specified."));
            }
            (Some(true), None) => rows_of::<UserRow>(snapshot, &call.account).collect(),
            (_, name) => {
                let user = super::user_of_list(call, snapshot, name.as_deref())?;
                user.into_iter().collect::<Vec<_>>()
            }
        };
        let wanted = |row: &Arc<ServiceCredentialRow>| {
            input.service_name.as_ref().is_none_or(|service| row.service == *service)
        };
        let mut rows: Vec<_> = users
            .iter()
            .flat_map(|user| ServiceCredentialRow::of_user(snapshot, &user.id))
            .filter(wanted)
            .collect();
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        let scope = "ListServiceSpecificCredentials";
        let page = paged(rows, scope, (input.marker, input.max_items), |row| row.id.clone())?;
        Ok(ListServiceSpecificCredentialsResponse {
            service_specific_credentials: Some(
                page.items.iter().map(|row| metadata(snapshot, row)).collect(),
            ),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

fn metadata(snapshot: &Snapshot, row: &ServiceCredentialRow) -> ServiceSpecificCredentialMetadata {
    let user = user_of_id(snapshot, &row.user);
    let (alias, name) = match row.service == BEDROCK {
        true => (Some(row.name.clone()), None),
        false => (None, Some(row.name.clone())),
    };
    ServiceSpecificCredentialMetadata {
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        status: status(row.is_active),
        service_user_name: name,
        service_credential_alias: alias,
        create_date: row.created_at,
        expiration_date: row.expires_at,
        service_specific_credential_id: row.id.clone(),
        service_name: row.service.clone(),
    }
}
