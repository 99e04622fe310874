//! Secrets in several regions, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_secretsmanager_contract::*;
use haar_types::{AccountId, Region};
use house::{House, Refused, refused};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const ON_REPLICA: &str =
    "Operation not permitted on a replica secret. Call must be made in primary secret's region.";

/// Calls an operation in a region.
async fn at<O: haar_wire::Operation>(
    house: &House,
    region: &str,
    input: Value,
) -> Result<Value, Refused>
where
    O::Input: DeserializeOwned,
    O::Output: Serialize,
{
    let region: Region = region.parse().unwrap();
    house.call_at::<O>((&AccountId::default(), &region), input).await
}

async fn value(house: &House, region: &str, stage: &str) -> Result<Value, Refused> {
    let input = json!({ "SecretId": "db", "VersionStage": stage });
    Ok(at::<GetSecretValue>(house, region, input).await?["SecretString"].clone())
}

async fn settle(house: &House) {
    house.pass(Duration::from_millis(100)).await;
}

/// A secret with a replica in us-west-2; the primary's ARN.
async fn replicated(house: &House) -> String {
    let input = json!({
        "Name": "db", "SecretString": "one", "Tags": [{ "Key": "a", "Value": "b" }],
        "AddReplicaRegions": [{ "Region": "us-west-2", "KmsKeyId": "alias/west" }],
    });
    let made = house.ok::<CreateSecret>(input).await;
    assert_eq!(made["ReplicationStatus"][0]["Status"], "InProgress");
    settle(house).await;
    made["ARN"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn replicas_follow_their_primary_in_value_and_description() {
    let house = House::new();
    let arn = replicated(&house).await;
    let shown = house.ok::<DescribeSecret>(json!({ "SecretId": "db" })).await;
    assert_eq!(shown["PrimaryRegion"], "us-east-1");
    assert_eq!(
        shown["ReplicationStatus"],
        json!([{ "Region": "us-west-2", "KmsKeyId": "alias/west", "Status": "InSync" }])
    );
    let there = at::<DescribeSecret>(&house, "us-west-2", json!({ "SecretId": "db" })).await;
    let there = there.unwrap();
    assert_eq!(there["ARN"], arn.replace("us-east-1", "us-west-2"));
    assert_eq!(there["PrimaryRegion"], "us-east-1");
    assert_eq!(there["KmsKeyId"], "alias/west");
    assert_eq!(there["Tags"], json!([{ "Key": "a", "Value": "b" }]));
    assert_eq!(there["VersionIdsToStages"], shown["VersionIdsToStages"]);
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "one");

    house.ok::<PutSecretValue>(json!({ "SecretId": "db", "SecretString": "two" })).await;
    let described = json!({ "SecretId": "db", "Description": "the database" });
    house.ok::<UpdateSecret>(described).await;
    settle(&house).await;
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "two");
    assert_eq!(value(&house, "us-west-2", "AWSPREVIOUS").await.unwrap(), "one");
    let there = at::<DescribeSecret>(&house, "us-west-2", json!({ "SecretId": "db" })).await;
    assert_eq!(there.unwrap()["Description"], "the database");
    let filter = json!({ "Filters": [{ "Key": "primary-region", "Values": ["us-east-1"] }] });
    let listed = at::<ListSecrets>(&house, "us-west-2", filter).await.unwrap();
    assert_eq!(listed["SecretList"][0]["PrimaryRegion"], "us-east-1");
}

