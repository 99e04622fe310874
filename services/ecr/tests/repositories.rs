//! Repositories, settings and policies through a kernel.

#![allow(clippy::unwrap_used)]

mod house;

use haar_ecr_contract::model::*;
use house::House;
use serde_json::{Value, json};

fn named(name: &str) -> Value {
    json!({ "repositoryName": name })
}

#[tokio::test(start_paused = true)]
async fn a_repository_is_made_described_and_deleted_in_awss_words() {
    let house = House::new();
    let made = house.ok::<CreateRepository>(named("team/app")).await;
    let repository = &made["repository"];
    assert_eq!(
        repository["repositoryArn"],
        "arn:aws:ecr:us-east-1:000000000000:repository/team/app"
    );
    assert_eq!(
        repository["repositoryUri"],
        "000000000000.dkr.ecr.us-east-1.localhost:4566/team/app"
    );
    assert_eq!(repository["imageTagMutability"], "MUTABLE");
    assert_eq!(repository["encryptionConfiguration"], json!({ "encryptionType": "AES256" }));

    let again = house.call::<CreateRepository>(named("team/app")).await.unwrap_err();
    assert_eq!(
        again,
        (
            "RepositoryAlreadyExistsException".to_owned(),
            "The repository with name 'team/app' already exists in the registry with id \
             '000000000000'"
                .to_owned(),
        )
    );
    let absent = json!({ "repositoryNames": ["none"] });
    assert_eq!(
        house.call::<DescribeRepositories>(absent).await.unwrap_err(),
        (
            "RepositoryNotFoundException".to_owned(),
            "The repository with name 'none' does not exist in the registry with id \
             '000000000000'"
                .to_owned(),
        )
    );
    house.push_image("team/app", Some("v1"), "layer").await;
    let full = house.call::<DeleteRepository>(named("team/app")).await.unwrap_err();
    assert_eq!(full.0, "RepositoryNotEmptyException");
    let force = json!({ "repositoryName": "team/app", "force": true });
    house.ok::<DeleteRepository>(force).await;
    assert_eq!(house.ok::<DescribeRepositories>(json!({})).await["repositories"], json!([]));
    house.repository("team/app").await;
    assert_eq!(house.tags("team/app").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn repositories_are_listed_page_by_page_and_by_account_and_region() {
    let house = House::new();
    for name in ["aa", "bb", "cc", "dd", "ee"] {
        house.repository(name).await;
    }
    house.call_as::<CreateRepository>("111111111111", "us-east-1", named("zz")).await.unwrap();
    house.call_as::<CreateRepository>("000000000000", "eu-west-1", named("yy")).await.unwrap();
    let (mut seen, mut input) = (Vec::new(), json!({ "maxResults": 2 }));
    loop {
        let page = house.ok::<DescribeRepositories>(input.clone()).await;
        let repositories = page["repositories"].as_array().unwrap().iter();
        seen.extend(repositories.map(|it| it["repositoryName"].as_str().unwrap().to_owned()));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["aa", "bb", "cc", "dd", "ee"]);
    let junk = house.call::<DescribeRepositories>(json!({ "nextToken": "junk" })).await;
    assert_eq!(junk.unwrap_err().0, "InvalidParameterException");
    let other = json!({ "registryId": "111111111111" });
    let other = house.ok::<DescribeRepositories>(other).await;
    assert_eq!(other["repositories"][0]["repositoryName"], "zz");
}

#[tokio::test(start_paused = true)]
async fn tags_are_added_removed_and_refused() {
    let house = House::new();
    let tag = |key: &str| json!({ "Key": key, "Value": "x" });
    let mut input = named("app");
    input["tags"] = json!([tag("team")]);
    let made = house.ok::<CreateRepository>(input).await;
    let arn = made["repository"]["repositoryArn"].clone();
    house.ok::<TagResource>(json!({ "resourceArn": arn, "tags": [tag("env")] })).await;
    house.ok::<UntagResource>(json!({ "resourceArn": arn, "tagKeys": ["team"] })).await;
    let tags = house.ok::<ListTagsForResource>(json!({ "resourceArn": arn })).await;
    assert_eq!(tags["tags"], json!([tag("env")]));
    let reserved = json!({ "resourceArn": arn, "tags": [tag("aws:x")] });
    let (code, _) = house.call::<TagResource>(reserved).await.unwrap_err();
    assert_eq!(code, "InvalidTagParameterException");
    let many: Vec<Value> = (0..50).map(|number| tag(&format!("k{number}"))).collect();
    let many = json!({ "resourceArn": arn, "tags": many });
    assert_eq!(house.call::<TagResource>(many).await.unwrap_err().0, "TooManyTagsException");
}

#[tokio::test(start_paused = true)]
async fn policies_are_set_read_and_deleted() {
    let house = House::new();
    house.repository("app").await;
    let missing = house.call::<GetRepositoryPolicy>(named("app")).await.unwrap_err();
    assert_eq!(
        missing.1,
        "Repository policy does not exist for the repository with name 'app' in the registry \
         with id '000000000000'"
    );
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage" }],
    });
    let set = |text: String| json!({ "repositoryName": "app", "policyText": text });
    house.ok::<SetRepositoryPolicy>(set(policy.to_string())).await;
    let got = house.ok::<GetRepositoryPolicy>(named("app")).await;
    let kept = "{\n  \"Version\" : \"2012-10-17\",\n  \"Statement\" : [ {\n    \"Effect\" : \"Allow\",\n    \
                \"Principal\" : \"*\",\n    \"Action\" : \"ecr:BatchGetImage\"\n  } ]\n}";
    assert_eq!(got["policyText"], kept); // as AWS writes it
    let bad = house.call::<SetRepositoryPolicy>(set("{}".to_owned())).await.unwrap_err();
    assert_eq!(bad.0, "InvalidParameterException");
    house.ok::<DeleteRepositoryPolicy>(named("app")).await;
    assert!(house.call::<DeleteRepositoryPolicy>(named("app")).await.is_err());

    let none = house.call::<GetRegistryPolicy>(json!({})).await.unwrap_err();
    assert_eq!(none.0, "RegistryPolicyNotFoundException");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
            "Action": "ecr:ReplicateImage", "Resource": "*",
        }],
    });
    let put = json!({ "policyText": policy.to_string() });
    let put = house.ok::<PutRegistryPolicy>(put).await["policyText"].clone();
    assert_eq!(put, house.ok::<GetRegistryPolicy>(json!({})).await["policyText"]);
    assert!(put.as_str().unwrap().starts_with("{\n  \"Version\" : \"2012-10-17\",\n"), "{put}");
    assert_eq!(serde_json::from_str::<Value>(put.as_str().unwrap()).unwrap(), policy);
    house.ok::<DeleteRegistryPolicy>(json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn scans_find_nothing_and_invent_nothing() {
    let house = House::new();
    house.repository("app").await;
    house.push_image("app", Some("v1"), "layer").await;
    let image = json!({ "repositoryName": "app", "imageId": { "imageTag": "v1" } });
    let scan = house.call::<StartImageScan>(image.clone()).await.unwrap_err();
    assert_eq!(scan.0, "UnsupportedImageTypeException");
    let findings = house.call::<DescribeImageScanFindings>(image).await.unwrap_err();
    assert_eq!(findings.0, "ScanNotFoundException");
    let on_push = json!({
        "repositoryName": "app", "imageScanningConfiguration": { "scanOnPush": true },
    });
    house.ok::<PutImageScanningConfiguration>(on_push).await;
    let asked = json!({ "repositoryNames": ["app", "none"] });
    let configured = house.ok::<BatchGetRepositoryScanningConfiguration>(asked).await;
    assert_eq!(configured["scanningConfigurations"][0]["scanFrequency"], "SCAN_ON_PUSH");
    assert_eq!(configured["failures"][0]["failureCode"], "REPOSITORY_NOT_FOUND");
}

#[tokio::test(start_paused = true)]
async fn settings_of_the_account_are_kept_and_others_refused() {
    let house = House::new();
    let name = json!({ "name": "BLOB_MOUNTING" });
    assert_eq!(house.ok::<GetAccountSetting>(name.clone()).await["value"], "DISABLED");
    house.ok::<PutAccountSetting>(json!({ "name": "BLOB_MOUNTING", "value": "ENABLED" })).await;
    assert_eq!(house.ok::<GetAccountSetting>(name).await["value"], "ENABLED");
    for bad in
        [json!({ "name": "BLOB_MOUNTING", "value": "x" }), json!({ "name": "x", "value": "y" })]
    {
        assert_eq!(
            house.call::<PutAccountSetting>(bad).await.unwrap_err().0,
            "ValidationException"
        );
    }
    let arn = json!({ "principalArn": "arn:aws:iam::000000000000:role/scanner" });
    house.ok::<RegisterPullTimeUpdateExclusion>(arn.clone()).await;
    let again = house.call::<RegisterPullTimeUpdateExclusion>(arn.clone()).await.unwrap_err();
    assert_eq!(again.0, "ExclusionAlreadyExistsException");
    let listed = house.ok::<ListPullTimeUpdateExclusions>(json!({})).await;
    assert_eq!(listed["pullTimeUpdateExclusions"], json!([arn["principalArn"]]));
    house.ok::<DeregisterPullTimeUpdateExclusion>(arn.clone()).await;
    let gone = house.call::<DeregisterPullTimeUpdateExclusion>(arn).await.unwrap_err();
    assert_eq!(gone.0, "ExclusionNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_lifecycle_policy_is_kept_on_one_line_and_a_preview_shows_its_own_as_given() {
    let house = House::new();
    house.repository("app").await;
    let rules = json!({ "rules": [{
        "rulePriority": 1,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3 },
        "action": { "type": "expire" },
    }] });
    let given = serde_json::to_string_pretty(&rules).unwrap();
    let input = json!({ "repositoryName": "app", "lifecyclePolicyText": given });
    let put = house.ok::<PutLifecyclePolicy>(input.clone()).await;
    assert_eq!(put["lifecyclePolicyText"], rules.to_string());
    let got = house.ok::<GetLifecyclePolicy>(named("app")).await;
    assert_eq!(got["lifecyclePolicyText"], rules.to_string());
    let preview = house.ok::<StartLifecyclePolicyPreview>(input).await;
    assert_eq!(preview["lifecyclePolicyText"], given);
}
