//! Tasks: from RunTask to STOPPED.

use haar_ecs::state::TaskStatus;
use haar_ecs_contract::model::*;
use haar_substrate::sim::{Behaviour, Told};
use haar_substrate::{Exit, Network};
use serde_json::{Value, json};

use crate::house::*;

#[test]
fn a_task_is_provisioned_runs_and_is_stopped_with_all_its_times() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let made = world.ok::<RunTask>(run("web"))["tasks"][0].clone();
        assert_eq!(
            (&made["lastStatus"], &made["desiredStatus"]),
            (&json!("PROVISIONING"), &json!("RUNNING"))
        );
        assert_eq!(made["attachments"][0]["status"], "PRECREATED");
        assert_eq!((&made["cpu"], &made["memory"]), (&json!("256"), &json!("512")));
        let arn = made["taskArn"].as_str().unwrap().to_owned();
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        let task = world.task(&arn);
        for time in ["createdAt", "connectivityAt", "pullStartedAt", "pullStoppedAt", "startedAt"] {
            assert!(task[time].is_number(), "{time}");
        }
        assert_eq!(task["attachments"][0]["status"], "ATTACHED");
        assert_eq!(task["containers"][0]["imageDigest"], "sha256:nginx");
        assert_eq!(
            task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"],
            "172.31.0.4"
        );
        let spec = world.outside.substrate().spec(&sandbox(&arn)).unwrap();
        let Network::Bridged(bridged) = spec.network else { panic!("{:?}", spec.network) };
        assert_eq!(bridged.address.to_string(), "172.31.0.4");
        assert!(bridged.realm.unwrap().starts_with("vpc-"));
        assert_eq!(spec.limits.memory.unwrap().0, 512);

        let stopping = world.ok::<StopTask>(json!({ "task": arn, "reason": "enough" }));
        assert_eq!(stopping["task"]["desiredStatus"], "STOPPED");
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(60)));
        let task = world.task(&arn);
        for time in ["stoppingAt", "executionStoppedAt", "stoppedAt"] {
            assert!(task[time].is_number(), "{time}");
        }
        assert_eq!(
            (&task["stopCode"], &task["stoppedReason"]),
            (&json!("UserInitiated"), &json!("enough"))
        );
        assert_eq!(task["containers"][0]["exitCode"], 143);
        assert_eq!(task["attachments"][0]["status"], "DELETED");
        assert!(world.outside.substrate().spec(&sandbox(&arn)).is_none());
        world.run_for(seconds(3700));
        let gone = world.ok::<DescribeTasks>(json!({ "tasks": [arn] }));
        assert_eq!(gone["failures"][0]["reason"], "MISSING");
    });
}

#[test]
fn an_exit_of_the_essential_container_stops_the_task_and_says_why() {
    play(|world| {
        world.cluster();
        world.define("job", "batch");
        let after = seconds(3);
        let out = Exit { code: None, signal: Some(9), out_of_memory: true };
        for (end, code, reason) in [
            (exit(7), 7, Value::Null),
            (out, 137, json!("OutOfMemoryError: Container killed due to memory usage")),
        ] {
            let behaviour = Behaviour::Exits { after, exit: end, output: Vec::new() };
            world.outside.substrate().script(move |_| behaviour.clone());
            let arn = world.run_task("job");
            assert!(reaches(world, &arn, TaskStatus::Running, seconds(2)));
            assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(10)));
            let task = world.task(&arn);
            assert_eq!(task["stopCode"], "EssentialContainerExited");
            assert_eq!(task["stoppedReason"], "Essential container in task exited");
            assert_eq!(task["containers"][0]["exitCode"], code);
            assert_eq!(task["containers"][0]["reason"], reason);
        }
    });
}

#[test]
fn what_cannot_start_says_so_in_awss_words() {
    play(|world| {
        world.cluster();
        world.define("web", "missing:1");
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(10)));
        let task = world.task(&arn);
        assert_eq!(task["stopCode"], "TaskFailedToStart");
        let reason = task["stoppedReason"].as_str().unwrap();
        assert!(reason.starts_with("CannotPullContainerError: pull image manifest"), "{reason}");

        world.outside.substrate().script(|_| Behaviour::Refused("no such file".to_owned()));
        world.define("web", "nginx");
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(10)));
        let task = world.task(&arn);
        assert_eq!(
            (&task["stopCode"], &task["stoppedReason"]),
            (&json!("TaskFailedToStart"), &json!("Task failed to start"))
        );
        let reason = task["containers"][0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("CannotStartContainerError: "), "{reason}");
    });
}

