//! What services are asked for, and what is refused.

use haar_ecs_contract::model::*;
use serde_json::{Value, json};

use crate::house::*;

#[test]
fn a_role_that_is_empty_is_none() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let with_role = |name: &str, role: &str| {
            let mut asked = service(name, "web", 0);
            asked["role"] = json!(role);
            asked
        };
        world.ok::<CreateService>(with_role("s", ""));
        let refused = world.call::<CreateService>(with_role("t", "ecsServiceRole")).unwrap_err();
        assert!(refused.1.starts_with("role is not supported"), "{refused:?}");
    });
}

#[test]
fn a_client_token_makes_a_retry_safe_and_another_request_is_refused() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut asked = service("s", "web", 1);
        asked["clientToken"] = json!("once");
        let made = world.ok::<CreateService>(asked.clone());
        let again = world.ok::<CreateService>(asked.clone());
        let deployment = |answer: &Value| answer["service"]["deployments"][0]["id"].clone();
        assert_eq!(deployment(&again), deployment(&made));
        let mut other = asked;
        other["desiredCount"] = json!(2);
        let refused = world.call::<CreateService>(other).unwrap_err();
        let text = "Creation of service was not idempotent.";
        assert_eq!(refused, ("InvalidParameterException".to_owned(), text.to_owned()));
    });
}

#[test]
fn a_service_without_what_it_needs_is_refused() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        let mut asked = service("s", "web", 1);
        asked["enableExecuteCommand"] = json!(true);
        let needs = |what: &str| {
            format!(
                "The service couldn't be {what} because a valid taskRoleArn is not being used. \
                 Specify a valid task role in your task definition and try again."
            )
        };
        let (_, message) = world.call::<CreateService>(asked).unwrap_err();
        assert_eq!(message, needs("created"));
        world.ok::<CreateService>(service("s", "web", 1));
        let change = json!({ "service": "s", "enableExecuteCommand": true });
        let (_, message) = world.call::<UpdateService>(change).unwrap_err();
        assert_eq!(message, needs("updated"));
        let mut with_role = definition("web", "nginx");
        with_role["taskRoleArn"] = json!("arn:aws:iam::000000000000:role/ecs");
        world.ok::<RegisterTaskDefinition>(with_role);
        let change =
            json!({ "service": "s", "taskDefinition": "web", "enableExecuteCommand": true });
        world.ok::<UpdateService>(change);
        let strategy = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
        let change = json!({
            "service": "s", "capacityProviderStrategy": strategy, "forceNewDeployment": true,
        });
        let (_, message) = world.call::<UpdateService>(change).unwrap_err();
        assert!(message.contains("that is not associated with the cluster"), "{message}");
    });
}

#[test]
fn what_is_for_other_launch_types_is_refused_by_name() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        for (member, value) in [
            ("loadBalancers", json!([{ "containerName": "web", "containerPort": 80 }])),
            ("serviceRegistries", json!([{ "registryArn": "arn" }])),
            ("serviceConnectConfiguration", json!({ "enabled": true })),
            ("schedulingStrategy", json!("DAEMON")),
            ("deploymentController", json!({ "type": "EXTERNAL" })),
            ("launchType", json!("EC2")),
            ("deploymentConfiguration", json!({ "strategy": "BLUE_GREEN" })),
        ] {
            let mut asked = service("s", "web", 1);
            asked[member] = value;
            let (name, _) = world.call::<CreateService>(asked).unwrap_err();
            assert_eq!(name, "InvalidParameterException", "{member}");
        }
        let refused =
            world.call::<ListServicesByNamespace>(json!({ "namespace": "n" })).unwrap_err();
        assert_eq!(refused.0, "NamespaceNotFoundException");
    });
}
