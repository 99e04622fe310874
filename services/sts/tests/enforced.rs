//! Who gets in, and how far, where signatures and policies decide.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod cloud;

use cloud::{ACCOUNT, Cloud, Key, allow, trust};
use haar_kernel::Auth;

type Form<'a> = [(&'a str, &'a str)];

const WHO: [(&str, &str); 1] = [("Action", "GetCallerIdentity")];

fn assume<'a>(arn: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("Action", "AssumeRole"), ("RoleArn", arn), ("RoleSessionName", "session")];
    form.extend(more);
    form
}

#[tokio::test(start_paused = true)]
async fn the_root_key_is_made_once_and_may_do_everything() {
    let cloud = Cloud::new(Auth::Enforce);
    let root = cloud.root();
    let who = cloud.ok(&root, "sts", &WHO).await;
    assert_eq!(who.get("Arn"), format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!((who.get("Account"), who.get("UserId")), (ACCOUNT.into(), ACCOUNT.into()));
    cloud.ok(&root, "iam", &[("Action", "ListUsers")]).await;
    assert!(cloud.iam.ensure_root_key().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn strangers_forgers_and_retired_keys_stay_out() {
    let cloud = Cloud::new(Auth::Enforce);
    let stranger = Key { id: "AKIAIOSFODNN7EXAMPLE".into(), secret: "x".into(), token: None };
    let refusal = cloud.ask(&stranger, "sts", &WHO).await;
    assert_eq!(
        refusal.refusal(),
        (
            "InvalidClientTokenId".into(),
            "The security token included in the request is invalid.".into()
        )
    );
    let ann = cloud.user("ann", None).await;
    let forged = Key { secret: "forged".into(), ..ann.clone() };
    let refusal = cloud.ask(&forged, "sts", &WHO).await;
    assert_eq!((refusal.status, refusal.refusal().0.as_str()), (403, "SignatureDoesNotMatch"));
    assert_eq!(
        cloud.ok(&ann, "sts", &WHO).await.get("Arn"),
        format!("arn:aws:iam::{ACCOUNT}:user/ann")
    );
    let off = [
        ("Action", "UpdateAccessKey"),
        ("UserName", "ann"),
        ("AccessKeyId", ann.id.as_str()),
        ("Status", "Inactive"),
    ];
    cloud.ok(&cloud.root(), "iam", &off).await;
    assert_eq!(cloud.ask(&ann, "sts", &WHO).await.refusal().0, "InvalidClientTokenId");
}

#[tokio::test(start_paused = true)]
async fn a_users_policies_decide_and_denials_are_told_in_awss_words() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#""iam:GetUser""#))).await;
    cloud.ok(&ann, "iam", &[("Action", "GetUser")]).await;
    let refusal = cloud.ask(&ann, "iam", &[("Action", "DeleteUser"), ("UserName", "ann")]).await;
    assert_eq!(refusal.status, 403);
    assert_eq!(
        refusal.refusal(),
        (
            "AccessDenied".into(),
            format!(
                "User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: iam:DeleteUser \
             on resource: arn:aws:iam::{ACCOUNT}:user/ann because no identity-based policy allows \
             the iam:DeleteUser action"
            )
        )
    );
    let used = [("Action", "GetAccessKeyLastUsed"), ("AccessKeyId", ann.id.as_str())];
    let used = cloud.ok(&cloud.root(), "iam", &used).await;
    assert_eq!(used.get("ServiceName"), "iam");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_may_look_at_herself_looks_at_nobody_else() {
    let cloud = Cloud::new(Auth::Enforce);
    let own = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*",
        "Resource":"arn:aws:iam::*:user/${aws:username}"}]}"#;
    let (ann, bob) = (cloud.user("ann", Some(own)).await, cloud.user("bob", None).await);
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
    let of = |action: &'static str, arn: &str| {
        [("Action", action.to_owned()), ("PolicySourceArn", arn.to_owned())]
    };
    let simulate = |arn: &str| {
        let [action, source] = of("SimulatePrincipalPolicy", arn);
        [action, source, ("ActionNames.member.1", "iam:GetUser".to_owned())]
    };
    let keys = |arn: &str| of("GetContextKeysForPrincipalPolicy", arn);
    let used = |key: &Key| {
        [("Action", "GetAccessKeyLastUsed".to_owned()), ("AccessKeyId", key.id.clone())]
    };
    let ask = async |form: &[(&str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(name, text)| (*name, &**text)).collect();
        cloud.ask(&ann, "iam", &form).await.status
    };
    assert_eq!(ask(&simulate(&arn("ann"))).await, 200);
    assert_eq!(ask(&keys(&arn("ann"))).await, 200);
    assert_eq!(ask(&used(&ann)).await, 200);
    assert_eq!(ask(&simulate(&arn("bob"))).await, 403);
    assert_eq!(ask(&keys(&arn("bob"))).await, 403);
    for key in [&bob, &cloud.root(), &Key { id: "AKIAIOSFODNN7EXAMPLE".into(), ..bob.clone() }] {
        assert_eq!(ask(&used(key)).await, 403);
    }
    // her own name behind another path or account is not she
    let foreign = arn("ann").replace(ACCOUNT, "999988887777");
    for strange in [foreign, arn("x/ann")] {
        let form = simulate(&strange);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, text)| (*name, &**text)).collect();
        let refusal = cloud.ask(&cloud.root(), "iam", &form).await;
        assert!(matches!(refusal.status, 403 | 404), "{}", refusal.text);
    }
}

