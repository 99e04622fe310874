//! Images through the API: pushed in parts, put, listed, deleted, archived, expired, copied.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_ecr_contract::model::*;
use haar_ecr_contract::peek::{EcrPeek, ImageReference, PullError, PulledBlob, RegistryName};
use haar_kernel::Principal;
use house::{DAY, House, INDEX, MANIFEST, Refused, descriptor, digest, manifest};
use serde_json::{Value, json};

fn named(name: &str) -> Value {
    json!({ "repositoryName": name })
}

async fn put(house: &House, text: &str, tag: &str) -> Result<Value, Refused> {
    let input = json!({ "repositoryName": "app", "imageManifest": text, "imageTag": tag });
    house.call::<PutImage>(input).await
}

/// A part of an upload, from a position on.
async fn part(house: &House, upload: &Value, first: usize, bytes: &[u8]) -> Result<Value, Refused> {
    let input = json!({
        "repositoryName": "app", "uploadId": upload, "partFirstByte": first,
        "partLastByte": first + bytes.len() - 1, "layerPartBlob": STANDARD.encode(bytes),
    });
    house.call::<UploadLayerPart>(input).await
}

#[tokio::test(start_paused = true)]
async fn a_layer_is_uploaded_in_parts_in_their_order() {
    let house = House::new();
    house.repository("app").await;
    let begun = house.ok::<InitiateLayerUpload>(named("app")).await;
    let upload = begun["uploadId"].clone();
    let complete = |digest: &str| json!({ "repositoryName": "app", "uploadId": upload, "layerDigests": [digest] });
    let empty = house.call::<CompleteLayerUpload>(complete(&digest("x"))).await.unwrap_err();
    assert_eq!(empty.0, "EmptyUploadException");

    let (one, two) = (vec![b'a'; 5 << 20], b"tail".to_vec());
    assert_eq!(part(&house, &upload, 0, &one).await.unwrap()["lastByteReceived"], one.len() - 1);
    let gap = part(&house, &upload, one.len() + 1, &two).await.unwrap_err();
    assert_eq!(gap.0, "InvalidLayerPartException");
    part(&house, &upload, one.len(), &two).await.unwrap();
    let wrong = house.call::<CompleteLayerUpload>(complete(&digest("x"))).await.unwrap_err();
    assert_eq!(wrong.0, "InvalidLayerException");
    let whole = [one, two].concat();
    let layer = haar_blobs::Digest::of(&whole).to_string();
    house.ok::<CompleteLayerUpload>(complete(&layer)).await;
    let gone = house.call::<CompleteLayerUpload>(complete(&layer)).await.unwrap_err();
    assert_eq!(gone.0, "UploadNotFoundException");

    let asked = json!({ "repositoryName": "app", "layerDigests": [layer, digest("x"), "junk"] });
    let found = house.ok::<BatchCheckLayerAvailability>(asked).await;
    assert_eq!(found["layers"][0]["layerAvailability"], "AVAILABLE");
    assert_eq!(found["layers"][0]["layerSize"], whole.len());
    assert_eq!(found["layers"][1]["layerAvailability"], "UNAVAILABLE");
    assert_eq!(found["failures"][0]["failureCode"], "InvalidLayerDigest");

    let again = house.ok::<InitiateLayerUpload>(named("app")).await["uploadId"].clone();
    part(&house, &again, 0, b"short").await.unwrap();
    part(&house, &again, 5, b"more").await.unwrap();
    let input = json!({ "repositoryName": "app", "uploadId": again, "layerDigests": [digest("shortmore")] });
    let short = house.call::<CompleteLayerUpload>(input).await.unwrap_err();
    assert_eq!(short.0, "LayerPartTooSmallException");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_put_read_and_listed() {
    let house = House::new();
    house.repository("app").await;
    let text = manifest("layer");
    let (code, message) = put(&house, &text, "v1").await.unwrap_err();
    assert_eq!(code, "LayersNotFoundException");
    assert!(message.contains("required for pushing image into repository with name 'app'"));
    house.push_blob("app", "{}").await;
    house.push_blob("app", "layer").await;
    let image = put(&house, &text, "v1").await.unwrap();
    assert_eq!(
        image["image"]["imageId"],
        json!({ "imageDigest": digest(&text), "imageTag": "v1" })
    );
    let again = put(&house, &text, "v1").await.unwrap_err();
    assert_eq!(again.0, "ImageAlreadyExistsException");
    put(&house, &text, "v2").await.unwrap();
    let junk = put(&house, "{", "v3").await.unwrap_err();
    assert_eq!(junk.0, "InvalidParameterException");

    let asked = json!({
        "repositoryName": "app",
        "imageIds": [{ "imageTag": "v1" }, { "imageTag": "none" }, {}, { "imageDigest": "x" }],
    });
    let got = house.ok::<BatchGetImage>(asked).await;
    assert_eq!(got["images"][0]["imageManifest"], text);
    let codes: Vec<&str> = got["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["failureCode"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["ImageNotFound", "MissingDigestAndTag", "InvalidImageDigest"]);

    house.push_image("app", None, "other").await;
    let described = house.ok::<DescribeImages>(named("app")).await;
    let details = described["imageDetails"].as_array().unwrap();
    let tagged = details.iter().find(|it| it["imageDigest"] == digest(&text)).unwrap();
    assert_eq!(tagged["imageTags"], json!(["v1", "v2"]));
    assert_eq!(tagged["imageSizeInBytes"], 5);
    assert_eq!(tagged["imageManifestMediaType"], MANIFEST);
    assert!(tagged["lastRecordedPullTime"].is_number());
    let filter =
        |status: &str| json!({ "repositoryName": "app", "filter": { "tagStatus": status } });
    let count = |page: Value| page["imageIds"].as_array().unwrap().len();
    assert_eq!(count(house.ok::<ListImages>(filter("TAGGED")).await), 2);
    assert_eq!(count(house.ok::<ListImages>(filter("UNTAGGED")).await), 1);
    let first = house.ok::<ListImages>(json!({ "repositoryName": "app", "maxResults": 2 })).await;
    let rest = json!({ "repositoryName": "app", "maxResults": 2, "nextToken": first["nextToken"] });
    assert_eq!(count(house.ok::<ListImages>(rest).await), 1);
    let both =
        json!({ "repositoryName": "app", "imageIds": [{ "imageTag": "v1" }], "maxResults": 5 });
    assert_eq!(
        house.call::<DescribeImages>(both).await.unwrap_err().1,
        "Invalid parameter at 'maxResults' failed to satisfy constraint: 'must not be given with \
         imageIds'"
    );
    let absent = json!({ "repositoryName": "app", "imageIds": [{ "imageTag": "none" }] });
    assert_eq!(
        house.call::<DescribeImages>(absent).await.unwrap_err().1,
        "The image with imageId {imageDigest:'null', imageTag:'none'} does not exist within the \
         repository with name 'app' in the registry with id '000000000000'"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_tag_takes_its_image_along_and_an_index_holds_its_images() {
    let house = House::new();
    house.repository("app").await;
    let image = house.push_image("app", Some("v1"), "layer").await;
    house.push_image("app", Some("v2"), "layer").await;
    let delete = |id: Value| json!({ "repositoryName": "app", "imageIds": [id] });
    let one = house.ok::<BatchDeleteImage>(delete(json!({ "imageTag": "v1" }))).await;
    assert_eq!(one["imageIds"], json!([{ "imageDigest": image, "imageTag": "v1" }]));
    assert_eq!(house.tags("app").await, ["v2"]);

    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [descriptor(MANIFEST, manifest("layer").as_bytes())],
    });
    assert_eq!(house.push_manifest("app", "all", &index.to_string()).await.status, 201);
    let held = house.ok::<BatchDeleteImage>(delete(json!({ "imageDigest": image }))).await;
    assert_eq!(held["failures"][0]["failureCode"], "ImageReferencedByManifestList");
    house.ok::<BatchDeleteImage>(delete(json!({ "imageTag": "all" }))).await;
    house.ok::<BatchDeleteImage>(delete(json!({ "imageTag": "v2" }))).await;
    assert_eq!(house.tags("app").await, Vec::<String>::new());
    let absent = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(MANIFEST, b"none")],
    });
    let refused = put(&house, &absent.to_string(), "x").await.unwrap_err();
    assert_eq!(refused.0, "ReferencedImagesNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn immutable_tags_stay_except_those_that_are_excluded() {
    let house = House::new();
    house
        .ok::<CreateRepository>(json!({
            "repositoryName": "app", "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "latest*" }],
        }))
        .await;
    house.push_image("app", Some("v1"), "one").await;
    house.push_image("app", Some("latest"), "one").await;
    house.push_image("app", Some("latest"), "two").await;
    let refused = house.push_manifest("app", "v1", &manifest("two")).await;
    let text = "The image tag 'v1' already exists in the 'app' repository and cannot be \
                overwritten because the tag is immutable.";
    assert_eq!(refused.error(), ("TAG_INVALID".to_owned(), text.to_owned()));
    assert_eq!(house.push_manifest("app", "v1", &manifest("one")).await.status, 201); // no change
    let error = put(&house, &manifest("two"), "v1").await.unwrap_err();
    assert_eq!(error, ("ImageTagAlreadyExistsException".to_owned(), text.to_owned()));
    let loose = json!({ "repositoryName": "app", "imageTagMutability": "MUTABLE" });
    house.ok::<PutImageTagMutability>(loose).await;
    put(&house, &manifest("two"), "v1").await.unwrap();
    let no_filter =
        json!({ "repositoryName": "app", "imageTagMutability": "MUTABLE_WITH_EXCLUSION" });
    let refused = house.call::<PutImageTagMutability>(no_filter).await.unwrap_err();
    assert_eq!(refused.0, "InvalidParameterException");
}

