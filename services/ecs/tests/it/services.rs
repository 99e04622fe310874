//! Services: kept, rolled out, rolled back.

use haar_ecs::state::TaskStatus;
use haar_ecs_contract::model::*;
use haar_substrate::sim::{Behaviour, Told};
use serde_json::{Value, json};

use crate::house::*;

fn is_steady(world: &Cloud<'_>, name: &str, count: usize) -> bool {
    world.run_until(seconds(300), |snapshot| {
        running(snapshot, name) == count && row(snapshot, name).steady_told_at.is_some()
    })
}

fn messages(world: &Cloud<'_>, name: &str) -> Vec<String> {
    let service = world.service(name);
    let events = service["events"].as_array().unwrap();
    events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

/// Images that begin with `broken` end at once.
fn some_are_broken(world: &Cloud<'_>) {
    world.outside.substrate().script_containers(|_, one| {
        let image = format!("{:?}", one.root);
        match image.contains("broken") {
            true => Behaviour::Exits { after: seconds(1), exit: exit(1), output: vec![] },
            false => Behaviour::Runs,
        }
    });
}

#[test]
fn a_service_starts_its_tasks_and_tells() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let made = world.ok::<CreateService>(service("s", "web", 2))["service"].clone();
        assert_eq!((&made["status"], &made["desiredCount"]), (&json!("ACTIVE"), &json!(2)));
        assert_eq!(made["deployments"][0]["rolloutState"], "IN_PROGRESS");
        assert!(is_steady(world, "s", 2));
        let found = world.service("s");
        assert_eq!((&found["runningCount"], &found["pendingCount"]), (&json!(2), &json!(0)));
        assert_eq!(found["deployments"].as_array().unwrap().len(), 1);
        assert_eq!(found["deployments"][0]["rolloutState"], "COMPLETED");
        let told = messages(world, "s");
        assert_eq!(told[0], "(service s) has reached a steady state.");
        assert!(
            told.last().unwrap().starts_with("(service s) has started 2 tasks: (task "),
            "{told:?}"
        );
        let tasks = world.ok::<ListTasks>(json!({ "serviceName": "s" }));
        let task = world.task(tasks["taskArns"][0].as_str().unwrap());
        assert_eq!(task["group"], "service:s");
        assert_eq!(task["startedBy"], found["deployments"][0]["id"]);
        let refused = world.call::<CreateService>(service("s", "web", 2)).unwrap_err();
        assert_eq!(refused.1, "Creation of service was not idempotent.");
    });
}

#[test]
fn a_task_that_is_killed_from_outside_is_replaced_within_a_second() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 2));
        assert!(is_steady(world, "s", 2));
        world.run_for(seconds(60));
        let tasks = world.ok::<ListTasks>(json!({ "serviceName": "s" }));
        let arn = tasks["taskArns"][0].as_str().unwrap().to_owned();
        end(world, &sandbox(&arn), 137);
        world.run_for(seconds(1));
        assert_eq!(running(&world.snapshot(), "s"), 2);
        assert!(is_steady(world, "s", 2));
        let task = world.task(&arn);
        assert_eq!(task["stopCode"], "EssentialContainerExited");
    });
}