#[tokio::test(start_paused = true)]
async fn groups_and_boundaries_count() {
    let cloud = Cloud::new(Auth::Enforce);
    let (root, ann) = (cloud.root(), cloud.user("ann", None).await);
    cloud.ok(&root, "iam", &[("Action", "CreateGroup"), ("GroupName", "g")]).await;
    let everything = "arn:aws:iam::aws:policy/AdministratorAccess";
    let attach = [("Action", "AttachGroupPolicy"), ("GroupName", "g"), ("PolicyArn", everything)];
    cloud.ok(&root, "iam", &attach).await;
    let list = [("Action", "ListUsers")];
    assert_eq!(cloud.ask(&ann, "iam", &list).await.status, 403);
    let join = [("Action", "AddUserToGroup"), ("GroupName", "g"), ("UserName", "ann")];
    cloud.ok(&root, "iam", &join).await;
    cloud.ok(&ann, "iam", &list).await;
    let bound = [
        ("Action", "PutUserPermissionsBoundary"),
        ("UserName", "ann"),
        ("PermissionsBoundary", "arn:aws:iam::aws:policy/AmazonS3FullAccess"),
    ];
    cloud.ok(&root, "iam", &bound).await;
    let refusal = cloud.ask(&ann, "iam", &list).await.refusal().1;
    assert!(refusal.ends_with("because no permissions boundary allows the iam:ListUsers action"));
}