fn policy(selection: Value) -> Value {
    let rule = json!({ "rulePriority": 1, "selection": selection, "action": { "type": "expire" } });
    json!({ "repositoryName": "app", "lifecyclePolicyText": json!({ "rules": [rule] }).to_string() })
}

#[tokio::test(start_paused = true)]
async fn images_expire_as_their_policy_says_and_their_bytes_go_later() {
    let house = House::new();
    house.repository("app").await;
    house.push_image("app", Some("prod-1"), "one").await;
    house.pass(DAY).await;
    house.push_image("app", Some("prod-2"), "two").await;
    house.push_image("app", Some("dev"), "three").await;
    let old = policy(json!({
        "tagStatus": "tagged", "tagPatternList": ["prod*"], "countType": "sinceImagePushed",
        "countUnit": "days", "countNumber": 3,
    }));
    house.ok::<StartLifecyclePolicyPreview>(old.clone()).await;
    let preview = house.ok::<GetLifecyclePolicyPreview>(named("app")).await;
    assert_eq!(
        (&preview["status"], &preview["summary"]["expiringImageTotalCount"]),
        (&json!("COMPLETE"), &json!(0))
    );
    house.ok::<PutLifecyclePolicy>(old).await;
    house.pass(DAY + Duration::from_secs(3600)).await;
    assert_eq!(house.tags("app").await, ["dev", "prod-1", "prod-2"]);
    house.pass(DAY).await;
    assert_eq!(house.tags("app").await, ["dev", "prod-2"]);
    let got = house.ok::<GetLifecyclePolicy>(named("app")).await;
    assert!(got["lastEvaluatedAt"].is_number());

    let keep_none = policy(json!({
        "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1,
    }));
    house.ok::<StartLifecyclePolicyPreview>(keep_none.clone()).await;
    let preview = house.ok::<GetLifecyclePolicyPreview>(named("app")).await;
    assert_eq!(preview["previewResults"][0]["appliedRulePriority"], 1);
    assert_eq!(preview["previewResults"][0]["action"]["type"], "EXPIRE");

    // Whoever has the manifest still gets the layer for a day; then its bytes are swept.
    let layer = format!("/v2/app/blobs/{}", digest("one"));
    assert_eq!((house.sweep(), house.get(&layer).await.status), (1, 200)); // the manifest
    house.pass(2 * DAY).await;
    assert_eq!(house.get(&layer).await.status, 404);
    assert_eq!(house.sweep(), 1 + 2); // prod-2 is three days old by now: manifest and layers
    assert_eq!(house.tags("app").await, ["dev"]);
    let bad = house.call::<PutLifecyclePolicy>(policy(json!({ "tagStatus": "x" }))).await;
    assert!(bad.unwrap_err().1.contains("Lifecycle policy validation failure"));
}

