//! Who may do what: bucket policies, ACLs and the block of public access together.
//!
//! AWS docs: *Amazon S3 User Guide > How Amazon S3 authorizes a request*.

mod asks;

use std::any::Any;
use std::sync::Arc;

use haar_kernel::{Auth, Call, Question, Room, SignatureVersion};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar, Principal, Reason};
use haar_s3_contract::model::{CopyObjectRequest, Payer, Permission, SERVICE, TaggingDirective};
use haar_wire::sigv4::SigError;
use haar_wire::{
    AwsError, Body, Member, Misread, OperationSchema, Route, ServiceSchema, Shape, text_member,
};
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use crate::lookup::canonical_id;
use crate::ops::restore::ACCEPTED;
use crate::rules::acl::{Acl, Who};
use crate::rules::copy_source::CopySource;
use crate::rules::public::is_public;
use crate::rules::{head, integrity, method};
use crate::state::BucketRow;
use crate::store::Record;
use crate::{S3, cors, refusal};
pub(crate) use asks::Ask;
use asks::{asks, keys_of, keys_of_signature, of_tags_along};

/// The regions of before 2014, whose buckets take signatures of version 2.
const OLDER_REGIONS: [&str; 9] = [
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

impl Room for S3 {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// None: the room weighs by itself, in [`Self::admit`], since ACLs have a say.
    fn resources(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        _input: &dyn Shape,
    ) -> Vec<String> {
        Vec::new()
    }

    fn admit(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Result<(), AwsError> {
        let name = text_member(input, "Bucket");
        let bucket = name.and_then(|name| snapshot.get::<BucketRow>(&name));
        if let Some(bucket) = &bucket {
            refuse_other_owner(bucket, text_member(input, "ExpectedBucketOwner"))?;
            if text_member(input, "Key").is_some() || operation.name.starts_with("List") {
                refuse_unpaid(call, bucket, text_member(input, "RequestPayer").as_deref())?;
            }
        }
        if call.auth == Auth::Permissive {
            return Ok(());
        }
        if let Some(bucket) = &bucket {
            refuse_outdated(call, bucket)?;
        }
        let keys = keys_of(input, call.now);
        for ask in asks(operation, input)? {
            let named = || snapshot.get::<BucketRow>(&ask.bucket);
            let is_made = matches!(operation.name, "CreateBucket" | "ListBuckets");
            match (named(), is_made) {
                (Some(bucket), false) => self.permit(call, &bucket, &ask, &keys)?,
                (None, false) => {} // the handler says that there is none
                (_, true) => self.permit_own(call, &ask, &keys)?,
            }
        }
        let any: &dyn Any = input;
        match any.downcast_ref::<CopyObjectRequest>() {
            Some(copy) => self.permit_tags_along(call, snapshot, copy, &keys),
            None => Ok(()),
        }
    }

    fn weighs_signatures(&self) -> bool {
        true
    }

    fn misread(&self, member: &Member, text: &str) -> Misread {
        head::judge(member, text)
    }

    fn examine(&self, route: &Route, parts: &Parts, body: &[u8]) -> Result<(), AwsError> {
        integrity::examine(route.operation.name, &parts.headers, body)
    }

    fn misdirected(&self, parts: &Parts) -> Option<AwsError> {
        let path = haar_wire::labelled_path(&SERVICE, parts, Some(SERVICE.signing_name));
        Some(method::refused(parts, &path))
    }

    /// Objects are there for any page that policies and ACLs let in, and so are lists of them;
    /// what a bucket is set up by is not, nor are other buckets' objects. As on AWS, rules for
    /// other origins let nobody in: they say who may read the answer.
    fn welcomes(&self, route: &Route, parts: &Parts) -> bool {
        let of_objects = route.label("Key").is_some()
            || matches!(route.operation.name, "ListObjects" | "ListObjectsV2" | "HeadBucket");
        of_objects && !parts.headers.contains_key("x-amz-copy-source")
    }

    fn adorn(&self, route: &Route, parts: &Parts, answer: &mut Response<Body>) {
        if matches!(route.operation.name, "GetObject" | "HeadObject")
            && answer.status() == StatusCode::OK
            && answer.headers().contains_key("content-range")
        {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let mark = || answer.headers().get("x-amz-restore-output-path");
        if route.operation.name == "RestoreObject" && mark().is_some_and(|mark| mark == ACCEPTED) {
            answer.headers_mut().remove("x-amz-restore-output-path");
            *answer.status_mut() = StatusCode::ACCEPTED;
        }
        if route.operation.name == "HeadBucket"
            && answer.status() == StatusCode::FORBIDDEN
            && let Some(Ok(bucket)) = route.label("Bucket").map(|name| self.bucket(name))
        {
            // clients ask so, as nobody, which region they should call
            cors::set(answer.headers_mut(), "x-amz-bucket-region", bucket.region.as_str());
        }
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let (origin, payer) = (header("origin"), header("x-amz-request-payer"));
        if (origin.is_some() || payer.is_some())
            && let Some(name) = route.label("Bucket")
            && let Ok(bucket) = self.bucket(name)
        {
            // a page of this machine that makes or deletes a bucket asks before there are rules
            let is_of_bucket = matches!(route.operation.name, "CreateBucket" | "DeleteBucket");
            let may_read = answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
            if let Some(origin) = origin.filter(|_| !(is_of_bucket && may_read)) {
                cors::adorn(&bucket, parts.method.as_str(), origin, answer);
            }
            if payer.is_some() && bucket.payer == Payer::Requester && answer.status().is_success() {
                let charged = HeaderValue::from_static("requester");
                answer.headers_mut().insert("x-amz-request-charged", charged);
            }
        }
    }
}

/// Who is not the owner pays where the bucket says so, and must say that he knows.
/// AWS docs: *Amazon S3 User Guide > Using Requester Pays general purpose buckets*.
fn refuse_unpaid(call: &Call, bucket: &BucketRow, said: Option<&str>) -> Result<(), AwsError> {
    let is_own = call.principal.identity.account() == Some(&bucket.account)
        || matches!(call.principal.identity, Principal::Service { .. });
    let is_paid = said == Some("requester") && call.principal.identity.account().is_some();
    match bucket.payer == Payer::Requester && !is_own && !is_paid {
        true => Err(refusal::access_denied()),
        false => Ok(()),
    }
}

fn refuse_other_owner(bucket: &BucketRow, expected: Option<String>) -> Result<(), AwsError> {
    match expected {
        Some(expected) if expected != bucket.account.to_string() => Err(refusal::access_denied()),
        _ => Ok(()),
    }
}

/// Refuses a signature of version 2 at a bucket of a region that takes version 4 alone.
pub(crate) fn refuse_outdated(call: &Call, bucket: &BucketRow) -> Result<(), AwsError> {
    let version = call.signature.as_ref().map(|signature| signature.version);
    match version == Some(SignatureVersion::Two) && !OLDER_REGIONS.contains(&bucket.region.as_str())
    {
        true => Err(refusal::invalid_request(SigError::outdated().message)),
        false => Ok(()),
    }
}

impl S3 {
    /// Refuses what an operation on a bucket asks for and may not have.
    pub(crate) fn permit_all(
        &self,
        call: &Call,
        bucket: &BucketRow,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Result<(), AwsError> {
        if call.auth == Auth::Permissive {
            return Ok(());
        }
        let keys = keys_of(input, call.now);
        asks(operation, input)?.iter().try_for_each(|ask| self.permit(call, bucket, ask, &keys))
    }

    /// Refuses a copy of tags that may not be read or put.
    fn permit_tags_along(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        copy: &CopyObjectRequest,
        keys: &[(String, Vec<String>)],
    ) -> Result<(), AwsError> {
        if copy.tagging_directive == Some(TaggingDirective::Replace) {
            return Ok(());
        }
        let source = CopySource::read(&copy.copy_source)?;
        let Some(from) = snapshot.get::<BucketRow>(&source.bucket) else { return Ok(()) };
        let found = self.store.find(from.id, &source.key, source.version_id.as_deref())?;
        if found.is_none_or(|record| record.manner.tags.is_empty()) {
            return Ok(());
        }
        for ask in of_tags_along(copy, &source) {
            if let Some(bucket) = snapshot.get::<BucketRow>(&ask.bucket) {
                self.permit(call, &bucket, &ask, keys)?;
            }
        }
        Ok(())
    }

    /// Refuses what neither policies nor ACLs allow.
    pub(crate) fn permit(
        &self,
        call: &Call,
        bucket: &BucketRow,
        ask: &Ask,
        keys: &[(String, Vec<String>)],
    ) -> Result<(), AwsError> {
        if call.auth == Auth::Permissive {
            return Ok(());
        }
        let record = match &ask.key {
            Some(key) => self.store.find(bucket.id, key, ask.version_id.as_deref())?,
            None => None,
        };
        let mut keys = keys.to_vec();
        keys.extend(keys_of_signature(call));
        keys.push(("s3:ResourceAccount".to_owned(), vec![bucket.account.to_string()]));
        for (tag, value) in record.iter().flat_map(|record| &record.manner.tags) {
            keys.push((format!("s3:ExistingObjectTag/{tag}"), vec![value.clone()]));
        }
        if bucket.tags_count {
            for (tag, value) in &bucket.tags {
                keys.push((format!("s3:BucketTag/{tag}"), vec![value.clone()]));
                if ask.key.is_none() {
                    keys.push((format!("aws:ResourceTag/{tag}"), vec![value.clone()]));
                }
            }
        }
        let resource = ask.resource();
        let policy = policy_for(bucket, call);
        let policy = match grant_of_acl(bucket, record.as_ref(), call, ask) {
            Some(grant) => Some(Arc::new(match policy {
                Some(policy) => policy.and(grant),
                None => grant,
            })),
            None => policy.map(Arc::new),
        };
        let question = Question { action: &ask.action, resource: &resource, policy, keys: &keys };
        let (decision, message) = self.doors.decide(call, &question, Some(&bucket.account))?;
        if !decision.allowed {
            return Err(denied(call, message, decision.reason));
        }
        match ask.hides_missing && record.is_none_or(|record| record.is_marker) {
            // Who may not list learns nothing of what is not there.
            true => self.permit(call, bucket, &Ask::of_bucket("s3:ListBucket", &bucket.name), &[]),
            false => Ok(()),
        }
    }

    /// Refuses what the caller's own policies do not allow, of what is no bucket's yet.
    fn permit_own(
        &self,
        call: &Call,
        ask: &Ask,
        keys: &[(String, Vec<String>)],
    ) -> Result<(), AwsError> {
        let resource = if ask.bucket.is_empty() { "*".to_owned() } else { ask.resource() };
        let keys = [keys, &keys_of_signature(call)].concat();
        let question =
            Question { action: &ask.action, resource: &resource, policy: None, keys: &keys };
        let (decision, message) = self.doors.decide(call, &question, None)?;
        match decision.allowed {
            true => Ok(()),
            false => Err(denied(call, message, decision.reason)),
        }
    }
}

fn denied(call: &Call, message: String, _reason: Reason) -> AwsError {
    match call.principal.identity {
        Principal::Anonymous => refusal::access_denied(),
        _ => AwsError::new("AccessDenied", 403, message),
    }
}

/// The bucket's policy, unless it is a public one that counts for nobody from elsewhere.
fn policy_for(bucket: &BucketRow, call: &Call) -> Option<Document> {
    let text = bucket.policy.as_deref()?;
    let restricted = bucket.public_access_block.as_ref();
    let restricted = restricted.and_then(|block| block.restrict_public_buckets) == Some(true);
    let is_own = call.principal.identity.account() == Some(&bucket.account)
        || matches!(call.principal.identity, Principal::Service { .. });
    if restricted && !is_own && is_public(text) {
        return None;
    }
    match Document::parse(text, Grammar::Resource) {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::error!(bucket = bucket.name, %error, "a bucket policy cannot be read");
            None
        }
    }
}

/// What an ACL grants, as a policy that grants the same. An account's own policies say which of its
/// users have what is granted to it.
fn grant_of_acl(
    bucket: &BucketRow,
    record: Option<&Record>,
    call: &Call,
    ask: &Ask,
) -> Option<Document> {
    if bucket.is_owner_enforced() {
        return None;
    }
    let (acl, permission): (Option<&Acl>, Permission) = match &*ask.action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => {
            (bucket.acl.as_ref(), Permission::Read)
        }
        "s3:PutObject" | "s3:DeleteObject" => (bucket.acl.as_ref(), Permission::Write),
        "s3:GetBucketAcl" => (bucket.acl.as_ref(), Permission::ReadAcp),
        "s3:PutBucketAcl" => (bucket.acl.as_ref(), Permission::WriteAcp),
        "s3:GetObject" | "s3:GetObjectVersion" => {
            (record.and_then(|record| record.manner.acl.as_ref()), Permission::Read)
        }
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => {
            (record.and_then(|record| record.manner.acl.as_ref()), Permission::ReadAcp)
        }
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => {
            (record.and_then(|record| record.manner.acl.as_ref()), Permission::WriteAcp)
        }
        _ => return None,
    };
    let block = bucket.public_access_block.as_ref();
    let ignore_public = block.and_then(|block| block.ignore_public_acls) == Some(true);
    let account = call.principal.identity.account();
    let user = account.map(canonical_id);
    let principal = match acl?.grantee(user.as_deref(), permission, ignore_public)? {
        Who::User(_) => serde_json::json!({ "AWS": account?.as_str() }),
        Who::Group(_) => "*".into(),
    };
    let grant = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Principal": principal,
            "Action": ask.action, "Resource": ask.resource(),
        },
    });
    Document::parse(&grant.to_string(), Grammar::Resource).ok()
}