#[tokio::test(start_paused = true)]
async fn replicas_are_changed_where_their_primary_is() {
    let house = House::new();
    let arn = replicated(&house).await;
    let no = || refused("InvalidParameterException", ON_REPLICA);
    let west = "us-west-2";
    let put = json!({ "SecretId": "db", "SecretString": "x" });
    assert_eq!(at::<PutSecretValue>(&house, west, put.clone()).await, no());
    assert_eq!(at::<UpdateSecret>(&house, west, put).await, no());
    let tags = json!({ "SecretId": "db", "Tags": [{ "Key": "x", "Value": "y" }] });
    assert_eq!(at::<TagResource>(&house, west, tags).await, no());
    let id = json!({ "SecretId": "db" });
    assert_eq!(at::<DeleteResourcePolicy>(&house, west, id.clone()).await, no());
    assert_eq!(at::<DeleteSecret>(&house, west, id.clone()).await, no());
    assert_eq!(at::<RotateSecret>(&house, west, id.clone()).await, no());
    let forced = json!({ "SecretId": "db", "ForceDeleteWithoutRecovery": true });
    assert_eq!(at::<DeleteSecret>(&house, west, forced.clone()).await, no());
    let more = json!({ "SecretId": "db", "AddReplicaRegions": [{ "Region": "eu-west-1" }] });
    assert_eq!(at::<ReplicateSecretToRegions>(&house, west, more).await, no());

    let key = json!({ "SecretId": "db", "KmsKeyId": "alias/other" });
    at::<UpdateSecret>(&house, west, key).await.unwrap();
    settle(&house).await;
    let there = at::<DescribeSecret>(&house, west, id.clone()).await.unwrap();
    assert_eq!(there["KmsKeyId"], "alias/other");
    let text = format!("You can't delete secret {arn} that still has replica regions [us-west-2].");
    let kept = house.call::<DeleteSecret>(forced).await;
    assert_eq!(kept, refused("InvalidParameterException", &text));
    assert_eq!(value(&house, west, "AWSCURRENT").await.unwrap(), "one");
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_the_same_name_is_overwritten_by_force_alone() {
    let house = House::new();
    let twin = json!({ "Name": "db", "SecretString": "west" });
    at::<CreateSecret>(&house, "us-west-2", twin).await.unwrap();
    house.ok::<CreateSecret>(json!({ "Name": "db", "SecretString": "east" })).await;
    let mut more = json!({ "SecretId": "db", "AddReplicaRegions": [{ "Region": "us-west-2" }] });
    house.ok::<ReplicateSecretToRegions>(more.clone()).await;
    settle(&house).await;
    let shown = house.ok::<DescribeSecret>(json!({ "SecretId": "db" })).await;
    let status = &shown["ReplicationStatus"][0];
    assert_eq!(status["Status"], "Failed");
    assert_eq!(status["StatusMessage"], "Secret with this name already exists in this region");
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "west");
    // what failed is nobody's replica: it stays
    let less = json!({ "SecretId": "db", "RemoveReplicaRegions": ["us-west-2"] });
    let left = house.ok::<RemoveRegionsFromReplication>(less.clone()).await;
    assert_eq!(left["ReplicationStatus"], json!([]));
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "west");

    more["ForceOverwriteReplicaSecret"] = json!(true);
    house.ok::<ReplicateSecretToRegions>(more).await;
    settle(&house).await;
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "east");
    house.ok::<RemoveRegionsFromReplication>(less.clone()).await;
    let gone = value(&house, "us-west-2", "AWSCURRENT").await.unwrap_err();
    assert_eq!(gone.0, "ResourceNotFoundException");
    let again = house.call::<RemoveRegionsFromReplication>(less).await;
    assert_eq!(again, refused("InvalidParameterException", "Invalid replica region."));
    let bad_region = refused("InvalidParameterException", "Invalid replica region.");
    for region in ["us-east-1", "eu-west-9", "mars-north-1", "cn-north-1"] {
        let wrong = json!({ "SecretId": "db", "AddReplicaRegions": [{ "Region": region }] });
        assert_eq!(house.call::<ReplicateSecretToRegions>(wrong).await, bad_region, "{region}");
        let wrong = json!({ "Name": "new", "AddReplicaRegions": [{ "Region": region }] });
        assert_eq!(house.call::<CreateSecret>(wrong).await, bad_region, "{region}");
    }
    for region in ["US West", ""] {
        let wrong = json!({ "SecretId": "db", "AddReplicaRegions": [{ "Region": region }] });
        let answer = house.call::<ReplicateSecretToRegions>(wrong).await;
        assert_eq!(answer.unwrap_err().0, "InvalidParameterException");
    }
}

#[tokio::test(start_paused = true)]
async fn a_promoted_replica_goes_its_own_way() {
    let house = House::new();
    replicated(&house).await;
    let id = json!({ "SecretId": "db" });
    let (name, _) = house.call::<StopReplicationToReplica>(id.clone()).await.unwrap_err();
    assert_eq!(name, "InvalidRequestException");
    let promoted = at::<StopReplicationToReplica>(&house, "us-west-2", id.clone()).await.unwrap();
    assert!(promoted["ARN"].as_str().unwrap().contains(":us-west-2:"));
    house.ok::<PutSecretValue>(json!({ "SecretId": "db", "SecretString": "two" })).await;
    settle(&house).await;
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "one");
    let own = json!({ "SecretId": "db", "SecretString": "own" });
    at::<PutSecretValue>(&house, "us-west-2", own).await.unwrap();
    assert_eq!(value(&house, "us-west-2", "AWSCURRENT").await.unwrap(), "own");
    let shown = house.ok::<DescribeSecret>(id.clone()).await;
    assert_eq!(shown.get("ReplicationStatus"), None);
    house.ok::<DeleteSecret>(id).await; // it has no replicas any more
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_a_key_of_its_own_names_the_services() {
    let house = House::new();
    house.ok::<CreateSecret>(json!({ "Name": "db", "SecretString": "one" })).await;
    let input = json!({ "SecretId": "db", "AddReplicaRegions": [{ "Region": "eu-west-3" }] });
    let made = house.ok::<ReplicateSecretToRegions>(input).await;
    assert_eq!(made["ReplicationStatus"][0]["KmsKeyId"], "alias/aws/secretsmanager");
}