#[test]
fn a_service_is_scaled_and_deleted() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 1));
        assert!(is_steady(world, "s", 1));
        world.ok::<UpdateService>(json!({ "service": "s", "desiredCount": 4 }));
        assert!(is_steady(world, "s", 4));
        world.ok::<UpdateService>(json!({ "service": "s", "desiredCount": 1 }));
        assert!(is_steady(world, "s", 1));
        let stopped =
            world.ok::<ListTasks>(json!({ "serviceName": "s", "desiredStatus": "STOPPED" }));
        assert_eq!(stopped["taskArns"].as_array().unwrap().len(), 3);
        let task = world.task(stopped["taskArns"][0].as_str().unwrap());
        assert_eq!(task["stopCode"], "ServiceSchedulerInitiated");
        let reason = task["stoppedReason"].as_str().unwrap();
        assert!(
            reason.starts_with("Scaling activity initiated by (deployment ecs-svc/"),
            "{reason}"
        );
        let refused = world.call::<DeleteService>(json!({ "service": "s" })).unwrap_err();
        assert_eq!(refused.1, "The service cannot be stopped while it is scaled above 0.");
        let gone = world.ok::<DeleteService>(json!({ "service": "s", "force": true }));
        assert_eq!(gone["service"]["status"], "DRAINING");
        let again = world.call::<CreateService>(service("s", "web", 1)).unwrap_err();
        assert_eq!(again.1, "Unable to Start a service that is still Draining.");
        world.run_for(seconds(120));
        assert_eq!(world.service("s")["status"], "INACTIVE");
        let refused = world.call::<UpdateService>(json!({ "service": "s" })).unwrap_err();
        assert_eq!(refused.0, "ServiceNotActiveException");
        world.ok::<CreateService>(service("s", "web", 1));
        assert!(is_steady(world, "s", 1));
    });
}

#[test]
fn a_rolling_update_keeps_to_its_bounds() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx:1");
        let mut asked = service("s", "web", 4);
        asked["deploymentConfiguration"] =
            json!({ "minimumHealthyPercent": 50, "maximumPercent": 150 });
        world.ok::<CreateService>(asked);
        assert!(is_steady(world, "s", 4));
        world.define("web", "nginx:2");
        let updated = world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
        assert_eq!(updated["service"]["deployments"].as_array().unwrap().len(), 2);
        assert_eq!(updated["service"]["deployments"][1]["status"], "ACTIVE");
        let is_done = world.run_until(seconds(300), |snapshot| {
            let up = running(snapshot, "s");
            assert!((2..=6).contains(&up), "{up} run");
            row(snapshot, "s").steady_told_at.is_some()
        });
        assert!(is_done);
        let tasks = world.ok::<ListTasks>(json!({ "serviceName": "s" }));
        for arn in tasks["taskArns"].as_array().unwrap() {
            let task = world.task(arn.as_str().unwrap());
            assert!(task["taskDefinitionArn"].as_str().unwrap().ends_with("web:2"));
        }
        let all = world.ok::<ListServiceDeployments>(json!({ "service": "s" }));
        let all = all["serviceDeployments"].as_array().unwrap().clone();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|one| one["status"] == "SUCCESSFUL"), "{all:?}");
        let revision = all[0]["targetServiceRevisionArn"].clone();
        let found =
            world.ok::<DescribeServiceRevisions>(json!({ "serviceRevisionArns": [revision] }));
        let image = &found["serviceRevisions"][0]["containerImages"][0];
        assert_eq!(image["imageDigest"], "sha256:nginx:2");
    });
}

#[test]
fn nothing_changes_without_a_change_and_all_changes_when_forced() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 1));
        assert!(is_steady(world, "s", 1));
        let before = world.service("s")["deployments"][0]["id"].clone();
        world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web:1" }));
        assert_eq!(world.service("s")["deployments"][0]["id"], before);
        world.ok::<UpdateService>(json!({ "service": "s", "forceNewDeployment": true }));
        assert!(is_steady(world, "s", 1));
        assert_ne!(world.service("s")["deployments"][0]["id"], before);
    });
}

fn with_breaker(name: &str, desired: u32, rollback: bool) -> Value {
    let mut asked = service(name, "web", desired);
    asked["deploymentConfiguration"] =
        json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": rollback } });
    asked
}

