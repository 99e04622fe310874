//! Secrets Manager through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_kernel::Auth;
use haar_secretsmanager_contract::peek::{SecretError, SecretValue, SecretsPeek};
use haar_secretsmanager_contract::*;
use haar_types::{AccountId, Region};
use house::{House, refused, texts};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);
const DELETED: &str =
    "You can't perform this operation on the secret because it was marked for deletion.";

async fn create(house: &House, name: &str, value: &str) -> Value {
    house.ok::<CreateSecret>(json!({ "Name": name, "SecretString": value })).await
}

async fn value(house: &House, stage: &str) -> Result<Value, house::Refused> {
    let input = json!({ "SecretId": "db", "VersionStage": stage });
    Ok(house.call::<GetSecretValue>(input).await?["SecretString"].clone())
}

#[tokio::test(start_paused = true)]
async fn stages_follow_the_versions_of_a_secret() {
    let house = House::new();
    let made = create(&house, "db", "one").await;
    let arn = made["ARN"].as_str().unwrap();
    let stem = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-";
    assert_eq!(arn.strip_prefix(stem).unwrap().len(), 6);
    house.ok::<PutSecretValue>(json!({ "SecretId": arn, "SecretString": "two" })).await;
    assert_eq!(value(&house, "AWSCURRENT").await.unwrap(), "two");
    assert_eq!(value(&house, "AWSPREVIOUS").await.unwrap(), "one");
    let pending = json!({
        "SecretId": "db", "SecretString": "three", "VersionStages": ["AWSPENDING"],
    });
    let pending = house.ok::<PutSecretValue>(pending).await;
    assert_eq!(pending["VersionStages"], json!(["AWSPENDING"]));
    assert_eq!(value(&house, "AWSCURRENT").await.unwrap(), "two");

    let mut step = json!({
        "SecretId": "db", "VersionStage": "AWSCURRENT", "MoveToVersionId": pending["VersionId"],
    });
    let (name, text) = house.call::<UpdateSecretVersionStage>(step.clone()).await.unwrap_err();
    assert_eq!(name, "InvalidParameterException");
    assert!(text.starts_with("The parameter RemoveFromVersionId can't be empty."), "{text}");
    let current = house.ok::<GetSecretValue>(json!({ "SecretId": "db" })).await;
    step["RemoveFromVersionId"] = current["VersionId"].clone();
    house.ok::<UpdateSecretVersionStage>(step).await;
    assert_eq!(value(&house, "AWSCURRENT").await.unwrap(), "three");
    assert_eq!(value(&house, "AWSPREVIOUS").await.unwrap(), "two");
    let all = json!({ "SecretId": "db", "IncludeDeprecated": true });
    let versions = house.ok::<ListSecretVersionIds>(all).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 3);
    let staged = house.ok::<ListSecretVersionIds>(json!({ "SecretId": "db" })).await;
    assert_eq!(staged["Versions"].as_array().unwrap().len(), 2);
    let text = "Secrets Manager can't find the specified secret value for staging label: none";
    let answer = value(&house, "none").await;
    assert_eq!(answer, refused("ResourceNotFoundException", text));
    let removed = json!({
        "SecretId": "db", "VersionStage": "AWSCURRENT",
        "RemoveFromVersionId": pending["VersionId"],
    });
    let (name, _) = house.call::<UpdateSecretVersionStage>(removed).await.unwrap_err();
    assert_eq!(name, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn the_same_request_twice_makes_one_version() {
    let house = House::new();
    let token = "01234567890123456789012345678901";
    let input = json!({ "Name": "db", "SecretString": "one", "ClientRequestToken": token });
    let made = house.ok::<CreateSecret>(input.clone()).await;
    assert_eq!(made["VersionId"], token);
    assert_eq!(house.ok::<CreateSecret>(input).await, made);
    let twin = house.call::<CreateSecret>(json!({ "Name": "db", "SecretString": "x" })).await;
    let text = "The operation failed because the secret db already exists.";
    assert_eq!(twin, refused("ResourceExistsException", text));
    let again = json!({ "SecretId": "db", "SecretString": "one", "ClientRequestToken": token });
    house.ok::<PutSecretValue>(again).await;
    let other = json!({ "SecretId": "db", "SecretString": "two", "ClientRequestToken": token });
    let (name, text) = house.call::<PutSecretValue>(other).await.unwrap_err();
    assert_eq!(name, "ResourceExistsException");
    assert!(text.starts_with(&format!("You can't use ClientRequestToken {token}")));

    let force = json!({ "SecretId": "db", "ForceDeleteWithoutRecovery": true });
    house.ok::<DeleteSecret>(force).await;
    let input = json!({ "Name": "db", "SecretString": "one", "ClientRequestToken": token });
    let anew = house.ok::<CreateSecret>(input).await; // a token is a version's id, no more
    assert_ne!(anew["ARN"], made["ARN"]);
    assert_eq!(value(&house, "AWSCURRENT").await.unwrap(), "one");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_can_be_had_back_until_its_window_has_passed() {
    let house = House::new();
    let made = create(&house, "db", "one").await;
    let deletion = json!({ "SecretId": "db", "RecoveryWindowInDays": 7 });
    let gone = house.ok::<DeleteSecret>(deletion.clone()).await;
    let begin = house::BEGIN.seconds_f64();
    assert_eq!(gone["DeletionDate"].as_f64(), Some(begin + 7.0 * 86_400.0));
    let read = house.call::<GetSecretValue>(json!({ "SecretId": "db" })).await;
    assert_eq!(read, refused("InvalidRequestException", DELETED));
    assert_eq!(house.ok::<ListSecrets>(json!({})).await["SecretList"], json!([]));
    let all = house.ok::<ListSecrets>(json!({ "IncludePlannedDeletion": true })).await;
    assert_eq!(texts(&all["SecretList"], "Name"), ["db"]);
    let text = "You can't create this secret because a secret with this name is already scheduled \
                for deletion.";
    let twin = house.call::<CreateSecret>(json!({ "Name": "db", "SecretString": "x" })).await;
    assert_eq!(twin, refused("InvalidRequestException", text));
    house.pass(6 * DAY).await;
    house.ok::<RestoreSecret>(json!({ "SecretId": "db" })).await;
    house.pass(2 * DAY).await;
    assert_eq!(value(&house, "AWSCURRENT").await.unwrap(), "one");

    house.ok::<DeleteSecret>(deletion).await;
    house.pass(7 * DAY + Duration::from_secs(1)).await;
    let text = "Secrets Manager can't find the specified secret.";
    let missing = house.call::<RestoreSecret>(json!({ "SecretId": "db" })).await;
    assert_eq!(missing, refused("ResourceNotFoundException", text));
    let anew = create(&house, "db", "two").await;
    assert_ne!(anew["ARN"], made["ARN"]);
    let force = json!({ "SecretId": "db", "ForceDeleteWithoutRecovery": true });
    house.ok::<DeleteSecret>(force.clone()).await;
    house.ok::<DeleteSecret>(force).await; // what is not there is gone
    let short = json!({ "SecretId": "db", "RecoveryWindowInDays": 6 });
    let text = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
    let answer = house.call::<DeleteSecret>(short).await;
    assert_eq!(answer, refused("InvalidParameterException", text));
}

#[tokio::test(start_paused = true)]
async fn secrets_are_listed_by_what_they_are() {
    let house = House::new();
    for (name, tag) in [("prod/db", "blue"), ("prod/api", "red"), ("dev/db", "blue")] {
        let input = json!({
            "Name": name, "SecretString": "x", "Tags": [{ "Key": "team", "Value": tag }],
        });
        house.ok::<CreateSecret>(input).await;
        house.pass(Duration::from_secs(1)).await;
    }
    for (filter, names) in [
        (json!({ "Key": "name", "Values": ["prod/"] }), vec!["prod/api", "prod/db"]),
        (json!({ "Key": "name", "Values": ["!prod/"] }), vec!["dev/db"]),
        (json!({ "Key": "tag-value", "Values": ["blue"] }), vec!["dev/db", "prod/db"]),
        (json!({ "Key": "all", "Values": ["DB blue"] }), vec!["dev/db", "prod/db"]),
    ] {
        let found = house.ok::<ListSecrets>(json!({ "Filters": [filter] })).await;
        assert_eq!(texts(&found["SecretList"], "Name"), names);
    }
    let mut input = json!({ "MaxResults": 2, "SortOrder": "asc" });
    let first = house.ok::<ListSecrets>(input.clone()).await;
    assert_eq!(texts(&first["SecretList"], "Name"), ["prod/db", "prod/api"]);
    input["NextToken"] = first["NextToken"].clone();
    let second = house.ok::<ListSecrets>(input.clone()).await;
    assert_eq!(texts(&second["SecretList"], "Name"), ["dev/db"]);
    input["NextToken"] = json!("junk");
    let (name, _) = house.call::<ListSecrets>(input).await.unwrap_err();
    assert_eq!(name, "InvalidNextTokenException");

    let batch = json!({ "SecretIdList": ["dev/db", "none"] });
    let batch = house.ok::<BatchGetSecretValue>(batch).await;
    assert_eq!(texts(&batch["SecretValues"], "Name"), ["dev/db"]);
    assert_eq!(texts(&batch["Errors"], "ErrorCode"), ["ResourceNotFoundException"]);
    let batch = json!({ "Filters": [{ "Key": "name", "Values": ["prod"] }] });
    let batch = house.ok::<BatchGetSecretValue>(batch).await;
    assert_eq!(texts(&batch["SecretValues"], "Name"), ["prod/api", "prod/db"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_goes_on_where_the_last_one_ended_whatever_became_of_its_last_secret() {
    let house = House::new();
    for name in ["aa", "bb", "cc", "dd"] {
        create(&house, name, "x").await;
        house.pass(Duration::from_secs(1)).await;
    }
    let gone = |name: &str| json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true });
    let mut list = json!({ "MaxResults": 2, "SortOrder": "asc", "SortBy": "last-changed-date" });
    let first = house.ok::<ListSecrets>(list.clone()).await;
    assert_eq!(texts(&first["SecretList"], "Name"), ["aa", "bb"]);
    house.ok::<PutSecretValue>(json!({ "SecretId": "bb", "SecretString": "y" })).await;
    list["NextToken"] = first["NextToken"].clone();
    list["MaxResults"] = json!(3);
    let second = house.ok::<ListSecrets>(list).await;
    assert_eq!(texts(&second["SecretList"], "Name"), ["cc", "dd", "bb"]);

    let mut batch =
        json!({ "MaxResults": 2, "Filters": [{ "Key": "name", "Values": ["a", "b", "c"] }] });
    let first = house.ok::<BatchGetSecretValue>(batch.clone()).await;
    assert_eq!(texts(&first["SecretValues"], "Name"), ["aa", "bb"]);
    house.ok::<DeleteSecret>(gone("bb")).await;
    batch["NextToken"] = first["NextToken"].clone();
    let second = house.ok::<BatchGetSecretValue>(batch).await;
    assert_eq!(texts(&second["SecretValues"], "Name"), ["cc"]);

    for value in ["y", "z"] {
        house.pass(Duration::from_secs(1)).await;
        house.ok::<PutSecretValue>(json!({ "SecretId": "aa", "SecretString": value })).await;
    }
    let mut versions = json!({ "SecretId": "aa", "MaxResults": 1 });
    let first = house.ok::<ListSecretVersionIds>(versions.clone()).await;
    assert_eq!(first["Versions"][0]["VersionStages"], json!(["AWSCURRENT"]));
    versions["NextToken"] = first["NextToken"].clone();
    let second = house.ok::<ListSecretVersionIds>(versions).await;
    assert_eq!(second["Versions"][0]["VersionStages"], json!(["AWSPREVIOUS"]));
    assert_eq!(second.get("NextToken"), None);
}

#[tokio::test(start_paused = true)]
async fn a_secrets_policy_lets_another_account_in_by_its_arn() {
    let house = House::with(Auth::Enforce);
    let arn = create(&house, "db", "one").await["ARN"].clone();
    let other: AccountId = "111111111111".parse().unwrap();
    let read =
        async |id: &Value| house.call_as::<GetSecretValue>(&other, json!({ "SecretId": id })).await;
    assert_eq!(read(&arn).await.unwrap_err().0, "AccessDeniedException");
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
        "Action": "secretsmanager:GetSecretValue", "Resource": "*",
    }] });
    let policy = json!({ "SecretId": "db", "ResourcePolicy": policy.to_string() });
    house.ok::<PutResourcePolicy>(policy).await;
    assert_eq!(read(&arn).await.unwrap()["SecretString"], "one");
    let partial = arn.as_str().unwrap().rsplit_once('-').unwrap().0;
    assert_eq!(read(&json!(partial)).await.unwrap()["SecretString"], "one");
    assert_eq!(read(&json!("db")).await.unwrap_err().0, "ResourceNotFoundException");
    let written = json!({ "SecretId": arn, "SecretString": "two" });
    let written = house.call_as::<PutSecretValue>(&other, written).await;
    assert_eq!(written.unwrap_err().0, "AccessDeniedException");
    let listed = house.call_as::<ListSecrets>(&other, json!({})).await.unwrap();
    assert_eq!(listed["SecretList"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn containers_get_values_keys_stages_and_versions() {
    let house = House::new();
    let arn = create(&house, "db", r#"{"user":"me","port":1}"#).await["ARN"].clone();
    let arn = arn.as_str().unwrap();
    let second = json!({ "SecretId": "db", "SecretString": r#"{"user":"you"}"# });
    house.ok::<PutSecretValue>(second).await;
    let peek = house.doors.peeks.expect::<dyn SecretsPeek>();
    let (account, region) = (AccountId::default(), Region::default());
    let place = (&account, &region);
    let from = |rest: &str| {
        let snapshot = house.doors.ledger.snapshot();
        peek.value_from(&snapshot, place, &format!("{arn}{rest}"))
    };
    assert_eq!(from("").as_deref(), Ok(r#"{"user":"you"}"#));
    assert_eq!(from(":user::").as_deref(), Ok("you"));
    assert_eq!(from(":user:AWSPREVIOUS:").as_deref(), Ok("me"));
    assert_eq!(from(":port::"), Err(SecretError::KeyNotFound("port".to_owned())));
    let missing = SecretError::VersionNotFound("staging label: none".to_owned());
    assert_eq!(from("::none:"), Err(missing));
    let found = peek.version(&house.doors.ledger.snapshot(), place, "db", None, None).unwrap();
    assert_eq!(found.value, SecretValue::Text(r#"{"user":"you"}"#.to_owned()));
    assert_eq!(format!("{:?}", found.value), "SecretValue(***)");
    house.ok::<DeleteSecret>(json!({ "SecretId": "db" })).await;
    assert_eq!(from(""), Err(SecretError::Deleted(arn.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn policies_are_read_before_they_are_kept_and_rotation_is_refused() {
    let house = House::new();
    create(&house, "db", "one").await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
    let mut input = json!({
        "SecretId": "db", "ResourcePolicy": policy, "BlockPublicPolicy": true,
    });
    let (name, _) = house.call::<PutResourcePolicy>(input.clone()).await.unwrap_err();
    assert_eq!(name, "PublicPolicyException");
    input["BlockPublicPolicy"] = json!(false);
    house.ok::<PutResourcePolicy>(input.clone()).await;
    let got = house.ok::<GetResourcePolicy>(json!({ "SecretId": "db" })).await;
    assert_eq!(got["ResourcePolicy"], policy);
    let valid = json!({ "ResourcePolicy": policy });
    let valid = house.ok::<ValidateResourcePolicy>(valid).await;
    assert_eq!(valid["PolicyValidationPassed"], false);
    input["ResourcePolicy"] = json!("{}");
    let text = "This resource policy contains a syntax error.";
    let answer = house.call::<PutResourcePolicy>(input).await;
    assert_eq!(answer, refused("MalformedPolicyDocumentException", text));
    house.ok::<DeleteResourcePolicy>(json!({ "SecretId": "db" })).await;
    let got = house.ok::<GetResourcePolicy>(json!({ "SecretId": "db" })).await;
    assert_eq!(got.get("ResourcePolicy"), None);
    let answer = house.call::<RotateSecret>(json!({ "SecretId": "db" })).await;
    let text = "No Lambda rotation function ARN is associated with this secret.";
    assert_eq!(answer, refused("InvalidRequestException", text));
}

#[tokio::test(start_paused = true)]
async fn a_day_of_reading_is_noted_once() {
    let house = House::new();
    create(&house, "db", "one").await;
    let before = house.ok::<DescribeSecret>(json!({ "SecretId": "db" })).await;
    assert_eq!(before.get("LastAccessedDate"), None);
    house.ok::<GetSecretValue>(json!({ "SecretId": "db" })).await;
    let version = house.doors.ledger.snapshot().version();
    house.ok::<GetSecretValue>(json!({ "SecretId": "db" })).await;
    assert_eq!(house.doors.ledger.snapshot().version(), version);
    let after = house.ok::<DescribeSecret>(json!({ "SecretId": "db" })).await;
    let day = after["LastAccessedDate"].as_f64().unwrap();
    assert_eq!(day % 86_400.0, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_text_or_bytes() {
    let house = House::new();
    let both = json!({ "Name": "x", "SecretString": "a", "SecretBinary": "AAE=" });
    let (name, _) = house.call::<CreateSecret>(both).await.unwrap_err();
    assert_eq!(name, "InvalidParameterException");
    house.ok::<CreateSecret>(json!({ "Name": "x", "SecretBinary": "AAE=" })).await;
    let got = house.ok::<GetSecretValue>(json!({ "SecretId": "x" })).await;
    assert_eq!(got["SecretBinary"], "AAE=");
    let neither = house.call::<PutSecretValue>(json!({ "SecretId": "x" })).await;
    let text = "You must provide either SecretString or SecretBinary.";
    assert_eq!(neither, refused("InvalidRequestException", text));
    house.ok::<CreateSecret>(json!({ "Name": "empty" })).await;
    let answer = house.call::<GetSecretValue>(json!({ "SecretId": "empty" })).await;
    let text =
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT";
    assert_eq!(answer, refused("ResourceNotFoundException", text));
    let tags = json!({ "SecretId": "x", "Tags": [{ "Key": "a", "Value": "b" }] });
    house.ok::<TagResource>(tags).await;
    house.ok::<UntagResource>(json!({ "SecretId": "x", "TagKeys": ["a"] })).await;
    let shown = house.ok::<DescribeSecret>(json!({ "SecretId": "x" })).await;
    assert_eq!(shown["Tags"], json!([]));
}
