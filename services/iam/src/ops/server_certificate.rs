//! Certificates of servers.

use std::sync::Arc;

use haar_iam_contract::{
    DeleteServerCertificate, DeleteServerCertificateOutput, DeleteServerCertificateRequest,
    GetServerCertificate, GetServerCertificateRequest, GetServerCertificateResponse,
    KeyPairMismatchException, ListServerCertificates, ListServerCertificatesRequest,
    ListServerCertificatesResponse, MalformedCertificateException, ServerCertificate,
    ServerCertificateMetadata, UpdateServerCertificate, UpdateServerCertificateOutput,
    UpdateServerCertificateRequest, UploadServerCertificate, UploadServerCertificateRequest,
    UploadServerCertificateResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::lookup::{has_path, paged};
use crate::ops::tag::tags_of;
use crate::refusal::{no_such, quota, taken};
use crate::rules::{IdKind, SERVER_CERTIFICATES_MAX, certificates, mint_id, private_keys};
use crate::state::{Named as _, ServerCertificateRow, owned, rows_of};
use crate::{Iam, render};

/// The certificate of a name.
pub(crate) fn find_server_certificate(
    snapshot: &Snapshot,
    account: &AccountId,
    name: &str,
) -> Result<Arc<ServerCertificateRow>, AwsError> {
    let missing = || no_such(format!("The Server Certificate with name {name} cannot be found."));
    snapshot.get::<ServerCertificateRow>(&owned(account, name)).ok_or_else(missing)
}

fn refuse_taken(tx: &Tx, call: &Call, name: &str) -> Result<(), AwsError> {
    match tx.contains::<ServerCertificateRow>(&owned(&call.account, name)) {
        true => Err(taken(format!("The Server Certificate with name {name} already exists."))),
        false => Ok(()),
    }
}

fn metadata(row: &ServerCertificateRow) -> ServerCertificateMetadata {
    ServerCertificateMetadata {
        path: row.path.clone(),
        server_certificate_name: row.name.clone(),
        server_certificate_id: row.id.clone(),
        arn: row.arn(),
        upload_date: Some(row.uploaded_at),
        expiration: Some(row.expires_at),
    }
}

fn malformed(text: &str) -> AwsError {
    MalformedCertificateException::message(text).into()
}

/// Reads certificate, key and chain; they must belong together.
fn check(input: &UploadServerCertificateRequest) -> Result<certificates::Facts, AwsError> {
    let body = certificates::read(&input.certificate_body);
    let body = body.ok_or_else(|| {
        malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.")
    })?;
    match private_keys::belongs_to(&input.private_key, &body) {
        None => {
            return Err(malformed(
                "Unable to parse private key. Please ensure the key is in PEM format.",
            ));
        }
        Some(false) => {
            let text = "The private key does not match the certificate.";
            return Err(KeyPairMismatchException::message(text).into());
        }
        Some(true) => {}
    }
    match input.certificate_chain.as_deref().is_none_or(certificates::is_chain) {
        true => Ok(body),
        false => Err(malformed(
            "Unable to parse certificate chain. Please ensure the chain is in PEM format.",
        )),
    }
}

impl Command<UploadServerCertificate> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UploadServerCertificateRequest,
    ) -> Answer<UploadServerCertificate> {
        refuse_taken(tx, call, &input.server_certificate_name)?;
        let facts = check(&input)?;
        let count = rows_of::<ServerCertificateRow>(tx, &call.account).count();
        if count >= SERVER_CERTIFICATES_MAX {
            return Err(quota("ServerCertificatesPerAccount", SERVER_CERTIFICATES_MAX));
        }
        let id = mint_id(&call.ids, IdKind::ServerCertificate);
        let row = ServerCertificateRow {
            private_key: self.key.seal(&call.ids, &id, input.private_key.as_bytes()),
            account: call.account.clone(),
            name: input.server_certificate_name,
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            body: input.certificate_body,
            chain: input.certificate_chain,
            uploaded_at: call.now,
            expires_at: facts.not_after,
            tags: tags_of(input.tags)?,
            id,
        };
        let output = UploadServerCertificateResponse {
            server_certificate_metadata: Some(metadata(&row)),
            tags: render::some_tags(&row.tags),
        };
        tx.put(row);
        Ok(output)
    }
}

impl Query<GetServerCertificate> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetServerCertificateRequest,
    ) -> Answer<GetServerCertificate> {
        let name = &input.server_certificate_name;
        let row = find_server_certificate(snapshot, &call.account, name)?;
        let server_certificate = ServerCertificate {
            server_certificate_metadata: metadata(&row),
            certificate_body: row.body.clone(),
            certificate_chain: row.chain.clone(),
            tags: render::some_tags(&row.tags),
        };
        Ok(GetServerCertificateResponse { server_certificate })
    }
}

impl Query<ListServerCertificates> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListServerCertificatesRequest,
    ) -> Answer<ListServerCertificates> {
        let prefix = input.path_prefix.as_deref();
        let rows = rows_of::<ServerCertificateRow>(snapshot, &call.account);
        let rows = rows.filter(|row| has_path(&**row, prefix));
        let page = paged(rows, "ListServerCertificates", (input.marker, input.max_items), |row| {
            row.name.to_lowercase()
        })?;
        Ok(ListServerCertificatesResponse {
            server_certificate_metadata_list: page.items.iter().map(|row| metadata(row)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateServerCertificate> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateServerCertificateRequest,
    ) -> Answer<UpdateServerCertificate> {
        let name = &input.server_certificate_name;
        let row = find_server_certificate(tx, &call.account, name)?;
        let mut row = ServerCertificateRow::clone(&row);
        if let Some(path) = input.new_path {
            row.path = path;
        }
        if let Some(name) = input.new_server_certificate_name {
            if row.name.to_lowercase() != name.to_lowercase() {
                refuse_taken(tx, call, &name)?;
                tx.remove::<ServerCertificateRow>(&owned(&call.account, &row.name));
            }
            row.name = name;
        }
        tx.put(row);
        Ok(UpdateServerCertificateOutput {})
    }
}

impl Command<DeleteServerCertificate> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteServerCertificateRequest,
    ) -> Answer<DeleteServerCertificate> {
        let name = &input.server_certificate_name;
        let row = find_server_certificate(tx, &call.account, name)?;
        tx.remove::<ServerCertificateRow>(&owned(&call.account, &row.name));
        Ok(DeleteServerCertificateOutput {})
    }
}
