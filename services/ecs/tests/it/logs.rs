//! The awslogs driver: nothing lost, nothing twice.

use haar_ecs::state::TaskStatus;
use haar_ecs_contract::model::*;
use haar_substrate::OutputMode;
use haar_substrate::sim::line;
use serde_json::{Value, json};

use crate::house::*;

fn logged(create: bool) -> Value {
    let mut input = definition("web", "nginx");
    input["executionRoleArn"] = json!("arn:aws:iam::000000000000:role/exec");
    let mut options = json!({
        "awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p",
    });
    if create {
        options["awslogs-create-group"] = json!("true");
    }
    let logs = json!({ "logDriver": "awslogs", "options": options });
    input["containerDefinitions"][0]["logConfiguration"] = logs;
    input
}

fn written(world: &Cloud<'_>, arn: &str) -> Vec<String> {
    let stream = format!("g|p/web/{}", arn.rsplit('/').next().unwrap());
    let events = world.outside.neighbours.events.lock();
    let events = events.get(&stream).cloned().unwrap_or_default();
    events.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_group_that_is_not_there_stops_the_task_unless_it_is_to_be_made() {
    play(|world| {
        world.cluster();
        world.ok::<RegisterTaskDefinition>(logged(false));
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(10)));
        let reason = world.task(&arn)["stoppedReason"].clone();
        let reason = reason.as_str().unwrap();
        assert!(
            reason.starts_with("ResourceInitializationError: failed to validate logger args"),
            "{reason}"
        );
        assert!(reason.contains("The specified log group does not exist."), "{reason}");
        world.ok::<RegisterTaskDefinition>(logged(true));
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(10)));
        world.outside.substrate().say(&sandbox(&arn), "web", line("hello"));
        world.run_for(seconds(1));
        assert_eq!(written(world, &arn), ["hello"]);
        world.outside.substrate().say(&sandbox(&arn), "web", line("bye"));
        world.ok::<StopTask>(json!({ "task": arn }));
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(60)));
        assert_eq!(written(world, &arn), ["hello", "bye"]);
    });
}

#[test]
fn the_mode_that_is_not_told_is_the_accounts() {
    play(|world| {
        world.cluster();
        world.ok::<RegisterTaskDefinition>(logged(true));
        let kept = |arn: &str| {
            assert!(reaches(world, arn, TaskStatus::Running, seconds(30)));
            let spec = world.outside.substrate().spec(&sandbox(arn)).unwrap();
            spec.containers[0].output
        };
        let some = OutputMode::Kept { bytes: 10 << 20 };
        assert_eq!(kept(&world.run_task("web")), some);
        let blocking = json!({ "name": "defaultLogDriverMode", "value": "blocking" });
        world.ok::<PutAccountSettingDefault>(blocking);
        let much = OutputMode::Kept { bytes: 256 << 20 };
        assert_eq!(kept(&world.run_task("web")), much);
        world.ok::<CreateService>(service("s", "web", 1));
        let listed = || world.ok::<ListTasks>(json!({ "serviceName": "s" }))["taskArns"].clone();
        world.run_for(seconds(5));
        assert_eq!(kept(listed()[0].as_str().unwrap()), much);
        let mut told = logged(true);
        let logs = &mut told["containerDefinitions"][0]["logConfiguration"];
        logs["options"]["mode"] = json!("non-blocking");
        world.ok::<RegisterTaskDefinition>(told);
        assert_eq!(kept(&world.run_task("web")), some);
    });
}

#[test]
fn lines_are_there_once_whatever_crashes() {
    sim().seeds(10).check(|world| {
        world.cluster();
        world.ok::<RegisterTaskDefinition>(logged(true));
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(10)));
        let mut said = Vec::new();
        for number in 0..40 {
            let text = format!("line {number}");
            world.outside.substrate().say(&sandbox(&arn), "web", line(&text));
            said.push(text);
            world.run_for(std::time::Duration::from_millis(world.draw(900)));
            if world.draw(5) == 0 {
                world.crash_within(seconds(2));
            }
        }
        world.ok::<StopTask>(json!({ "task": arn }));
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(120)));
        assert_eq!(written(world, &arn), said);
    });
}
