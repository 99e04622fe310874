//! Task definitions.

use haar_ecs_contract::model::*;
use serde_json::{Value, json};

use crate::house::*;

#[test]
fn a_definition_is_registered_with_its_defaults_and_numbered() {
    play(|world| {
        let made = world.ok::<RegisterTaskDefinition>(definition("web", "nginx"));
        let one = &made["taskDefinition"];
        assert_eq!(
            one["taskDefinitionArn"],
            "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1"
        );
        assert_eq!((&one["revision"], &one["status"]), (&json!(1), &json!("ACTIVE")));
        assert_eq!(one["compatibilities"], json!(["EC2", "FARGATE"]));
        let container = &one["containerDefinitions"][0];
        assert_eq!((&container["essential"], &container["cpu"]), (&json!(true), &json!(0)));
        assert_eq!(container["mountPoints"], json!([]));
        world.define("web", "nginx:2");
        let found = world.ok::<DescribeTaskDefinition>(json!({ "taskDefinition": "web" }));
        assert_eq!(found["taskDefinition"]["revision"], 2);
        let families = world.ok::<ListTaskDefinitionFamilies>(json!({ "familyPrefix": "w" }));
        assert_eq!(families["families"], json!(["web"]));
        let asked = json!({ "familyPrefix": "web", "sort": "DESC" });
        let arns = world.ok::<ListTaskDefinitions>(asked)["taskDefinitionArns"].clone();
        assert!(arns[0].as_str().unwrap().ends_with("web:2"));
    });
}

#[test]
fn sizes_may_be_said_in_other_units_and_are_kept_in_one() {
    play(|world| {
        let mut input = definition("web", "nginx");
        input["cpu"] = json!(".5 vCPU");
        input["memory"] = json!("2GB");
        let made = world.ok::<RegisterTaskDefinition>(input);
        assert_eq!(made["taskDefinition"]["cpu"], "512");
        assert_eq!(made["taskDefinition"]["memory"], "2048");
    });
}

/// A change of the usual definition and what AWS says to it.
fn refused(change: impl Fn(&mut Value), expected: &str) {
    play(|world| {
        let mut input = definition("web", "nginx");
        change(&mut input);
        let (name, message) = world.call::<RegisterTaskDefinition>(input).unwrap_err();
        assert_eq!(name, "ClientException", "{message}");
        assert!(message.contains(expected), "{message}");
    });
}

#[test]
fn fargate_refuses_what_it_does_not_run() {
    let container = |change: Value| {
        move |input: &mut Value| {
            let one = input["containerDefinitions"][0].as_object_mut().unwrap();
            one.extend(change.as_object().unwrap().clone());
        }
    };
    refused(|it| it["memory"] = json!("4096"), "No Fargate configuration exists for given values");
    refused(|it| it["networkMode"] = json!("bridge"), "Fargate only supports network mode");
    refused(|it| it["cpu"] = Value::Null, "'cpu' be defined at the task level");
    refused(|it| it["cpu"] = json!("lots"), "Invalid 'cpu' setting for task.");
    let host = json!([{ "name": "v", "host": { "sourcePath": "/etc" } }]);
    refused(move |it| it["volumes"] = host.clone(), "do not support sourcePath");
    refused(|it| it["ephemeralStorage"] = json!({ "sizeInGiB": 500 }), "between 21 and 200");
    refused(container(json!({ "privileged": true })), "do not support privileged");
    let devices = json!({ "devices": [{ "hostPath": "/dev/fuse" }] });
    refused(container(json!({ "linuxParameters": devices })), "do not support devices");
    refused(
        container(json!({ "logConfiguration": { "logDriver": "syslog" } })),
        "log driver syslog",
    );
    let logs = json!({ "logDriver": "awslogs", "options": { "awslogs-group": "g", "awslogs-region": "us-east-1" } });
    refused(
        container(json!({ "logConfiguration": logs })),
        "execution role ARN to support log driver awslogs",
    );
    let ports = json!([{ "containerPort": 80, "hostPort": 8080 }]);
    refused(container(json!({ "portMappings": ports })), "must match");
}

