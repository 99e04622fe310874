//! Roles, policies and all that hangs on them.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use haar_iam_contract::peek::{AssumeError, IamPeek as _};
use haar_iam_contract::*;
use haar_kernel::{Auth, Principal};
use house::{BASIC, House, POLICY, TRUST, names, refused};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn a_role_is_made_seen_and_deleted_in_awss_words() {
    let house = House::new();
    let made = house.role("r").await;
    assert_eq!(made["Role"]["Arn"], "arn:aws:iam::123456789012:role/r");
    assert_eq!(made["Role"]["MaxSessionDuration"], 3600);
    let document = made["Role"]["AssumeRolePolicyDocument"].as_str().unwrap();
    assert!(document.starts_with("%7B%22Version%22%3A%222012-10-17%22"), "{document}");
    let again = json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST });
    assert_eq!(
        house.call::<CreateRole>(again).await,
        refused("EntityAlreadyExists", "Role with name r already exists.")
    );
    house.ok::<AttachRolePolicy>(json!({ "RoleName": "r", "PolicyArn": BASIC })).await;
    let seen = house.ok::<ListAttachedRolePolicies>(json!({ "RoleName": "r" })).await;
    assert_eq!(names(&seen["AttachedPolicies"], "PolicyName"), ["AWSLambdaBasicExecutionRole"]);
    assert_eq!(
        house.call::<DeleteRole>(json!({ "RoleName": "r" })).await,
        refused("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    );
    house.ok::<DetachRolePolicy>(json!({ "RoleName": "r", "PolicyArn": BASIC })).await;
    assert_eq!(
        house.call::<DetachRolePolicy>(json!({ "RoleName": "r", "PolicyArn": BASIC })).await,
        refused("NoSuchEntity", &format!("Policy {BASIC} was not found."))
    );
    house.ok::<DeleteRole>(json!({ "RoleName": "r" })).await;
    assert_eq!(
        house.call::<GetRole>(json!({ "RoleName": "r" })).await,
        refused("NoSuchEntity", "The role with name r cannot be found.")
    );
}

#[tokio::test(start_paused = true)]
async fn trust_policies_that_cannot_be_are_refused() {
    let house = House::new();
    house.role("r").await;
    let trust = |principal: &str, action: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"{action}"}}]}}"#
        )
    };
    let ghost = r#"{"AWS":"arn:aws:iam::123456789012:user/ghost"}"#;
    for (document, message) in [
        ("{", "This policy contains invalid Json".to_owned()),
        (
            &trust("\"*\"", "s3:GetObject"),
            "AssumeRole policy may only specify STS AssumeRole actions.".to_owned(),
        ),
        (
            &trust(ghost, "sts:AssumeRole"),
            format!("Invalid principal in policy: {}", &ghost[1..ghost.len() - 1]),
        ),
    ] {
        let input = json!({ "RoleName": "r", "PolicyDocument": document });
        let answer = house.call::<UpdateAssumeRolePolicy>(input).await;
        assert_eq!(answer, refused("MalformedPolicyDocument", &message));
    }
    house.user("ghost").await;
    let input = json!({ "RoleName": "r", "PolicyDocument": trust(ghost, "sts:AssumeRole") });
    house.ok::<UpdateAssumeRolePolicy>(input).await;
}

#[tokio::test(start_paused = true)]
async fn a_managed_policy_has_five_versions_of_which_one_counts() {
    let house = House::new();
    let arn = house.policy("p").await;
    let input = json!({ "PolicyName": "p", "PolicyDocument": POLICY });
    assert_eq!(
        house.call::<CreatePolicy>(input).await,
        refused(
            "EntityAlreadyExists",
            "A policy called p already exists. Duplicate names are not allowed."
        )
    );
    let version = json!({ "PolicyArn": arn, "PolicyDocument": POLICY, "SetAsDefault": true });
    for number in 2..=5 {
        let made = house.ok::<CreatePolicyVersion>(version.clone()).await;
        assert_eq!(made["PolicyVersion"]["VersionId"], format!("v{number}"));
    }
    assert_eq!(
        house.call::<CreatePolicyVersion>(version.clone()).await,
        refused(
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you \
             must delete an existing version."
        )
    );
    let which = |id: &str| json!({ "PolicyArn": arn, "VersionId": id });
    assert_eq!(
        house.call::<DeletePolicyVersion>(which("v5")).await,
        refused("DeleteConflict", "Cannot delete the default version of a policy.")
    );
    house.ok::<SetDefaultPolicyVersion>(which("v1")).await;
    house.ok::<DeletePolicyVersion>(which("v5")).await;
    let made = house.ok::<CreatePolicyVersion>(version).await;
    assert_eq!(made["PolicyVersion"]["VersionId"], "v6");
    let listed = house.ok::<ListPolicyVersions>(json!({ "PolicyArn": arn })).await;
    assert_eq!(names(&listed["Versions"], "VersionId"), ["v6", "v4", "v3", "v2", "v1"]);
    let seen = house.ok::<GetPolicyVersion>(which("v1")).await;
    assert!(seen["PolicyVersion"]["Document"].as_str().unwrap().contains("iam%3AGet%2A"));
    assert_eq!(
        house.call::<GetPolicyVersion>(which("v9")).await,
        refused(
            "NoSuchEntity",
            &format!("Policy {arn} version v9 does not exist or is not attachable.")
        )
    );
    let deleted = house.call::<DeletePolicy>(json!({ "PolicyArn": arn })).await;
    assert_eq!(deleted.unwrap_err().0, "DeleteConflict");
}

