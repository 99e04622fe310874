//! Tasks of one deployment run one image, and what calls for tasks are refused for.

use haar_ecs::state::TaskRow;
use haar_ecs_contract::model::*;
use serde_json::{Value, json};

use crate::house::*;

/// What the tasks of a service run, the oldest first.
fn images(world: &Cloud<'_>) -> Vec<String> {
    let snapshot = world.process().doors.ledger.snapshot();
    let mut rows: Vec<_> = snapshot.all::<TaskRow>().collect();
    rows.sort_by_key(|row| row.created_at);
    let images = rows.iter().filter_map(|row| row.containers[0].image_id.clone());
    images.collect()
}

/// Runs a service, loses its task, then deploys it anew.
fn replaced(image: &str, consistency: &str) -> (Vec<String>, Value) {
    let (image, consistency) = (image.to_owned(), consistency.to_owned());
    let seen = std::cell::RefCell::new((Vec::new(), Value::Null));
    play(|world| {
        world.cluster();
        let mut input = definition("web", &image);
        input["containerDefinitions"][0]["versionConsistency"] = json!(consistency);
        world.ok::<RegisterTaskDefinition>(input);
        world.ok::<CreateService>(service("web", "web", 1));
        let up = |world: &Cloud<'_>| {
            assert!(world.run_until(seconds(600), |snapshot| running(snapshot, "web") == 1));
        };
        up(world);
        let listed = world.ok::<ListTasks>(json!({}));
        world.ok::<StopTask>(json!({ "task": listed["taskArns"][0] }));
        world.run_for(seconds(120));
        up(world);
        let deployments = world.ok::<ListServiceDeployments>(json!({ "service": "web" }));
        let revision = &deployments["serviceDeployments"][0]["targetServiceRevisionArn"];
        let found =
            world.ok::<DescribeServiceRevisions>(json!({ "serviceRevisionArns": [revision] }));
        let shown = found["serviceRevisions"][0]["containerImages"][0]["imageDigest"].clone();
        world.ok::<UpdateService>(json!({ "service": "web", "forceNewDeployment": true }));
        world.run_for(seconds(600));
        *seen.borrow_mut() = (images(world), shown);
    });
    seen.into_inner()
}

#[test]
fn a_deployments_tasks_run_the_digest_that_the_first_one_found() {
    let (images, shown) = replaced("host:5000/app:1", "enabled");
    let pinned = "host:5000/app@sha256:host:5000/app:1";
    // the next deployment looks again
    assert_eq!(images, ["host:5000/app:1", pinned, "host:5000/app:1"]);
    assert_eq!(shown, "sha256:host:5000/app:1");
}

#[test]
fn without_consistency_each_task_looks_for_itself() {
    assert_eq!(replaced("app:1", "disabled").0, ["app:1"; 3]);
    // what was brought in by hand is what its name says now
    assert_eq!(replaced("imported:1", "enabled").0, ["imported:1"; 3]);
}

#[test]
fn calls_for_tasks_that_cannot_be_are_refused() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let refused = |change: &dyn Fn(&mut Value), text: &str| {
            let mut input = run("web");
            change(&mut input);
            let (name, message) = world.call::<RunTask>(input).unwrap_err();
            assert_eq!(name, "InvalidParameterException");
            assert!(message.contains(text), "{message}");
        };
        let over = |change: Value| {
            move |it: &mut Value| {
                let mut one = json!({ "name": "web" });
                one.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
                it["overrides"] = json!({ "containerOverrides": [one] });
            }
        };
        refused(&over(json!({ "command": ["x".repeat(8_200)] })), "length must be at most 8192");
        refused(&over(json!({ "memory": 600 })), "must not be greater than that of its task");
        let file = json!({ "environmentFiles": [{ "type": "s3", "value": "arn:aws:s3:::b/a" }] });
        refused(&over(file), "file extension .env");
        refused(&|it| it["startedBy"] = json!("x".repeat(129)), "startedBy longer than 128.");
        refused(
            &|it| {
                it["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] =
                    json!(["sg-other"]);
            },
            "Security group sg-other does not appear to belong to the same VPC as the input subnets.",
        );
        let mut old = run("web");
        old["platformVersion"] = json!("1.3.0");
        old["startedBy"] = json!("ECS Deploy");
        let made = world.ok::<RunTask>(old);
        assert_eq!(made["tasks"][0]["startedBy"], "ECS Deploy");
        assert_eq!(made["tasks"][0]["platformVersion"], "1.3.0");
    });
}