#[test]
fn definitions_that_make_no_sense_are_refused() {
    let two = |change: Value| {
        move |input: &mut Value| {
            let mut other = json!({ "name": "other", "image": "busybox", "essential": false });
            other.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            input["containerDefinitions"].as_array_mut().unwrap().push(other);
        }
    };
    refused(|it| it["family"] = json!("a b"), "Invalid family");
    refused(|it| it["containerDefinitions"] = json!([]), "Container list cannot be empty.");
    refused(|it| it["containerDefinitions"][0]["image"] = json!(""), "Container.image");
    refused(|it| it["containerDefinitions"][0]["essential"] = json!(false), "essential");
    refused(two(json!({ "name": "web" })), "unique");
    let on =
        |name: &str, condition: &str| json!([{ "containerName": name, "condition": condition }]);
    refused(two(json!({ "dependsOn": on("nobody", "START") })), "Unknown container 'nobody'");
    refused(two(json!({ "dependsOn": on("web", "SUCCESS") })), "is essential");
    refused(two(json!({ "dependsOn": on("web", "HEALTHY") })), "no health check");
    refused(two(json!({ "dependsOn": on("other", "START") })), "form a circle");
    let mount = json!([{ "sourceVolume": "nowhere", "containerPath": "/data" }]);
    refused(two(json!({ "mountPoints": mount })), "Unknown volume 'nowhere'.");
    for id in ["/", "../fs-1", "fs-1/../..", "", "."] {
        let efs = json!([{ "name": "v", "efsVolumeConfiguration": { "fileSystemId": id } }]);
        refused(move |it| it["volumes"] = efs.clone(), "Invalid fileSystemId");
    }
    refused(two(json!({ "memory": 4096 })), "must not be greater");
    refused(two(json!({ "stopTimeout": 600 })), "stopTimeout");
    let twice = json!({
        "environment": [{ "name": "A", "value": "1" }],
        "secrets": [{ "name": "A", "valueFrom": "arn" }],
    });
    refused(two(twice), "The secret name must be unique");
    refused(two(json!({ "healthCheck": { "command": ["curl"] } })), "must begin with CMD");
    refused(two(json!({ "image": "a b" })), "Container.image contains invalid characters.");
    refused(
        two(json!({ "command": ["x".repeat(70_000)] })),
        "Max allowed length is '65536' bytes.",
    );
    refused(two(json!({ "secrets": [{ "name": "B", "valueFrom": "" }] })), "Secret.valueFrom");
    let limit = json!([{ "name": "nofile", "softLimit": 9, "hardLimit": 5 }]);
    refused(two(json!({ "ulimits": limit })), "must not exceed its hardLimit");
    let control = json!([{ "namespace": "kernel.core_pattern", "value": "x" }]);
    refused(two(json!({ "systemControls": control })), "is not namespaced");
    let file = |value: &str| json!({ "type": "s3", "value": value });
    let files = json!({ "environmentFiles": [file("arn:aws:s3:::b/a.txt")] });
    refused(two(files), "must have the file extension .env");
    let files = json!({ "environmentFiles": vec![file("arn:aws:s3:::b/a.env"); 11] });
    refused(two(files), "at most 10 environmentFiles");
    let both = |it: &mut Value| {
        it["containerDefinitions"][0]["memory"] = json!(300);
        let other = json!({ "name": "other", "image": "busybox", "memory": 300 });
        it["containerDefinitions"].as_array_mut().unwrap().push(other);
    };
    refused(both, "of all containers together");
}

#[test]
fn options_that_a_log_driver_does_not_know_are_refused() {
    let with = |name: &str, value: &str| {
        let mut options = json!({ "awslogs-group": "g", "awslogs-region": "us-east-1" });
        options[name] = json!(value);
        let logs = json!({ "logDriver": "awslogs", "options": options });
        move |it: &mut Value| it["containerDefinitions"][0]["logConfiguration"] = logs.clone()
    };
    refused(with("log_key", "log"), "Log driver awslogs disallows options: log_key");
    refused(
        with("awslogs-create-group", "false"),
        "Log driver awslogs option 'awslogs-create-group' should only be set to 'true', else omit",
    );
    for pattern in ["(open", r"((\w{99}){99}){99}"] {
        let text = "Log driver awslogs cannot read the multiline pattern";
        refused(with("awslogs-multiline-pattern", pattern), text);
    }
}

#[test]
fn what_would_be_kept_without_effect_is_refused() {
    for (member, value, what) in [
        ("pidMode", json!("task"), "pidMode"),
        ("enableFaultInjection", json!(true), "enableFaultInjection"),
        (
            "proxyConfiguration",
            json!({ "containerName": "web", "properties": [] }),
            "proxyConfiguration",
        ),
        (
            "runtimePlatform",
            json!({ "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE" }),
            "operatingSystemFamily WINDOWS_SERVER_2022_CORE",
        ),
        ("volumes", json!([{ "name": "v", "configuredAtLaunch": true }]), "configuredAtLaunch"),
    ] {
        let change = move |it: &mut Value| it[member] = value.clone();
        refused(change, &format!("{what} is not supported by haar."));
    }
    let platform = json!({ "operatingSystemFamily": "LINUX" });
    let accepted = |it: &mut Value| it["runtimePlatform"] = platform.clone();
    play(|world| {
        let mut input = definition("web", "nginx");
        accepted(&mut input);
        world.ok::<RegisterTaskDefinition>(input);
    });
}

#[test]
fn a_definition_is_deregistered_then_deleted_once_nothing_uses_it() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let task = world.run_task("web");
        let named = json!({ "taskDefinition": "web:1" });
        let delete = json!({ "taskDefinitions": ["web:1"] });
        let failed = world.ok::<DeleteTaskDefinitions>(delete.clone());
        assert!(failed["failures"][0]["reason"].as_str().unwrap().contains("deregistered before"));
        let gone = world.ok::<DeregisterTaskDefinition>(named.clone());
        assert_eq!(gone["taskDefinition"]["status"], "INACTIVE");
        let refused = world.call::<RunTask>(run("web:1")).unwrap_err();
        assert_eq!(refused, ("ClientException".into(), "TaskDefinition is inactive".into()));
        let asked = world.ok::<DeleteTaskDefinitions>(delete);
        assert_eq!(asked["taskDefinitions"][0]["status"], "DELETE_IN_PROGRESS");
        world.run_for(seconds(60));
        world.ok::<DescribeTaskDefinition>(named.clone());
        world.ok::<StopTask>(json!({ "task": task }));
        world.run_for(seconds(2 * 3600));
        let (name, message) = world.call::<DescribeTaskDefinition>(named).unwrap_err();
        assert_eq!(
            (name.as_str(), message.as_str()),
            ("ClientException", "Unable to describe task definition.")
        );
        // Numbers are not given twice.
        assert!(world.define("web", "nginx").ends_with("web:2"));
    });
}