#[tokio::test(start_paused = true)]
async fn policies_are_counted_and_found_where_they_are_attached() {
    let house = House::new();
    let arn = house.policy("p").await;
    house.user("ann").await;
    house.role("r").await;
    house.ok::<CreateGroup>(json!({ "GroupName": "g" })).await;
    house.ok::<AttachUserPolicy>(json!({ "UserName": "ann", "PolicyArn": arn })).await;
    house.ok::<AttachRolePolicy>(json!({ "RoleName": "r", "PolicyArn": arn })).await;
    house.ok::<AttachGroupPolicy>(json!({ "GroupName": "g", "PolicyArn": arn })).await;
    let seen = house.ok::<GetPolicy>(json!({ "PolicyArn": arn })).await;
    assert_eq!(seen["Policy"]["AttachmentCount"], 3);
    let found = house.ok::<ListEntitiesForPolicy>(json!({ "PolicyArn": arn })).await;
    assert_eq!(names(&found["PolicyUsers"], "UserName"), ["ann"]);
    assert_eq!(names(&found["PolicyRoles"], "RoleName"), ["r"]);
    assert_eq!(names(&found["PolicyGroups"], "GroupName"), ["g"]);
    assert_eq!(
        house.call::<DeletePolicy>(json!({ "PolicyArn": arn })).await,
        refused("DeleteConflict", "Cannot delete a policy attached to entities.")
    );
    let local = house.ok::<ListPolicies>(json!({ "Scope": "Local" })).await;
    assert_eq!(names(&local["Policies"], "PolicyName"), ["p"]);
    let ghost = "arn:aws:iam::123456789012:policy/ghost";
    assert_eq!(
        house.call::<AttachUserPolicy>(json!({ "UserName": "ann", "PolicyArn": ghost })).await,
        refused("NoSuchEntity", &format!("Policy {ghost} does not exist or is not attachable."))
    );
}

