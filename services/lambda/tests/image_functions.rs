//! Functions from images, as the control plane has them.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;
mod support;

use haar_blobs::Digest;
use haar_lambda::doors::ImageFailure;
use haar_lambda::state::{FunctionKey, VersionKey, VersionRow};
use haar_lambda_contract::model::*;
use haar_types::{AccountId, Region};
use house::{House, ROLE};
use serde_json::{Value, json};

const URI: &str = "000000000000.dkr.ecr.us-east-1.localhost:4566/app:1";
const INVALID: &str = "InvalidParameterValueException";

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn offer(house: &House, uri: &str, found: Result<Digest, ImageFailure>) {
    house.cloud.sinks.images.lock().insert(uri.to_owned(), found);
}

fn image(name: &str) -> Value {
    json!({
        "FunctionName": name, "Role": ROLE, "PackageType": "Image", "Code": { "ImageUri": URI },
    })
}

fn with(mut input: Value, change: &Value) -> Value {
    for (key, value) in change.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

fn row(house: &House) -> VersionRow {
    let key = FunctionKey::new(&AccountId::default(), &Region::default(), "f");
    let row = house.doors.ledger.snapshot().get::<VersionRow>(&VersionKey::latest(&key));
    VersionRow::clone(&row.unwrap())
}

#[tokio::test]
async fn a_function_is_an_image_by_its_digest() {
    let house = House::new();
    offer(&house, URI, Ok(digest("one")));
    let config = json!({ "ImageConfig": { "Command": ["a"], "WorkingDirectory": "/w" } });
    let made = house.ok::<CreateFunction>(with(image("f"), &config)).await;
    assert_eq!((&made["PackageType"], &made["State"]), (&json!("Image"), &json!("Pending")));
    assert_eq!(made["StateReasonCode"], "Creating");
    let shown = house.settled("f").await;
    assert_eq!((&shown["State"], &shown["CodeSize"]), (&json!("Active"), &json!(0)));
    assert_eq!(shown["CodeSha256"], digest("one").hex());
    for absent in ["Runtime", "Handler", "Layers", "RuntimeVersionConfig"] {
        assert_eq!(shown[absent], Value::Null, "{absent}");
    }
    assert_eq!(shown["ImageConfigResponse"], json!({ "ImageConfig": config["ImageConfig"] }));
    let found = house.ok::<GetFunction>(json!({ "FunctionName": "f" })).await;
    let repository = URI.trim_end_matches(":1");
    let expected = json!({
        "RepositoryType": "ECR", "ImageUri": URI,
        "ResolvedImageUri": format!("{repository}@{}", digest("one")),
    });
    assert_eq!(found["Code"], expected);
    let pulls = house.cloud.sinks.pulls.lock();
    let [pull] = pulls.as_slice() else { panic!("{pulls:?}") };
    assert_eq!((pull.uri.as_str(), pull.digest), (URI, Some(digest("one"))));
}

#[tokio::test]
async fn images_that_cannot_be_had_are_refused_in_awss_words() {
    let house = House::still();
    let said = async |failure: ImageFailure| {
        offer(&house, URI, Err(failure));
        house.call::<CreateFunction>(image("f")).await.unwrap_err()
    };
    let invalid = |text: &str| (INVALID.to_owned(), text.replace("URI", URI));
    let missing = invalid("Source image URI does not exist. Provide a valid source image.");
    assert_eq!(said(ImageFailure::Missing).await, missing);
    let odd = invalid("Source image URI is not valid. Provide a valid source image.");
    assert_eq!(said(ImageFailure::NotValid).await, odd);
    let types = "The image manifest, config or layer media type for the source image URI is not \
                 supported.";
    assert_eq!(said(ImageFailure::Unsupported).await, invalid(types));
    let denied =
        "Lambda does not have permission to access the ECR image. Check the ECR permissions.";
    let denied = ("AccessDeniedException".to_owned(), denied.to_owned());
    assert_eq!(said(ImageFailure::Denied).await, denied);
    assert_eq!(house.ok::<ListFunctions>(json!({})).await["Functions"], json!([]));
}

#[tokio::test]
async fn a_function_whose_image_does_not_come_has_failed_until_one_does() {
    let house = House::new();
    offer(&house, URI, Ok(digest("one")));
    let failures = [
        (ImageFailure::Missing, "ImageDeleted"),
        (ImageFailure::Denied, "ImageAccessDenied"),
        (ImageFailure::Broken("a wrong digest".to_owned()), "InvalidImage"),
    ];
    for (at, (failure, code)) in failures.into_iter().enumerate() {
        let name = format!("f{at}");
        *house.cloud.sinks.pull_failure.lock() = Some(failure);
        house.ok::<CreateFunction>(image(&name)).await;
        let shown = house.settled(&name).await;
        assert_eq!((&shown["State"], &shown["StateReasonCode"]), (&json!("Failed"), &json!(code)));
        assert!(!shown["StateReason"].as_str().unwrap().is_empty());
        *house.cloud.sinks.pull_failure.lock() = None;
        let update = json!({ "FunctionName": name, "ImageUri": URI });
        house.ok::<UpdateFunctionCode>(update).await;
        let shown = house.settled(&name).await;
        assert_eq!((&shown["State"], &shown["StateReasonCode"]), (&json!("Active"), &Value::Null));
    }
}

#[tokio::test]
async fn the_image_before_runs_until_the_next_is_here_and_stays_when_it_does_not_come() {
    let house = House::new();
    offer(&house, URI, Ok(digest("one")));
    house.ok::<CreateFunction>(image("f")).await;
    house.settled("f").await;
    let before = house.room.target(&row(&house));

    offer(&house, URI, Ok(digest("two")));
    let busy = ImageFailure::Unavailable("the registry does not answer".to_owned());
    *house.cloud.sinks.pull_failure.lock() = Some(busy);
    let update = json!({ "FunctionName": "f", "ImageUri": URI });
    let changed = house.ok::<UpdateFunctionCode>(update.clone()).await;
    assert_eq!(changed["CodeSha256"], digest("two").hex());
    assert_eq!(changed["LastUpdateStatus"], "InProgress");
    assert_eq!(house.room.target(&row(&house)), before, "environments go on as they are");
    let conflict = house.call::<UpdateFunctionCode>(update.clone()).await.unwrap_err();
    assert_eq!(conflict.0, "ResourceConflictException");

    *house.cloud.sinks.pull_failure.lock() = Some(ImageFailure::Missing);
    let shown = house.settled("f").await;
    assert_eq!((&shown["State"], &shown["LastUpdateStatus"]), (&json!("Active"), &json!("Failed")));
    assert_eq!(shown["LastUpdateStatusReasonCode"], "ImageDeleted");
    assert_eq!(shown["CodeSha256"], digest("one").hex());
    assert_eq!(house.room.target(&row(&house)), before);

    *house.cloud.sinks.pull_failure.lock() = None;
    house.ok::<UpdateFunctionCode>(with(update, &json!({ "Publish": true }))).await;
    let shown = house.settled("f").await;
    assert_eq!(shown["CodeSha256"], digest("two").hex());
    let after = house.room.target(&row(&house));
    assert_eq!(after.image.unwrap().digest, digest("two"));
    assert_ne!(after.revision, before.revision);
    let versions = house.ok::<ListVersionsByFunction>(json!({ "FunctionName": "f" })).await;
    assert_eq!(versions["Versions"][1]["CodeSha256"], digest("two").hex());
}

#[tokio::test]
async fn what_an_image_brings_itself_is_not_taken_beside_it() {
    let house = House::new();
    offer(&house, URI, Ok(digest("one")));
    let text = "Please don't provide Handler or Runtime or Layer when the intended function \
                PackageType is Image.";
    let neither = Err((INVALID.to_owned(), text.to_owned()));
    for change in [json!({ "Runtime": "python3.13" }), json!({ "Handler": "a.b" })] {
        let input = with(image("f"), &change);
        assert_eq!(house.call::<CreateFunction>(input).await, neither);
    }
    house.ok::<CreateFunction>(image("f")).await;
    house.settled("f").await;
    let update = json!({ "FunctionName": "f", "Handler": "a.b" });
    assert_eq!(house.call::<UpdateFunctionConfiguration>(update).await, neither);
    let archive = json!({ "FunctionName": "f", "ZipFile": house::zip("app.py", "") });
    let refused = house.call::<UpdateFunctionCode>(archive).await.unwrap_err().1;
    let text = "Please provide ImageUri when updating a function with packageType Image.";
    assert_eq!(refused, text);
    house.function("z").await;
    let update = json!({ "FunctionName": "z", "ImageUri": URI });
    let refused = house.call::<UpdateFunctionCode>(update).await.unwrap_err().1;
    let text = "Please don't provide ImageUri when updating a function with packageType Zip.";
    assert_eq!(refused, text);
    let empty = json!({ "FunctionName": "f", "ImageConfig": {} });
    house.ok::<UpdateFunctionConfiguration>(empty).await;
    assert_eq!(house.settled("f").await["ImageConfigResponse"], Value::Null);
}

#[tokio::test]
async fn an_image_of_more_than_10_gib_makes_no_function() {
    let house = House::new();
    let store = &house.cloud.substrate.images;
    let id = store.offer("app", haar_substrate::ImageConfig::default());
    offer(&house, URI, Ok(id.0.parse().unwrap()));
    for (bytes, state) in [(10 << 30, "Active"), ((10 << 30) + 1, "Failed")] {
        store.bring(&id, bytes);
        let name = format!("f{state}");
        house.ok::<CreateFunction>(image(&name)).await;
        let shown = house.settled(&name).await;
        assert_eq!(shown["State"], state);
        if state == "Failed" {
            assert_eq!(shown["StateReasonCode"], "InvalidImage");
            let text = "SizeLimitExceeded: Uncompressed container image size exceeds 10 GiB limit";
            assert_eq!(shown["StateReason"], text);
        }
    }
}
