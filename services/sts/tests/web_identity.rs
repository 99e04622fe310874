//! Roles for those whom an issuer vouches for: a real issuer on this machine, real signatures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod cloud;
#[path = "web_identity/issuer.rs"]
mod issuer;

use cloud::{ACCOUNT, Answer, Cloud};
use haar_kernel::Auth;
use issuer::Issuer;
use serde_json::{Value, json};

/// What an issuer usually says.
fn claims(cloud: &Cloud, issuer: &Issuer) -> Value {
    let now = cloud.doors.clock.now().seconds();
    json!({
        "iss": issuer.url, "sub": "repo:haar:main", "aud": "sts.amazonaws.com",
        "iat": now, "exp": now + 300,
    })
}

fn trust(issuer: &Issuer, condition: &str) -> String {
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", issuer.name());
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Principal":{{"Federated":"{provider}"}},"Condition":{condition}}}]}}"#
    )
}

async fn register(cloud: &Cloud, issuer: &Issuer) {
    let create = [
        ("Action", "CreateOpenIDConnectProvider"),
        ("Url", &*issuer.url),
        ("ClientIDList.member.1", "sts.amazonaws.com"),
    ];
    cloud.ok(&cloud.root(), "iam", &create).await;
}

/// A role that trusts one subject.
async fn role(cloud: &Cloud, issuer: &Issuer) -> String {
    let condition = format!(r#"{{"StringEquals":{{"{}:sub":"repo:haar:main"}}}}"#, issuer.name());
    cloud.role("ci", &trust(issuer, &condition), &cloud::allow(r#""iam:ListUsers""#)).await
}

async fn assume(cloud: &Cloud, role: &str, token: &str) -> Answer {
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", role),
        ("RoleSessionName", "build"),
        ("WebIdentityToken", token),
    ];
    cloud.ask_unsigned("sts", &form).await
}

#[tokio::test]
async fn a_proven_token_is_a_session_of_the_role_that_trusts_it() {
    let (cloud, issuer) = (Cloud::new(Auth::Enforce), Issuer::start().await);
    register(&cloud, &issuer).await;
    let role = role(&cloud, &issuer).await;
    let answer = assume(&cloud, &role, &issuer.token(&claims(&cloud, &issuer))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.get("SubjectFromWebIdentityToken"), "repo:haar:main");
    assert_eq!(answer.get("Audience"), "sts.amazonaws.com");
    assert_eq!(answer.get("Provider"), issuer.url);
    let key = answer.key();
    let who = cloud.ok(&key, "sts", &[("Action", "GetCallerIdentity")]).await;
    assert_eq!(who.get("Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/ci/build"));
    cloud.ok(&key, "iam", &[("Action", "ListUsers")]).await;
    assert_eq!(cloud.ask(&key, "iam", &[("Action", "ListRoles")]).await.status, 403);
    assume(&cloud, &role, &issuer.token(&claims(&cloud, &issuer))).await;
    assert_eq!(issuer.asked(), 2); // once for the configuration, once for the keys
}

#[tokio::test]
async fn other_subjects_audiences_times_and_signatures_are_refused() {
    let (cloud, issuer) = (Cloud::new(Auth::Enforce), Issuer::start().await);
    let role_arn = format!("arn:aws:iam::{ACCOUNT}:role/ci");
    let with = |name: &str, value: Value| {
        let mut claims = claims(&cloud, &issuer);
        claims[name] = value;
        issuer.token(&claims)
    };
    let good = issuer.token(&claims(&cloud, &issuer));
    let unknown = assume(&cloud, &role_arn, &good).await.refusal();
    let text = format!("No OpenIDConnect provider found in your account for {}", issuer.url);
    assert_eq!(unknown, ("InvalidIdentityToken".to_owned(), text));
    register(&cloud, &issuer).await;
    let role = role(&cloud, &issuer).await;
    let now = cloud.doors.clock.now().seconds();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, other) = with("sub", json!("x"))
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let forged = format!("{head}.{other}");
    assert_ne!(signature, other);
    for (token, code, text) in [
        (
            with("sub", json!("repo:evil:main")),
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ),
        (with("aud", json!("other")), "InvalidIdentityToken", "Incorrect token audience"),
        (with("sub", Value::Null), "InvalidIdentityToken", "Missing a required claim: sub"),
        (forged, "InvalidIdentityToken", "Token signature invalid"),
        (
            "hello.a.b".to_owned(),
            "InvalidIdentityToken",
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        ),
    ] {
        assert_eq!(
            assume(&cloud, &role, &token).await.refusal(),
            (code.to_owned(), text.to_owned())
        );
    }
    let expired = assume(&cloud, &role, &with("exp", json!(now - 600))).await.refusal();
    assert_eq!(expired.0, "ExpiredTokenException");
    assert!(expired.1.starts_with("Token expired: current date/time "));
    let ghost = format!("arn:aws:iam::{ACCOUNT}:role/ghost");
    assert_eq!(assume(&cloud, &ghost, &good).await.refusal().0, "AccessDenied");
}

#[tokio::test]
async fn a_strangers_key_is_not_found_and_an_issuer_that_is_gone_is_told() {
    let (cloud, issuer) = (Cloud::new(Auth::Enforce), Issuer::start().await);
    register(&cloud, &issuer).await;
    let role = role(&cloud, &issuer).await;
    let stranger = Issuer::start().await;
    let foreign = stranger.token(&claims(&cloud, &issuer)); // signed with another's key
    let refusal = assume(&cloud, &role, &foreign).await.refusal();
    assert_eq!(refusal.0, "InvalidIdentityToken");
    assert!(refusal.1.starts_with("Couldn't retrieve verification key"), "{refusal:?}");
    let gone = Issuer::gone();
    register(&cloud, &gone).await;
    let refusal = assume(&cloud, &role, &gone.token(&claims(&cloud, &gone))).await.refusal();
    assert_eq!(refusal.0, "IDPCommunicationError");
}

#[tokio::test]
async fn a_token_brings_session_tags() {
    let (cloud, issuer) = (Cloud::new(Auth::Enforce), Issuer::start().await);
    register(&cloud, &issuer).await;
    let condition = r#"{"StringEquals":{"aws:RequestTag/team":"blue"}}"#;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers",
        "Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}]}"#;
    let role = cloud.role("ci", &trust(&issuer, condition), policy).await;
    let plain = issuer.token(&claims(&cloud, &issuer));
    assert_eq!(assume(&cloud, &role, &plain).await.status, 403);
    let mut tagged = claims(&cloud, &issuer);
    tagged["https://aws.amazon.com/tags"] = json!({ "principal_tags": { "team": ["blue"] } });
    let answer = assume(&cloud, &role, &issuer.token(&tagged)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    cloud.ok(&answer.key(), "iam", &[("Action", "ListUsers")]).await;
}