#[tokio::test(start_paused = true)]
async fn quotas_of_policies_are_kept_and_white_space_is_free() {
    let house = House::new();
    house.role("r").await;
    for number in 0..11 {
        let arn = house.policy(&format!("p{number}")).await;
        let input = json!({ "RoleName": "r", "PolicyArn": arn });
        let answer = house.call::<AttachRolePolicy>(input).await;
        match number {
            10 => assert_eq!(
                answer,
                refused("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
            ),
            _ => assert!(answer.is_ok()),
        }
    }
    let long = |fill: String| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:*",{fill}"Resource":"*"}}]}}"#
        )
    };
    let input = |text: String| json!({ "PolicyName": "long", "PolicyDocument": text });
    let sid = long(format!(r#""Sid":"{}","#, "a".repeat(6200)));
    assert_eq!(
        house.call::<CreatePolicy>(input(sid)).await,
        refused("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    );
    house.ok::<CreatePolicy>(input(long(" ".repeat(6200)))).await;
    house.user("ann").await;
    let sid = long(format!(r#""Sid":"{}","#, "a".repeat(2100)));
    let inline = json!({ "UserName": "ann", "PolicyName": "p", "PolicyDocument": sid });
    assert_eq!(
        house.call::<PutUserPolicy>(inline).await,
        refused("LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user ann")
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_profile_holds_one_role() {
    let house = House::new();
    house.role("r").await;
    house.role("s").await;
    house.ok::<CreateInstanceProfile>(json!({ "InstanceProfileName": "p" })).await;
    let with = |role: &str| json!({ "InstanceProfileName": "p", "RoleName": role });
    house.ok::<AddRoleToInstanceProfile>(with("r")).await;
    assert_eq!(
        house.call::<AddRoleToInstanceProfile>(with("s")).await,
        refused("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    );
    let seen = house.ok::<GetInstanceProfile>(json!({ "InstanceProfileName": "p" })).await;
    assert_eq!(names(&seen["InstanceProfile"]["Roles"], "RoleName"), ["r"]);
    let role = house.ok::<ListInstanceProfilesForRole>(json!({ "RoleName": "r" })).await;
    assert_eq!(names(&role["InstanceProfiles"], "InstanceProfileName"), ["p"]);
    for (operation, answer) in [
        ("role", house.call::<DeleteRole>(json!({ "RoleName": "r" })).await),
        (
            "profile",
            house.call::<DeleteInstanceProfile>(json!({ "InstanceProfileName": "p" })).await,
        ),
    ] {
        let text = "Cannot delete entity, must remove roles from instance profile first.";
        assert_eq!(answer, refused("DeleteConflict", text), "{operation}");
    }
    house.ok::<RemoveRoleFromInstanceProfile>(with("r")).await;
    house.ok::<DeleteInstanceProfile>(json!({ "InstanceProfileName": "p" })).await;
}

#[tokio::test(start_paused = true)]
async fn a_linked_role_is_its_services_to_change() {
    let house = House::new();
    let service = json!({ "AWSServiceName": "ecs.amazonaws.com" });
    let made = house.ok::<CreateServiceLinkedRole>(service.clone()).await;
    assert_eq!(
        made["Role"]["Arn"],
        "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    );
    for (service, name) in [
        ("lex.amazonaws.com", "AWSServiceRoleForLexBots"),
        ("transitgateway.amazonaws.com", "AWSServiceRoleForVPCTransitGateway"),
    ] {
        let input = json!({ "AWSServiceName": service });
        let made = house.ok::<CreateServiceLinkedRole>(input).await;
        assert_eq!(made["Role"]["RoleName"], name);
    }
    let again = house.call::<CreateServiceLinkedRole>(service).await.unwrap_err();
    assert_eq!(again.0, "InvalidInput");
    for unknown in ["ecs", "ECS.amazonaws.com", ".amazonaws.com", "ecs.example.com"] {
        let input = json!({ "AWSServiceName": unknown });
        let refusal = house.call::<CreateServiceLinkedRole>(input).await.unwrap_err();
        let text = format!("Cannot find Service Linked Role template for {unknown}");
        assert_eq!(refusal, ("InvalidInput".to_owned(), text));
    }
    let role = json!({ "RoleName": "AWSServiceRoleForECS" });
    let refusal = house.call::<DeleteRole>(role.clone()).await.unwrap_err();
    assert_eq!(refusal.0, "UnmodifiableEntity");
    let task = house.ok::<DeleteServiceLinkedRole>(role).await;
    let status = house.ok::<GetServiceLinkedRoleDeletionStatus>(task).await;
    assert_eq!(status["Status"], "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn tags_are_added_replaced_and_removed() {
    let house = House::new();
    house.role("r").await;
    let tag = |key: &str, value: &str| json!({ "Key": key, "Value": value });
    let tags = json!({ "RoleName": "r", "Tags": [tag("a", "1"), tag("b", "2")] });
    house.ok::<TagRole>(tags).await;
    house.ok::<TagRole>(json!({ "RoleName": "r", "Tags": [tag("A", "3")] })).await;
    house.ok::<UntagRole>(json!({ "RoleName": "r", "TagKeys": ["b"] })).await;
    let seen = house.ok::<ListRoleTags>(json!({ "RoleName": "r" })).await;
    assert_eq!(seen["Tags"], json!([tag("A", "3")]));
    let twice = json!({ "RoleName": "r", "Tags": [tag("x", "1"), tag("X", "2")] });
    assert_eq!(house.call::<TagRole>(twice).await.unwrap_err().0, "InvalidInput");
}

#[tokio::test(start_paused = true)]
async fn the_account_is_summed_up() {
    let house = House::new();
    house.user("ann").await;
    house.role("r").await;
    house.policy("p").await;
    house.ok::<AttachRolePolicy>(json!({ "RoleName": "r", "PolicyArn": BASIC })).await;
    house.ok::<CreateAccountAlias>(json!({ "AccountAlias": "our-cloud" })).await;
    let aliases = house.ok::<ListAccountAliases>(json!({})).await;
    assert_eq!(aliases["AccountAliases"], json!(["our-cloud"]));
    let summary = house.ok::<GetAccountSummary>(json!({})).await;
    let map = &summary["SummaryMap"];
    assert_eq!((&map["Users"], &map["Roles"]), (&json!(1), &json!(1)));
    assert_eq!((&map["Policies"], &map["PolicySizeQuota"]), (&json!(1), &json!(6144)));
    let details = house.ok::<GetAccountAuthorizationDetails>(json!({})).await;
    assert_eq!(names(&details["UserDetailList"], "UserName"), ["ann"]);
    let role: &Value = &details["RoleDetailList"][0];
    assert_eq!(role["AttachedManagedPolicies"][0]["PolicyArn"], BASIC);
    assert_eq!(names(&details["Policies"], "PolicyName"), ["AWSLambdaBasicExecutionRole", "p"]);
    let roles = json!({ "Filter": ["Role"] });
    let details = house.ok::<GetAccountAuthorizationDetails>(roles).await;
    assert_eq!(details["UserDetailList"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn simulations_tell_what_would_be_decided_and_by_what() {
    let house = House::new();
    house.user("ann").await;
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:GetRole","Resource":"*"}]}"#;
    house
        .ok::<PutUserPolicy>(
            json!({ "UserName": "ann", "PolicyName": "read", "PolicyDocument": POLICY }),
        )
        .await;
    house
        .ok::<PutUserPolicy>(
            json!({ "UserName": "ann", "PolicyName": "not", "PolicyDocument": deny }),
        )
        .await;
    let simulated = house
        .ok::<SimulatePrincipalPolicy>(json!({
            "PolicySourceArn": "arn:aws:iam::123456789012:user/ann",
            "ActionNames": ["iam:GetUser", "iam:GetRole", "iam:DeleteUser"],
        }))
        .await;
    let results = &simulated["EvaluationResults"];
    assert_eq!(names(results, "EvalDecision"), ["allowed", "explicitDeny", "implicitDeny"]);
    assert_eq!(results[0]["MatchedStatements"][0]["SourcePolicyId"], "user_ann_read");
    let conditional = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}]}"#;
    let custom = |entries: Value| {
        json!({ "PolicyInputList": [conditional], "ActionNames": ["s3:GetObject"],
            "ContextEntries": entries })
    };
    let unreadable = json!({ "PolicyInputList": ["{"], "ActionNames": ["s3:GetObject"] });
    let answer = house.call::<SimulateCustomPolicy>(unreadable).await;
    assert_eq!(answer, refused("InvalidInput", "Syntax errors in policy."));
    let missing = house.ok::<SimulateCustomPolicy>(custom(json!([]))).await;
    let missing = &missing["EvaluationResults"][0];
    assert_eq!(missing["EvalDecision"], "implicitDeny");
    assert_eq!(missing["MissingContextValues"], json!(["aws:PrincipalTag/team"]));
    let entry = json!({ "ContextKeyName": "aws:PrincipalTag/team",
        "ContextKeyValues": ["blue"], "ContextKeyType": "string" });
    let given = house.ok::<SimulateCustomPolicy>(custom(json!([entry]))).await;
    assert_eq!(given["EvaluationResults"][0]["EvalDecision"], "allowed");
    let matched = &given["EvaluationResults"][0]["MatchedStatements"][0];
    assert_eq!(matched["StartPosition"], json!({ "Line": 1, "Column": 38 }));
    assert_eq!(matched["EndPosition"], json!({ "Line": 1, "Column": conditional.len() - 1 }));
    // tags count where their owner's policies are simulated, not where policies are given
    let blue = json!({ "UserName": "ann", "Tags": [{ "Key": "team", "Value": "blue" }] });
    house.ok::<TagUser>(blue).await;
    let ann = "arn:aws:iam::123456789012:user/ann";
    let mut as_ann = custom(json!([]));
    as_ann["CallerArn"] = json!(ann);
    let of_ann = house.ok::<SimulateCustomPolicy>(as_ann).await;
    assert_eq!(of_ann["EvaluationResults"][0]["EvalDecision"], "implicitDeny");
    let of_principal = json!({
        "PolicySourceArn": ann, "PolicyInputList": [conditional], "ActionNames": ["s3:GetObject"],
    });
    let of_principal = house.ok::<SimulatePrincipalPolicy>(of_principal).await;
    assert_eq!(of_principal["EvaluationResults"][0]["EvalDecision"], "allowed");
    let keys = json!({ "PolicyInputList": [conditional] });
    let keys = house.ok::<GetContextKeysForCustomPolicy>(keys).await;
    assert_eq!(keys["ContextKeyNames"], json!(["aws:PrincipalTag/team"]));
    let of_tables = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "dynamodb:*",
            "Resource": "arn:aws:dynamodb:us-west-2:123456789012:table/${aws:username}",
            "Condition": { "DateGreaterThan": { "aws:CurrentTime": "2015-08-16T12:00:00Z" } } },
        { "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { "Bool": { "AWS:currenttime": "true", "aws:SecureTransport": "false" } } },
    ] });
    let keys = json!({ "PolicyInputList": [of_tables.to_string(), conditional] });
    let keys = house.ok::<GetContextKeysForCustomPolicy>(keys).await;
    let expected =
        ["aws:username", "aws:CurrentTime", "aws:SecureTransport", "aws:PrincipalTag/team"];
    assert_eq!(keys["ContextKeyNames"], json!(expected));
}

#[tokio::test(start_paused = true)]
async fn who_puts_a_role_into_a_profile_must_be_allowed_to_pass_it() {
    let house = House::with(Auth::Enforce);
    house.user("ann").await;
    house.role("r").await;
    house.ok::<CreateInstanceProfile>(json!({ "InstanceProfileName": "p" })).await;
    let may = |action: &str| {
        let document = json!({ "Version": "2012-10-17", "Statement":
            [{ "Effect": "Allow", "Action": action, "Resource": "*" }] });
        json!({ "UserName": "ann", "PolicyName": action.replace(':', "-"),
            "PolicyDocument": document.to_string() })
    };
    let add = json!({ "InstanceProfileName": "p", "RoleName": "r" });
    let ann = house.principal("ann").await;
    house.ok::<PutUserPolicy>(may("iam:AddRoleToInstanceProfile")).await;
    let denied = house.call_as::<AddRoleToInstanceProfile>(ann.clone(), add.clone()).await;
    let (code, message) = denied.unwrap_err();
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("iam:PassRole"), "{message}");
    house.ok::<PutUserPolicy>(may("iam:PassRole")).await;
    house.call_as::<AddRoleToInstanceProfile>(ann, add).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_passes_a_role_of_another_account() {
    let house = House::with(Auth::Enforce);
    let snapshot = house.doors.ledger.snapshot();
    let passed = |account: &str| {
        let root = Principal::root(account.parse().unwrap());
        let role = "arn:aws:iam::123456789012:role/r";
        house.room.may_pass_role(&snapshot, &root, role, "pipes.amazonaws.com")
    };
    assert_eq!(passed("123456789012"), Ok(()));
    let refused = Err("Cross-account pass role is not allowed.".to_owned());
    assert_eq!(passed("111122223333"), refused);
}

#[tokio::test(start_paused = true)]
async fn a_trust_policy_may_name_the_resource_and_its_account() {
    let house = House::with(Auth::Enforce);
    let rule = "arn:aws:events:us-east-1:123456789012:rule/r";
    for (key, value) in [("aws:SourceArn", rule), ("aws:SourceAccount", "123456789012")] {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sts:AssumeRole", "Condition": { "StringEquals": { key: value } },
        }] });
        let name = key.replace(':', "-");
        let input = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust.to_string() });
        house.ok::<CreateRole>(input).await;
        let snapshot = house.doors.ledger.snapshot();
        let role = format!("arn:aws:iam::123456789012:role/{name}");
        let assumed = |source: &str| {
            house.room.service_may_assume(&snapshot, &role, "events.amazonaws.com", source)
        };
        assert_eq!(assumed(rule), Ok(()), "{key}");
        let other = rule.replace("123456789012:rule/r", "111122223333:rule/x");
        assert_eq!(assumed(&other), Err(AssumeError::NotTrusted), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_boundary_of_another_account_is_none() {
    let house = House::new();
    let other = Principal::root("111122223333".parse().unwrap());
    let theirs = json!({ "PolicyName": "p", "PolicyDocument": POLICY });
    house.call_as::<CreatePolicy>(other, theirs).await.unwrap();
    let arn = "arn:aws:iam::111122223333:policy/p";
    let input = json!({ "UserName": "ann", "PermissionsBoundary": arn });
    assert_eq!(
        house.call::<CreateUser>(input).await,
        refused("NoSuchEntity", &format!("Scope ARN: {arn} does not exist or is not attachable."))
    );
}
