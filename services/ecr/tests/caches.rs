//! Pull-through caches, and whose registries and secrets are whose.

#![allow(clippy::unwrap_used)]

mod house;

use haar_ecr_contract::model::*;
use haar_kernel::Auth;
use haar_secretsmanager_contract::CreateSecret;
use house::upstream::Upstream;
use house::{DAY, House, Refused, digest, manifest};
use serde_json::{Value, json};

const OTHER: &str = "111111111111";
const REGION: &str = "us-east-1";

/// A cache of an upstream, and what the upstream has.
async fn cache(house: &House) -> Upstream {
    let upstream = Upstream::new().await;
    upstream.has("app", "old", &manifest("old"));
    upstream.has("app", "latest", &manifest("new"));
    let rule = json!({ "ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": format!("http://{}", upstream.host) });
    house.ok::<CreatePullThroughCacheRule>(rule).await;
    upstream
}

fn wanted(id: Value) -> Value {
    json!({ "registryId": "000000000000", "repositoryName": "cache/app", "imageIds": [id] })
}

/// The digest of the image that an id stands for, or why there is none.
fn found(answer: &Value) -> &str {
    let digest = answer["images"][0]["imageId"]["imageDigest"].as_str();
    digest.unwrap_or_else(|| answer["failures"][0]["failureCode"].as_str().unwrap())
}

fn statement(actions: &[&str]) -> Value {
    json!({
        "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{OTHER}:root") },
        "Action": actions,
    })
}

