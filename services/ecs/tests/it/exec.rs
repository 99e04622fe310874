//! ECS Exec: which sessions are offered, and which are refused.

use haar_ecs::state::TaskStatus;
use haar_ecs_contract::model::*;
use haar_substrate::sim::Behaviour;
use serde_json::{Value, json};

use crate::house::*;

/// A task of `web` and, as long as it takes, `init`; both may be executed in.
fn two(world: &Cloud<'_>) -> String {
    let mut made = definition("two", "nginx");
    let init = json!({ "name": "init", "image": "batch", "essential": false });
    made["containerDefinitions"].as_array_mut().unwrap().push(init);
    world.ok::<RegisterTaskDefinition>(made);
    started(world, "two")
}

fn started(world: &Cloud<'_>, family: &str) -> String {
    let mut input = run(family);
    input["enableExecuteCommand"] = true.into();
    input["overrides"] = json!({ "taskRoleArn": "arn:aws:iam::000000000000:role/ecs" });
    world.ok::<RunTask>(input)["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
}

fn wanted(task: &str) -> Value {
    json!({ "task": task, "command": "sh -c 'echo hi'", "interactive": true })
}

fn with(mut input: Value, name: &str, value: impl Into<Value>) -> Value {
    input[name] = value.into();
    input
}

#[test]
fn a_session_is_offered_for_the_only_container_of_a_task_that_runs() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let arn = started(world, "web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        let offered = world.ok::<ExecuteCommand>(wanted(&arn));
        assert_eq!((&offered["taskArn"], &offered["containerName"]), (&json!(arn), &json!("web")));
        let agent = &world.task(&arn)["containers"][0]["managedAgents"][0];
        assert_eq!(agent["lastStatus"], "RUNNING");
        assert!(agent["lastStartedAt"].is_number());
        let again = world.ok::<ExecuteCommand>(wanted(arn.rsplit('/').next().unwrap()));
        let (one, other) = (&offered["session"], &again["session"]);
        for member in ["sessionId", "tokenValue", "streamUrl"] {
            assert_ne!(one[member], other[member], "{member}");
        }
        let (id, url) = (one["sessionId"].as_str().unwrap(), one["streamUrl"].as_str().unwrap());
        assert!(id.starts_with("ecs-execute-command-"));
        assert!(url.starts_with("ws://"), "{url}");
        assert!(url.ends_with(&format!("/v1/data-channel/{id}?role=publish_subscribe")), "{url}");
    });
}

#[test]
fn what_does_not_run_or_is_closed_is_refused_in_awss_words() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let refused = |input| world.call::<ExecuteCommand>(input).unwrap_err();
        let pending = started(world, "web");
        let closed = world.run_task("web");
        assert!(reaches(world, &closed, TaskStatus::Running, seconds(5)));
        assert!(reaches(world, &pending, TaskStatus::Running, seconds(5)));
        let (name, text) = refused(wanted(&closed));
        assert_eq!(name, "InvalidParameterException");
        assert!(text.starts_with("The execute command failed because execute command was not "));
        assert!(world.task(&closed)["containers"][0].get("managedAgents").is_none());
        world.ok::<StopTask>(json!({ "task": pending }));
        assert!(reaches(world, &pending, TaskStatus::Stopped, seconds(60)));
        assert_eq!(refused(wanted(&pending)), (name.clone(), text));
        let agent = &world.task(&pending)["containers"][0]["managedAgents"][0];
        assert_eq!(agent["lastStatus"], "STOPPED");
        assert_eq!(refused(wanted("nothing")).1, "The referenced task was not found.");
        for bad in [
            with(wanted(&closed), "interactive", false),
            with(wanted(&closed), "command", "sh 'open"),
            with(wanted(&closed), "command", " "),
        ] {
            assert_eq!(refused(bad).0, name);
        }
        let elsewhere = with(wanted(&closed), "cluster", "elsewhere");
        assert_eq!(refused(elsewhere).0, "ClusterNotFoundException");
    });
}

#[test]
fn of_several_containers_one_that_runs_must_be_named() {
    play(|world| {
        world.cluster();
        world.outside.substrate().script_containers(|_, container| match &container.name[..] {
            "init" => Behaviour::Exits { after: seconds(1), exit: exit(0), output: Vec::new() },
            _ => Behaviour::Runs,
        });
        let arn = two(world);
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        world.run_for(seconds(3));
        let refused = |input| world.call::<ExecuteCommand>(input).unwrap_err();
        assert_eq!(refused(wanted(&arn)).0, "InvalidParameterException");
        let strange = refused(with(wanted(&arn), "container", "db"));
        assert_eq!(strange.0, "InvalidParameterException");
        assert!(strange.1.contains("db"), "{}", strange.1);
        let ended = refused(with(wanted(&arn), "container", "init"));
        let text = "The execute command failed due to an internal error. Try again later.";
        assert_eq!(ended, ("TargetNotConnectedException".to_owned(), text.to_owned()));
        let offered = world.ok::<ExecuteCommand>(with(wanted(&arn), "container", "web"));
        assert_eq!(offered["containerName"], "web");
    });
}
