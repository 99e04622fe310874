//! X.509 certificates that users sign with.

use std::sync::Arc;

use haar_iam_contract::{
    DeleteSigningCertificate, DeleteSigningCertificateOutput, DeleteSigningCertificateRequest,
    DuplicateCertificateException, InvalidCertificateException, ListSigningCertificates,
    ListSigningCertificatesRequest, ListSigningCertificatesResponse, MalformedCertificateException,
    SigningCertificate, UpdateSigningCertificate, UpdateSigningCertificateOutput,
    UpdateSigningCertificateRequest, UploadSigningCertificate, UploadSigningCertificateRequest,
    UploadSigningCertificateResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Iam;
use crate::lookup::{paged, user_or_caller};
use crate::ops::{is_active, status};
use crate::refusal::{no_such, quota};
use crate::rules::{SIGNING_CERTIFICATES_PER_USER_MAX, certificates, mint_certificate_id};
use crate::state::{OfUser as _, SigningCertificateRow, UserRow};

fn find_certificate(
    snapshot: &Snapshot,
    user: &UserRow,
    id: &str,
) -> Result<Arc<SigningCertificateRow>, AwsError> {
    let row = snapshot.get::<SigningCertificateRow>(&id.to_owned());
    let missing = || no_such(format!("The Certificate with id {id} cannot be found."));
    row.filter(|row| row.user == user.id).ok_or_else(missing)
}

fn shown(row: &SigningCertificateRow, user_name: &str) -> SigningCertificate {
    SigningCertificate {
        user_name: user_name.to_owned(),
        certificate_id: row.id.clone(),
        certificate_body: row.body.clone(),
        status: status(row.is_active),
        upload_date: Some(row.uploaded_at),
    }
}

impl Command<UploadSigningCertificate> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UploadSigningCertificateRequest,
    ) -> Answer<UploadSigningCertificate> {
        let user = user_or_caller(call, tx, input.user_name.as_deref())?;
        let malformed =
            || MalformedCertificateException::message("Certificate body could not be parsed.");
        let facts = certificates::read(&input.certificate_body).ok_or_else(malformed)?;
        if !(facts.not_before..facts.not_after).contains(&call.now) {
            let text = "The certificate is expired, or is not valid yet.";
            return Err(InvalidCertificateException::message(text).into());
        }
        let rows = SigningCertificateRow::of_user(tx, &user.id);
        let is_same = |row: &Arc<SigningCertificateRow>| {
            certificates::read(&row.body).is_some_and(|known| known.der == facts.der)
        };
        if rows.iter().any(is_same) {
            let text = "The certificate is already associated with the user.";
            return Err(DuplicateCertificateException::message(text).into());
        }
        if rows.len() >= SIGNING_CERTIFICATES_PER_USER_MAX {
            return Err(quota("CertificatesPerUser", SIGNING_CERTIFICATES_PER_USER_MAX));
        }
        let row = SigningCertificateRow {
            id: mint_certificate_id(&call.ids),
            user: user.id.clone(),
            body: input.certificate_body,
            is_active: true,
            uploaded_at: call.now,
        };
        let certificate = shown(&row, &user.name);
        tx.put(row);
        Ok(UploadSigningCertificateResponse { certificate })
    }
}

impl Query<ListSigningCertificates> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSigningCertificatesRequest,
    ) -> Answer<ListSigningCertificates> {
        let user = super::user_of_list(call, snapshot, input.user_name.as_deref())?;
        let rows = user.as_ref().map(|user| SigningCertificateRow::of_user(snapshot, &user.id));
        let user_name = user.map(|user| user.name.clone()).unwrap_or_default();
        let page = paged(
            rows.unwrap_or_default(),
            "ListSigningCertificates",
            (input.marker, input.max_items),
            |row| row.id.clone(),
        )?;
        Ok(ListSigningCertificatesResponse {
            certificates: page.items.iter().map(|row| shown(row, &user_name)).collect(),
            is_truncated: Some(page.next.is_some()),
            marker: page.next,
        })
    }
}

impl Command<UpdateSigningCertificate> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSigningCertificateRequest,
    ) -> Answer<UpdateSigningCertificate> {
        let user = user_or_caller(call, tx, input.user_name.as_deref())?;
        let row = find_certificate(tx, &user, &input.certificate_id)?;
        let is_active = is_active(&input.status)?;
        tx.put(SigningCertificateRow { is_active, ..SigningCertificateRow::clone(&row) });
        Ok(UpdateSigningCertificateOutput {})
    }
}

impl Command<DeleteSigningCertificate> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSigningCertificateRequest,
    ) -> Answer<DeleteSigningCertificate> {
        let user = user_or_caller(call, tx, input.user_name.as_deref())?;
        let row = find_certificate(tx, &user, &input.certificate_id)?;
        tx.remove::<SigningCertificateRow>(&row.id);
        Ok(DeleteSigningCertificateOutput {})
    }
}
