//! Exports to buckets and imports from them.

#![allow(clippy::unwrap_used)]

mod house;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use haar_dynamodb_contract::*;
use haar_kernel::{Identities, Identity, IdentityError, Principal};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar, PolicySet, Principal as Who};
use haar_s3_contract::{
    CreateBucket, CreateBucketRequest, GetObject, GetObjectRequest, ListObjectsV2,
    ListObjectsV2Request, PutObject, PutObjectRequest, whole,
};
use haar_types::{AccountId, Region, Timestamp};
use house::{House, item};
use serde_json::{Value, json};

async fn s3<O: haar_wire::Operation>(house: &House, input: O::Input) -> O::Output {
    let principal = Arc::new(Principal::root(AccountId::default()));
    house.doors.call::<O>(principal, &Region::default(), input).await.unwrap()
}

async fn bucket(house: &House) {
    let input = CreateBucketRequest { bucket: "bbb".to_owned(), ..Default::default() };
    s3::<CreateBucket>(house, input).await;
}

async fn put(house: &House, key: &str, body: impl Into<Bytes>) {
    let (bucket, key) = ("bbb".to_owned(), key.to_owned());
    let input = PutObjectRequest { bucket, key, body: body.into().into(), ..Default::default() };
    s3::<PutObject>(house, input).await;
}

async fn get(house: &House, key: &str) -> Bytes {
    let (bucket, key) = ("bbb".to_owned(), key.to_owned());
    let input = GetObjectRequest { bucket, key, ..Default::default() };
    whole(s3::<GetObject>(house, input).await, 1 << 30).await.unwrap()
}

async fn keys(house: &House) -> Vec<String> {
    let input = ListObjectsV2Request { bucket: "bbb".to_owned(), ..Default::default() };
    let listed = s3::<ListObjectsV2>(house, input).await.contents.unwrap_or_default();
    listed.into_iter().map(|one| one.key.unwrap()).collect()
}

async fn recoverable(house: &House, count: i64) -> String {
    house.table("tab", json!({})).await;
    let recovery = json!({ "TableName": "tab",
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } });
    house.ok::<UpdateContinuousBackups>(recovery).await;
    for s in 0..count {
        house.put("tab", item("a", s, json!({ "v": { "SS": ["x", "y"] } }))).await;
    }
    house.active("tab").await["TableArn"].as_str().unwrap().to_owned()
}

async fn exported(house: &House, begun: &Value) -> Value {
    house.pass(Duration::from_secs(1)).await;
    let arn = &begun["ExportDescription"]["ExportArn"];
    let described = house.ok::<DescribeExport>(json!({ "ExportArn": arn })).await;
    described["ExportDescription"].clone()
}

async fn imported(house: &House, begun: &Value) -> Value {
    house.pass(Duration::from_secs(1)).await;
    let arn = &begun["ImportTableDescription"]["ImportArn"];
    let described = house.ok::<DescribeImport>(json!({ "ImportArn": arn })).await;
    described["ImportTableDescription"].clone()
}

fn parameters(name: &str) -> Value {
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "p", "AttributeType": "S" },
            { "AttributeName": "s", "AttributeType": "N" },
        ],
        "KeySchema": house::keys("p", "s"),
    })
}

