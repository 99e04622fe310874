//! What an account's code takes of its quota, kept as a sum.

#![allow(clippy::unwrap_used)]

mod house;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haar_lambda::state::CodeStorageRow;
use haar_lambda_contract::model::*;
use haar_ledger::Row as _;
use haar_ledger::store::MemoryStore;
use house::{House, zip};
use serde_json::{Value, json};

/// What is kept, as its rows say: of each function each archive once, and each layer version.
async fn kept(house: &House) -> i64 {
    let size = |one: &Value| one["CodeSize"].as_i64().unwrap();
    let all = house.ok::<ListFunctions>(json!({ "FunctionVersion": "ALL" })).await;
    let archives: BTreeSet<_> = all["Functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["FunctionName"].to_string(), one["CodeSha256"].to_string(), size(one)))
        .collect();
    let mut sum: i64 = archives.iter().map(|(_, _, size)| size).sum();
    let layers = house.ok::<ListLayerVersions>(json!({ "LayerName": "l" })).await;
    for layer in layers["LayerVersions"].as_array().unwrap() {
        let version = json!({ "LayerName": "l", "VersionNumber": layer["Version"] });
        sum += size(&house.ok::<GetLayerVersion>(version).await["Content"]);
    }
    sum
}

async fn told(house: &House) -> i64 {
    let settings = house.ok::<GetAccountSettings>(json!({})).await;
    settings["AccountUsage"]["TotalCodeSize"].as_i64().unwrap()
}

#[track_caller]
fn same((told, kept): (i64, i64)) -> i64 {
    assert_eq!(told, kept);
    kept
}

async fn both(house: &House) -> (i64, i64) {
    (told(house).await, kept(house).await)
}

fn code(length: usize) -> Value {
    let text = (0..length).map(|at| char::from(b'a' + (at * at % 23) as u8)).collect::<String>();
    json!({ "FunctionName": "f", "ZipFile": zip("app.py", &text) })
}

fn of_f(qualifier: Value) -> Value {
    json!({ "FunctionName": "f", "Qualifier": qualifier })
}

async fn update(house: &House, mut code: Value, publish: bool) {
    code["Publish"] = publish.into();
    house.ok::<UpdateFunctionCode>(code).await;
    house.settled("f").await;
}

#[tokio::test]
async fn the_sum_of_all_code_stays_true() {
    let disk = Arc::new(MemoryStore::new());
    let house = House::over(&disk, None);
    assert_eq!(same(both(&house).await), 0);
    house.function("f").await;
    house.function("g").await; // of the same code, which counts for each
    let first = same(both(&house).await);
    update(&house, code(10), false).await;
    assert_ne!(same(both(&house).await), first, "the code that was replaced has gone");
    update(&house, code(10), true).await;
    let one = same(both(&house).await);
    update(&house, code(2_000), false).await;
    let two = same(both(&house).await);
    assert!(two > one, "version 1 has the code that was replaced");
    update(&house, code(10), true).await;
    assert_eq!(same(both(&house).await), one);
    update(&house, code(3_000), true).await;
    let layer = json!({ "LayerName": "l", "Content": { "ZipFile": zip("a.py", "") } });
    for _ in 0..2 {
        house.ok::<PublishLayerVersion>(layer.clone()).await;
    }
    let most = same(both(&house).await);

    let house = House::over(&disk, None);
    assert_eq!(same(both(&house).await), most, "after a restart");
    house.ok::<DeleteFunction>(of_f(json!("1"))).await;
    house.ok::<DeleteFunction>(of_f(json!("1"))).await;
    house.ok::<DeleteFunction>(of_f(json!("2"))).await;
    assert!(same(both(&house).await) < most);
    let version = json!({ "LayerName": "l", "VersionNumber": 1 });
    house.ok::<DeleteLayerVersion>(version.clone()).await;
    house.ok::<DeleteLayerVersion>(version).await;
    same(both(&house).await);

    // of a store from before the sum was kept
    for row in house.doors.ledger.snapshot().all::<CodeStorageRow>() {
        house
            .doors
            .ledger
            .write(|tx| tx.remove::<CodeStorageRow>(&row.key()))
            .durable()
            .await
            .unwrap();
    }
    same(both(&house).await);
    house.ok::<DeleteFunction>(json!({ "FunctionName": "f" })).await;
    assert!(same(both(&house).await) > 0, "g and a layer are left");
}

#[tokio::test]
async fn code_that_a_function_has_finds_room_where_there_is_none() {
    let disk = Arc::new(MemoryStore::new());
    let house = House::over(&disk, None);
    house.function("f").await;
    update(&house, code(10), true).await;
    update(&house, code(20), false).await;
    let house = House::over(&disk, Some("000000000000/us-east-1/lambda/L-2ACBD22F=0"));
    update(&house, code(20), false).await; // $LATEST's
    update(&house, code(10), false).await; // version 1's
    let (name, _) = house.call::<UpdateFunctionCode>(code(30)).await.unwrap_err();
    assert_eq!(name, "CodeStorageExceededException");
}

/// Archives that lie unpacked.
fn unpacked(house: &House) -> usize {
    let entries = std::fs::read_dir(house.cloud.dir.path().join("code")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.contains('.')).count()
}

/// Sweeps without grace until so many are left.
async fn swept_to(house: &House, count: usize) {
    while unpacked(house) > count {
        house.doors.clock.sleep(Duration::from_millis(10)).await;
        house.room.sweep_code(Duration::ZERO).unwrap().empty();
    }
    assert_eq!(unpacked(house), count);
}

#[tokio::test]
async fn code_that_was_replaced_goes_once_nobody_runs_it() {
    let house = House::new();
    let reads_itself = "import time\ndef handler(event, context):\n    time.sleep(1)\n    \
                        return len(open(__file__).read())\n";
    let mut function = house::python("f");
    function["Code"]["ZipFile"] = json!(zip("app.py", reads_itself));
    house.ok::<CreateFunction>(function).await;
    house.settled("f").await;
    let update_it = async {
        while house.cloud.fleet.environment_count() == 0 {
            house.doors.clock.sleep(Duration::from_millis(10)).await;
        }
        update(&house, code(10), false).await;
        house.room.sweep_code(Duration::ZERO).unwrap().empty();
        assert_eq!(unpacked(&house), 2, "the old code still runs");
    };
    let ask = json!({ "FunctionName": "f" });
    let (answer, ()) = tokio::join!(house.ok::<Invoke>(ask.clone()), update_it);
    assert_eq!(answer["FunctionError"], Value::Null, "{answer}");
    house.ok::<Invoke>(ask.clone()).await; // ends what ran the old code
    swept_to(&house, 1).await;

    house.ok::<DeleteFunction>(ask).await;
    house.room.sweep_code(Duration::from_secs(60)).unwrap().empty();
    assert_eq!(unpacked(&house), 1, "an environment may be about to start");
    swept_to(&house, 0).await;
    house.function("g").await;
    house.room.sweep_code(Duration::ZERO).unwrap().empty();
    assert_eq!(unpacked(&house), 1, "a function holds it");
}