#[test]
fn a_task_whose_environment_file_is_missing_does_not_start() {
    play(|world| {
        world.cluster();
        let mut asked = definition("web", "nginx");
        asked["containerDefinitions"][0]["environmentFiles"] =
            json!([{ "value": "arn:aws:s3:::bucket/web.env", "type": "s3" }]);
        world.ok::<RegisterTaskDefinition>(asked);
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(10)));
        let task = world.task(&arn);
        assert_eq!(task["stopCode"], "TaskFailedToStart");
        let reason = task["stoppedReason"].as_str().unwrap();
        let before = "ResourceInitializationError: failed to download env files: ";
        assert!(reason.starts_with(before), "{reason}");
        assert!(reason.ends_with("NoSuchKey: arn:aws:s3:::bucket/web.env"));
    });
}

#[test]
fn a_registry_that_fails_is_asked_again_for_a_while() {
    play(|world| {
        world.cluster();
        world.define("web", "down:1");
        let arn = world.run_task("web");
        assert!(!reaches(world, &arn, TaskStatus::Stopped, seconds(170)));
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(120)));
        let reason = world.task(&arn)["stoppedReason"].as_str().unwrap().to_owned();
        let before = "CannotPullContainerError: ref pull has been retried ";
        let (count, said) = reason.strip_prefix(before).unwrap().split_once(" time(s): ").unwrap();
        assert_eq!(said, "unexpected status: 503 Service Unavailable");
        assert!(count.parse::<u32>().unwrap() > 5, "{reason}");
    });
}

#[test]
fn a_task_can_be_stopped_while_its_registry_keeps_silent() {
    play(|world| {
        world.cluster();
        world.define("web", "silent:1");
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Pending, seconds(5)));
        world.ok::<StopTask>(json!({ "task": arn, "reason": "enough" }));
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(5)));
        assert_eq!(world.task(&arn)["stoppedReason"], "enough");
    });
}

#[test]
fn a_full_subnet_is_passed_over_or_ends_the_task() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut asked = run("web");
        asked["networkConfiguration"]["awsvpcConfiguration"]["subnets"] =
            json!([SUBNET_FULL, SUBNET]);
        let made = world.ok::<RunTask>(asked.clone());
        let arn = made["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        asked["networkConfiguration"]["awsvpcConfiguration"]["subnets"] = json!([SUBNET_FULL]);
        let made = world.ok::<RunTask>(asked);
        let arn = made["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(5)));
        let reason = world.task(&arn)["stoppedReason"].clone();
        assert!(reason.as_str().unwrap().contains("enough free addresses"), "{reason}");
    });
}

#[test]
fn run_task_refuses_what_it_cannot_do() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let refused = |change: &dyn Fn(&mut Value), expected: &str| {
            let mut asked = run("web");
            change(&mut asked);
            let (name, message) = world.call::<RunTask>(asked).unwrap_err();
            assert!(message.contains(expected), "{name}: {message}");
            name
        };
        refused(&|it| it["launchType"] = json!("EC2"), "Launch type EC2");
        refused(&|it| it["launchType"] = Value::Null, "Launch type EC2");
        refused(&|it| it["count"] = json!(11), "between 1 and 10");
        refused(
            &|it| it["networkConfiguration"] = Value::Null,
            "Network Configuration must be provided",
        );
        let nowhere = json!({ "awsvpcConfiguration": { "subnets": ["subnet-9"] } });
        refused(
            &|it| it["networkConfiguration"] = nowhere.clone(),
            "The subnet ID 'subnet-9' does not exist",
        );
        let over = json!({ "containerOverrides": [{ "name": "db" }] });
        refused(&|it| it["overrides"] = over.clone(), "Override for container named db is not");
        refused(&|it| it["overrides"] = json!({ "cpu": "300" }), "No Fargate configuration");
        refused(&|it| it["platformVersion"] = json!("9.9"), "platform does not exist");
        refused(&|it| it["group"] = json!("service:x"), "reserved");
        let spot = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
        let with_spot = |it: &mut Value| {
            it["launchType"] = Value::Null;
            it["capacityProviderStrategy"] = spot.clone();
        };
        refused(&with_spot, "that is not associated with the cluster. Associate the capacity");
        refused(
            &|it| it["enableExecuteCommand"] = json!(true),
            "because a valid task role is not being used. Specify a valid task role in your task",
        );
        let twice = json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }]);
        refused(&|it| it["tags"] = twice.clone(), "Multiple tags contain the same key.");
        let name =
            refused(&|it| it["taskDefinition"] = json!("nobody"), "TaskDefinition not found");
        assert_eq!(name, "ClientException");
        let name = refused(&|it| it["cluster"] = json!("nowhere"), "Cluster not found");
        assert_eq!(name, "ClusterNotFoundException");
    });
}