#[tokio::test(start_paused = true)]
async fn an_export_holds_the_table_as_it_was_and_can_be_imported() {
    let house = House::new();
    bucket(&house).await;
    let arn = recoverable(&house, 700).await;
    let input =
        json!({ "TableArn": arn, "S3Bucket": "bbb", "S3Prefix": "out", "ClientToken": "t" });
    let begun = house.ok::<ExportTableToPointInTime>(input.clone()).await;
    assert_eq!(begun["ExportDescription"]["ExportStatus"], "IN_PROGRESS");
    house.doors.clock.sleep(Duration::from_millis(1)).await;
    house.put("tab", item("later", 0, json!({}))).await;
    let house = house.again().await;
    let done = exported(&house, &begun).await;
    assert_eq!(done["ExportStatus"], "COMPLETED", "{done}");
    assert_eq!(done["ItemCount"], 700);

    let manifest = done["ExportManifest"].as_str().unwrap();
    let summary: Value = serde_json::from_slice(&get(&house, manifest).await).unwrap();
    assert_eq!((&summary["itemCount"], &summary["exportArn"]), (&json!(700), &done["ExportArn"]));
    let files = get(&house, summary["manifestFilesS3Key"].as_str().unwrap()).await;
    let file: Value = serde_json::from_slice(&files).unwrap();
    let packed = get(&house, file["dataFileS3Key"].as_str().unwrap()).await;
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 700);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["Item"]["v"], json!({ "SS": ["x", "y"] }));
    let base = manifest.strip_suffix("/manifest-summary.json").unwrap();
    assert!(keys(&house).await.contains(&format!("{base}/_started")));

    let again = house.ok::<ExportTableToPointInTime>(input.clone()).await;
    assert_eq!(again["ExportDescription"]["ExportArn"], done["ExportArn"]);
    let other = json!({ "TableArn": arn, "S3Bucket": "ccc", "ClientToken": "t" });
    let conflict = house.call::<ExportTableToPointInTime>(other).await.unwrap_err();
    assert_eq!(conflict.0, "ExportConflictException");
    let listed = house.ok::<ListExports>(json!({ "TableArn": arn })).await;
    assert_eq!(listed["ExportSummaries"][0]["ExportStatus"], "COMPLETED");

    let import = json!({
        "S3BucketSource": { "S3Bucket": "bbb", "S3KeyPrefix": format!("{base}/data/") },
        "InputFormat": "DYNAMODB_JSON", "InputCompressionType": "GZIP",
        "TableCreationParameters": parameters("copy"),
    });
    let begun = house.ok::<ImportTable>(import.clone()).await;
    assert_eq!(begun["ImportTableDescription"]["ImportStatus"], "IN_PROGRESS");
    let early = house.call::<GetItem>(json!({ "TableName": "copy", "Key": house::key("a", 1) }));
    assert_eq!(early.await.unwrap_err().0, "ResourceNotFoundException");
    let house = house.again().await;
    let done = imported(&house, &begun).await;
    assert_eq!(
        (&done["ImportStatus"], &done["ImportedItemCount"]),
        (&json!("COMPLETED"), &json!(700))
    );
    assert_eq!(house.active("copy").await["ItemCount"], 700);
    assert_eq!(house.get("copy", "a", 699).await["v"], json!({ "SS": ["x", "y"] }));
    let twice = house.call::<ImportTable>(import).await.unwrap_err();
    assert_eq!(twice.0, "ResourceInUseException");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_exported_is_refused_or_fails_by_name() {
    let house = House::new();
    let arn = recoverable(&house, 1).await;
    let into = |bucket: &str| json!({ "TableArn": arn, "S3Bucket": bucket });
    let begun = house.ok::<ExportTableToPointInTime>(into("nowhere")).await;
    let failed = exported(&house, &begun).await;
    assert_eq!(
        (&failed["ExportStatus"], &failed["FailureCode"]),
        (&json!("FAILED"), &json!("S3NoSuchBucket"))
    );
    let mut late = into("nowhere");
    late["ExportTime"] = json!(house.doors.clock.now().0 as f64 / 1000.0 + 60.0);
    let refused = house.call::<ExportTableToPointInTime>(late).await.unwrap_err();
    assert_eq!(refused.0, "InvalidExportTimeException");
    let recovery = json!({ "TableName": "tab",
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": false } });
    house.ok::<UpdateContinuousBackups>(recovery).await;
    let refused = house.call::<ExportTableToPointInTime>(into("nowhere")).await.unwrap_err();
    assert_eq!(refused.0, "PointInTimeRecoveryUnavailableException");
    let unknown = json!({ "ExportArn": format!("{arn}/export/01234567890123-01234567") });
    let refused = house.call::<DescribeExport>(unknown).await.unwrap_err();
    assert_eq!(refused.0, "ExportNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_no_items_of_the_table_are_counted_and_left_out() {
    let house = House::new();
    bucket(&house).await;
    let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let lines = "p,s,note\nq,1,\"a, b\"\nq,2,\nq,none,x\n,3,x\n";
    packer.write_all(lines.as_bytes()).unwrap();
    put(&house, "in/a.csv.gz", packer.finish().unwrap()).await;
    put(&house, "in/b.csv.gz", "not packed").await;
    let import = json!({
        "S3BucketSource": { "S3Bucket": "bbb", "S3KeyPrefix": "in/" },
        "InputFormat": "CSV", "InputCompressionType": "GZIP",
        "TableCreationParameters": parameters("read"),
    });
    let begun = house.ok::<ImportTable>(import).await;
    let done = imported(&house, &begun).await;
    let counts = ["ProcessedItemCount", "ImportedItemCount", "ErrorCount"].map(|name| &done[name]);
    assert_eq!(counts, [4, 2, 3]);
    house.active("read").await;
    assert_eq!(house.get("read", "q", 1).await["note"], json!({ "S": "a, b" }));
    let listed = house.ok::<ListImports>(json!({ "PageSize": 1 })).await;
    assert_eq!(listed["ImportSummaryList"][0]["ImportStatus"], "COMPLETED");

    let nowhere = json!({
        "S3BucketSource": { "S3Bucket": "nowhere" }, "InputFormat": "DYNAMODB_JSON",
        "TableCreationParameters": parameters("none"),
    });
    let begun = house.ok::<ImportTable>(nowhere).await;
    let failed = imported(&house, &begun).await;
    assert_eq!(
        (&failed["ImportStatus"], &failed["FailureCode"]),
        (&json!("FAILED"), &json!("S3NoSuchBucket"))
    );
    let gone = house.call::<DescribeTable>(json!({ "TableName": "none" })).await.unwrap_err();
    assert_eq!(gone.0, "ResourceNotFoundException");
    let first = house.ok::<ListImports>(json!({ "PageSize": 1 })).await;
    let next = json!({ "PageSize": 1, "NextToken": first["NextToken"] });
    let second = house.ok::<ListImports>(next).await;
    assert_ne!(first["ImportSummaryList"], second["ImportSummaryList"]);
    assert!(second["NextToken"].is_null());
}

#[tokio::test(start_paused = true)]
async fn what_no_item_can_be_long_is_counted_and_dropped() {
    let house = House::new();
    bucket(&house).await;
    let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&vec![b'x'; 64 << 20]).unwrap();
    packer.write_all(b"\n{\"Item\":{\"p\":{\"S\":\"a\"},\"s\":{\"N\":\"1\"}}}\n").unwrap();
    put(&house, "in/a.gz", packer.finish().unwrap()).await;
    let import = json!({
        "S3BucketSource": { "S3Bucket": "bbb" },
        "InputFormat": "DYNAMODB_JSON", "InputCompressionType": "GZIP",
        "TableCreationParameters": parameters("read"),
    });
    let begun = house.ok::<ImportTable>(import).await;
    let done = imported(&house, &begun).await;
    let counts = ["ProcessedItemCount", "ImportedItemCount", "ErrorCount"].map(|name| &done[name]);
    assert_eq!(counts, [2, 1, 1]);
}

/// Lets users use tables and list buckets where DynamoDB does it for them, but read nothing in them.
struct Lists(Arc<Document>);

impl Lists {
    fn new() -> Self {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" }, {
            "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {
                "ForAnyValue:StringEquals": { "aws:CalledVia": "dynamodb.amazonaws.com" },
                "StringEquals": { "aws:CalledViaFirst": "dynamodb.amazonaws.com",
                    "aws:CalledViaLast": "dynamodb.amazonaws.com" },
                "Bool": { "aws:ViaAWSService": "true" } } }] });
        Self(Arc::new(Document::parse(&policy.to_string(), Grammar::Inline).unwrap()))
    }
}

