//! Parameter Store through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_ssm_contract::peek::{ParameterError, SsmPeek};
use haar_ssm_contract::*;
use haar_types::{AccountId, Region};
use house::{House, refused, texts};
use serde_json::json;

async fn put(house: &House, name: &str, value: &str) -> i64 {
    let input = json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true });
    house.ok::<PutParameter>(input).await["Version"].as_i64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_parameter_has_versions_and_labels_that_move() {
    let house = House::new();
    for (number, value) in [(1, "a"), (2, "b"), (3, "c")] {
        assert_eq!(put(&house, "/app/x", value).await, number);
    }
    let label = json!({ "Name": "/app/x", "ParameterVersion": 1, "Labels": ["live", "1st"] });
    let labelled = house.ok::<LabelParameterVersion>(label).await;
    assert_eq!(labelled["InvalidLabels"], json!(["1st"]));
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/app/x";
    for (name, value, selector) in [
        ("/app/x", "c", json!(null)),
        ("/app/x:2", "b", json!(":2")),
        ("/app/x:live", "a", json!(":live")),
        (arn, "c", json!(null)),
        (&format!("{arn}:1"), "a", json!(":1")),
    ] {
        let got = house.ok::<GetParameter>(json!({ "Name": name })).await;
        let parameter = &got["Parameter"];
        assert_eq!(parameter["Value"], value, "{name}");
        assert_eq!(parameter.get("Selector").cloned().unwrap_or_default(), selector);
        assert_eq!(
            (parameter["Name"].as_str(), parameter["ARN"].as_str()),
            (Some("/app/x"), Some(arn))
        );
    }
    let moved = json!({ "Name": "/app/x", "Labels": ["live"] });
    assert_eq!(house.ok::<LabelParameterVersion>(moved).await["ParameterVersion"], 3);
    let history = house.ok::<GetParameterHistory>(json!({ "Name": "/app/x" })).await;
    let labels: Vec<_> =
        history["Parameters"].as_array().unwrap().iter().map(|it| it["Labels"].clone()).collect();
    assert_eq!(labels, [json!([]), json!([]), json!(["live"])]);
    let gone = json!({ "Name": "/app/x", "ParameterVersion": 3, "Labels": ["live", "none"] });
    let gone = house.ok::<UnlabelParameterVersion>(gone).await;
    assert_eq!(
        (&gone["RemovedLabels"], &gone["InvalidLabels"]),
        (&json!(["live"]), &json!(["none"]))
    );

    let missing = house.call::<GetParameter>(json!({ "Name": "/app/y" })).await;
    assert_eq!(missing, refused("ParameterNotFound", ""));
    let text = "Systems Manager could not find version 9 of /app/x. Verify the version and try \
                again.";
    let missing = house.call::<GetParameter>(json!({ "Name": "/app/x:9" })).await;
    assert_eq!(missing, refused("ParameterVersionNotFound", text));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_overwritten_by_accident() {
    let house = House::new();
    let input = json!({ "Name": "a", "Value": "1", "Type": "String" });
    house.ok::<PutParameter>(input.clone()).await;
    let text = "The parameter already exists. To overwrite this value, set the overwrite option in \
                the request to true.";
    assert_eq!(house.call::<PutParameter>(input).await, refused("ParameterAlreadyExists", text));
    let other = json!({ "Name": "a", "Value": "1", "Type": "SecureString", "Overwrite": true });
    let (name, _) = house.call::<PutParameter>(other).await.unwrap_err();
    assert_eq!(name, "HierarchyTypeMismatchException");
    for value in ["{{other}}", "a {{ ssm:other }} b"] {
        let text =
            "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.";
        let nested = json!({ "Name": "n", "Type": "String", "Value": value });
        let answer = house.call::<PutParameter>(nested).await;
        assert_eq!(answer, refused("ValidationException", text));
    }
    let typeless = house.call::<PutParameter>(json!({ "Name": "b", "Value": "1" })).await;
    let text = "A parameter type is required when you create a parameter.";
    assert_eq!(typeless, refused("ValidationException", text));
    let pattern = json!({
        "Name": "c", "Value": "1x", "Type": "String", "AllowedPattern": r"^\d+$",
    });
    let text = r"Parameter value, cannot be validated against allowedPattern: ^\d+$";
    let answer = house.call::<PutParameter>(pattern).await;
    assert_eq!(answer, refused("ParameterPatternMismatchException", text));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_would_take_minutes_is_refused() {
    let house = House::new();
    let input = |pattern: &str, value: &str| {
        json!({
            "Name": "a", "Value": value, "Type": "String", "AllowedPattern": pattern,
            "Overwrite": true,
        })
    };
    let endless = "((a{0,90}){0,90}){0,9}";
    let answer = house.call::<PutParameter>(input(endless, &"a".repeat(4000))).await;
    let text = format!("Invalid regular expression pattern: {endless}");
    assert_eq!(answer, refused("InvalidAllowedPatternException", &text));
    for (pattern, value) in [
        (r"\w{8,128}", "password"),
        (".{1,4096}", "ten"),
        (".{3}", "T\u{fc}r"),
        (r"\p{L}+", "T\u{fc}r"),
    ] {
        house.ok::<PutParameter>(input(pattern, value)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn long_values_need_the_advanced_tier_and_never_come_back_from_it() {
    let house = House::new();
    let input = |tier: &str, length: usize| {
        let value = "x".repeat(length);
        json!({ "Name": "a", "Value": value, "Type": "String", "Tier": tier, "Overwrite": true })
    };
    let (name, text) = house.call::<PutParameter>(input("Standard", 4097)).await.unwrap_err();
    assert_eq!(name, "ValidationException");
    assert!(text.starts_with("Standard tier parameters support a maximum parameter value of 4096"));
    let made = house.ok::<PutParameter>(input("Intelligent-Tiering", 4097)).await;
    assert_eq!(made["Tier"], "Advanced");
    let (_, text) = house.call::<PutParameter>(input("Standard", 1)).await.unwrap_err();
    assert!(text.starts_with("This parameter uses the advanced-parameter tier."));
    assert!(house.call::<PutParameter>(input("Advanced", 8193)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_secure_string_is_shown_to_those_who_ask_for_it_and_kept_unreadable() {
    let house = House::new();
    let input = json!({ "Name": "/db/password", "Value": "hunter2", "Type": "SecureString" });
    house.ok::<PutParameter>(input).await;
    let input = json!({ "Name": "/db/password", "WithDecryption": true });
    let shown = house.ok::<GetParameter>(input).await;
    assert_eq!(shown["Parameter"]["Value"], "hunter2");
    let sealed = house.ok::<GetParameter>(json!({ "Name": "/db/password" })).await;
    let sealed = sealed["Parameter"]["Value"].as_str().unwrap();
    assert!(!sealed.contains("hunter2") && sealed.len() > 40);
    let listed = house.ok::<DescribeParameters>(json!({})).await;
    assert_eq!(listed["Parameters"][0]["KeyId"], "alias/aws/ssm");

    let peek = house.doors.peeks.expect::<dyn SsmPeek>();
    let (account, region) = (AccountId::default(), Region::default());
    let value = |name: &str| peek.value(&house.doors.ledger.snapshot(), &account, &region, name);
    assert_eq!(value("/db/password"), Ok("hunter2".to_owned()));
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/db/password";
    assert_eq!(value(arn), Ok("hunter2".to_owned()));
    assert_eq!(value("none"), Err(ParameterError::NotFound("none".to_owned())));
    let old = "/db/password:7";
    assert_eq!(value(old), Err(ParameterError::VersionNotFound(old.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn paths_are_listed_page_by_page() {
    let house = House::new();
    for name in ["/a/1", "/a/2", "/a/b/3", "/a/b/c/4", "/ab/5", "plain"] {
        put(&house, name, "v").await;
    }
    for (path, recursive, names) in [
        ("/a", false, vec!["/a/1", "/a/2"]),
        ("/a/", true, vec!["/a/1", "/a/2", "/a/b/3", "/a/b/c/4"]),
        ("/", true, vec!["/a/1", "/a/2", "/a/b/3", "/a/b/c/4", "/ab/5"]),
        ("/none", true, vec![]),
    ] {
        let mut input = json!({ "Path": path, "Recursive": recursive, "MaxResults": 2 });
        let mut found = Vec::new();
        loop {
            let page = house.ok::<GetParametersByPath>(input.clone()).await;
            found.extend(texts(&page["Parameters"], "Name").iter().map(|name| name.to_string()));
            match page["NextToken"].as_str() {
                Some(token) => input["NextToken"] = json!(token),
                None => break,
            }
        }
        assert_eq!(found, names, "{path}");
    }
    let (name, _) = house.call::<GetParametersByPath>(json!({ "Path": "a" })).await.unwrap_err();
    assert_eq!(name, "ValidationException");
    let foreign = json!({ "Path": "/a", "NextToken": "junk" });
    let (name, _) = house.call::<GetParametersByPath>(foreign).await.unwrap_err();
    assert_eq!(name, "InvalidNextToken");
}

#[tokio::test(start_paused = true)]
async fn parameters_are_found_by_what_they_are() {
    let house = House::new();
    put(&house, "/a/1", "v").await;
    put(&house, "/a/b/2", "v").await;
    let list = json!({
        "Name": "list", "Value": "a,b", "Type": "StringList",
        "Tags": [{ "Key": "team", "Value": "blue" }],
    });
    house.ok::<PutParameter>(list).await;
    for (filter, names) in [
        (
            json!({ "Key": "Name", "Option": "BeginsWith", "Values": ["/a"] }),
            vec!["/a/1", "/a/b/2"],
        ),
        (json!({ "Key": "Name", "Option": "Contains", "Values": ["b/"] }), vec!["/a/b/2"]),
        (json!({ "Key": "Path", "Values": ["/a"] }), vec!["/a/1"]),
        (json!({ "Key": "Path", "Option": "Recursive", "Values": ["/a"] }), vec!["/a/1", "/a/b/2"]),
        (json!({ "Key": "Type", "Values": ["StringList"] }), vec!["list"]),
        (json!({ "Key": "tag:team", "Values": ["blue"] }), vec!["list"]),
    ] {
        let found = house.ok::<DescribeParameters>(json!({ "ParameterFilters": [filter] })).await;
        assert_eq!(texts(&found["Parameters"], "Name"), names);
    }
    let wrong = json!({ "ParameterFilters": [{ "Key": "Colour", "Values": ["red"] }] });
    let (name, _) = house.call::<DescribeParameters>(wrong).await.unwrap_err();
    assert_eq!(name, "InvalidFilterKey");
    let wrong =
        json!({ "ParameterFilters": [{ "Key": "Type", "Option": "Contains", "Values": ["x"] }] });
    let (name, _) = house.call::<DescribeParameters>(wrong).await.unwrap_err();
    assert_eq!(name, "InvalidFilterOption");

    let tags = json!({ "ResourceType": "Parameter", "ResourceId": "list", "TagKeys": ["team"] });
    house.ok::<RemoveTagsFromResource>(tags).await;
    let tags = json!({ "ResourceType": "Parameter", "ResourceId": "list" });
    assert_eq!(house.ok::<ListTagsForResource>(tags).await["TagList"], json!([]));
    let tags = json!({ "ResourceType": "Parameter", "ResourceId": "none" });
    let (name, _) = house.call::<ListTagsForResource>(tags).await.unwrap_err();
    assert_eq!(name, "InvalidResourceId");
}

#[tokio::test(start_paused = true)]
async fn several_are_read_and_deleted_at_once() {
    let house = House::new();
    put(&house, "a", "1").await;
    put(&house, "b", "2").await;
    let got = house.ok::<GetParameters>(json!({ "Names": ["b", "none", "a"] })).await;
    assert_eq!(texts(&got["Parameters"], "Value"), ["1", "2"]); // by name, however asked
    assert_eq!(got["InvalidParameters"], json!(["none"]));
    let gone = house.ok::<DeleteParameters>(json!({ "Names": ["a", "none"] })).await;
    assert_eq!(gone, json!({ "DeletedParameters": ["a"], "InvalidParameters": ["none"] }));
    house.ok::<DeleteParameter>(json!({ "Name": "b" })).await;
    let again = house.call::<DeleteParameter>(json!({ "Name": "b" })).await;
    assert_eq!(again, refused("ParameterNotFound", ""));
    assert_eq!(put(&house, "a", "new").await, 1); // a new life begins at one
}

#[tokio::test(start_paused = true)]
async fn a_parameter_with_an_expiration_is_gone_when_it_has_come() {
    let house = House::new();
    let policy = json!([{
        "Type": "Expiration", "Version": "1.0",
        "Attributes": { "Timestamp": "2027-01-15T09:00:00.000Z" },
    }]);
    let mut input = json!({
        "Name": "a", "Value": "1", "Type": "String", "Policies": policy.to_string(),
    });
    let (name, _) = house.call::<PutParameter>(input.clone()).await.unwrap_err();
    assert_eq!(name, "ValidationException");
    input["Tier"] = json!("Advanced");
    house.ok::<PutParameter>(input).await;
    house.pass(Duration::from_secs(3599)).await;
    let listed = house.ok::<DescribeParameters>(json!({})).await;
    assert_eq!(listed["Parameters"][0]["Policies"][0]["PolicyType"], "Expiration");
    house.pass(Duration::from_secs(2)).await;
    let missing = house.call::<GetParameter>(json!({ "Name": "a" })).await;
    assert_eq!(missing, refused("ParameterNotFound", ""));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_versions_are_kept_and_a_labelled_one_is_never_dropped() {
    let house = House::new();
    for _ in 0..101 {
        put(&house, "a", "v").await;
    }
    let (name, _) = house.call::<GetParameter>(json!({ "Name": "a:1" })).await.unwrap_err();
    assert_eq!(name, "ParameterVersionNotFound");
    let label = json!({ "Name": "a", "ParameterVersion": 2, "Labels": ["keep"] });
    house.ok::<LabelParameterVersion>(label).await;
    let input = json!({ "Name": "a", "Value": "v", "Overwrite": true });
    let (name, _) = house.call::<PutParameter>(input).await.unwrap_err();
    assert_eq!(name, "ParameterMaxVersionLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn the_default_bus_hears_of_changes() {
    let house = House::new();
    let expiry = json!([{
        "Type": "Expiration", "Version": "1.0",
        "Attributes": { "Timestamp": "2027-01-15T09:00:00.000Z" },
    }]);
    let input = json!({
        "Name": "/app/x", "Value": "1", "Type": "String", "Description": "a number",
        "Tier": "Advanced", "Policies": expiry.to_string(),
    });
    house.ok::<PutParameter>(input).await;
    put(&house, "plain", "1").await;
    put(&house, "plain", "2").await;
    house.ok::<LabelParameterVersion>(json!({ "Name": "plain", "Labels": ["live"] })).await;
    house.ok::<DeleteParameters>(json!({ "Names": ["plain", "none"] })).await;
    house.pass(Duration::from_secs(3601)).await;
    let told = house.bus.0.lock().clone();
    assert!(told.iter().all(|event| event.detail_type == "Parameter Store Change"));
    let detail = |n: usize| serde_json::from_str::<serde_json::Value>(&told[n].detail).unwrap();
    assert_eq!(
        detail(0),
        json!({
            "operation": "Create", "name": "/app/x", "type": "String", "description": "a number",
        })
    );
    assert_eq!(told[0].resources, ["arn:aws:ssm:us-east-1:000000000000:parameter/app/x"]);
    let shown: Vec<_> = (1..told.len())
        .map(|n| format!("{} {}", detail(n)["operation"], detail(n)["name"]).replace('"', ""))
        .collect();
    assert_eq!(
        shown,
        [
            "Create plain",
            "Update plain",
            "LabelParameterVersion plain",
            "Delete plain",
            "Delete /app/x",
        ]
    );
}
