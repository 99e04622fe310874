//! The control plane through a kernel: functions, versions, aliases, and what hangs on them.

#![allow(clippy::unwrap_used)]

mod house;
mod support;

use haar_lambda_contract::model::*;
use house::{House, Refused, python, zip};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn named(name: &str) -> Value {
    json!({ "FunctionName": name })
}

fn refused<T>(name: &str, message: &str) -> Result<T, Refused> {
    Err((name.to_owned(), message.to_owned()))
}

#[tokio::test]
async fn a_function_begins_pending_with_awss_defaults() {
    let house = House::still();
    let made = house.ok::<CreateFunction>(python("f")).await;
    assert_eq!(made["FunctionArn"], ARN);
    assert_eq!((&made["MemorySize"], &made["Timeout"]), (&json!(128), &json!(3)));
    assert_eq!(made["EphemeralStorage"], json!({ "Size": 512 }));
    assert_eq!((&made["PackageType"], &made["Architectures"]), (&json!("Zip"), &json!(["x86_64"])));
    assert_eq!(made["TracingConfig"], json!({ "Mode": "PassThrough" }));
    assert_eq!(made["SnapStart"], json!({ "ApplyOn": "None", "OptimizationStatus": "Off" }));
    assert_eq!(made["LoggingConfig"], json!({ "LogFormat": "Text", "LogGroup": "/aws/lambda/f" }));
    assert_eq!((&made["Version"], &made["Description"]), (&json!("$LATEST"), &json!("")));
    assert_eq!((&made["State"], &made["StateReasonCode"]), (&json!("Pending"), &json!("Creating")));
    assert_eq!(made["StateReason"], "The function is being created.");
    assert_eq!(made["LastUpdateStatus"], Value::Null);
    assert!(made["LastModified"].as_str().unwrap().ends_with("+0000"));
    assert!(made["CodeSize"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn a_function_becomes_active_and_can_be_changed() {
    let house = House::new();
    let made = house.function("f").await;
    let active = house.settled("f").await;
    assert_eq!((&active["State"], &active["StateReasonCode"]), (&json!("Active"), &Value::Null));
    assert_eq!(active["LastUpdateStatus"], "Successful");
    assert_ne!(active["RevisionId"], made["RevisionId"]);

    let change = json!({ "FunctionName": "f", "Timeout": 30, "Environment":
        { "Variables": { "KEY": "b" } }, "RevisionId": active["RevisionId"] });
    let changing = house.ok::<UpdateFunctionConfiguration>(change.clone()).await;
    assert_eq!(changing["LastUpdateStatus"], "InProgress");
    let changed = house.settled("f").await;
    assert_eq!((&changed["Timeout"], &changed["MemorySize"]), (&json!(30), &json!(128)));
    assert_eq!(changed["Environment"]["Variables"], json!({ "KEY": "b" }));
    let old = house.call::<UpdateFunctionConfiguration>(change).await;
    let text = "The Revision Id provided does not match the latest Revision Id. Call the \
                GetFunction/GetAlias API to retrieve the latest Revision Id";
    assert_eq!(old, refused("PreconditionFailedException", text));
}

#[tokio::test]
async fn a_function_that_is_not_settled_takes_no_change() {
    let house = House::still();
    house.ok::<CreateFunction>(python("f")).await;
    let text = format!(
        "The operation cannot be performed at this time. An update is in progress for resource: \
         {ARN}"
    );
    let busy = house.call::<UpdateFunctionConfiguration>(named("f")).await;
    assert_eq!(busy, refused("ResourceConflictException", &text));
    let again = house.call::<CreateFunction>(python("f")).await;
    assert_eq!(again, refused("ResourceConflictException", "Function already exist: f"));
}

#[tokio::test]
async fn what_is_not_there_is_said_by_its_arn() {
    let house = House::new();
    let none = house.call::<GetFunction>(named("f")).await;
    let text = format!("Function not found: {ARN}");
    assert_eq!(none, refused("ResourceNotFoundException", &text));
    house.function("f").await;
    let version = json!({ "FunctionName": "f", "Qualifier": "7" });
    let text = format!("Function not found: {ARN}:7");
    let none = house.call::<GetFunction>(version).await;
    assert_eq!(none, refused("ResourceNotFoundException", &text));
    let alias = json!({ "FunctionName": "f", "Name": "live" });
    let text = format!("Cannot find alias arn: {ARN}:live");
    let none = house.call::<GetAlias>(alias).await;
    assert_eq!(none, refused("ResourceNotFoundException", &text));
}

#[tokio::test]
async fn a_broken_input_is_refused_and_leaves_nothing() {
    let house = House::new();
    let with = |change: Value| {
        let mut input = python("f");
        for (key, value) in change.as_object().unwrap() {
            input[key] = value.clone();
        }
        house.call::<CreateFunction>(input)
    };
    let broken = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    let answer = with(json!({ "Code": { "ZipFile": "bm8gemlw" } })).await;
    assert_eq!(answer, refused("InvalidParameterValueException", broken));
    let bucket = json!({ "Code": { "S3Bucket": "bucket", "S3Key": "k" } });
    let text = "Error occurred while GetObject. S3 Error Code: NotImplemented. S3 Error Message: \
                s3.GetObject is not implemented by haar"; // this house has no S3
    assert_eq!(with(bucket).await, refused("InvalidParameterValueException", text));
    let image = json!({ "PackageType": "Image", "Code": { "ImageUri": "r/i:1" } });
    let text = "Source image r/i:1 does not exist. Provide a valid source image.";
    assert_eq!(with(image).await, refused("InvalidParameterValueException", text));
    let layer = format!("{}:1", ARN.replace("function:f", "layer:l"));
    let text = format!("Layer version {layer} does not exist.");
    let answer = with(json!({ "Layers": [layer] })).await;
    assert_eq!(answer, refused("InvalidParameterValueException", &text));
    assert!(with(json!({ "Timeout": 901 })).await.is_err());
    assert_eq!(house.ok::<ListFunctions>(json!({})).await["Functions"], json!([]));
}

#[tokio::test]
async fn a_name_may_carry_a_qualifier_where_versions_are_meant() {
    let house = House::new();
    house.function("f").await;
    house.ok::<PublishVersion>(named("f")).await;
    for name in ["f:1", &format!("{ARN}:1"), "000000000000:function:f:1"] {
        assert_eq!(house.ok::<GetFunctionConfiguration>(named(name)).await["Version"], "1");
    }
    let twice = json!({ "FunctionName": "f:1", "Qualifier": "$LATEST" });
    let text = "The derived qualifier from the function name does not match the specified \
                qualifier.";
    let told = house.call::<GetFunction>(twice).await;
    assert_eq!(told, refused("InvalidParameterValueException", text));
    let text = "This operation is permitted on Lambda functions only. Aliases and versions do \
                not support this operation. Please specify either a function name or an \
                unqualified function ARN.";
    let only_functions = || refused("InvalidParameterValueException", text);
    assert_eq!(house.call::<PublishVersion>(named("f:1")).await, only_functions());
    assert_eq!(house.call::<CreateFunction>(python("g:1")).await, only_functions());
}

#[tokio::test]
async fn an_account_has_room_for_so_much_code() {
    let house = House::with_quota("000000000000/us-east-1/lambda/L-2ACBD22F=0");
    let full = || refused("CodeStorageExceededException", "Code storage limit exceeded.");
    assert_eq!(house.call::<CreateFunction>(python("f")).await, full());
    let layer = json!({ "LayerName": "l", "Content": { "ZipFile": zip("a.py", "") } });
    assert_eq!(house.call::<PublishLayerVersion>(layer.clone()).await, full());
    let settings = house.ok::<GetAccountSettings>(json!({})).await;
    assert_eq!(settings["AccountLimit"]["TotalCodeSize"], 0);
    let mut broken = python("f");
    broken["Code"] = json!({ "ZipFile": "bm8gYXJjaGl2ZQ==" });
    assert_eq!(house.call::<CreateFunction>(broken).await, full());

    // a folder takes nothing, nor does what is only tried
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut of_folder = python("f");
    of_folder["Code"] = json!({ "S3Bucket": "hot-reload", "S3Key": folder.path() });
    house.ok::<CreateFunction>(of_folder).await;
    house.settled("f").await;
    let mut update = json!({ "FunctionName": "f", "ZipFile": zip("a.py", ""), "DryRun": true });
    house.ok::<UpdateFunctionCode>(update.clone()).await;
    update["DryRun"] = json!(false);
    assert_eq!(house.call::<UpdateFunctionCode>(update).await, full());

    let house = House::new();
    let size = |seen: &Value| seen["CodeSize"].as_i64().unwrap();
    let function = size(&house.function("f").await);
    let layer = size(&house.ok::<PublishLayerVersion>(layer).await["Content"]);
    let settings = house.ok::<GetAccountSettings>(json!({})).await;
    assert_eq!(settings["AccountLimit"]["TotalCodeSize"], 75_i64 << 30);
    let used = json!({ "TotalCodeSize": function + layer, "FunctionCount": 1 });
    assert_eq!(settings["AccountUsage"], used);
}

#[tokio::test]
async fn a_tenant_is_refused_where_none_is_isolated() {
    let house = House::new();
    house.function("f").await;
    let mut asked = json!({ "FunctionName": "f", "X-Amz-Invocation-Type": "DryRun" });
    assert_eq!(house.ok::<Invoke>(asked.clone()).await["StatusCode"], 204);
    asked["X-Amz-Tenant-Id"] = json!("t");
    let text = "Tenant ID configuration not specified or passed to a function when tenant \
                isolation is not enabled.";
    let told = house.call::<Invoke>(asked).await;
    assert_eq!(told, refused("InvalidParameterValueException", text));
}

#[tokio::test]
async fn a_version_is_published_once_per_change() {
    let house = House::new();
    house.function("f").await;
    let publish = || house.ok::<PublishVersion>(named("f"));
    let one = publish().await;
    assert_eq!((&one["Version"], &one["State"]), (&json!("1"), &json!("Active")));
    assert_eq!(one["FunctionArn"], format!("{ARN}:1"));
    assert_eq!(publish().await["Version"], "1");

    let code = json!({ "FunctionName": "f", "ZipFile": zip("app.py", "handler = print\n") });
    house.ok::<UpdateFunctionCode>(code).await;
    house.settled("f").await;
    let two = publish().await;
    assert_eq!(two["Version"], "2");
    assert_ne!(two["CodeSha256"], one["CodeSha256"]);
    let stale = json!({ "FunctionName": "f", "CodeSha256": one["CodeSha256"] });
    assert!(house.call::<PublishVersion>(stale).await.is_err());

    let listed = house.ok::<ListVersionsByFunction>(named("f")).await;
    let versions: Vec<_> =
        listed["Versions"].as_array().unwrap().iter().map(|one| &one["Version"]).collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    assert_eq!(listed["Versions"][0]["FunctionArn"], format!("{ARN}:$LATEST"));
}

#[tokio::test]
async fn code_can_be_tried_and_published_in_one_request() {
    let house = House::new();
    house.function("f").await;
    let code = zip("app.py", "handler = repr\n");
    let dry = json!({ "FunctionName": "f", "ZipFile": code, "DryRun": true });
    let tried = house.ok::<UpdateFunctionCode>(dry).await;
    let before = house.settled("f").await;
    assert_ne!(tried["CodeSha256"], before["CodeSha256"]);
    let real = json!({ "FunctionName": "f", "ZipFile": code, "Publish": true });
    let published = house.ok::<UpdateFunctionCode>(real).await;
    assert_eq!(
        (&published["Version"], &published["CodeSha256"]),
        (&json!("1"), &tried["CodeSha256"])
    );
    assert_eq!(published["FunctionArn"], format!("{ARN}:1"));
    let mut born = python("g");
    born["Publish"] = json!(true);
    let born = house.ok::<CreateFunction>(born).await;
    assert_eq!(born["Version"], "1");
    assert_eq!(born["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:g");
    let tags = json!({ "Resource": born["FunctionArn"], "Tags": { "a": "b" } });
    house.ok::<TagResource>(tags).await;
}

#[tokio::test]
async fn an_alias_shares_invocations_between_two_versions() {
    let house = House::new();
    house.function("f").await;
    house.ok::<PublishVersion>(named("f")).await;
    let change = json!({ "FunctionName": "f", "Description": "second" });
    house.ok::<UpdateFunctionConfiguration>(change).await;
    house.settled("f").await;
    house.ok::<PublishVersion>(named("f")).await;

    let live = json!({ "FunctionName": "f", "Name": "live", "FunctionVersion": "1",
        "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.25 } } });
    let made = house.ok::<CreateAlias>(live.clone()).await;
    assert_eq!(made["AliasArn"], format!("{ARN}:live"));
    assert_eq!(made["RoutingConfig"]["AdditionalVersionWeights"], json!({ "2": 0.25 }));
    let text = format!("Alias already exists: {ARN}:live");
    let again = house.call::<CreateAlias>(live).await;
    assert_eq!(again, refused("ResourceConflictException", &text));

    let seen = house.ok::<GetFunctionConfiguration>(named("f:live")).await;
    assert_eq!(seen["Version"], "1");
    assert_eq!(seen["FunctionArn"], format!("{ARN}:live"));
    let version = json!({ "FunctionName": "f", "Qualifier": "2" });
    let text = "Unable to delete version because the following aliases reference it: [live]";
    let used = house.call::<DeleteFunction>(version).await;
    assert_eq!(used, refused("ResourceConflictException", text));

    let all = json!({ "FunctionName": "f", "Name": "live", "FunctionVersion": "2",
        "RoutingConfig": { "AdditionalVersionWeights": {} } });
    let moved = house.ok::<UpdateAlias>(all).await;
    assert_eq!((&moved["FunctionVersion"], &moved["RoutingConfig"]), (&json!("2"), &Value::Null));
    let listed = house.ok::<ListAliases>(json!({ "FunctionName": "f", "FunctionVersion": "1" }));
    assert_eq!(listed.await["Aliases"], json!([]));
}

#[tokio::test]
async fn functions_are_listed_in_pages() {
    let house = House::new();
    for name in ["a", "b", "c"] {
        house.ok::<CreateFunction>(python(name)).await;
        house.settled(name).await;
        house.ok::<PublishVersion>(named(name)).await;
    }
    let first = house.ok::<ListFunctions>(json!({ "MaxItems": 2 })).await;
    let names = |page: &Value| -> Vec<String> {
        let list = page["Functions"].as_array().unwrap();
        list.iter().map(|one| format!("{}:{}", one["FunctionName"], one["Version"])).collect()
    };
    assert_eq!(names(&first).len(), 2);
    let next = json!({ "MaxItems": 2, "Marker": first["NextMarker"] });
    let second = house.ok::<ListFunctions>(next).await;
    assert_eq!(names(&second), [r#""c":"$LATEST""#]);
    assert_eq!(second["NextMarker"], Value::Null);

    let mut all = Vec::new();
    let mut input = json!({ "FunctionVersion": "ALL", "MaxItems": 1 });
    loop {
        let page = house.ok::<ListFunctions>(input.clone()).await;
        all.extend(names(&page));
        match &page["NextMarker"] {
            Value::Null => break,
            marker => input["Marker"] = marker.clone(),
        }
    }
    assert_eq!(all.len(), 6);
    assert_eq!(all[1], r#""a":"1""#);
    let strange = house.call::<ListFunctions>(json!({ "Marker": "x" })).await;
    assert_eq!(strange.unwrap_err().0, "InvalidParameterValueException");
}

#[tokio::test]
async fn a_deleted_function_takes_all_with_it() {
    let house = House::new();
    house.function("f").await;
    house.ok::<PublishVersion>(named("f")).await;
    let alias = json!({ "FunctionName": "f", "Name": "live", "FunctionVersion": "1" });
    house.ok::<CreateAlias>(alias).await;
    let url = json!({ "FunctionName": "f", "Qualifier": "live", "AuthType": "NONE" });
    house.ok::<CreateFunctionUrlConfig>(url.clone()).await;
    assert_eq!(house.ok::<DeleteFunction>(named("f")).await, json!({ "StatusCode": 204 }));
    assert!(house.call::<GetFunction>(named("f")).await.is_err());
    assert_eq!(
        house.call::<DeleteFunction>(named("f")).await.unwrap_err().0,
        "ResourceNotFoundException"
    );

    house.function("f").await;
    assert_eq!(house.ok::<ListAliases>(named("f")).await["Aliases"], json!([]));
    let text = "Function does not exist";
    let gone = house.call::<CreateFunctionUrlConfig>(url).await;
    assert_eq!(gone, refused("ResourceNotFoundException", text));
    let latest = json!({ "FunctionName": "f", "Qualifier": "$LATEST" });
    let text = "$LATEST version cannot be deleted without deleting the function.";
    let kept = house.call::<DeleteFunction>(latest).await;
    assert_eq!(kept, refused("InvalidParameterValueException", text));
}

#[tokio::test]
async fn the_code_that_was_uploaded_can_be_downloaded() {
    use haar_kernel::Site as _;
    let house = House::new();
    house.function("f").await;
    let seen = house.ok::<GetFunction>(named("f")).await;
    assert_eq!(seen["Code"]["RepositoryType"], "S3");
    let location = seen["Code"]["Location"].as_str().unwrap();
    let path = location.strip_prefix("http://localhost:4566").unwrap();
    let request = http::Request::builder().uri(path).body(haar_wire::Body::default()).unwrap();
    let site = house.room.downloads();
    let (parts, body) = request.into_parts();
    assert!(site.claims("localhost", &parts));
    let answer = site.serve(http::Request::from_parts(parts, body)).await;
    assert_eq!(answer.status(), 200);
    let forged = http::Request::builder().uri(format!("{path}x"));
    let answer = site.serve(forged.body(haar_wire::Body::default()).unwrap()).await;
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn tags_are_the_functions_own() {
    let house = House::new();
    house.function("f").await;
    let tag = json!({ "Resource": ARN, "Tags": { "team": "a", "stage": "dev" } });
    house.ok::<TagResource>(tag).await;
    house.ok::<UntagResource>(json!({ "Resource": ARN, "tagKeys": ["stage"] })).await;
    let listed = house.ok::<ListTags>(json!({ "Resource": ARN })).await;
    assert_eq!(listed["Tags"], json!({ "team": "a" }));
    assert_eq!(house.ok::<GetFunction>(named("f")).await["Tags"], json!({ "team": "a" }));
    let version = json!({ "Resource": format!("{ARN}:1"), "Tags": { "a": "b" } });
    assert!(house.call::<TagResource>(version).await.is_err());
}

#[tokio::test]
async fn settings_of_the_rest_are_kept() {
    let house = House::new();
    house.function("f").await;
    let loops = json!({ "FunctionName": "f", "RecursiveLoop": "Allow" });
    assert_eq!(
        house.ok::<GetFunctionRecursionConfig>(named("f")).await["RecursiveLoop"],
        "Terminate"
    );
    house.ok::<PutFunctionRecursionConfig>(loops).await;
    assert_eq!(house.ok::<GetFunctionRecursionConfig>(named("f")).await["RecursiveLoop"], "Allow");

    let manual = json!({ "FunctionName": "f", "UpdateRuntimeOn": "Manual" });
    assert!(house.call::<PutRuntimeManagementConfig>(manual).await.is_err());
    let on_update = json!({ "FunctionName": "f", "UpdateRuntimeOn": "FunctionUpdate" });
    house.ok::<PutRuntimeManagementConfig>(on_update).await;
    let seen = house.ok::<GetRuntimeManagementConfig>(named("f")).await;
    assert_eq!(seen["UpdateRuntimeOn"], "FunctionUpdate");
}