#[tokio::test(start_paused = true)]
async fn a_role_session_acts_as_the_role_until_it_ends() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#""sts:AssumeRole""#))).await;
    let arn = cloud.role("r", &trust(ACCOUNT, ""), &allow(r#""iam:ListUsers""#)).await;
    let session = cloud.ok(&ann, "sts", &assume(&arn, &[("DurationSeconds", "900")])).await;
    let key = session.key();
    assert!(key.id.starts_with("ASIA"));
    let who = cloud.ok(&key, "sts", &WHO).await;
    assert_eq!(who.get("Arn"), format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/session"));
    cloud.ok(&key, "iam", &[("Action", "ListUsers")]).await;
    let refusal = cloud.ask(&key, "iam", &[("Action", "ListRoles")]).await.refusal();
    assert!(
        refusal.1.contains("assumed-role/r/session is not authorized to perform: iam:ListRoles")
    );
    let without = Key { token: None, ..key.clone() };
    assert_eq!(cloud.ask(&without, "sts", &WHO).await.refusal().0, "InvalidClientTokenId");
    cloud.wait(899).await;
    cloud.ok(&key, "sts", &WHO).await;
    cloud.wait(1).await;
    assert_eq!(
        cloud.ask(&key, "sts", &WHO).await.refusal(),
        ("ExpiredToken".into(), "The security token included in the request is expired".into())
    );
}

#[tokio::test(start_paused = true)]
async fn both_sides_must_agree_before_a_role_is_assumed() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#""sts:AssumeRole""#))).await;
    let bob = cloud.user("bob", None).await;
    let policy = allow(r#""iam:ListUsers""#);
    let account = cloud.role("account", &trust(ACCOUNT, ""), &policy).await;
    let bobs = format!("arn:aws:iam::{ACCOUNT}:user/bob");
    let only_bob = cloud.role("bobs", &trust(&bobs, ""), &policy).await;
    assert_eq!(cloud.ask(&bob, "sts", &assume(&account, &[])).await.status, 403);
    assert_eq!(cloud.ask(&ann, "sts", &assume(&only_bob, &[])).await.status, 403);
    cloud.ok(&bob, "sts", &assume(&only_bob, &[])).await; // named himself, he needs no more
    let ghost = format!("arn:aws:iam::{ACCOUNT}:role/ghost");
    let refusal = cloud.ask(&ann, "sts", &assume(&ghost, &[])).await.refusal();
    assert_eq!(
        refusal,
        (
            "AccessDenied".into(),
            format!(
                "User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: sts:AssumeRole \
             on resource: {ghost}"
            )
        )
    );
    let root = cloud.ask(&cloud.root(), "sts", &assume(&account, &[])).await.refusal();
    assert_eq!(root.1, "Roles may not be assumed by root accounts.");
}

#[tokio::test(start_paused = true)]
async fn external_ids_durations_and_chains_are_checked() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#""sts:AssumeRole""#))).await;
    let condition = r#","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}"#;
    let policy = allow(r#""sts:AssumeRole""#);
    let arn = cloud.role("r", &trust(ACCOUNT, condition), &policy).await;
    assert_eq!(cloud.ask(&ann, "sts", &assume(&arn, &[])).await.status, 403);
    let id = ("ExternalId", "secret");
    let first = cloud.ok(&ann, "sts", &assume(&arn, &[id])).await.key();
    let long = cloud.ask(&ann, "sts", &assume(&arn, &[id, ("DurationSeconds", "3601")])).await;
    assert_eq!(
        long.refusal(),
        (
            "ValidationError".into(),
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                .into()
        )
    );
    let update = [("Action", "UpdateRole"), ("RoleName", "r"), ("MaxSessionDuration", "7200")];
    cloud.ok(&cloud.root(), "iam", &update).await;
    cloud.ok(&ann, "sts", &assume(&arn, &[id, ("DurationSeconds", "7200")])).await;
    let chained = cloud.ask(&first, "sts", &assume(&arn, &[id, ("DurationSeconds", "7200")])).await;
    assert!(chained.refusal().1.contains("role chaining"));
}

#[tokio::test(start_paused = true)]
async fn session_policies_narrow_and_session_tags_follow() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#"["sts:AssumeRole","sts:TagSession"]"#))).await;
    let tagged = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iam:ListUsers","Resource":"*",
         "Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}},
        {"Effect":"Allow","Action":["iam:ListGroups","iam:ListRoles"],"Resource":"*"}]}"#;
    let arn = cloud.role("r", &trust(ACCOUNT, ""), tagged).await;
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "blue")];
    let blue = cloud.ok(&ann, "sts", &assume(&arn, &tag)).await.key();
    cloud.ok(&blue, "iam", &[("Action", "ListUsers")]).await;
    let plain = cloud.ok(&ann, "sts", &assume(&arn, &[])).await.key();
    assert_eq!(cloud.ask(&plain, "iam", &[("Action", "ListUsers")]).await.status, 403);
    let groups = allow(r#""iam:ListGroups""#);
    let narrow = cloud.ok(&ann, "sts", &assume(&arn, &[("Policy", &groups)])).await.key();
    cloud.ok(&narrow, "iam", &[("Action", "ListGroups")]).await;
    let refusal = cloud.ask(&narrow, "iam", &[("Action", "ListRoles")]).await.refusal().1;
    assert!(refusal.ends_with("because no session policy allows the iam:ListRoles action"));
    let bad = cloud.ask(&ann, "sts", &assume(&arn, &[("Policy", "{")])).await.refusal();
    assert_eq!(bad.0, "MalformedPolicyDocument");
}