#[test]
fn a_client_token_makes_a_retry_safe() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut asked = run("web");
        asked["clientToken"] = json!("once");
        let first = world.ok::<RunTask>(asked.clone());
        let again = world.ok::<RunTask>(asked.clone());
        assert_eq!(first["tasks"][0]["taskArn"], again["tasks"][0]["taskArn"]);
        let all = world.ok::<ListTasks>(json!({}));
        assert_eq!(all["taskArns"].as_array().unwrap().len(), 1);
        asked["count"] = json!(2);
        let (name, message) = world.call::<RunTask>(asked.clone()).unwrap_err();
        assert_eq!(name, "ConflictException");
        assert!(message.ends_with("already in use with a different RunTask request."), "{message}");
        world.run_for(seconds(25 * 3600));
        world.ok::<RunTask>(asked);
    });
}

#[test]
fn overrides_environment_and_secrets_reach_the_container() {
    play(|world| {
        world.cluster();
        let secret = "arn:aws:ssm:us-east-1:000000000000:parameter/p".to_owned();
        world.outside.neighbours.secrets.lock().insert(secret.clone(), "s3cret".to_owned());
        let file = "arn:aws:s3:::bucket/web.env".to_owned();
        let text = "# a comment\nF=file\nA=file\nF=again\n".to_owned();
        world.outside.neighbours.secrets.lock().insert(file.clone(), text);
        let mut input = definition("web", "nginx");
        input["containerDefinitions"][0]["environmentFiles"] =
            json!([{ "value": file, "type": "s3" }]);
        input["executionRoleArn"] = json!("arn:aws:iam::000000000000:role/exec");
        input["taskRoleArn"] = json!("arn:aws:iam::000000000000:role/task");
        input["containerDefinitions"][0]["environment"] = json!([
            { "name": "A", "value": "definition" }, { "name": "B", "value": "definition" },
        ]);
        input["containerDefinitions"][0]["secrets"] = json!([{ "name": "S", "valueFrom": secret }]);
        input["containerDefinitions"][0]["command"] = json!(["serve"]);
        world.ok::<RegisterTaskDefinition>(input.clone());
        let mut asked = run("web");
        asked["overrides"] = json!({
            "cpu": "512", "memory": "1024",
            "containerOverrides": [{
                "name": "web", "command": ["migrate"],
                "environment": [{ "name": "B", "value": "override" }],
            }],
        });
        let made = world.ok::<RunTask>(asked)["tasks"][0].clone();
        let arn = made["taskArn"].as_str().unwrap().to_owned();
        assert_eq!((&made["cpu"], &made["memory"]), (&json!("512"), &json!("1024")));
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        let spec = world.outside.substrate().spec(&sandbox(&arn)).unwrap();
        let container = &spec.containers[0];
        let env = |name: &str| {
            let found = container.env.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        assert_eq!((env("A"), env("B"), env("S")), ("definition", "override", "s3cret"));
        assert_eq!(env("F"), "file");
        assert_eq!(env("AWS_REGION"), "us-east-1");
        assert!(env("ECS_CONTAINER_METADATA_URI_V4").starts_with("http://169.254.170.2/v4/"));
        assert!(env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").starts_with("/v2/credentials/"));
        assert_eq!(container.argv, ["migrate"]);
        assert_eq!(spec.limits.memory.unwrap().0, 1024);

        input["containerDefinitions"][0]["secrets"][0]["valueFrom"] = json!("gone");
        world.ok::<RegisterTaskDefinition>(input);
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(5)));
        assert_eq!(
            world.task(&arn)["stoppedReason"],
            "ResourceInitializationError: unable to pull secrets or registry auth: execution \
             resource retrieval failed: unable to retrieve secrets from ssm: service call has been \
             retried 1 time(s): gone: ResourceNotFoundException"
        );
    });
}

#[test]
fn containers_start_in_the_order_of_their_dependencies() {
    play(|world| {
        world.cluster();
        let mut input = definition("web", "nginx");
        input["containerDefinitions"][0]["dependsOn"] =
            json!([{ "containerName": "init", "condition": "SUCCESS" }]);
        let init = json!({ "name": "init", "image": "init", "essential": false });
        input["containerDefinitions"].as_array_mut().unwrap().push(init);
        world.ok::<RegisterTaskDefinition>(input);
        for (code, reached) in [(0, TaskStatus::Running), (1, TaskStatus::Stopped)] {
            world.outside.substrate().script_containers(move |_, one| match one.name.as_str() {
                "init" => Behaviour::Exits { after: seconds(5), exit: exit(code), output: vec![] },
                _ => Behaviour::Runs,
            });
            let arn = world.run_task("web");
            assert!(reaches(world, &arn, TaskStatus::Pending, seconds(2)));
            world.run_for(seconds(3));
            let task = world.task(&arn);
            assert_eq!(task["containers"][0]["lastStatus"], "PENDING");
            assert_eq!(task["containers"][1]["lastStatus"], "RUNNING");
            assert!(reaches(world, &arn, reached, seconds(10)), "{code}");
        }
    });
}