/// An artifact about another image.
fn about(subject: &str) -> String {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x",
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor("application/x", b"layer")],
        "subject": descriptor(MANIFEST, subject.as_bytes()),
    })
    .to_string()
}

/// Pushes an image and a chain of artifacts, each about the one before; all expire.
async fn a_chain_expires() {
    let house = House::new();
    house.repository("app").await;
    house.push_image("app", Some("v1"), "layer").await;
    let mut last = manifest("layer");
    for _ in 0..CHAIN {
        last = about(&last);
        let pushed = house.push_manifest("app", &digest(&last), &last).await;
        assert_eq!(pushed.status, 201, "{:?}", pushed.body);
    }
    let old = policy(json!({
        "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1,
    }));
    house.ok::<PutLifecyclePolicy>(old).await;
    house.pass(2 * DAY).await;
    assert_eq!(house.tags("app").await, Vec::<String>::new());
}

const CHAIN: usize = 1000;

#[test]
fn however_long_a_chain_of_artifacts_is_it_expires_with_its_image() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let run = move || {
        runtime.enable_all().start_paused(true).build().unwrap().block_on(a_chain_expires())
    };
    // A frame for each link would need more.
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(run);
    thread.unwrap().join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_manifest_must_say_how_large_its_layers_are() {
    let house = House::new();
    house.repository("app").await;
    house.push_blob("app", "{}").await;
    house.push_blob("app", "layer").await;
    let mut lie: Value = serde_json::from_str(&manifest("layer")).unwrap();
    lie["layers"][0]["size"] = json!(u64::MAX);
    let (code, text) = put(&house, &lie.to_string(), "v1").await.unwrap_err();
    assert_eq!(code, "InvalidParameterException");
    assert!(text.contains("has 5 bytes"), "{text}");
    let pushed = house.push_manifest("app", "v1", &lie.to_string()).await;
    assert_eq!((pushed.status, pushed.error().0.as_str()), (400, "MANIFEST_INVALID"));
    put(&house, &manifest("layer"), "v1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_untagged_image_that_an_index_may_need_is_not_expired_at_once() {
    let house = House::new();
    house.repository("app").await;
    let keep_one = policy(json!({
        "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1,
    }));
    house.push_image("app", None, "one").await;
    house.push_image("app", None, "two").await;
    house.ok::<PutLifecyclePolicy>(keep_one).await;
    house.pass(Duration::from_secs(60)).await;
    assert_eq!(house.tags("app").await, ["", ""]);
    house.pass(Duration::from_secs(2 * 3600)).await;
    assert_eq!(house.tags("app").await, [""]);
}

#[tokio::test(start_paused = true)]
async fn an_archived_image_cannot_be_pulled_until_it_is_restored() {
    let house = House::new();
    house.repository("app").await;
    house.push_image("app", Some("v1"), "one").await;
    let to = |class: &str| {
        json!({
            "repositoryName": "app", "imageId": { "imageTag": "v1" }, "targetStorageClass": class,
        })
    };
    let moved = house.ok::<UpdateImageStorageClass>(to("ARCHIVE")).await;
    assert_eq!(moved["imageStatus"], "ARCHIVED");
    assert_eq!(house.get("/v2/app/manifests/v1").await.status, 404);
    assert_eq!(house.tags("app").await, Vec::<String>::new());
    let asked = json!({ "repositoryName": "app", "filter": { "imageStatus": "ARCHIVED" } });
    assert_eq!(house.ok::<ListImages>(asked).await["imageIds"].as_array().unwrap().len(), 1);
    house.ok::<UpdateImageStorageClass>(to("STANDARD")).await;
    assert_eq!(house.get("/v2/app/manifests/v1").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn images_are_copied_to_other_regions_and_accounts() {
    let house = House::new();
    house.repository("prod/app").await;
    house.repository("dev").await;
    let template = json!({
        "prefix": "prod", "appliedFor": ["REPLICATION"], "imageTagMutability": "IMMUTABLE",
        "resourceTags": [{ "Key": "copied", "Value": "yes" }],
    });
    house
        .call_as::<CreateRepositoryCreationTemplate>("000000000000", "eu-west-1", template)
        .await
        .unwrap();
    let to = |account: &str, region: &str| json!({ "region": region, "registryId": account });
    let configuration = json!({ "replicationConfiguration": { "rules": [{
        "destinations": [to("000000000000", "eu-west-1"), to("111111111111", "us-east-1")],
        "repositoryFilters": [{ "filter": "prod", "filterType": "PREFIX_MATCH" }],
    }] } });
    let far = |region: &str| {
        json!({ "replicationConfiguration": { "rules": [
            { "destinations": [to("000000000000", region)] },
        ] } })
    };
    house.ok::<PutReplicationConfiguration>(far("ap-southeast-6")).await;
    for region in ["us-gov-west-1", "cn-northwest-1", "eusc-de-east-1"] {
        let refused = house.call::<PutReplicationConfiguration>(far(region)).await.unwrap_err();
        assert_eq!(refused.0, "ValidationException");
        assert!(refused.1.ends_with("not replicated between partitions"), "{}", refused.1);
    }
    let gov = ("000000000000", "us-gov-east-1");
    let within = far("us-gov-west-1");
    house.call_as::<PutReplicationConfiguration>(gov.0, gov.1, within).await.unwrap();
    house.ok::<PutReplicationConfiguration>(configuration).await;
    let own = json!({ "replicationConfiguration": { "rules": [
        { "destinations": [to("000000000000", "us-east-1")] },
    ] } });
    let refused = house.call::<PutReplicationConfiguration>(own).await.unwrap_err();
    assert_eq!(refused.0, "ValidationException");
    let nowhere = json!({ "replicationConfiguration": { "rules": [
        { "destinations": [to("000000000000", "us-moon-1")] },
    ] } });
    let refused = house.call::<PutReplicationConfiguration>(nowhere).await.unwrap_err();
    assert_eq!(refused.0, "ValidationException");
    assert!(refused.1.ends_with("there is no region 'us-moon-1'"), "{}", refused.1);

    let image = house.push_image("prod/app", Some("v1"), "layer").await;
    house.push_image("dev", Some("v1"), "layer").await;
    house.pass(Duration::from_secs(5)).await;
    let asked = json!({ "repositoryName": "prod/app", "imageId": { "imageTag": "v1" } });
    let status = house.ok::<DescribeImageReplicationStatus>(asked).await;
    let statuses = status["replicationStatuses"].as_array().unwrap();
    assert!(statuses.len() == 2 && statuses.iter().all(|it| it["status"] == "COMPLETE"));

    for (account, region) in [("000000000000", "eu-west-1"), ("111111111111", "us-east-1")] {
        let host = format!("{account}.dkr.ecr.{region}.localhost:4566");
        let host = [("host", host.as_str())];
        let reply = house.ask("GET", "/v2/prod/app/manifests/v1", &host, "").await;
        assert_eq!(reply.header("docker-content-digest"), image);
        let layer = format!("/v2/prod/app/blobs/{}", digest("layer"));
        assert_eq!(house.ask("GET", &layer, &host, "").await.body, "layer");
        assert_eq!(house.ask("GET", "/v2/dev/manifests/v1", &host, "").await.status, 404);
    }
    let made = house.call_as::<DescribeRepositories>("000000000000", "eu-west-1", json!({})).await;
    assert_eq!(made.unwrap()["repositories"][0]["imageTagMutability"], "IMMUTABLE");
}

#[tokio::test(start_paused = true)]
async fn the_runtime_reads_images_without_http() {
    let house = House::new();
    house.repository("app").await;
    let image = house.push_image("app", Some("v1"), "layer").await;
    let own = RegistryName {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    };
    let peek = house.doors.peeks.expect::<dyn EcrPeek>();
    assert_eq!(peek.registry_of("localhost:4566", &own), Some(own.clone()));
    assert_eq!(peek.registry_of("localhost:5000", &own), None);
    assert_eq!(peek.registry_of("ghcr.io", &own), None);
    let named = peek.registry_of("111111111111.dkr.ecr.eu-west-1.localhost:4566", &own).unwrap();
    assert_eq!(named.account.as_str(), "111111111111");

    let caller = std::sync::Arc::new(Principal::root(own.account.clone()));
    let tag = ImageReference::Tag("v1".to_owned());
    let pulled = peek.manifest(&caller, &own, "app", &tag).await.unwrap();
    assert_eq!((pulled.digest.to_string(), pulled.media_type.as_str()), (image, MANIFEST));
    let layer = peek.blob(&caller, &own, "app", &haar_blobs::Digest::of(b"layer")).await.unwrap();
    assert_eq!(
        (std::fs::read(&layer.path).unwrap().as_slice(), layer.size),
        (b"layer".as_slice(), 5)
    );
    // however long it is until it is opened, its bytes stay
    house.ok::<DeleteRepository>(json!({ "repositoryName": "app", "force": true })).await;
    house.pass(DAY).await;
    assert_eq!((house.sweep(), layer.path.exists()), (2, true)); // manifest and configuration
    let PulledBlob { path, hold, .. } = layer;
    drop(hold);
    assert_eq!((house.sweep(), path.exists()), (1, false));
    let gone = peek.manifest(&caller, &own, "none", &tag).await.unwrap_err();
    assert!(matches!(gone, PullError::NotFound(text) if text.contains("'none' does not exist")));
}

#[tokio::test(start_paused = true)]
async fn storage_is_metered_as_time_goes_by() {
    let house = House::new();
    house.repository("app").await;
    house.push_image("app", Some("v1"), &"x".repeat(2048)).await;
    house.pass(Duration::from_secs(60)).await;
    house.room.flush();
    let records = house.usage.0.lock();
    let record = records.last().unwrap();
    assert_eq!((record.service, record.resource.as_str()), ("ecr", "app"));
    assert_eq!(record.quantities, [("kib-ms/standard", 3 * 60_000)]);
}
