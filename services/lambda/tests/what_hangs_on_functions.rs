//! The control plane through a kernel: policies, layers, URLs, concurrency, event sources.

#![allow(clippy::unwrap_used)]

mod house;
mod support;

use haar_lambda_contract::model::*;
use house::{House, Refused, python, zip};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const LAYER: &str = "arn:aws:lambda:us-east-1:000000000000:layer:deps";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn named(name: &str) -> Value {
    json!({ "FunctionName": name })
}

fn refused<T>(name: &str, message: &str) -> Result<T, Refused> {
    Err((name.to_owned(), message.to_owned()))
}

fn invalid<T>(message: &str) -> Result<T, Refused> {
    refused("InvalidParameterValueException", message)
}

async fn published(house: &House) {
    house.function("f").await;
    house.ok::<PublishVersion>(named("f")).await;
    let live = json!({ "FunctionName": "f", "Name": "live", "FunctionVersion": "1" });
    house.ok::<CreateAlias>(live).await;
}

#[tokio::test]
async fn each_qualifier_has_its_own_policy() {
    let house = House::new();
    published(&house).await;
    let text = "The resource you requested does not exist.";
    let none = house.call::<GetPolicy>(named("f")).await;
    assert_eq!(none, refused("ResourceNotFoundException", text));

    let allow = |qualifier: Value| {
        json!({ "FunctionName": "f", "Qualifier": qualifier, "StatementId": "s3",
            "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
            "SourceArn": "arn:aws:s3:::bucket" })
    };
    let added = house.ok::<AddPermission>(allow(Value::Null)).await;
    let statement: Value = serde_json::from_str(added["Statement"].as_str().unwrap()).unwrap();
    assert_eq!(statement["Resource"], ARN);
    house.ok::<AddPermission>(allow(json!("live"))).await;
    let text = "The statement id (s3) provided already exists. Please provide a new statement id, \
                or remove the existing statement.";
    let twice = house.call::<AddPermission>(allow(Value::Null)).await;
    assert_eq!(twice, refused("ResourceConflictException", text));
    let mut mistyped = allow(Value::Null);
    (mistyped["StatementId"], mistyped["Action"]) = (json!("t"), json!("lambda:InvokeFunktion"));
    let text = "The provided action was invalid. Please check the action and try again.";
    assert_eq!(house.call::<AddPermission>(mistyped).await, invalid(text));
    let text = "We currently do not support adding policies for $LATEST.";
    assert_eq!(house.call::<AddPermission>(allow(json!("$LATEST"))).await, invalid(text));

    let of_alias = json!({ "FunctionName": "f", "Qualifier": "live" });
    let seen = house.ok::<GetPolicy>(of_alias).await;
    let policy: Value = serde_json::from_str(seen["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["Statement"][0]["Resource"], format!("{ARN}:live"));
    assert_eq!(policy["Id"], "default");

    let remove = json!({ "FunctionName": "f", "StatementId": "s3", "RevisionId": "x" });
    let old = house.call::<RemovePermission>(remove).await;
    assert_eq!(old.unwrap_err().0, "PreconditionFailedException");
    let remove = json!({ "FunctionName": "f", "StatementId": "s3" });
    house.ok::<RemovePermission>(remove.clone()).await;
    let text = "No policy is associated with the given resource.";
    let again = house.call::<RemovePermission>(remove).await;
    assert_eq!(again, refused("ResourceNotFoundException", text));
}

#[tokio::test]
async fn layers_are_published_found_used_and_outlived() {
    let house = House::new();
    let publish = |runtime: &str| {
        json!({ "LayerName": "deps", "Description": "d", "CompatibleRuntimes": [runtime],
            "Content": { "ZipFile": zip("python/deps.py", runtime) } })
    };
    let one = house.ok::<PublishLayerVersion>(publish("python3.11")).await;
    assert_eq!((&one["Version"], &one["LayerArn"]), (&json!(1), &json!(LAYER)));
    assert_eq!(one["LayerVersionArn"], format!("{LAYER}:1"));
    house.ok::<PublishLayerVersion>(publish("python3.12")).await;
    let listed = house.ok::<ListLayerVersions>(json!({ "LayerName": "deps" })).await;
    let numbers: Vec<_> =
        listed["LayerVersions"].as_array().unwrap().iter().map(|one| &one["Version"]).collect();
    assert_eq!(numbers, [2, 1]);
    let for_old = json!({ "CompatibleRuntime": "python3.11" });
    let layers = house.ok::<ListLayers>(for_old).await;
    assert_eq!(layers["Layers"][0]["LatestMatchingVersion"]["Version"], 1);

    let mut input = python("f");
    input["Layers"] = json!([format!("{LAYER}:2")]);
    let made = house.ok::<CreateFunction>(input).await;
    assert_eq!(made["Layers"][0]["Arn"], format!("{LAYER}:2"));
    house.settled("f").await;
    house.ok::<DeleteLayerVersion>(json!({ "LayerName": "deps", "VersionNumber": 2 })).await;
    let kept = house.ok::<GetFunctionConfiguration>(named("f")).await;
    assert_eq!(kept["Layers"], made["Layers"]);
    let text = "The resource you requested does not exist.";
    let gone = house.call::<GetLayerVersionByArn>(json!({ "Arn": format!("{LAYER}:2") })).await;
    assert_eq!(gone, refused("ResourceNotFoundException", text));
    let three = house.ok::<PublishLayerVersion>(publish("python3.12")).await;
    assert_eq!(three["Version"], 3);

    let none = json!({ "FunctionName": "f", "Layers": [] });
    house.ok::<UpdateFunctionConfiguration>(none).await;
    assert_eq!(house.settled("f").await["Layers"], Value::Null);
}

#[tokio::test]
async fn a_layer_version_is_shared_by_statements() {
    let house = House::new();
    let content = json!({ "LayerName": "deps", "Content": { "ZipFile": zip("a", "b") } });
    house.ok::<PublishLayerVersion>(content).await;
    let share = json!({ "LayerName": "deps", "VersionNumber": 1, "StatementId": "all",
        "Action": "lambda:GetLayerVersion", "Principal": "*" });
    let added = house.ok::<AddLayerVersionPermission>(share.clone()).await;
    assert_eq!(
        house.call::<AddLayerVersionPermission>(share).await.unwrap_err().0,
        "ResourceConflictException"
    );
    let version = json!({ "LayerName": "deps", "VersionNumber": 1 });
    let seen = house.ok::<GetLayerVersionPolicy>(version.clone()).await;
    assert_eq!(seen["RevisionId"], added["RevisionId"]);
    let remove = json!({ "LayerName": "deps", "VersionNumber": 1, "StatementId": "all" });
    house.ok::<RemoveLayerVersionPermission>(remove).await;
    let text = "No policy is associated with the given resource.";
    let none = house.call::<GetLayerVersionPolicy>(version).await;
    assert_eq!(none, refused("ResourceNotFoundException", text));
}

#[tokio::test]
async fn a_function_has_one_url_and_each_alias_its_own() {
    let house = House::new();
    published(&house).await;
    let create = json!({ "FunctionName": "f", "AuthType": "NONE",
        "Cors": { "AllowOrigins": ["*"], "MaxAge": 60 } });
    let made = house.ok::<CreateFunctionUrlConfig>(create.clone()).await;
    let url = made["FunctionUrl"].as_str().unwrap();
    assert!(url.starts_with("http://") && url.ends_with(".lambda-url.us-east-1.localhost:4566/"));
    assert_eq!(made["InvokeMode"], "BUFFERED");
    let again = house.call::<CreateFunctionUrlConfig>(create).await.unwrap_err();
    assert_eq!(again.0, "ResourceConflictException");
    let of_alias = json!({ "FunctionName": "f", "Qualifier": "live", "AuthType": "AWS_IAM" });
    house.ok::<CreateFunctionUrlConfig>(of_alias).await;
    let change = json!({ "FunctionName": "f", "InvokeMode": "RESPONSE_STREAM" });
    let changed = house.ok::<UpdateFunctionUrlConfig>(change).await;
    assert_eq!((&changed["FunctionUrl"], &changed["Cors"]), (&made["FunctionUrl"], &made["Cors"]));
    let listed = house.ok::<ListFunctionUrlConfigs>(named("f")).await;
    let arns: Vec<_> = listed["FunctionUrlConfigs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["FunctionArn"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arns, [ARN.to_owned(), format!("{ARN}:live")]);
    house.ok::<DeleteFunctionUrlConfig>(named("f")).await;
    let gone = house.call::<GetFunctionUrlConfig>(named("f")).await.unwrap_err();
    assert_eq!(gone.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn asynchronous_settings_hang_on_a_qualifier() {
    let house = House::new();
    house.function("f").await;
    let nothing = house.call::<PutFunctionEventInvokeConfig>(named("f")).await;
    let text = "You must specify at least one of error handling or destination setting.";
    assert_eq!(nothing, invalid(text));
    let put = json!({ "FunctionName": "f", "MaximumRetryAttempts": 0,
        "DestinationConfig": { "OnFailure": { "Destination": QUEUE } } });
    let made = house.ok::<PutFunctionEventInvokeConfig>(put).await;
    assert_eq!(made["FunctionArn"], format!("{ARN}:$LATEST"));
    assert_eq!(made["DestinationConfig"]["OnFailure"]["Destination"], QUEUE);
    let update = json!({ "FunctionName": "f", "MaximumEventAgeInSeconds": 60 });
    let changed = house.ok::<UpdateFunctionEventInvokeConfig>(update).await;
    assert_eq!(changed["MaximumRetryAttempts"], 0);
    let listed = house.ok::<ListFunctionEventInvokeConfigs>(named("f")).await;
    assert_eq!(listed["FunctionEventInvokeConfigs"].as_array().unwrap().len(), 1);
    house.ok::<DeleteFunctionEventInvokeConfig>(named("f")).await;
    let text = format!("The function {ARN}:$LATEST doesn't have an EventInvokeConfig");
    let gone = house.call::<GetFunctionEventInvokeConfig>(named("f")).await;
    assert_eq!(gone, refused("ResourceNotFoundException", &text));
}

#[tokio::test]
async fn reserved_concurrency_leaves_a_hundred_to_the_rest() {
    let house = House::new();
    house.function("f").await;
    let reserve =
        |count: u32| json!({ "FunctionName": "f", "ReservedConcurrentExecutions": count });
    let text = "Specified ReservedConcurrentExecutions for function decreases account's \
                UnreservedConcurrentExecution below its minimum value of [100].";
    assert_eq!(house.call::<PutFunctionConcurrency>(reserve(901)).await, invalid(text));
    house.ok::<PutFunctionConcurrency>(reserve(900)).await;
    let settings = house.ok::<GetAccountSettings>(json!({})).await;
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 100);
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 1);
    let seen = house.ok::<GetFunction>(named("f")).await;
    assert_eq!(seen["Concurrency"], json!({ "ReservedConcurrentExecutions": 900 }));
    house.ok::<DeleteFunctionConcurrency>(named("f")).await;
    assert_eq!(house.ok::<GetFunctionConcurrency>(named("f")).await, json!({}));
}

#[tokio::test]
async fn only_published_versions_are_provisioned_and_each_once() {
    let house = House::still();
    house.ok::<CreateFunction>(python("f")).await;
    let provision = |qualifier: &str| json!({ "FunctionName": "f", "Qualifier": qualifier, "ProvisionedConcurrentExecutions": 1 });
    let text =
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    let latest = house.call::<PutProvisionedConcurrencyConfig>(provision("$LATEST")).await;
    assert_eq!(latest, invalid(text));

    let house = House::still();
    let mut input = python("f");
    input["Publish"] = json!(true);
    house.ok::<CreateFunction>(input).await;
    let live = json!({ "FunctionName": "f", "Name": "live", "FunctionVersion": "1" });
    house.ok::<CreateAlias>(live).await;
    let asked = house.ok::<PutProvisionedConcurrencyConfig>(provision("1")).await;
    assert_eq!(asked["Status"], "IN_PROGRESS");
    let twin = house.call::<PutProvisionedConcurrencyConfig>(provision("live")).await.unwrap_err();
    assert!(twin.1.contains("already Provisioned version"), "{twin:?}");
    let listed = house.ok::<ListProvisionedConcurrencyConfigs>(named("f")).await;
    assert_eq!(listed["ProvisionedConcurrencyConfigs"][0]["FunctionArn"], format!("{ARN}:1"));
    let one = json!({ "FunctionName": "f", "Qualifier": "1" });
    house.ok::<DeleteProvisionedConcurrencyConfig>(one.clone()).await;
    let text = "No Provisioned Concurrency Config found for this function";
    let gone = house.call::<GetProvisionedConcurrencyConfig>(one).await;
    assert_eq!(gone, refused("ProvisionedConcurrencyConfigNotFoundException", text));
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_environments_are_made_and_counted() {
    let house = House::new();
    published(&house).await;
    let provision = json!({ "FunctionName": "f", "Qualifier": "live",
        "ProvisionedConcurrentExecutions": 1 });
    house.ok::<PutProvisionedConcurrencyConfig>(provision).await;
    let one = json!({ "FunctionName": "f", "Qualifier": "live" });
    let seen = loop {
        let seen = house.ok::<GetProvisionedConcurrencyConfig>(one.clone()).await;
        if seen["Status"] != "IN_PROGRESS" {
            break seen;
        }
        house.doors.clock.sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(seen["Status"], "READY", "{seen}");
    assert_eq!(seen["AvailableProvisionedConcurrentExecutions"], 1);
    assert_eq!(house.cloud.fleet.environment_count(), 1);
}

#[tokio::test]
async fn a_mapping_is_created_changed_and_deleted() {
    let house = House::new();
    house.function("f").await;
    let create = json!({ "FunctionName": "f", "EventSourceArn": QUEUE,
        "FilterCriteria": { "Filters": [{ "Pattern": "{\"body\":{\"a\":[1]}}" }] } });
    let made = house.ok::<CreateEventSourceMapping>(create.clone()).await;
    assert_eq!((&made["State"], &made["BatchSize"]), (&json!("Creating"), &json!(10)));
    assert_eq!(made["FunctionArn"], ARN);
    let uuid = made["UUID"].as_str().unwrap().to_owned();
    let again = house.call::<CreateEventSourceMapping>(create).await.unwrap_err();
    assert!(again.1.ends_with(&format!("existing mapping with UUID {uuid}")), "{again:?}");

    let state = |wanted: &'static str| {
        let (house, uuid) = (&house, uuid.clone());
        async move {
            loop {
                let one = json!({ "UUID": uuid });
                let seen = house.ok::<GetEventSourceMapping>(one).await;
                if seen["State"] == wanted {
                    break seen;
                }
                house.doors.clock.sleep(std::time::Duration::from_millis(1)).await;
            }
        }
    };
    state("Enabled").await;
    let off = json!({ "UUID": uuid, "Enabled": false, "BatchSize": 5 });
    assert_eq!(house.ok::<UpdateEventSourceMapping>(off).await["State"], "Disabling");
    assert_eq!(state("Disabled").await["BatchSize"], 5);
    let tag = json!({ "Resource": made["EventSourceMappingArn"], "Tags": { "a": "b" } });
    house.ok::<TagResource>(tag).await;
    let by_function = house.ok::<ListEventSourceMappings>(named("f")).await;
    assert_eq!(by_function["EventSourceMappings"].as_array().unwrap().len(), 1);
    let deleted = house.ok::<DeleteEventSourceMapping>(json!({ "UUID": uuid })).await;
    assert_eq!(deleted["State"], "Deleting");
    loop {
        match house.call::<GetEventSourceMapping>(json!({ "UUID": uuid })).await {
            Err(gone) => break assert_eq!(gone.0, "ResourceNotFoundException"),
            Ok(_) => house.doors.clock.sleep(std::time::Duration::from_millis(1)).await,
        }
    }
}

#[tokio::test]
async fn what_a_mapping_is_given_empty_is_taken_away_and_its_concurrency_is_its_own() {
    let house = House::new();
    house.function("f").await;
    // more than the function has: the two are independent
    let one = json!({ "FunctionName": "f", "ReservedConcurrentExecutions": 1 });
    house.ok::<PutFunctionConcurrency>(one).await;
    let limit = json!({ "ScalingConfig": { "MaximumConcurrency": 2 } });
    let mut create = json!({ "FunctionName": "f", "EventSourceArn": QUEUE });
    create["ScalingConfig"] = limit["ScalingConfig"].clone();
    let uuid = house.ok::<CreateEventSourceMapping>(create).await["UUID"].clone();
    let change = async |uuid: &Value, mut change: Value| {
        let one = json!({ "UUID": uuid });
        while house.ok::<GetEventSourceMapping>(one.clone()).await["State"] != "Enabled" {
            house.doors.clock.sleep(std::time::Duration::from_millis(1)).await;
        }
        change["UUID"] = uuid.clone();
        house.call::<UpdateEventSourceMapping>(change).await
    };
    let pollers = json!({ "ProvisionedPollerConfig": { "MinimumPollers": 2 } });
    let text = "ScalingConfig and ProvisionedPollerConfig cannot both be specified.";
    assert_eq!(change(&uuid, pollers.clone()).await, invalid(text));
    let changed = change(&uuid, json!({ "ScalingConfig": {} })).await.unwrap();
    assert_eq!(changed["ScalingConfig"], Value::Null);
    change(&uuid, pollers).await.unwrap();
    assert_eq!(change(&uuid, limit).await, invalid(text));
    let of_others = json!({ "DocumentDBEventSourceConfig": { "DatabaseName": "db" } });
    let text = "Unsupported parameter for given event source mapping type.";
    assert_eq!(change(&uuid, of_others).await, invalid(text));

    let told = |arn: &str| json!({ "OnFailure": { "Destination": arn } });
    let stream = json!({ "FunctionName": "f", "StartingPosition": "LATEST",
        "EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
        "DestinationConfig": told("arn:aws:sns:us-east-1:000000000000:t") });
    let uuid = house.ok::<CreateEventSourceMapping>(stream).await["UUID"].clone();
    let changed = change(&uuid, json!({ "DestinationConfig": {} })).await.unwrap();
    assert_eq!(changed["DestinationConfig"], json!({ "OnFailure": {} }));
}

#[tokio::test]
async fn a_mapping_that_cannot_work_is_refused() {
    let house = House::new();
    house.function("f").await;
    let create = |source: &str, more: Value| {
        let mut input = json!({ "FunctionName": "f", "EventSourceArn": source });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        house.call::<CreateEventSourceMapping>(input)
    };
    let text = "Unrecognized event source.";
    assert_eq!(create("arn:aws:s3:::bucket", json!({})).await, invalid(text));
    let text = "StartingPosition is not valid for SQS event sources.";
    assert_eq!(create(QUEUE, json!({ "StartingPosition": "LATEST" })).await, invalid(text));
    let text = "Maximum batch window in seconds must be greater than 0 if maximum batch size is \
                greater than 10";
    assert_eq!(create(QUEUE, json!({ "BatchSize": 100 })).await, invalid(text));
    let filters = json!({ "FilterCriteria": { "Filters": [{ "Pattern": "no" }] } });
    assert_eq!(create(QUEUE, filters).await, invalid("Invalid filter pattern definition."));
    let six = json!({ "FilterCriteria": { "Filters": vec![json!({ "Pattern": "{}" }); 6] } });
    let text = "Number of items in filter criteria exceeds the limit of 5.";
    assert_eq!(create(QUEUE, six).await, invalid(text));
    let text = "Unsupported parameter for given event source mapping type.";
    for others in [
        json!({ "Topics": ["of-kafka"] }),
        json!({ "Queues": ["of-a-broker"] }),
        json!({ "AmazonManagedKafkaEventSourceConfig": { "ConsumerGroupId": "group" } }),
        json!({ "DocumentDBEventSourceConfig": { "DatabaseName": "db" } }),
        json!({ "SourceAccessConfigurations": [{ "Type": "BASIC_AUTH", "URI": "arn:aws:x" }] }),
    ] {
        assert_eq!(create(QUEUE, others.clone()).await, invalid(text), "{others}");
    }
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let position = create(stream, json!({})).await.unwrap_err();
    assert!(position.1.contains("'startingPosition' failed to satisfy constraint"));
    let made = create(stream, json!({ "StartingPosition": "LATEST" })).await.unwrap();
    assert_eq!((&made["BatchSize"], &made["ParallelizationFactor"]), (&json!(100), &json!(1)));
    let ghost = json!({ "FunctionName": "ghost", "EventSourceArn": QUEUE });
    let gone = house.call::<CreateEventSourceMapping>(ghost).await.unwrap_err();
    assert_eq!(gone.0, "ResourceNotFoundException");
}