fn policy(statement: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

#[tokio::test]
async fn a_cached_tag_stays_where_the_upstream_has_it_whatever_digest_is_asked_for() {
    let house = House::new();
    let _upstream = cache(&house).await;
    let (old, new) = (digest(&manifest("old")), digest(&manifest("new")));
    let latest = || wanted(json!({ "imageTag": "latest" }));
    assert_eq!(found(&house.ok::<BatchGetImage>(latest()).await), new);
    let both = wanted(json!({ "imageTag": "latest", "imageDigest": old }));
    assert_eq!(found(&house.ok::<BatchGetImage>(both).await), "ImageTagDoesNotMatchDigest");
    assert_eq!(found(&house.ok::<BatchGetImage>(latest()).await), new);
    let alone = wanted(json!({ "imageDigest": old }));
    assert_eq!(found(&house.ok::<BatchGetImage>(alone).await), old);
}

#[tokio::test]
async fn an_upstream_is_asked_for_tags_and_digests_alone() {
    let house = House::new();
    let upstream = cache(&house).await;
    house.ok::<BatchGetImage>(wanted(json!({ "imageTag": "old" }))).await;
    let asked = upstream.asked();
    assert_eq!(asked, ["/v2/app/manifests/old"]);
    for (id, code) in [
        (json!({ "imageTag": "../../../secret" }), "InvalidImageTag"),
        (json!({ "imageTag": "old?x=y" }), "InvalidImageTag"),
        (json!({ "imageDigest": "sha256:../../x" }), "InvalidImageDigest"),
    ] {
        assert_eq!(found(&house.ok::<BatchGetImage>(wanted(id)).await), code);
    }
    let outside = json!({
        "repositoryName": "cache/../../app", "imageIds": [{ "imageTag": "old" }],
    });
    house.call::<BatchGetImage>(outside).await.unwrap_err();
    assert_eq!(upstream.asked(), asked);
}

#[tokio::test]
async fn who_may_read_a_cache_may_not_fill_it() {
    let house = House::with(Auth::Enforce);
    let upstream = cache(&house).await;
    house.repository("cache/app").await;
    let reads = policy(statement(&["ecr:BatchGetImage"]));
    let set = json!({ "repositoryName": "cache/app", "policyText": reads });
    house.ok::<SetRepositoryPolicy>(set).await;
    let latest = async || -> Result<Value, Refused> {
        let latest = wanted(json!({ "imageTag": "latest" }));
        house.call_as::<BatchGetImage>(OTHER, REGION, latest).await
    };
    let (code, text) = latest().await.unwrap_err();
    assert_eq!(code, "AccessDeniedException");
    assert!(text.contains("not authorized to perform: ecr:BatchImportUpstreamImage"), "{text}");
    assert!(upstream.asked().is_empty());

    let mut imports = statement(&["ecr:BatchImportUpstreamImage"]);
    imports["Resource"] = json!("arn:aws:ecr:us-east-1:000000000000:repository/cache/*");
    house.ok::<PutRegistryPolicy>(json!({ "policyText": policy(imports) })).await;
    let new = digest(&manifest("new"));
    assert_eq!(found(&latest().await.unwrap()), new);
    assert_eq!(upstream.asked().len(), 1);

    // What is here is served to those who may not compare it.
    house.ok::<DeleteRegistryPolicy>(json!({})).await;
    upstream.has("app", "latest", &manifest("newer"));
    tokio::time::pause();
    house.pass(DAY * 2).await;
    tokio::time::resume();
    assert_eq!(found(&latest().await.unwrap()), new);
    assert_eq!(upstream.asked().len(), 1);
    let own = house.ok::<BatchGetImage>(wanted(json!({ "imageTag": "latest" }))).await;
    assert_eq!(found(&own), digest(&manifest("newer")));
}

#[tokio::test(start_paused = true)]
async fn a_rule_has_a_secret_of_its_own_account_and_region() {
    let house = House::new();
    let value = r#"{"username":"me","accessToken":"s3cret"}"#;
    let secret = json!({ "Name": "ecr-pullthroughcache/hub", "SecretString": value });
    for (account, region, is_own) in [
        (OTHER, REGION, false),
        ("000000000000", "eu-west-1", false),
        ("000000000000", REGION, true),
    ] {
        let made = house.call_as::<CreateSecret>(account, region, secret.clone()).await.unwrap();
        let rule = json!({
            "ecrRepositoryPrefix": "closed", "upstreamRegistryUrl": "registry-1.docker.io",
            "credentialArn": made["ARN"],
        });
        let ruled = house.call::<CreatePullThroughCacheRule>(rule).await;
        let code = ruled.map(|_| String::new()).unwrap_or_else(|(code, _)| code);
        assert_eq!(code, if is_own { "" } else { "SecretNotFoundException" }, "{account} {region}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_accounts_registry_is_not_to_be_had_by_its_id() {
    let house = House::with(Auth::Enforce);
    let rule = json!({
        "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io",
    });
    house.ok::<CreatePullThroughCacheRule>(rule.clone()).await;
    let denied = |answer: Result<Value, Refused>| {
        assert_eq!(answer.unwrap_err().0, "AccessDeniedException");
    };
    let of = |mut input: Value| {
        input["registryId"] = json!("000000000000");
        input
    };
    let prefix = || json!({ "ecrRepositoryPrefix": "hub" });
    let mut again = of(rule);
    again["ecrRepositoryPrefix"] = json!("mine");
    denied(house.call_as::<CreatePullThroughCacheRule>(OTHER, REGION, again).await);
    denied(house.call_as::<DescribePullThroughCacheRules>(OTHER, REGION, of(json!({}))).await);
    denied(house.call_as::<DeletePullThroughCacheRule>(OTHER, REGION, of(prefix())).await);
    denied(house.call_as::<DescribeRepositories>(OTHER, REGION, of(json!({}))).await);
    let rules = house.ok::<DescribePullThroughCacheRules>(of(json!({}))).await;
    assert_eq!(rules["pullThroughCacheRules"].as_array().unwrap().len(), 1);

    house.repository("app").await;
    let app = || of(json!({ "repositoryNames": ["app"] }));
    denied(house.call_as::<DescribeRepositories>(OTHER, REGION, app()).await);
    let shown = policy(statement(&["ecr:DescribeRepositories"]));
    let set = json!({ "repositoryName": "app", "policyText": shown });
    house.ok::<SetRepositoryPolicy>(set).await;
    house.call_as::<DescribeRepositories>(OTHER, REGION, app()).await.unwrap();
    denied(house.call_as::<DescribeRepositories>(OTHER, REGION, of(json!({}))).await);
}
