//! Users, groups, access keys, login profiles.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use haar_iam_contract::*;
use house::{House, POLICY, names, refused};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_user_lives_from_creation_to_deletion() {
    let house = House::new();
    let made = house
        .ok::<CreateUser>(json!({
            "UserName": "ann", "Path": "/team/", "Tags": [{ "Key": "a", "Value": "b" }],
        }))
        .await;
    assert_eq!(made["User"]["Arn"], "arn:aws:iam::123456789012:user/team/ann");
    assert!(made["User"]["UserId"].as_str().unwrap().starts_with("AIDA"));
    assert_eq!(
        house.call::<CreateUser>(json!({ "UserName": "ANN" })).await,
        refused("EntityAlreadyExists", "User with name ANN already exists.")
    );
    house.ok::<UpdateUser>(json!({ "UserName": "ann", "NewUserName": "eve" })).await;
    let seen = house.ok::<GetUser>(json!({ "UserName": "eve" })).await;
    assert_eq!(seen["User"]["UserId"], made["User"]["UserId"]);
    assert_eq!(seen["User"]["Tags"][0]["Value"], "b");
    assert_eq!(
        house.call::<GetUser>(json!({ "UserName": "ann" })).await,
        refused("NoSuchEntity", "The user with name ann cannot be found.")
    );
    house.ok::<DeleteUser>(json!({ "UserName": "eve" })).await;
    assert_eq!(house.ok::<ListUsers>(json!({})).await["Users"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_user_on_whom_something_hangs_is_not_deleted() {
    let house = House::new();
    house.user("ann").await;
    house.ok::<CreateGroup>(json!({ "GroupName": "g" })).await;
    let ann = json!({ "UserName": "ann" });
    let key = house.ok::<CreateAccessKey>(ann.clone()).await;
    let key = key["AccessKey"]["AccessKeyId"].as_str().unwrap().to_owned();
    house.ok::<CreateLoginProfile>(json!({ "UserName": "ann", "Password": "Passw0rd" })).await;
    let inline = json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": POLICY });
    house.ok::<PutUserPolicy>(inline).await;
    house.ok::<AddUserToGroup>(json!({ "UserName": "ann", "GroupName": "g" })).await;

    for (held_by, release) in [
        ("must delete access keys first.", 0),
        ("must delete login profile first.", 1),
        ("must delete policies first.", 2),
        ("must remove users from group first.", 3),
    ] {
        let text = format!("Cannot delete entity, {held_by}");
        assert_eq!(house.call::<DeleteUser>(ann.clone()).await, refused("DeleteConflict", &text));
        match release {
            0 => {
                let which = json!({ "UserName": "ann", "AccessKeyId": key });
                house.ok::<DeleteAccessKey>(which).await;
            }
            1 => drop(house.ok::<DeleteLoginProfile>(ann.clone()).await),
            2 => {
                let which = json!({ "UserName": "ann", "PolicyName": "p" });
                house.ok::<DeleteUserPolicy>(which).await;
            }
            _ => {
                let which = json!({ "UserName": "ann", "GroupName": "g" });
                house.ok::<RemoveUserFromGroup>(which).await;
            }
        }
    }
    house.ok::<DeleteUser>(ann).await;
}

#[tokio::test(start_paused = true)]
async fn groups_have_members_until_they_are_renamed_and_after() {
    let house = House::new();
    house.user("ann").await;
    house.user("bob").await;
    house.ok::<CreateGroup>(json!({ "GroupName": "Devs" })).await;
    for user in ["bob", "ann"] {
        house.ok::<AddUserToGroup>(json!({ "UserName": user, "GroupName": "devs" })).await;
    }
    let rename = json!({ "GroupName": "Devs", "NewGroupName": "Ops" });
    house.ok::<UpdateGroup>(rename).await;
    let group = house.ok::<GetGroup>(json!({ "GroupName": "Ops" })).await;
    assert_eq!(names(&group["Users"], "UserName"), ["ann", "bob"]);
    let groups = house.ok::<ListGroupsForUser>(json!({ "UserName": "ann" })).await;
    assert_eq!(names(&groups["Groups"], "GroupName"), ["Ops"]);
    assert_eq!(
        house.call::<DeleteGroup>(json!({ "GroupName": "Ops" })).await,
        refused("DeleteConflict", "Cannot delete entity, must remove users from group first.")
    );
    assert_eq!(
        house.call::<GetGroup>(json!({ "GroupName": "Devs" })).await,
        refused("NoSuchEntity", "The group with name Devs cannot be found.")
    );
}

#[tokio::test(start_paused = true)]
async fn access_keys_are_two_and_show_their_secret_once() {
    let house = House::new();
    house.user("ann").await;
    let ann = json!({ "UserName": "ann" });
    let made = house.ok::<CreateAccessKey>(ann.clone()).await;
    let id = made["AccessKey"]["AccessKeyId"].as_str().unwrap();
    assert!(id.starts_with("AKIA") && id.len() == 20);
    assert_eq!(made["AccessKey"]["SecretAccessKey"].as_str().unwrap().len(), 40);
    house.ok::<CreateAccessKey>(ann.clone()).await;
    assert_eq!(
        house.call::<CreateAccessKey>(ann.clone()).await,
        refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    );
    let update = json!({ "UserName": "ann", "AccessKeyId": id, "Status": "Inactive" });
    house.ok::<UpdateAccessKey>(update).await;
    let keys = house.ok::<ListAccessKeys>(ann).await;
    let keys = keys["AccessKeyMetadata"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().any(|key| key["AccessKeyId"] == id && key["Status"] == "Inactive"));
    assert!(keys.iter().all(|key| key.get("SecretAccessKey").is_none()));
    let used = house.ok::<GetAccessKeyLastUsed>(json!({ "AccessKeyId": id })).await;
    assert_eq!(used["AccessKeyLastUsed"]["ServiceName"], "N/A");
    assert_eq!(used["UserName"], "ann");
}

#[tokio::test(start_paused = true)]
async fn listings_are_paged_and_filtered_by_path() {
    let house = House::new();
    for number in 0..7 {
        let path = if number % 2 == 0 { "/even/" } else { "/odd/" };
        let input = json!({ "UserName": format!("u{number}"), "Path": path });
        house.ok::<CreateUser>(input).await;
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let mut input = json!({ "MaxItems": 3 });
        if let Some(marker) = marker {
            input["Marker"] = marker;
        }
        let page = house.ok::<ListUsers>(input).await;
        seen.extend(names(&page["Users"], "UserName").iter().map(|name| (*name).to_owned()));
        if page["IsTruncated"] == false {
            break;
        }
        marker = Some(page["Marker"].clone());
    }
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4", "u5", "u6"]);
    let odd = house.ok::<ListUsers>(json!({ "PathPrefix": "/odd/" })).await;
    assert_eq!(names(&odd["Users"], "UserName"), ["u1", "u3", "u5"]);
    assert_eq!(
        house.call::<ListUsers>(json!({ "Marker": "junk" })).await,
        refused("ValidationError", "Invalid Marker.")
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_not_named_is_the_caller() {
    let house = House::new();
    house.user("ann").await;
    let ann = house.principal("ann").await;
    let own = house.call_as::<GetUser>(ann.clone(), json!({})).await.unwrap();
    assert_eq!(own["User"]["UserName"], "ann");
    let key = house.call_as::<CreateAccessKey>(ann, json!({})).await.unwrap();
    assert_eq!(key["AccessKey"]["UserName"], "ann");
    let root = house.ok::<GetUser>(json!({})).await;
    assert_eq!(root["User"]["Arn"], "arn:aws:iam::123456789012:root");
}

#[tokio::test(start_paused = true)]
async fn nobody_has_devices_or_certificates() {
    let house = House::new();
    house.user("ann").await;
    let of_ann = || json!({ "UserName": "ann" });
    assert_eq!(house.ok::<ListMFADevices>(of_ann()).await["MFADevices"], json!([]));
    assert_eq!(house.ok::<ListSSHPublicKeys>(of_ann()).await["SSHPublicKeys"], json!([]));
    assert_eq!(house.ok::<ListSigningCertificates>(of_ann()).await["Certificates"], json!([]));
    let found = house.ok::<ListServiceSpecificCredentials>(of_ann()).await;
    assert_eq!(found["ServiceSpecificCredentials"], json!([]));
    let found = house.ok::<ListOpenIDConnectProviders>(json!({})).await;
    assert_eq!(found["OpenIDConnectProviderList"], json!([]));
    assert_eq!(
        house.call::<ListMFADevices>(json!({ "UserName": "eve" })).await,
        refused("NoSuchEntity", "The user with name eve cannot be found.")
    );
}

#[tokio::test]
async fn lists_of_one_thing_or_none_take_no_marker_but_their_own() {
    let house = House::new();
    house.ok::<CreateAccountAlias>(json!({ "AccountAlias": "acme" })).await;
    let bad = refused("ValidationError", "Invalid Marker.");
    let junk = json!({ "Marker": "junk" });
    assert_eq!(house.call::<ListAccountAliases>(junk.clone()).await, bad);
    assert_eq!(house.call::<ListMFADevices>(junk).await, bad);
    let all = house.ok::<ListAccountAliases>(json!({ "MaxItems": 1 })).await;
    assert_eq!((&all["AccountAliases"], &all["IsTruncated"]), (&json!(["acme"]), &json!(false)));
}
