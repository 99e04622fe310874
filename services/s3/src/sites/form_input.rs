//! What a form's fields say, as a `PutObject` with the same headers says it.

use haar_s3_contract::model::{PutObjectRequest, Tag};
use haar_types::{Tags, Timestamp};
use haar_wire::AwsError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::form_body::Form;
use crate::checksum::{Checksum, Kind, show};
use crate::refusal;
use crate::rules::integrity::only;
use crate::rules::{head, tags};

/// The request that puts the same object; its body is the form's own.
pub(super) fn read(form: &Form, bucket: &str, key: &str) -> Result<PutObjectRequest, AwsError> {
    let field = |name: &str| form.field(name).map(str::to_owned);
    let metadata = form.fields.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone()))
    });
    let mut input = PutObjectRequest {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        acl: {
            let said = form.field("acl");
            said.map(|text| text.parse().map_err(|_| not_taken("x-amz-acl", text))).transpose()?
        },
        grant_full_control: field("x-amz-grant-full-control"),
        grant_read: field("x-amz-grant-read"),
        grant_read_acp: field("x-amz-grant-read-acp"),
        grant_write_acp: field("x-amz-grant-write-acp"),
        cache_control: field("cache-control"),
        content_disposition: field("content-disposition"),
        content_encoding: field("content-encoding"),
        content_language: field("content-language"),
        content_md5: field("content-md5"),
        content_type: field("content-type"),
        expires: field("expires"),
        website_redirect_location: field("x-amz-website-redirect-location"),
        metadata: Some(metadata.collect()),
        tagging: form.field("tagging").map(tagging).transpose()?,
        storage_class: parsed(form, "x-amz-storage-class")?,
        checksum_algorithm: parsed(form, "x-amz-checksum-algorithm")?,
        ..PutObjectRequest::default()
    };
    let checksums = Kind::ALL.into_iter().map(|kind| (kind, field(&kind.header())));
    if let Some((kind, value)) = only(checksums)? {
        show!(input, &Checksum { kind, value, is_composite: false });
    }
    encrypt(form, &mut input)?;
    lock(form, &mut input)?;
    Ok(input)
}

fn encrypt(form: &Form, input: &mut PutObjectRequest) -> Result<(), AwsError> {
    const NAME: &str = "x-amz-server-side-encryption";
    let field = |name: &str| form.field(&format!("{NAME}-{name}")).map(str::to_owned);
    input.server_side_encryption = parsed(form, NAME)?;
    input.ssekms_key_id = field("aws-kms-key-id");
    input.ssekms_encryption_context = field("context");
    input.bucket_key_enabled = field("bucket-key-enabled").map(|text| text == "true");
    input.sse_customer_algorithm = field("customer-algorithm");
    input.sse_customer_key = field("customer-key");
    input.sse_customer_key_md5 = field("customer-key-md5");
    Ok(())
}

fn lock(form: &Form, input: &mut PutObjectRequest) -> Result<(), AwsError> {
    input.object_lock_mode = parsed(form, "x-amz-object-lock-mode")?;
    input.object_lock_legal_hold_status = parsed(form, "x-amz-object-lock-legal-hold")?;
    let name = "x-amz-object-lock-retain-until-date";
    let until = form.field(name).map(|text| {
        let at = text.parse::<jiff::Timestamp>();
        at.map(|at| Timestamp(at.as_millisecond())).map_err(|_| not_taken(name, text))
    });
    input.object_lock_retain_until_date = until.transpose()?;
    Ok(())
}

/// A field that is one of the model's words.
fn parsed<T: std::str::FromStr>(form: &Form, name: &str) -> Result<Option<T>, AwsError> {
    let text = form.field(name);
    text.map(|text| text.parse().map_err(|_| not_taken(name, text))).transpose()
}

/// A field that holds what it may not.
fn not_taken(name: &str, text: &str) -> AwsError {
    head::refused(name, text).unwrap_or_else(|| refusal::invalid_argument("", name, text))
}

/// Tags as forms hold them, `<Tagging><TagSet><Tag><Key>…</Key><Value>…</Value></Tag>…`, as a
/// header holds them.
fn tagging(xml: &str) -> Result<String, AwsError> {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = tags_of(xml)?;
    let pairs = pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

fn tags_of(xml: &str) -> Result<Tags, AwsError> {
    let between = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (inner, _) = rest.split_once(&format!("</{name}>"))?;
        Some(inner.to_owned())
    };
    let text = |tag: &str, name: &str| {
        let value = between(tag, name)?;
        let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        Some(value.replace("&apos;", "'").replace("&amp;", "&"))
    };
    let is_document = xml.contains("<Tagging") && xml.contains("</Tagging>");
    let set = between(xml, "TagSet").filter(|_| is_document).ok_or_else(refusal::malformed_xml)?;
    let mut list = Vec::new();
    for tag in set.split("<Tag>").skip(1) {
        let key = text(tag, "Key").ok_or_else(refusal::malformed_xml)?;
        let value = text(tag, "Value").ok_or_else(refusal::malformed_xml)?;
        list.push(Tag { key, value });
    }
    tags::of_list(list, tags::On::Object)
}
