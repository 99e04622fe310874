//! Crashes, outages and losses at moments that a seed picks.

use haar_ecs::state::{TaskRow, TaskStatus};
use haar_ecs_contract::model::*;
use haar_substrate::sim::{Behaviour, Told};
use serde_json::{Value, json};

use crate::house::*;

#[test]
fn a_task_outlives_an_outage_and_a_crash_and_starts_exactly_once() {
    sim().check(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.outside.substrate().outage(seconds(90));
        let arn = world.run_task("web");
        world.run_for(seconds(80));
        assert_eq!(world.task(&arn)["lastStatus"], "PENDING");
        world.crash_within(seconds(15));
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(240)));
        assert_eq!(world.outside.substrate().starts(), 1);
    });
}

#[test]
fn tasks_that_were_acknowledged_run_and_stop_whatever_crashes() {
    sim().check(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut arns = Vec::new();
        for _ in 0..4 {
            arns.push(world.run_task("web"));
            world.crash_within(seconds(1));
        }
        for arn in &arns {
            assert!(reaches(world, arn, TaskStatus::Running, seconds(60)));
        }
        assert_eq!(world.outside.substrate().starts(), 4);
        for arn in &arns {
            world.ok::<StopTask>(json!({ "task": arn }));
            world.crash_within(seconds(1));
        }
        for arn in &arns {
            assert!(reaches(world, arn, TaskStatus::Stopped, seconds(120)));
            assert!(world.outside.substrate().spec(&sandbox(arn)).is_none());
        }
    });
}

#[test]
fn an_exit_while_nobody_looks_is_seen_afterwards() {
    sim().seeds(10).check(|world| {
        world.cluster();
        world.define("web", "nginx");
        let arn = world.run_task("web");
        let is_up = reaches(world, &arn, TaskStatus::Running, seconds(10));
        assert!(is_up, "{}", world.task(&arn));
        end(world, &sandbox(&arn), 3);
        world.crash();
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(30)));
        let task = world.task(&arn);
        assert_eq!(task["containers"][0]["exitCode"], 3);
        assert_eq!(task["stopCode"], "EssentialContainerExited");
    });
}

#[test]
fn a_task_has_stopped_when_its_program_has_ended_while_haar_was_away() {
    sim().seeds(3).check(|world| {
        world.cluster();
        world.define("web", "nginx");
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(10)));
        end(world, &sandbox(&arn), 3);
        world.outside.substrate().outage(seconds(90));
        world.crash();
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(300)));
        let task = world.task(&arn);
        let at = |name: &str| task[name].as_f64().unwrap();
        assert_eq!(at("stoppedAt"), at("executionStoppedAt"), "{task}");
        assert!(at("stoppingAt") <= at("stoppedAt"), "{task}");
        // it can be described for an hour from when it is told
        world.run_for(seconds(3_500));
        assert_eq!(world.task(&arn)["lastStatus"], "STOPPED");
    });
}

#[test]
fn a_task_that_has_gone_with_its_sandbox_did_not_stop_when_its_first_program_ended() {
    sim().seeds(3).check(|world| {
        world.cluster();
        let mut two = definition("two", "nginx");
        let containers = two["containerDefinitions"].as_array_mut().unwrap();
        containers.push(json!({ "name": "side", "image": "nginx", "essential": false }));
        world.ok::<RegisterTaskDefinition>(two);
        let arn = world.run_task("two");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(10)));
        end_one(world, &sandbox(&arn), "side", 0);
        world.run_for(seconds(20));
        world.crash();
        world.run_for(seconds(20));
        world.outside.substrate().outage(seconds(60));
        world.ok::<StopTask>(json!({ "task": arn }));
        world.run_for(seconds(20));
        world.outside.substrate().helper_died();
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(120)));
        let task = world.task(&arn);
        let after_start =
            |name: &str| task[name].as_f64().unwrap() - task["startedAt"].as_f64().unwrap();
        assert!(after_start("stoppingAt") >= 40.0, "{task}");
        assert!(after_start("stoppedAt") >= 60.0, "{task}");
        assert!(after_start("executionStoppedAt") >= 60.0, "{task}");
    });
}

#[test]
fn a_killed_helper_ends_its_tasks_with_a_reason_and_services_heal() {
    sim().seeds(10).check(|world| {
        world.cluster();
        world.define("web", "nginx");
        let arn = world.run_task("web");
        world.ok::<CreateService>(service("s", "web", 3));
        assert!(world.run_until(seconds(60), |snapshot| running(snapshot, "s") == 3));
        let is_up = reaches(world, &arn, TaskStatus::Running, seconds(10));
        assert!(is_up, "{}", world.task(&arn));
        world.run_for(seconds(20));
        world.outside.substrate().helper_died();
        world.crash_within(seconds(1));
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(60)));
        let task = world.task(&arn);
        assert_eq!(task["stoppedReason"], "Task stopped because its host failed.");
        assert!(world.run_until(seconds(120), |snapshot| running(snapshot, "s") == 3));
    });
}

