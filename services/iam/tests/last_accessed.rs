//! What identities may use, and when they did last.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_iam_contract::*;
use haar_kernel::{Auth, Principal};
use haar_policy::Principal as Who;
use haar_types::AccountId;
use house::{ACCOUNT, House, refused};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

/// A policy that allows these actions.
fn allows(actions: &[&str]) -> String {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": actions, "Resource": "*" },
    ] })
    .to_string()
}

async fn report(house: &House, arn: &str, by_action: bool) -> (String, Value) {
    let granularity = if by_action { "ACTION_LEVEL" } else { "SERVICE_LEVEL" };
    let asked = json!({ "Arn": arn, "Granularity": granularity });
    let made = house.ok::<GenerateServiceLastAccessedDetails>(asked).await;
    let id = made["JobId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    let told = house.ok::<GetServiceLastAccessedDetails>(json!({ "JobId": id })).await;
    assert_eq!((&told["JobStatus"], &told["JobType"]), (&json!("COMPLETED"), &json!(granularity)));
    (id, told["ServicesLastAccessed"].clone())
}

fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

#[tokio::test(start_paused = true)]
async fn a_report_tells_of_what_an_identity_may_use_and_did() {
    let house = House::with(Auth::Enforce);
    house.user("ann").await;
    let inline = json!({ "UserName": "ann", "PolicyName": "p",
        "PolicyDocument": allows(&["iam:GetUser", "s3:Get*"]) });
    house.ok::<PutUserPolicy>(inline).await;
    let (_, before) = report(&house, &user_arn("ann"), false).await;
    let names: Vec<_> = before.as_array().unwrap().iter().map(|it| &it["ServiceName"]).collect();
    assert_eq!(names, ["AWS Identity and Access Management", "Amazon S3"]);
    assert_eq!(before[0]["LastAuthenticated"], Value::Null);
    assert_eq!(before[0]["TotalAuthenticatedEntities"], 0);

    let ann = house.principal("ann").await;
    house.call_as::<GetUser>(ann.clone(), json!({ "UserName": "ann" })).await.unwrap();
    house.doors.clock.sleep(MINUTE / 2).await;
    let denied = house.call_as::<ListUsers>(ann.clone(), json!({})).await;
    assert_eq!(denied.unwrap_err().0, "AccessDenied");
    // the denied one is not written yet, and told of all the same
    let (_, after) = report(&house, &user_arn("ann"), true).await;
    let iam = &after[0];
    let now = house.doors.clock.now();
    assert_eq!(iam["LastAuthenticated"], now.seconds());
    assert_eq!(iam["LastAuthenticatedEntity"], user_arn("ann"));
    assert_eq!(iam["LastAuthenticatedRegion"], "us-east-1");
    assert_eq!(iam["TotalAuthenticatedEntities"], 1);
    let tracked = iam["TrackedActionsLastAccessed"].as_array().unwrap();
    let names: Vec<_> = tracked.iter().map(|it| it["ActionName"].as_str().unwrap()).collect();
    assert_eq!(names, ["GetUser", "ListUsers"]);
    assert_eq!(after[1]["LastAuthenticated"], Value::Null, "nobody used S3");
    let written = house.doors.ledger.snapshot().row_counts();
    let written = written.iter().find(|(table, _)| *table == "iam.last_use").unwrap().1;

    // a report writes nobody's uses: what is noted is written once, when it is time
    house.user("bob").await;
    let bob = house.principal("bob").await;
    let _ = house.call_as::<ListUsers>(bob, json!({})).await;
    report(&house, &user_arn("ann"), true).await;
    let now = house.doors.ledger.snapshot().row_counts();
    assert!(now.contains(&("iam.last_use", written)), "{now:?}");
}

#[tokio::test(start_paused = true)]
async fn a_groups_and_a_policys_reports_name_who_used_it() {
    let house = House::with(Auth::Enforce);
    let arn = house.policy("gets").await;
    house.ok::<CreateGroup>(json!({ "GroupName": "g" })).await;
    house.ok::<AttachGroupPolicy>(json!({ "GroupName": "g", "PolicyArn": arn })).await;
    for name in ["ann", "bob", "eve"] {
        house.user(name).await;
        house.ok::<AddUserToGroup>(json!({ "GroupName": "g", "UserName": name })).await;
    }
    for name in ["bob", "ann"] {
        house.doors.clock.sleep(MINUTE / 3).await;
        let caller = house.principal(name).await;
        house.call_as::<GetUser>(caller, json!({ "UserName": name })).await.unwrap();
    }
    for about in [arn, format!("arn:aws:iam::{ACCOUNT}:group/g")] {
        let (id, told) = report(&house, &about, false).await;
        assert_eq!(told.as_array().unwrap().len(), 1);
        assert_eq!(told[0]["TotalAuthenticatedEntities"], 2);
        assert_eq!(told[0]["LastAuthenticatedEntity"], user_arn("ann"));
        let asked = json!({ "JobId": id, "ServiceNamespace": "iam", "MaxItems": 2 });
        let first = house.ok::<GetServiceLastAccessedDetailsWithEntities>(asked.clone()).await;
        let mut asked = asked;
        asked["Marker"] = first["Marker"].clone();
        let second = house.ok::<GetServiceLastAccessedDetailsWithEntities>(asked).await;
        let lists = [&first, &second].map(|page| page["EntityDetailsList"].as_array().unwrap());
        let all: Vec<_> = lists.into_iter().flatten().collect();
        let names: Vec<_> = all.iter().map(|it| &it["EntityInfo"]["Name"]).collect();
        assert_eq!(names, ["ann", "bob", "eve"], "the last comes first");
        assert_eq!(all[2]["LastAuthenticated"], Value::Null);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_tells_when_it_was_last_used() {
    let house = House::with(Auth::Enforce);
    let made = house.role("r").await;
    let last = async || {
        let role = house.ok::<GetRole>(json!({ "RoleName": "r" })).await;
        let all = house.ok::<GetAccountAuthorizationDetails>(json!({})).await;
        let of_role = &all["RoleDetailList"][0]["RoleLastUsed"];
        assert_eq!(role["Role"]["RoleLastUsed"], *of_role);
        of_role.clone()
    };
    assert_eq!(last().await["LastUsedDate"], Value::Null);
    let account: AccountId = ACCOUNT.parse().unwrap();
    let (role_arn, id) = (&made["Role"]["Arn"], &made["Role"]["RoleId"]);
    let session = Who::RoleSession {
        account: account.clone(),
        role_arn: role_arn.as_str().unwrap().to_owned(),
        session_arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/s"),
        id: format!("{}:s", id.as_str().unwrap()),
    };
    for _ in 0..2 {
        house.doors.clock.sleep(MINUTE / 3).await;
        let caller = Principal::of(account.clone(), session.clone());
        house.call_as::<ListUsers>(caller, json!({})).await.unwrap_err();
        let now = house.doors.clock.now();
        let told = last().await;
        assert_eq!(told["LastUsedDate"], now.seconds());
        assert_eq!(told["Region"], "us-east-1");
    }
    house.ok::<DeleteRole>(json!({ "RoleName": "r" })).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_has_no_report() {
    let house = House::new();
    for arn in [user_arn("nobody"), format!("arn:aws:iam::{ACCOUNT}:policy/none")] {
        let asked = json!({ "Arn": arn });
        let told = house.call::<GenerateServiceLastAccessedDetails>(asked).await.unwrap_err();
        assert_eq!(told.0, "NoSuchEntity");
    }
    let id = "00000000-0000-4000-8000-000000000000";
    let told = house.call::<GetServiceLastAccessedDetails>(json!({ "JobId": id })).await;
    assert_eq!(told, refused("NoSuchEntity", &format!("No job with the id {id} was found.")));
    house.user("ann").await;
    let (id, _) = report(&house, &user_arn("ann"), false).await;
    house.doors.clock.sleep(MINUTE * 60 * 25).await;
    let old = house.call::<GetServiceLastAccessedDetails>(json!({ "JobId": id })).await;
    assert_eq!(old.unwrap_err().0, "NoSuchEntity");
}