#[test]
fn a_broken_deployment_is_rolled_back_and_the_old_tasks_never_stop() {
    play(|world| {
        some_are_broken(world);
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(with_breaker("s", 2, true));
        assert!(is_steady(world, "s", 2));
        let good = world.service("s")["deployments"][0]["id"].clone();
        world.define("web", "broken");
        world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
        let is_back = world.run_until(seconds(300), |snapshot| {
            let old = snapshot
                .all::<haar_ecs::state::TaskRow>()
                .filter(|task| task.definition.revision == 1 && task.stop.is_none());
            assert_eq!(old.count(), 2);
            row(snapshot, "s").steady_told_at.is_some()
        });
        assert!(is_back);
        let found = world.service("s");
        assert_eq!(found["deployments"].as_array().unwrap().len(), 1);
        assert_eq!(found["deployments"][0]["id"], good);
        assert!(found["taskDefinition"].as_str().unwrap().ends_with("web:1"));
        let told = messages(world, "s");
        assert!(
            told.iter().any(|line| line.ends_with("deployment failed: tasks failed to start.")),
            "{told:?}"
        );
        let back = format!("(service s) rolling back to deployment {}.", good.as_str().unwrap());
        assert!(told.contains(&back), "{told:?}");
        let all = world.ok::<ListServiceDeployments>(json!({ "service": "s" }));
        let arn = all["serviceDeployments"][0]["serviceDeploymentArn"].clone();
        let one = world.ok::<DescribeServiceDeployments>(json!({ "serviceDeploymentArns": [arn] }));
        let one = &one["serviceDeployments"][0];
        assert_eq!(one["status"], "ROLLBACK_SUCCESSFUL");
        let breaker = &one["deploymentCircuitBreaker"];
        assert_eq!((&breaker["status"], &breaker["threshold"]), (&json!("TRIGGERED"), &json!(3)));
        assert!(breaker["failureCount"].as_u64().unwrap() >= 3, "{breaker}");
        assert!(one["rollback"]["serviceRevisionArn"].is_string());
    });
}

#[test]
fn a_rollback_goes_to_tasks_that_have_only_just_come_up() {
    play(|world| {
        some_are_broken(world);
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(with_breaker("s", 2, true));
        assert!(world.run_until(seconds(60), |snapshot| running(snapshot, "s") == 2));
        assert_eq!(world.service("s")["deployments"][0]["rolloutState"], "IN_PROGRESS");
        world.define("web", "broken");
        world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
        assert!(is_steady(world, "s", 2));
        let found = world.service("s");
        assert!(found["taskDefinition"].as_str().unwrap().ends_with("web:1"));
        assert_eq!(found["deployments"][0]["rolloutState"], "COMPLETED");
    });
}

#[test]
fn a_first_deployment_that_fails_stands_still() {
    play(|world| {
        some_are_broken(world);
        world.cluster();
        world.define("web", "broken");
        world.ok::<CreateService>(with_breaker("s", 1, false));
        world.run_for(seconds(120));
        let found = world.service("s");
        assert_eq!(found["deployments"][0]["rolloutState"], "FAILED");
        let reason = "ECS deployment circuit breaker: tasks failed to start.";
        assert_eq!(found["deployments"][0]["rolloutStateReason"], reason);
        assert_eq!(found["deployments"][0]["failedTasks"], 3);
        assert_eq!((&found["runningCount"], &found["pendingCount"]), (&json!(0), &json!(0)));
        let all =
            world.ok::<ListServiceDeployments>(json!({ "service": "s", "status": ["STOPPED"] }));
        assert_eq!(all["serviceDeployments"].as_array().unwrap().len(), 1);
        world.define("web", "nginx");
        world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
        assert!(is_steady(world, "s", 1));
    });
}

#[test]
fn a_service_whose_deployment_failed_can_be_switched_off() {
    play(|world| {
        some_are_broken(world);
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(with_breaker("s", 2, false));
        assert!(is_steady(world, "s", 2));
        world.define("web", "broken");
        world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
        world.run_for(seconds(120));
        assert_eq!(world.service("s")["deployments"][0]["rolloutState"], "FAILED");
        assert_eq!(running(&world.snapshot(), "s"), 2);
        world.ok::<UpdateService>(json!({ "service": "s", "desiredCount": 0 }));
        world.run_for(seconds(60));
        assert_eq!(running(&world.snapshot(), "s"), 0);
    });
}