impl Identities for Lists {
    fn identify(
        &self,
        _: &Snapshot,
        _: &str,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<Identity, IdentityError> {
        Err(IdentityError::Unknown)
    }

    fn policies(&self, _: &Snapshot, principal: &Principal) -> PolicySet {
        let is_user = matches!(principal.identity, Who::User { .. });
        let identity = is_user.then(|| Arc::clone(&self.0)).into_iter().collect();
        PolicySet { identity, ..PolicySet::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_reads_only_what_its_caller_may_read() {
    let house = House::enforced(Arc::new(Lists::new()));
    bucket(&house).await;
    put(&house, "in/a", "{\"Item\":{\"p\":{\"S\":\"a\"},\"s\":{\"N\":\"1\"}}}\n").await;
    let import = json!({
        "S3BucketSource": { "S3Bucket": "bbb" }, "InputFormat": "DYNAMODB_JSON",
        "TableCreationParameters": parameters("read"),
    });
    let account = AccountId::default();
    let arn = format!("arn:aws:iam::{account}:user/u");
    let (name, id) = ("u".to_owned(), "AIDA".to_owned());
    let user = Principal::of(account.clone(), Who::User { account, arn, name, id });
    let user = Arc::new(user);
    let list = json!({ "Bucket": "bbb" });
    let (told, _) = house.call_as::<ListObjectsV2>(Arc::clone(&user), list).await.unwrap_err();
    assert_eq!(told, "AccessDenied", "by itself it may not");
    let begun = house.call_as::<ImportTable>(user, import.clone()).await.unwrap();
    let failed = imported(&house, &begun).await;
    assert_eq!(
        (&failed["ImportStatus"], &failed["FailureCode"]),
        (&json!("FAILED"), &json!("S3AccessDenied"))
    );
    let begun = house.ok::<ImportTable>(import).await;
    assert_eq!(imported(&house, &begun).await["ImportStatus"], "COMPLETED");
}