#[test]
fn health_is_checked_by_commands_in_the_container() {
    play(|world| {
        world
            .outside
            .substrate()
            .script_exec(|_, _, _| Told { output: Vec::new(), exit: Some(exit(0)) });
        world.cluster();
        let mut input = definition("web", "nginx");
        input["containerDefinitions"][0]["healthCheck"] = json!({
            "command": ["CMD-SHELL", "curl -f localhost"], "interval": 5, "retries": 2,
        });
        world.ok::<RegisterTaskDefinition>(input);
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        assert_eq!(world.task(&arn)["healthStatus"], "UNKNOWN");
        world.run_for(seconds(6));
        assert_eq!(world.task(&arn)["healthStatus"], "HEALTHY");
        world.outside.substrate().script_exec(|_, _, argv| {
            assert_eq!(argv, ["/bin/sh", "-c", "curl -f localhost"]);
            Told { output: Vec::new(), exit: Some(exit(22)) }
        });
        world.run_for(seconds(6));
        assert_eq!(world.task(&arn)["healthStatus"], "HEALTHY");
        world.run_for(seconds(6));
        let task = world.task(&arn);
        assert_eq!(task["containers"][0]["healthStatus"], "UNHEALTHY");
        // A task of no service stays as it is.
        assert_eq!(task["lastStatus"], "RUNNING");
    });
}

#[test]
fn a_restart_policy_keeps_a_container_going() {
    play(|world| {
        world.cluster();
        let mut input = definition("web", "nginx");
        input["containerDefinitions"][0]["restartPolicy"] =
            json!({ "enabled": true, "restartAttemptPeriod": 60 });
        world.ok::<RegisterTaskDefinition>(input);
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        world.run_for(seconds(70));
        end(world, &sandbox(&arn), 1);
        world.run_for(seconds(5));
        let task = world.task(&arn);
        assert_eq!(
            (&task["lastStatus"], &task["containers"][0]["lastStatus"]),
            (&json!("RUNNING"), &json!("RUNNING"))
        );
        end(world, &sandbox(&arn), 1);
        assert!(reaches(world, &arn, TaskStatus::Stopped, seconds(60)));
    });
}

#[test]
fn tasks_are_found_by_family_group_and_who_started_them() {
    play(|world| {
        world.cluster();
        world.define("a", "nginx");
        world.define("b", "nginx");
        let mut asked = run("a");
        asked["startedBy"] = json!("me");
        asked["count"] = json!(3);
        world.ok::<RunTask>(asked);
        let other = world.run_task("b");
        let count =
            |filter: Value| world.ok::<ListTasks>(filter)["taskArns"].as_array().unwrap().len();
        assert_eq!(count(json!({})), 4);
        assert_eq!(count(json!({ "family": "a" })), 3);
        assert_eq!(count(json!({ "startedBy": "me" })), 3);
        assert_eq!(count(json!({ "launchType": "EC2" })), 0);
        assert_eq!(count(json!({ "desiredStatus": "STOPPED" })), 0);
        world.ok::<StopTask>(json!({ "task": other }));
        assert_eq!(count(json!({ "desiredStatus": "STOPPED" })), 1);
        let first = world.ok::<ListTasks>(json!({ "maxResults": 2 }));
        let next = json!({ "maxResults": 2, "nextToken": first["nextToken"] });
        assert_eq!(count(next), 1);
        let refused = world.call::<ListTasks>(json!({ "serviceName": "nobody" })).unwrap_err();
        assert_eq!(refused.0, "ServiceNotFoundException");
    });
}

#[test]
fn a_minute_at_least_is_metered_and_spot_apart() {
    play(|world| {
        world.ok::<CreateCluster>(json!({ "capacityProviders": ["FARGATE_SPOT"] }));
        let mut input = definition("web", "nginx");
        input["ephemeralStorage"] = json!({ "sizeInGiB": 50 });
        world.ok::<RegisterTaskDefinition>(input);
        let mut asked = run("web");
        asked.as_object_mut().unwrap().remove("launchType");
        asked["capacityProviderStrategy"] =
            json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
        let made = world.ok::<RunTask>(asked);
        let arn = made["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(5)));
        world.ok::<StopTask>(json!({ "task": arn }));
        world.run_for(seconds(200));
        let sum = |kind: &str| -> u64 {
            let bill = world.outside.usage.0.lock();
            let all = bill.iter().flat_map(|one| one.quantities.iter());
            all.filter(|(known, _)| *known == kind).map(|(_, quantity)| quantity).sum()
        };
        assert_eq!(sum("spot-cpu-unit-s/x86_64"), 256 * 60);
        assert_eq!(sum("spot-mb-s/x86_64"), 512 * 60);
        assert_eq!(sum("ephemeral-gb-s"), 30 * 60);
    });
}