#[test]
fn a_crash_loop_without_breaker_is_slowed_down_and_told() {
    play(|world| {
        some_are_broken(world);
        world.cluster();
        world.define("web", "broken");
        world.ok::<CreateService>(service("s", "web", 1));
        world.run_for(seconds(600));
        let started = world.outside.substrate().starts();
        assert!((5..=14).contains(&started), "{started} starts in ten minutes");
        let told = messages(world, "s");
        let impaired = "(service s) is unable to consistently start tasks successfully.";
        assert!(told.iter().any(|line| line.starts_with(impaired)), "{told:?}");
        // Mended from outside, it starts with the next try.
        world.outside.substrate().script(|_| Behaviour::Runs);
        assert!(world.run_until(seconds(900), |snapshot| running(snapshot, "s") == 1));
    });
}

#[test]
fn a_deployment_is_stopped_by_the_customer_and_goes_back() {
    play(|world| {
        some_are_broken(world);
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 2));
        assert!(is_steady(world, "s", 2));
        world.define("web", "broken");
        world.ok::<UpdateService>(json!({ "service": "s", "taskDefinition": "web" }));
        world.run_for(seconds(30));
        let arn = world.service("s")["currentServiceDeployment"].clone();
        let stop = json!({ "serviceDeploymentArn": arn });
        world.ok::<StopServiceDeployment>(stop.clone());
        assert!(is_steady(world, "s", 2));
        let one = world.ok::<DescribeServiceDeployments>(json!({ "serviceDeploymentArns": [arn] }));
        assert_eq!(one["serviceDeployments"][0]["status"], "ROLLBACK_SUCCESSFUL");
        assert_eq!(world.call::<StopServiceDeployment>(stop).unwrap_err().0, "ConflictException");
        let nobody = json!({ "serviceDeploymentArn": "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/s/x" });
        let refused = world.call::<StopServiceDeployment>(nobody).unwrap_err();
        assert_eq!(refused.0, "ServiceDeploymentNotFoundException");
    });
}

#[test]
fn unhealthy_tasks_are_replaced_after_their_grace() {
    play(|world| {
        world
            .outside
            .substrate()
            .script_exec(|_, _, _| Told { output: Vec::new(), exit: Some(exit(0)) });
        world.cluster();
        let mut input = definition("web", "nginx");
        input["containerDefinitions"][0]["healthCheck"] =
            json!({ "command": ["CMD", "check"], "interval": 5, "retries": 1 });
        world.ok::<RegisterTaskDefinition>(input);
        let mut asked = service("s", "web", 1);
        asked["healthCheckGracePeriodSeconds"] = json!(60);
        world.ok::<CreateService>(asked);
        assert!(is_steady(world, "s", 1));
        let first = world.ok::<ListTasks>(json!({ "serviceName": "s" }))["taskArns"][0].clone();
        let first = first.as_str().unwrap().to_owned();
        let sick = first.rsplit('/').next().unwrap().to_owned();
        world.outside.substrate().script_exec(move |id, _, _| Told {
            output: vec![],
            exit: Some(exit(i32::from(id.0.contains(&sick)))),
        });
        world.run_for(seconds(20));
        assert_eq!(world.task(&first)["healthStatus"], "UNHEALTHY");
        assert_eq!(world.task(&first)["desiredStatus"], "RUNNING");
        // Its replacement comes first: there is room for two.
        let is_replaced = world.run_until(seconds(120), |snapshot| {
            assert!(running(snapshot, "s") >= 1);
            snapshot.all::<haar_ecs::state::TaskRow>().any(|task| task.stop.is_some())
        });
        assert!(is_replaced, "{:?} {}", messages(world, "s"), world.task(&first));
        let task = world.task(&first);
        assert_eq!(task["desiredStatus"], "STOPPED");
        assert_eq!(task["stoppedReason"], "Task failed container health checks");
        world.run_for(seconds(60));
        assert_eq!(running(&world.snapshot(), "s"), 1);
    });
}

