//! SAML providers: records of them. Nobody is let in by their assertions yet.

use std::sync::Arc;
use std::time::Duration;

use haar_iam_contract::{
    AssertionEncryptionModeType, CreateSAMLProvider, CreateSAMLProviderRequest,
    CreateSAMLProviderResponse, DeleteSAMLProvider, DeleteSAMLProviderOutput,
    DeleteSAMLProviderRequest, GetSAMLProvider, GetSAMLProviderRequest, GetSAMLProviderResponse,
    ListSAMLProviders, ListSAMLProvidersRequest, ListSAMLProvidersResponse, SAMLPrivateKey,
    SAMLProviderListEntry, UpdateSAMLProvider, UpdateSAMLProviderRequest,
    UpdateSAMLProviderResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Timestamp};
use haar_wire::AwsError;

use crate::ops::tag::tags_of;
use crate::refusal::{invalid, limit, no_such, quota, taken};
use crate::rules::{private_keys, saml};
use crate::state::{SamlKey, SamlRow, owned, rows_of};
use crate::{Iam, render};

/// Most providers of an account.
const PROVIDERS_MAX: usize = 100;
/// Most keys of a provider.
const KEYS_MAX: usize = 2;
/// How long metadata is good that does not say: AWS shows a hundred years.
const VALID_FOR: Duration = Duration::from_secs(36_525 * 86_400);

/// The provider of an ARN.
pub(crate) fn find_saml(
    snapshot: &Snapshot,
    account: &AccountId,
    arn: &str,
) -> Result<Arc<SamlRow>, AwsError> {
    let invalid = || invalid(format!("Invalid ARN: {arn}"));
    let name = arn.split_once(":saml-provider/").ok_or_else(invalid)?.1;
    let missing = || no_such(format!("Manifest not found for arn {arn}"));
    let row = snapshot.get::<SamlRow>(&owned(account, name));
    row.filter(|row| row.id == arn).ok_or_else(missing)
}

/// How long a document is good.
fn valid_until(call: &Call, document: &str) -> Result<Timestamp, AwsError> {
    let metadata = saml::read(document).ok_or_else(|| invalid("Could not parse metadata"))?;
    match metadata.valid_until {
        Some(end) if end <= call.now => Err(invalid("Metadata has expired")),
        Some(end) => Ok(end),
        None => Ok(call.now + VALID_FOR),
    }
}

impl Iam {
    fn saml_key(&self, call: &Call, pem: &str) -> Result<SamlKey, AwsError> {
        if !private_keys::is_rsa_key(pem) {
            return Err(invalid("The private key is not valid."));
        }
        let id = call.ids.hex(32);
        Ok(SamlKey {
            sealed: self.key.seal(&call.ids, &id, pem.as_bytes()),
            added_at: call.now,
            id,
        })
    }
}

/// Whether assertions must be encrypted, which needs a key to open them with.
fn encryption(
    mode: Option<AssertionEncryptionModeType>,
    keys: &[SamlKey],
) -> Result<Option<bool>, AwsError> {
    let is_required = mode.map(|mode| mode == AssertionEncryptionModeType::Required);
    match is_required == Some(true) && keys.is_empty() {
        true => Err(invalid("A private key must be added when encryption is required.")),
        false => Ok(is_required),
    }
}

