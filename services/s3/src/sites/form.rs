//! Objects out of forms that browsers send.
//!
//! AWS docs: *Amazon S3 API Reference > Browser-based uploads using POST*.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_kernel::{Auth, Call, SignedText};
use haar_s3_contract::model::operations::PUT_OBJECT;
use haar_wire::{AwsError, Body};
use http::request::Parts;
use http::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::form_body::Form;
use super::{adorn, bare, form_input, refused};
use crate::S3;
use crate::access::refuse_outdated;
use crate::checksum::given;
use crate::cors::set;
use crate::customer::Brought;
use crate::notices::Happening;
use crate::ops::manner::{Said, check_key, said};
use crate::ops::put::Incoming;
use crate::refusal;
use crate::rules::condition::WriteConditions;
use crate::rules::customer_key;
use crate::rules::form_policy::FormPolicy;
use crate::rules::integrity::Wanted;
use crate::rules::location;
use crate::state::BucketRow;
use crate::store::Record;

/// Takes a form's file in.
pub(super) async fn serve(
    room: &Arc<S3>,
    bucket: &str,
    parts: &Parts,
    body: Body,
) -> Response<Body> {
    let row = match room.bucket(bucket) {
        Ok(row) => row,
        Err(error) => return refused(room, &error),
    };
    let mut answer = match take(room, &row, parts, body).await {
        Ok(answer) => answer,
        Err(error) => refused(room, &error),
    };
    adorn(&row, parts, &mut answer);
    answer
}

async fn take(
    room: &Arc<S3>,
    bucket: &BucketRow,
    parts: &Parts,
    body: Body,
) -> Result<Response<Body>, AwsError> {
    let form = Form::read(parts, body).await?;
    let call = caller(room, parts, &form)?;
    refuse_outdated(&call, bucket)?;
    let key = form.field("key").filter(|key| !key.is_empty()).ok_or_else(|| {
        let text = "Bucket POST must contain a field named 'key'.  If it is specified, please \
                    check the order of the fields.";
        refusal::invalid_argument(text, "key", "")
    })?;
    let key = key.replace("${filename}", &form.file_name);
    check_key(&key)?;
    let policy = form.field("policy").map(FormPolicy::read).transpose()?;
    if let Some(policy) = &policy {
        let mut fields = form.fields.clone();
        fields.insert("key".to_owned(), key.clone());
        let now = room.doors.clock.machine().now(); // who made the form knows no other time
        policy.check(&fields, &bucket.name, now)?;
    }
    let input = form_input::read(&form, &bucket.name, &key)?;
    room.permit_all(&call, bucket, &PUT_OBJECT, &input)?;
    let said_key =
        customer_key::Said { other: input.server_side_encryption, ..customer_key::own_key!(input) };
    let brought = room.brought_key(&call, (bucket, &key), &said_key)?;
    let seal = brought.as_ref().map(|brought| brought.seal.clone());
    let manner = Said { seal, ..said!(input) }.manner(&call, bucket)?;
    let done = Done::of(&form.fields);
    let wanted = Wanted {
        content_md5: input.content_md5.clone(),
        given: given!(input)?,
        algorithm: input.checksum_algorithm,
        ..Wanted::default()
    };
    let sealing = brought.as_ref().map(Brought::sealing);
    let spooled = room.spool_stream(form.file(), &wanted, sealing).await?;
    if let Some(policy) = &policy {
        policy.check_length(spooled.size)?;
    }
    let record = Record {
        size: spooled.size,
        etag: spooled.etag.clone(),
        checksum: Some(spooled.checksum.clone()),
        manner,
        ..Record::default()
    };
    let held = spooled.keep().await?;
    let conditions = WriteConditions::default();
    let happening = Happening::Post;
    let new = Incoming { bucket, key: &key, record, held, conditions: &conditions, happening };
    let record = room.put(&call, new).await?;
    Ok(done.answer(&call, bucket, &key, &record))
}

/// Who filled in the form: who signed its policy. A signature in the request's head says nothing of
/// the form, and makes nobody known.
fn caller(room: &S3, parts: &Parts, form: &Form) -> Result<Call, AwsError> {
    let of_version_2 = || Some((form.field("awsaccesskeyid")?, form.field("signature")));
    let of_version_4 = form.field("x-amz-credential");
    let signed = of_version_4.map(|credential| (credential, form.field("x-amz-signature")));
    let Some((credential, signature)) = signed.or_else(of_version_2) else {
        return room.doors.passer_by(parts);
    };
    let policy = form.field("policy").unwrap_or_default();
    if policy.is_empty() && room.doors.auth_of(parts) == Auth::Enforce {
        let text = "Bucket POST must contain a field named 'policy'.";
        return Err(refusal::invalid_argument(text, "policy", ""));
    }
    room.doors.signer(
        parts,
        &SignedText {
            service: "s3",
            credential,
            token: form.field("x-amz-security-token"),
            signed_at: form.field("x-amz-date"),
            text: policy,
            signature: signature.unwrap_or_default(),
        },
    )
}

/// How the browser is answered.
struct Done {
    redirect: Option<String>,
    status: StatusCode,
}

impl Done {
    fn of(fields: &BTreeMap<String, String>) -> Self {
        let redirect = fields.get("success_action_redirect").or(fields.get("redirect"));
        let redirect = redirect.filter(|url| url.contains("://")).cloned();
        let status = match fields.get("success_action_status").map(String::as_str) {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        Self { redirect, status }
    }

    fn answer(
        &self,
        call: &Call,
        bucket: &BucketRow,
        key: &str,
        record: &Record,
    ) -> Response<Body> {
        let location = location::of(&call.endpoint, &bucket.name, key);
        let etag = record.quoted_etag();
        let mut answer = match (&self.redirect, self.status) {
            (Some(url), _) => {
                let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let sign = if url.contains('?') { '&' } else { '?' };
                let (name, key, etag) = (encode(&bucket.name), encode(key), encode(&etag));
                let mut answer = bare(StatusCode::SEE_OTHER);
                let to = format!("{url}{sign}bucket={name}&key={key}&etag={etag}");
                set(answer.headers_mut(), "location", &to);
                return answer;
            }
            (None, StatusCode::CREATED) => {
                let escape = |text: &str| {
                    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
                };
                let mut answer = Response::new(Body::from(format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}\
                     </Location><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
                    escape(&location),
                    bucket.name,
                    escape(key),
                    escape(&etag),
                )));
                *answer.status_mut() = StatusCode::CREATED;
                set(answer.headers_mut(), "content-type", "application/xml");
                answer
            }
            (None, status) => bare(status),
        };
        set(answer.headers_mut(), "etag", &etag);
        set(answer.headers_mut(), "location", &location);
        if bucket.versioning.is_some() {
            set(answer.headers_mut(), "x-amz-version-id", record.shown_id());
        }
        answer
    }
}