/// The members that give a session one tag, which it hands on.
fn handed_on<'a>(key: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("Tags.member.1.Key", key),
        ("Tags.member.1.Value", value),
        ("TransitiveTagKeys.member.1", key),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_a_chain_hands_on_stays_as_it_is_and_asks_for_its_permissions() {
    let cloud = Cloud::new(Auth::Enforce);
    let policy = allow(r#""sts:*""#);
    let ann = cloud.user("ann", Some(&policy)).await;
    let first = cloud.role("first", &trust(ACCOUNT, ""), &policy).await;
    let second = cloud.role("second", &trust(ACCOUNT, ""), &policy).await;
    let more = r#","sts:TagSession","sts:SetSourceIdentity""#;
    let bare = cloud.role("bare", &trust(ACCOUNT, "").replace(more, ""), &policy).await;
    let mut begin = handed_on("team", "blue");
    begin.push(("SourceIdentity", "bob"));
    let key = cloud.ok(&ann, "sts", &assume(&first, &begin)).await.key();
    let next = cloud.ok(&key, "sts", &assume(&second, &[("SourceIdentity", "bob")])).await;
    assert_eq!(next.get("SourceIdentity"), "bob");
    for key in [&key, &next.key()] {
        for form in [handed_on("Team", "red"), handed_on("Team", "red")[..2].to_vec()] {
            let refusal = cloud.ask(key, "sts", &assume(&second, &form)).await;
            assert_eq!((refusal.status, &*refusal.refusal().0), (400, "InvalidParameterValue"));
        }
        let refusal =
            cloud.ask(key, "sts", &assume(&second, &[("SourceIdentity", "alice")])).await.refusal();
        assert_eq!(refusal.0, "AccessDenied");
        assert!(refusal.1.contains("not authorized to perform: sts:SetSourceIdentity"));
    }
    let refusal = cloud.ask(&key, "sts", &assume(&bare, &[])).await.refusal().1;
    assert!(refusal.contains("not authorized to perform: sts:TagSession"), "{refusal}");
    let known = [("SourceIdentity", "bob")];
    let known = cloud.ok(&ann, "sts", &assume(&first, &known)).await.key();
    let refusal = cloud.ask(&known, "sts", &assume(&bare, &[])).await.refusal().1;
    assert!(refusal.contains("not authorized to perform: sts:SetSourceIdentity"), "{refusal}");
    let plain = cloud.ok(&ann, "sts", &assume(&first, &[])).await.key();
    cloud.ok(&plain, "sts", &assume(&bare, &[])).await;
    let unknown = [("TransitiveTagKeys.member.1", "team")];
    assert_eq!(
        cloud.ask(&plain, "sts", &assume(&second, &unknown)).await.refusal(),
        (
            "InvalidParameterValue".into(),
            "The specified transitive tag key must be included in the requested tags.".into()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn keys_of_tags_that_are_handed_on_are_weighed_one_by_one() {
    let cloud = Cloud::new(Auth::Enforce);
    let policy = allow(r#""sts:*""#);
    let ann = cloud.user("ann", Some(&policy)).await;
    let first = cloud.role("first", &trust(ACCOUNT, ""), &policy).await;
    let only = |keys: &str| {
        let condition = format!(
            r#","Condition":{{"Null":{{"sts:TransitiveTagKeys":"false"}},
                "ForAllValues:StringEquals":{{"sts:TransitiveTagKeys":[{keys}]}}}}"#
        );
        trust(ACCOUNT, &condition)
    };
    let both = cloud.role("both", &only(r#""team","stage""#), &policy).await;
    let one = cloud.role("one", &only(r#""team""#), &policy).await;
    let mut begin = handed_on("team", "blue");
    begin.extend([("Tags.member.2.Key", "stage"), ("Tags.member.2.Value", "test")]);
    begin.push(("TransitiveTagKeys.member.2", "stage"));
    let key = cloud.ok(&ann, "sts", &assume(&first, &begin)).await.key();
    cloud.ok(&key, "sts", &assume(&both, &[])).await;
    assert_eq!(cloud.ask(&key, "sts", &assume(&one, &[])).await.status, 403);
    let plain = cloud.ok(&ann, "sts", &assume(&first, &[])).await.key();
    assert_eq!(cloud.ask(&plain, "sts", &assume(&both, &[])).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_session_dies_with_its_role_even_when_the_name_returns() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#""sts:AssumeRole""#))).await;
    let policy = allow(r#""iam:ListUsers""#);
    let arn = cloud.role("r", &trust(ACCOUNT, ""), &policy).await;
    let key = cloud.ok(&ann, "sts", &assume(&arn, &[])).await.key();
    cloud.ok(&key, "iam", &[("Action", "ListUsers")]).await;
    let root = cloud.root();
    let inline = [("Action", "DeleteRolePolicy"), ("RoleName", "r"), ("PolicyName", "p")];
    cloud.ok(&root, "iam", &inline).await;
    cloud.ok(&root, "iam", &[("Action", "DeleteRole"), ("RoleName", "r")]).await;
    cloud.role("r", &trust(ACCOUNT, ""), &policy).await;
    let refusal = cloud.ask(&key, "iam", &[("Action", "ListUsers")]).await;
    assert_eq!((refusal.status, &*refusal.refusal().0), (403, "InvalidClientTokenId"));
}

#[tokio::test(start_paused = true)]
async fn whom_a_role_trusts_is_not_who_is_made_anew_under_the_name() {
    let cloud = Cloud::new(Auth::Enforce);
    let root = cloud.root();
    let policy = allow(r#""sts:*""#);
    let ann = cloud.user("ann", Some(&policy)).await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/ann");
    let first = cloud.role("first", &trust(&arn, ""), &policy).await;
    let second = cloud.role("second", &trust(&first, ""), &policy).await;
    let trusted = async |role: &str| {
        let get = [("Action", "GetRole"), ("RoleName", role)];
        let document = cloud.ok(&root, "iam", &get).await.get("AssumeRolePolicyDocument");
        let document = percent_encoding::percent_decode_str(&document).decode_utf8_lossy();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        document["Statement"][0]["Principal"]["AWS"].as_str().unwrap().to_owned()
    };
    let key = cloud.ok(&ann, "sts", &assume(&first, &[])).await.key();
    cloud.ok(&key, "sts", &assume(&second, &[])).await;
    assert_eq!(trusted("first").await, arn);
    assert_eq!(trusted("second").await, first);
    cloud.remove_user("ann", &ann).await;
    let inline = [("Action", "DeleteRolePolicy"), ("RoleName", "first"), ("PolicyName", "p")];
    cloud.ok(&root, "iam", &inline).await;
    assert!(trusted("first").await.starts_with("AIDA"));
    cloud.ok(&root, "iam", &[("Action", "DeleteRole"), ("RoleName", "first")]).await;
    assert!(trusted("second").await.starts_with("AROA"));

    let ann = cloud.user("ann", Some(&policy)).await;
    cloud.role("first", &trust(&arn, ""), &policy).await;
    let key = cloud.ok(&ann, "sts", &assume(&first, &[])).await.key();
    assert_eq!(cloud.ask(&key, "sts", &assume(&second, &[])).await.refusal().0, "AccessDenied");
    let renewed = trust(&first, "");
    let update = [
        ("Action", "UpdateAssumeRolePolicy"),
        ("RoleName", "second"),
        ("PolicyDocument", &*renewed),
    ];
    cloud.ok(&root, "iam", &update).await;
    cloud.ok(&key, "sts", &assume(&second, &[])).await;
    cloud.role("account", &trust(ACCOUNT, ""), &policy).await;
    assert_eq!(trusted("account").await, format!("arn:aws:iam::{ACCOUNT}:root"));
}

#[tokio::test(start_paused = true)]
async fn sessions_of_who_was_deleted_are_nobodys() {
    let cloud = Cloud::new(Auth::Enforce);
    let root = cloud.root();
    let policy = allow(r#"["sts:AssumeRole","sts:GetFederationToken"]"#);
    let ann = cloud.user("ann", Some(&policy)).await;
    let arn = cloud.role("r", &trust(ACCOUNT, ""), &policy).await;
    let guest_arn = format!("arn:aws:sts::{ACCOUNT}:federated-user/guest");
    let user_arn = format!("arn:aws:iam::{ACCOUNT}:user/ann");
    cloud.secret("s", &[&arn, &user_arn, &guest_arn]).await;
    let role = cloud.ok(&ann, "sts", &assume(&arn, &[])).await.key();
    let own = cloud.ok(&ann, "sts", &[("Action", "GetSessionToken")]).await.key();
    let federate = [("Action", "GetFederationToken"), ("Name", "guest")];
    let guest = cloud.ok(&ann, "sts", &federate).await.key();
    for key in [&role, &own, &guest] {
        cloud.read(key, "s").await.unwrap();
    }
    let rename = [("Action", "UpdateUser"), ("UserName", "ann"), ("NewUserName", "eve")];
    cloud.ok(&root, "iam", &rename).await;
    let who = cloud.ok(&own, "sts", &WHO).await.get("Arn");
    assert_eq!(who, format!("arn:aws:iam::{ACCOUNT}:user/eve"));
    cloud.remove_user("eve", &ann).await;
    let inline = [("Action", "DeleteRolePolicy"), ("RoleName", "r"), ("PolicyName", "p")];
    cloud.ok(&root, "iam", &inline).await;
    cloud.ok(&root, "iam", &[("Action", "DeleteRole"), ("RoleName", "r")]).await;
    for key in [&role, &own, &guest] {
        let refusal = cloud.read(key, "s").await.unwrap_err();
        assert_eq!(refusal, "UnrecognizedClientException");
        assert_eq!(cloud.ask(key, "sts", &WHO).await.refusal().0, "InvalidClientTokenId");
    }
}

#[tokio::test(start_paused = true)]
async fn users_get_sessions_and_vouch_for_others() {
    let cloud = Cloud::new(Auth::Enforce);
    cloud.secret("s", &[]).await;
    let policy = allow(r#"["secretsmanager:*","sts:GetFederationToken"]"#);
    let ann = cloud.user("ann", Some(&policy)).await;
    let session = cloud.ok(&ann, "sts", &[("Action", "GetSessionToken")]).await.key();
    assert_eq!(
        cloud.ok(&session, "sts", &WHO).await.get("Arn"),
        format!("arn:aws:iam::{ACCOUNT}:user/ann")
    );
    cloud.read(&session, "s").await.unwrap();
    let read = allow(r#""secretsmanager:GetSecretValue""#);
    let federate = [("Action", "GetFederationToken"), ("Name", "guest"), ("Policy", &*read)];
    let guest = cloud.ok(&ann, "sts", &federate).await;
    assert_eq!(guest.get("FederatedUserId"), format!("{ACCOUNT}:guest"));
    let guest = guest.key();
    cloud.read(&guest, "s").await.unwrap();
    let list = cloud.secrets(&guest, "ListSecrets", &serde_json::json!({})).await.1;
    assert_eq!(list["__type"], "AccessDeniedException");
    let bare = [("Action", "GetFederationToken"), ("Name", "guest")];
    let bare = cloud.ok(&ann, "sts", &bare).await.key();
    assert_eq!(cloud.read(&bare, "s").await.unwrap_err(), "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn sessions_of_users_are_not_for_iam_and_hardly_for_sts() {
    let cloud = Cloud::new(Auth::Enforce);
    let everything = allow(r#""*""#);
    let ann = cloud.user("ann", Some(&everything)).await;
    let arn = cloud.role("r", &trust(ACCOUNT, ""), &everything).await;
    let federate = [("Action", "GetFederationToken"), ("Name", "guest"), ("Policy", &*everything)];
    let own = cloud.ok(&ann, "sts", &[("Action", "GetSessionToken")]).await.key();
    let roots = cloud.ok(&cloud.root(), "sts", &[("Action", "GetSessionToken")]).await.key();
    let guest = cloud.ok(&ann, "sts", &federate).await.key();
    let role = cloud.ok(&own, "sts", &assume(&arn, &[])).await.key();
    let list = [("Action", "ListUsers")];
    for key in [&own, &roots, &guest] {
        let refusal = cloud.ask(key, "iam", &list).await;
        assert_eq!((refusal.status, &*refusal.refusal().0), (403, "InvalidClientTokenId"));
        cloud.ok(key, "sts", &WHO).await;
    }
    cloud.ok(&role, "iam", &list).await;
    let session = [("Action", "GetSessionToken")];
    let info = [("Action", "GetAccessKeyInfo"), ("AccessKeyId", &*ann.id)];
    let refused: [(&Key, &str, &Form<'_>); 8] = [
        (&own, "GetSessionToken", &session),
        (&own, "GetFederationToken", &federate),
        (&own, "GetAccessKeyInfo", &info),
        (&role, "GetSessionToken", &session),
        (&role, "GetFederationToken", &federate),
        (&guest, "GetSessionToken", &session),
        (&guest, "GetAccessKeyInfo", &info),
        (&guest, "AssumeRole", &assume(&arn, &[])),
    ];
    for (key, operation, form) in refused {
        let text = format!("Cannot call {operation} with session credentials");
        assert_eq!(cloud.ask(key, "sts", form).await.refusal(), ("AccessDenied".into(), text));
    }
    cloud.ok(&role, "sts", &info).await;
}

#[tokio::test(start_paused = true)]
async fn whom_a_user_vouched_for_ends_with_that_user() {
    let cloud = Cloud::new(Auth::Enforce);
    cloud.secret("s", &[]).await;
    let policy = allow(r#"["secretsmanager:*","sts:GetFederationToken"]"#);
    let ann = cloud.user("ann", Some(&policy)).await;
    let federate = [("Action", "GetFederationToken"), ("Name", "guest"), ("Policy", &*policy)];
    let guest = cloud.ok(&ann, "sts", &federate).await.key();
    cloud.read(&guest, "s").await.unwrap();
    cloud.remove_user("ann", &ann).await;
    assert_eq!(cloud.read(&guest, "s").await.unwrap_err(), "UnrecognizedClientException");
    cloud.user("ann", Some(&policy)).await;
    assert_eq!(cloud.read(&guest, "s").await.unwrap_err(), "UnrecognizedClientException");
}

#[tokio::test(start_paused = true)]
async fn a_key_tells_its_account() {
    let cloud = Cloud::new(Auth::Enforce);
    let root = cloud.root();
    let ask = [("Action", "GetAccessKeyInfo"), ("AccessKeyId", root.id.as_str())];
    assert_eq!(cloud.ok(&root, "sts", &ask).await.get("Account"), ACCOUNT);
}

#[tokio::test(start_paused = true)]
async fn in_permissive_mode_any_key_works_and_any_role_can_be_assumed() {
    let cloud = Cloud::new(Auth::Permissive);
    assert!(cloud.root.is_none());
    let anyone = Key { id: "test".into(), secret: "test".into(), token: None };
    let who = cloud.ok(&anyone, "sts", &WHO).await;
    assert_eq!(who.get("Account"), ACCOUNT);
    let other = Key { id: "222222222222".into(), secret: "test".into(), token: None };
    assert_eq!(cloud.ok(&other, "sts", &WHO).await.get("Account"), "222222222222");
    let ghost = "arn:aws:iam::333333333333:role/team/ghost";
    let session = cloud.ok(&anyone, "sts", &assume(ghost, &[])).await.key();
    let who = cloud.ok(&session, "sts", &WHO).await;
    assert_eq!(who.get("Arn"), "arn:aws:sts::333333333333:assumed-role/ghost/session");
}

#[tokio::test(start_paused = true)]
async fn only_what_this_account_was_told_of_a_denial_is_decoded() {
    let cloud = Cloud::new(Auth::Enforce);
    let decode = |message| [("Action", "DecodeAuthorizationMessage"), ("EncodedMessage", message)];
    let refusal = cloud.ask(&cloud.root(), "sts", &decode("junk")).await;
    assert_eq!(refusal.refusal().0, "InvalidAuthorizationMessageException");
    let ann = cloud.user("ann", None).await;
    assert_eq!(cloud.ask(&ann, "sts", &decode("junk")).await.refusal().0, "AccessDenied");
    let (ids, account) = (haar_clock::IdSource::seeded(3).ids(), ACCOUNT.parse().unwrap());
    let identities: &dyn haar_kernel::Identities = &*cloud.iam;
    let sealed = identities.seal_denial(&ids, &account, "the details").unwrap();
    let found = cloud.ok(&cloud.root(), "sts", &decode(&sealed)).await;
    assert_eq!(found.get("DecodedMessage"), "the details");
    let foreign = identities.seal_denial(&ids, &"999988887777".parse().unwrap(), "x").unwrap();
    let refusal = cloud.ask(&cloud.root(), "sts", &decode(&foreign)).await;
    assert_eq!(refusal.refusal().0, "InvalidAuthorizationMessageException");
}