impl Command<CreateSAMLProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateSAMLProviderRequest,
    ) -> Answer<CreateSAMLProvider> {
        let (account, name) = (call.account.clone(), input.name);
        let valid_until = valid_until(call, &input.saml_metadata_document)?;
        if tx.contains::<SamlRow>(&owned(&account, &name)) {
            return Err(taken(format!("Provider with name {name} already exists.")));
        }
        if rows_of::<SamlRow>(tx, &account).count() >= PROVIDERS_MAX {
            return Err(quota("SAMLProvidersPerAccount", PROVIDERS_MAX));
        }
        let key = input.add_private_key.map(|pem| self.saml_key(call, &pem)).transpose()?;
        let keys: Vec<SamlKey> = key.into_iter().collect();
        let row = SamlRow {
            id: format!("arn:aws:iam::{account}:saml-provider/{name}"),
            uuid: call.ids.uuid(),
            metadata: input.saml_metadata_document,
            created_at: call.now,
            tags: tags_of(input.tags)?,
            encryption_is_required: encryption(input.assertion_encryption_mode, &keys)?,
            account,
            name,
            valid_until,
            keys,
        };
        let output = CreateSAMLProviderResponse {
            saml_provider_arn: Some(row.id.clone()),
            tags: render::some_tags(&row.tags),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Query<GetSAMLProvider> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetSAMLProviderRequest,
    ) -> Answer<GetSAMLProvider> {
        let row = find_saml(snapshot, &call.account, &input.saml_provider_arn)?;
        let mode = |is_required| match is_required {
            true => AssertionEncryptionModeType::Required,
            false => AssertionEncryptionModeType::Allowed,
        };
        let key = |key: &SamlKey| SAMLPrivateKey {
            key_id: Some(key.id.clone()),
            timestamp: Some(key.added_at),
        };
        Ok(GetSAMLProviderResponse {
            saml_provider_uuid: Some(row.uuid.clone()),
            saml_metadata_document: Some(row.metadata.clone()),
            create_date: Some(row.created_at),
            valid_until: Some(row.valid_until),
            tags: Some(render::tags(&row.tags)),
            assertion_encryption_mode: row.encryption_is_required.map(mode),
            private_key_list: Some(row.keys.iter().map(key).collect()),
        })
    }
}

impl Query<ListSAMLProviders> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: ListSAMLProvidersRequest,
    ) -> Answer<ListSAMLProviders> {
        let entry = |row: Arc<SamlRow>| SAMLProviderListEntry {
            arn: Some(row.id.clone()),
            valid_until: Some(row.valid_until),
            create_date: Some(row.created_at),
        };
        let rows = rows_of::<SamlRow>(snapshot, &call.account);
        Ok(ListSAMLProvidersResponse { saml_provider_list: Some(rows.map(entry).collect()) })
    }
}

impl Command<UpdateSAMLProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSAMLProviderRequest,
    ) -> Answer<UpdateSAMLProvider> {
        let row = find_saml(tx, &call.account, &input.saml_provider_arn)?;
        let mut row = SamlRow::clone(&row);
        if let Some(document) = input.saml_metadata_document {
            row.valid_until = valid_until(call, &document)?;
            row.metadata = document;
        }
        if let Some(id) = input.remove_private_key {
            let count = row.keys.len();
            row.keys.retain(|key| key.id != id);
            if row.keys.len() == count {
                return Err(no_such(format!("The private key {id} cannot be found.")));
            }
        }
        if let Some(pem) = input.add_private_key {
            if row.keys.len() >= KEYS_MAX {
                return Err(limit("The provider has two private keys already."));
            }
            row.keys.push(self.saml_key(call, &pem)?);
        }
        let known = row.encryption_is_required.filter(|is_required| *is_required);
        let known = known.map(|_| AssertionEncryptionModeType::Required);
        let asked = encryption(input.assertion_encryption_mode.or(known), &row.keys)?;
        row.encryption_is_required = asked.or(row.encryption_is_required);
        let saml_provider_arn = Some(row.id.clone());
        tx.put(row);
        Ok(UpdateSAMLProviderResponse { saml_provider_arn })
    }
}

impl Command<DeleteSAMLProvider> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSAMLProviderRequest,
    ) -> Answer<DeleteSAMLProvider> {
        let row = find_saml(tx, &call.account, &input.saml_provider_arn)?;
        tx.remove::<SamlRow>(&owned(&row.account, &row.name));
        Ok(DeleteSAMLProviderOutput {})
    }
}