#[test]
fn a_service_keeps_its_count_under_churn_crashes_and_deployments() {
    sim().seeds(10).check(|world| {
        world.cluster();
        world.define("web", "nginx:1");
        world.ok::<CreateService>(service("s", "web", 5));
        for round in 0..6 {
            world.run_for(seconds(20));
            let alive: Vec<TaskRow> = world
                .snapshot()
                .all::<TaskRow>()
                .filter(|row| row.last_status == TaskStatus::Running && row.stop.is_none())
                .map(|row| TaskRow::clone(&row))
                .collect();
            if let Some(victim) = alive.get(world.draw(alive.len() as u64) as usize) {
                end(world, &sandbox(&victim.key.arn()), 1);
            }
            if round % 2 == 1 {
                world.define("web", &format!("nginx:{round}"));
                world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
            }
            world.crash_within(seconds(5));
        }
        let is_back = world.run_until(seconds(600), |snapshot| {
            running(snapshot, "s") == 5 && row(snapshot, "s").steady_told_at.is_some()
        });
        assert!(is_back);
        world.run_for(seconds(120));
        // Nothing is left of what stopped.
        let snapshot = world.snapshot();
        let alive = snapshot.all::<TaskRow>().filter(|row| row.last_status != TaskStatus::Stopped);
        assert_eq!(alive.count(), 5);
        let all = world.ok::<ListServiceDeployments>(json!({ "service": "s" }));
        let open = all["serviceDeployments"].as_array().unwrap().iter();
        let open = open.filter(|one| one["status"] != "SUCCESSFUL" && one["status"] != "STOPPED");
        assert_eq!(open.count(), 0, "{all}");
    });
}

#[test]
fn more_tasks_than_addresses_wait_for_nobody() {
    sim().seeds(2).check(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut asked = run("web");
        asked["count"] = json!(10);
        for _ in 0..=SUBNET_SIZE / 10 {
            world.ok::<RunTask>(asked.clone());
        }
        world.run_for(seconds(60));
        let count = |status| {
            let snapshot = world.snapshot();
            snapshot.all::<TaskRow>().filter(|row| row.last_status == status).count()
        };
        assert_eq!(count(TaskStatus::Running), SUBNET_SIZE as usize);
        assert_eq!(count(TaskStatus::Stopped), 10);
    });
}

#[test]
fn a_silent_registry_and_programs_that_take_their_time_hold_nobody_up() {
    sim().seeds(2).check(|world| {
        world.cluster();
        world.define("stuck", "silent:1");
        world.define("slow", "nginx");
        let mut many = run("stuck");
        many["count"] = json!(10);
        for _ in 0..7 {
            world.ok::<RunTask>(many.clone());
        }
        world.outside.substrate().script(|_| Behaviour::Stubborn);
        many["taskDefinition"] = json!("slow");
        let started: Vec<Value> = (0..7).map(|_| world.ok::<RunTask>(many.clone())).collect();
        let slow: Vec<&str> = started
            .iter()
            .flat_map(|some| some["tasks"].as_array().unwrap())
            .map(|task| task["taskArn"].as_str().unwrap())
            .collect();
        for arn in &slow {
            assert!(reaches(world, arn, TaskStatus::Running, seconds(60)), "{arn}");
        }
        for arn in &slow {
            world.ok::<StopTask>(json!({ "task": arn }));
        }
        // each is asked to end at once, and none waits for another's thirty seconds
        let arn = world.run_task("slow");
        let is_up = reaches(world, &arn, TaskStatus::Running, seconds(10));
        assert!(is_up, "{}", world.task(&arn));
        world.run_for(seconds(60));
        for arn in &slow {
            assert_eq!(world.task(arn)["lastStatus"], "STOPPED");
        }
    });
}

#[test]
fn checks_that_hang_hold_no_other_check_up() {
    sim().seeds(2).check(|world| {
        world.outside.substrate().script_exec(|_, _, argv| Told {
            output: Vec::new(),
            exit: argv.contains(&"well".to_owned()).then(|| exit(0)),
        });
        world.cluster();
        for (family, command) in [("hung", "hang"), ("sound", "well")] {
            let mut input = definition(family, "nginx");
            input["containerDefinitions"][0]["healthCheck"] =
                json!({ "command": ["CMD", command], "interval": 5, "timeout": 60 });
            world.ok::<RegisterTaskDefinition>(input);
        }
        let mut many = run("hung");
        many["count"] = json!(10);
        for _ in 0..7 {
            world.ok::<RunTask>(many.clone());
        }
        world.run_for(seconds(20));
        let arn = world.run_task("sound");
        world.run_for(seconds(20));
        assert_eq!(world.task(&arn)["healthStatus"], "HEALTHY");
    });
}

#[test]
fn a_disk_that_fails_delays_and_loses_nothing() {
    sim().seeds(6).check(|world| {
        world.cluster();
        world.define("web", "nginx");
        let arn = world.run_task("web");
        world.break_disk(true);
        world.run_for(seconds(5));
        world.break_disk(false);
        world.crash();
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(120)));
        assert_eq!(world.outside.substrate().starts(), 1);
    });
}
