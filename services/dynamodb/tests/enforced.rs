//! Tables where policies decide, down to partitions and attributes.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::sync::Arc;

use haar_dynamodb_contract::*;
use haar_kernel::{Identities, Identity, IdentityError, Principal};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar, PolicySet, Principal as Who};
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use house::{House, key};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Users have one policy, and the root everything; what users ask for is kept.
struct Policy {
    own: Arc<Document>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Identities for Policy {
    fn identify(
        &self,
        _: &Snapshot,
        _: &str,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<Identity, IdentityError> {
        Err(IdentityError::Unknown)
    }

    fn policies(&self, _: &Snapshot, principal: &Principal) -> PolicySet {
        let is_user = matches!(principal.identity, Who::User { .. });
        let identity = is_user.then(|| Arc::clone(&self.own)).into_iter().collect();
        PolicySet { identity, ..PolicySet::default() }
    }

    fn asked(&self, principal: &Principal, action: &str, _: &Region, _: Timestamp) {
        if matches!(principal.identity, Who::User { .. }) {
            self.asked.lock().push(action.to_owned());
        }
    }
}

/// A house with the table `tab` of two items, whose users' policy says this.
async fn house(statements: Value) -> House {
    house_and_asked(statements).await.0
}

/// The same, and what its users ask for.
async fn house_and_asked(statements: Value) -> (House, Arc<Mutex<Vec<String>>>) {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let own = Arc::new(Document::parse(&policy, Grammar::Inline).unwrap());
    let asked = Arc::default();
    let house = House::enforced(Arc::new(Policy { own, asked: Arc::clone(&asked) }));
    house.table("tab", json!({})).await;
    for p in ["a", "b"] {
        house.put("tab", with(key(p, 1), json!({ "x": { "S": "secret" } }))).await;
    }
    (house, asked)
}

/// A value with more members.
fn with(mut value: Value, more: Value) -> Value {
    for (name, member) in more.as_object().unwrap() {
        value[name] = member.clone();
    }
    value
}

fn user() -> Arc<Principal> {
    let account = AccountId::default();
    let arn = format!("arn:aws:iam::{account}:user/u");
    let (name, id) = ("u".to_owned(), "AIDA".to_owned());
    Arc::new(Principal::of(account.clone(), Who::User { account, arn, name, id }))
}

/// Whether the user may.
async fn may<O: Operation>(house: &House, input: Value) -> bool
where
    O::Input: DeserializeOwned,
    O::Output: Serialize,
{
    match house.call_as::<O>(user(), input).await {
        Ok(_) => true,
        Err((name, text)) => {
            assert_eq!(name, "AccessDeniedException", "{text}");
            false
        }
    }
}

async fn may_run(house: &House, statement: &str) -> bool {
    may::<ExecuteStatement>(house, json!({ "Statement": statement })).await
}

fn allow(condition: Value) -> Value {
    json!({ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition })
}

#[tokio::test(start_paused = true)]
async fn arns_of_another_partition_name_no_table() {
    let all = json!({ "Effect": "Allow", "Action": "*", "Resource": "arn:aws-cn:*:*:*:*" });
    let house = house(json!([all])).await;
    let foreign = "arn:aws-cn:dynamodb:us-east-1:000000000000:table/tab";
    let get = json!({ "TableName": foreign, "Key": key("a", 1) });
    let refused = house.call_as::<GetItem>(user(), get.clone()).await.unwrap_err();
    assert_eq!(refused, ("ValidationException".to_owned(), format!("Invalid ARN: {foreign}")));
    let tags = json!({ "ResourceArn": foreign });
    let refused = house.call_as::<ListTagsOfResource>(user(), tags).await.unwrap_err();
    assert_eq!(refused.0, "ValidationException");
    assert_eq!(House::new().call::<GetItem>(get).await.unwrap_err().0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn attributes_bound_batches_transactions_and_statements() {
    let only_keys = allow(json!({
        "ForAllValues:StringEquals": { "dynamodb:Attributes": ["p", "s"] },
        "StringEqualsIfExists": { "dynamodb:Select": "SPECIFIC_ATTRIBUTES" },
    }));
    let house = house(json!([only_keys])).await;
    let batch = |shown: Value| json!({ "RequestItems": { "tab": with(json!({ "Keys": [key("a", 1)] }), shown) } });
    let named = |name: &str| json!({ "ProjectionExpression": "#n", "ExpressionAttributeNames": { "#n": name } });
    assert!(may::<BatchGetItem>(&house, batch(named("p"))).await);
    assert!(!may::<BatchGetItem>(&house, batch(named("x"))).await);
    assert!(!may::<BatchGetItem>(&house, batch(json!({ "AttributesToGet": ["x"] }))).await);
    assert!(!may::<BatchGetItem>(&house, batch(json!({}))).await, "whole items");

    let write =
        |item: Value| json!({ "RequestItems": { "tab": [{ "PutRequest": { "Item": item } }] } });
    assert!(may::<BatchWriteItem>(&house, write(key("c", 1))).await);
    let item = with(key("c", 1), json!({ "x": { "S": "1" } }));
    assert!(!may::<BatchWriteItem>(&house, write(item)).await);

    let get = |shown: Value| with(json!({ "TableName": "tab", "Key": key("a", 1) }), shown);
    let both = |shown: Value| json!({ "TransactItems": [{ "Get": get(shown) }] });
    for (shown, is_allowed) in [(named("p"), true), (named("x"), false), (json!({}), false)] {
        assert_eq!(may::<GetItem>(&house, get(shown.clone())).await, is_allowed, "{shown}");
        assert_eq!(may::<TransactGetItems>(&house, both(shown.clone())).await, is_allowed);
    }
    let filtered = json!({
        "TableName": "tab", "AttributesToGet": ["p"],
        "ScanFilter": { "x": { "ComparisonOperator": "NOT_NULL" } },
    });
    assert!(!may::<Scan>(&house, filtered).await);

    for (statement, is_allowed) in [
        ("SELECT p FROM tab WHERE p = 'a' AND s = 1", true),
        ("SELECT x FROM tab WHERE p = 'a' AND s = 1", false),
        ("SELECT * FROM tab WHERE p = 'a' AND s = 1", false),
        ("SELECT p FROM tab WHERE p = 'a' AND x = 'secret'", false),
        ("UPDATE tab SET x = 'y' WHERE p = 'a' AND s = 1", false),
        ("DELETE FROM tab WHERE p = 'a' AND s = 1 AND x = 'guess'", false),
        ("INSERT INTO tab VALUE {'p': 'd', 's': 1, 'x': 'y'}", false),
        ("INSERT INTO tab VALUE {'p': 'd', 's': 1}", true),
    ] {
        assert_eq!(may_run(&house, statement).await, is_allowed, "{statement}");
    }
}

#[tokio::test(start_paused = true)]
async fn leading_keys_bound_all_that_a_statement_may_find() {
    let own = json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["a"] } });
    let scans = json!({ "Bool": { "dynamodb:FullTableScan": "true" } });
    let deny = json!({
        "Effect": "Deny", "Action": "dynamodb:PartiQLSelect", "Resource": "*", "Condition": scans,
    });
    let house = house(json!([allow(own), deny])).await;
    for (statement, is_allowed) in [
        ("SELECT * FROM tab WHERE p = 'a'", true),
        ("SELECT * FROM tab WHERE p IN ['a']", true),
        ("SELECT * FROM tab WHERE p = 'b'", false),
        ("SELECT * FROM tab WHERE p IN ['a', 'b']", false),
        ("SELECT * FROM tab WHERE p = 'a' OR p = 'b'", false),
        ("SELECT * FROM tab", false),
        ("SELECT * FROM tab WHERE p = 'a' OR x = 'secret'", false),
        ("UPDATE tab SET x = 'y' WHERE p = 'b' AND s = 1", false),
        ("UPDATE tab SET x = 'y' WHERE p = 'a' AND s = 1", true),
    ] {
        assert_eq!(may_run(&house, statement).await, is_allowed, "{statement}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_told_by_the_actions_that_policies_know() {
    let (house, asked) = house_and_asked(json!([allow(json!({}))])).await;
    let get = json!({ "TableName": "tab", "Key": key("a", 1) });
    may_run(&house, "SELECT * FROM tab WHERE p = 'a' AND s = 1").await;
    may_run(&house, "DELETE FROM tab WHERE p = 'b' AND s = 1").await;
    may::<TransactGetItems>(&house, json!({ "TransactItems": [{ "Get": get }] })).await;
    may::<GetItem>(&house, get).await;
    let told = ["PartiQLSelect", "PartiQLDelete", "GetItem", "GetItem"];
    assert_eq!(*asked.lock(), told.map(|name| format!("dynamodb:{name}")));
}

#[tokio::test(start_paused = true)]
async fn the_enclosing_operation_tells_transactions_from_single_calls() {
    let enclosed = json!({ "ForAnyValue:StringEquals": {
        "dynamodb:EnclosingOperation": ["TransactWriteItems", "TransactGetItems", "ExecuteTransaction"],
    } });
    let deny = json!({
        "Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Condition": enclosed,
    });
    let house = house(json!([allow(json!({})), deny])).await;
    let item = json!({ "TableName": "tab", "Item": key("e", 1) });
    let get = json!({ "TableName": "tab", "Key": key("e", 1) });
    assert!(may::<PutItem>(&house, item.clone()).await);
    assert!(may::<GetItem>(&house, get.clone()).await);
    assert!(may_run(&house, "SELECT * FROM tab WHERE p = 'e' AND s = 1").await);
    let writes = json!({ "TransactItems": [{ "Put": item }] });
    assert!(!may::<TransactWriteItems>(&house, writes).await);
    let reads = json!({ "TransactItems": [{ "Get": get }] });
    assert!(!may::<TransactGetItems>(&house, reads).await);
    let statement = json!({ "Statement": "SELECT * FROM tab WHERE p = 'e' AND s = 1" });
    let statements = json!({ "TransactStatements": [statement] });
    assert!(!may::<ExecuteTransaction>(&house, statements).await);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_locks_its_writer_out_needs_a_confirmation() {
    let house = house(json!([allow(json!({}))])).await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
    let policy = |effect: &str| {
        let statement = json!({
            "Effect": effect, "Principal": "*", "Action": "dynamodb:PutResourcePolicy",
            "Resource": arn,
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        json!({ "ResourceArn": arn, "Policy": policy.to_string() })
    };
    let user = user();
    house.call_as::<PutResourcePolicy>(user.clone(), policy("Allow")).await.unwrap();
    let locked = house.call_as::<PutResourcePolicy>(user.clone(), policy("Deny")).await;
    assert_eq!(locked.unwrap_err().0, "ValidationException");
    let confirmed = with(policy("Deny"), json!({ "ConfirmRemoveSelfResourceAccess": true }));
    house.call_as::<PutResourcePolicy>(user.clone(), confirmed).await.unwrap();
    let late = house.call_as::<PutResourcePolicy>(user, policy("Allow")).await;
    assert_eq!(late.unwrap_err().0, "AccessDeniedException");
}
