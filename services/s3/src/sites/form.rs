//! Objects out of forms that browsers send.
//!
//! AWS docs: *Amazon S3 API Reference > Browser-based uploads using POST*.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_kernel::{Auth, Call, SignedText};
use haar_wire::{AwsError, Body};
use http::request::Parts;
use http::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::form_body::Form;
use super::{adorn, bare, refused};
use crate::S3;
use crate::access::Ask;
use crate::cors::set;
use crate::customer::Brought;
use crate::notices::Happening;
use crate::ops::manner::{Said, check_key};
use crate::ops::put::Incoming;
use crate::refusal;
use crate::rules::acl::GrantHeaders;
use crate::rules::condition::WriteConditions;
use crate::rules::customer_key;
use crate::rules::form_policy::FormPolicy;
use crate::rules::integrity::Wanted;
use crate::rules::tags;
use crate::state::BucketRow;
use crate::store::{Headers, Record};

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
        policy.check(&fields, &bucket.name, call.now)?;
    }
    let put = Ask::of_object("s3:PutObject", &bucket.name, &key, None);
    room.permit(&call, bucket, &put, &[])?;
    let brought = room.brought_key(&call, (bucket, &key), &key_of(&form))?;
    let seal = brought.as_ref().map(|brought| brought.seal.clone());
    let mut manner = Said { seal, ..said(&form.fields) }.manner(&call, bucket)?;
    if let Some(tagging) = form.field("tagging") {
        manner.tags = tags_of(tagging)?;
    }
    let done = Done::of(&form.fields);
    let wanted =
        Wanted { content_md5: form.fields.get("content-md5").cloned(), ..Wanted::default() };
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
    let Some(credential) = form.field("x-amz-credential") else {
        return room.doors.passer_by(parts);
    };
    let policy = form.field("policy").unwrap_or_default();
    if policy.is_empty() && room.doors.settings.auth == Auth::Enforce {
        let text = "Bucket POST must contain a field named 'policy'.";
        return Err(refusal::invalid_argument(text, "policy", ""));
    }
    room.doors.signer(
        parts,
        &SignedText {
            service: "s3",
            credential,
            token: form.field("x-amz-security-token"),
            text: policy,
            signature: form.field("x-amz-signature").unwrap_or_default(),
        },
    )
}

/// What the fields say of a customer's key.
fn key_of(form: &Form) -> customer_key::Said<'_> {
    let field = |name: &str| form.field(&format!("x-amz-server-side-encryption{name}"));
    customer_key::Said {
        algorithm: field("-customer-algorithm"),
        key: field("-customer-key"),
        md5: field("-customer-key-md5"),
        other: field("").and_then(|text| text.parse().ok()),
    }
}

/// What the fields say of the object.
fn said(fields: &BTreeMap<String, String>) -> Said<'_> {
    let field = |name: &str| fields.get(name).cloned();
    let metadata = fields.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone()))
    });
    Said {
        headers: Headers {
            content_type: field("content-type"),
            cache_control: field("cache-control"),
            content_disposition: field("content-disposition"),
            content_encoding: field("content-encoding"),
            content_language: field("content-language"),
            expires: field("expires"),
            website_redirect_location: field("x-amz-website-redirect-location"),
            storage_class: field("x-amz-storage-class").and_then(|text| text.parse().ok()),
            metadata: metadata.collect(),
        },
        grants: GrantHeaders {
            canned: fields.get("acl").map(String::as_str),
            ..GrantHeaders::default()
        },
        algorithm: field("x-amz-server-side-encryption").and_then(|text| text.parse().ok()),
        key_id: field("x-amz-server-side-encryption-aws-kms-key-id"),
        ..Said::default()
    }
}

/// Tags as forms hold them: `<Tagging><TagSet><Tag><Key>…</Key><Value>…</Value></Tag>…`.
fn tags_of(xml: &str) -> Result<haar_types::Tags, AwsError> {
    let text = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        Some(value.replace("&apos;", "'").replace("&amp;", "&"))
    };
    let mut list = Vec::new();
    for tag in xml.split("<Tag>").skip(1) {
        let key = text(tag, "Key").ok_or_else(refusal::malformed_xml)?;
        let value = text(tag, "Value").unwrap_or_default();
        list.push(haar_s3_contract::model::Tag { key, value });
    }
    tags::of_list(list, tags::On::Object)
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
        let location = format!("{}/{}/{key}", call.endpoint, bucket.name);
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