#[test]
fn what_ends_before_the_others_start_is_no_failed_launch() {
    play(|world| {
        world.outside.substrate().script_containers(|_, container| Behaviour::Exits {
            after: seconds(if container.name == "migrate" { 1 } else { 60 }),
            exit: exit(0),
            output: Vec::new(),
        });
        world.cluster();
        let mut input = definition("web", "nginx");
        let containers = input["containerDefinitions"].as_array_mut().unwrap();
        let mut migrate = containers[0].clone();
        (migrate["name"], migrate["essential"]) = (json!("migrate"), json!(false));
        containers[0]["dependsOn"] =
            json!([{ "containerName": "migrate", "condition": "SUCCESS" }]);
        containers.push(migrate);
        world.ok::<RegisterTaskDefinition>(input);
        world.ok::<CreateService>(service("s", "web", 1));
        world.run_for(seconds(400));
        assert!(world.outside.substrate().starts() > 4, "it was started anew each time");
        assert_eq!(world.service("s")["deployments"][0]["failedTasks"], 0);
    });
}

#[test]
fn protected_tasks_stay_through_a_scale_in() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 2));
        assert!(is_steady(world, "s", 2));
        let tasks = world.ok::<ListTasks>(json!({ "serviceName": "s" }))["taskArns"].clone();
        let protect = json!({
            "cluster": "default", "tasks": tasks, "protectionEnabled": true, "expiresInMinutes": 10,
        });
        let done = world.ok::<UpdateTaskProtection>(protect);
        assert_eq!(done["protectedTasks"].as_array().unwrap().len(), 2);
        world.ok::<UpdateService>(json!({ "service": "s", "desiredCount": 0 }));
        world.run_for(seconds(300));
        assert_eq!(running(&world.snapshot(), "s"), 2);
        let listed = world.ok::<GetTaskProtection>(json!({ "cluster": "default" }));
        assert_eq!(listed["protectedTasks"][0]["protectionEnabled"], true);
        world.run_for(seconds(400));
        assert_eq!(running(&world.snapshot(), "s"), 0);
        let alone = world.run_task("web");
        let asked = json!({ "cluster": "default", "tasks": [alone], "protectionEnabled": true });
        let failed = world.ok::<UpdateTaskProtection>(asked);
        assert_eq!(failed["failures"][0]["reason"], "TASK_NOT_VALID");
    });
}

#[test]
fn tags_and_metrics_are_the_services() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut asked = service("s", "web", 1);
        asked["tags"] = json!([{ "key": "team", "value": "blue" }]);
        asked["propagateTags"] = json!("SERVICE");
        asked["enableECSManagedTags"] = json!(true);
        world.ok::<CreateService>(asked);
        assert!(is_steady(world, "s", 1));
        let arn = world.ok::<ListTasks>(json!({ "serviceName": "s" }))["taskArns"][0].clone();
        let tags = world.task(arn.as_str().unwrap())["tags"].clone();
        assert!(tags.as_array().unwrap().contains(&json!({ "key": "team", "value": "blue" })));
        assert!(
            tags.as_array()
                .unwrap()
                .contains(&json!({ "key": "aws:ecs:serviceName", "value": "s" }))
        );
        // its interface has those that ECS gives, not the customer's
        let details = world.task(arn.as_str().unwrap())["attachments"][0]["details"].clone();
        let eni = details.as_array().unwrap().iter();
        let eni =
            eni.clone().find(|one| one["name"] == "networkInterfaceId").unwrap()["value"].clone();
        let given = world.outside.neighbours.interface_tags.lock()[eni.as_str().unwrap()].clone();
        let all = [("aws:ecs:clusterName", "default"), ("aws:ecs:serviceName", "s")];
        assert_eq!(given, all.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        let stats = haar_substrate::Stats {
            memory_bytes: 256 << 20,
            cpu: std::time::Duration::from_secs(15),
            ..Default::default()
        };
        world.outside.substrate().set_stats(&sandbox(arn.as_str().unwrap()), stats);
        world.run_for(seconds(61));
        let metrics = world.outside.neighbours.metrics.lock();
        let memory = &metrics["AWS/ECS/MemoryUtilization|ClusterName=default,ServiceName=s"];
        assert_eq!(memory.last(), Some(&50.0));
        assert!(metrics.contains_key("AWS/ECS/CPUUtilization|ClusterName=default"));
    });
}

#[test]
fn enhanced_insights_tell_of_each_task_and_container() {
    play(|world| {
        let setting = |value: &str| json!([{ "name": "containerInsights", "value": value }]);
        world.ok::<CreateCluster>(json!({ "settings": setting("enhanced") }));
        let mut input = definition("web", "nginx");
        input["containerDefinitions"][0]["memory"] = json!(128);
        input["ephemeralStorage"] = json!({ "sizeInGiB": 30 });
        world.ok::<RegisterTaskDefinition>(input);
        let arn = world.run_task("web");
        assert!(reaches(world, &arn, TaskStatus::Running, seconds(10)));
        let stats = haar_substrate::Stats { memory_bytes: 64 << 20, ..Default::default() };
        world.outside.substrate().set_stats(&sandbox(&arn), stats);
        world.run_for(seconds(61));
        let id = arn.rsplit('/').next().unwrap();
        let of_task = format!("ClusterName=default,TaskDefinitionFamily=web,TaskId={id}");
        let last = |metric: &str, dimensions: &str| {
            let metrics = world.outside.neighbours.metrics.lock();
            let name = format!("ECS/ContainerInsights/{metric}|{dimensions}");
            metrics.get(&name).and_then(|values| values.last().copied())
        };
        assert_eq!(last("MemoryUtilized", &of_task), Some(64.0));
        assert_eq!(last("TaskMemoryUtilization", &of_task), Some(12.5));
        assert_eq!(last("EphemeralStorageReserved", &of_task), Some(30.0));
        assert_eq!(last("EphemeralStorageReserved", "ClusterName=default"), Some(30.0));
        let of_container = format!("{of_task},ContainerName=web");
        assert_eq!(last("ContainerMemoryReserved", &of_container), Some(128.0));
        assert_eq!(last("ContainerMemoryUtilization", &of_container), Some(50.0));
        assert_eq!(last("ContainerEphemeralStorageReserved", &of_container), None);
        // sums are of tasks, whose containers are not counted again
        assert_eq!(last("MemoryUtilized", "ClusterName=default"), Some(64.0));
        let asked = json!({ "cluster": "default", "settings": setting("enabled") });
        world.ok::<UpdateClusterSettings>(asked);
        let told = || {
            let metrics = world.outside.neighbours.metrics.lock();
            metrics.get(&format!("ECS/ContainerInsights/MemoryUtilized|{of_task}")).unwrap().len()
        };
        let before = told();
        world.run_for(seconds(61));
        assert_eq!(told(), before);
    });
}

#[test]
fn a_spare_task_is_not_started_while_another_is_on_its_way_out() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.outside.substrate().script(|_| Behaviour::Stubborn);
        world.ok::<CreateService>(service("s", "web", 1));
        assert!(is_steady(world, "s", 1));
        let arn = world.ok::<ListTasks>(json!({ "serviceName": "s" }))["taskArns"][0].clone();
        world.ok::<StopTask>(json!({ "task": arn }));
        world.run_for(seconds(5));
        // The stubborn one takes its thirty seconds, its replacement runs already.
        let task = world.task(arn.as_str().unwrap());
        assert_eq!(task["lastStatus"], "STOPPING");
        assert_eq!(running(&world.snapshot(), "s"), 1);
        assert!(reaches(world, arn.as_str().unwrap(), TaskStatus::Stopped, seconds(40)));
        assert_eq!(world.task(arn.as_str().unwrap())["containers"][0]["exitCode"], 137);
    });
}
