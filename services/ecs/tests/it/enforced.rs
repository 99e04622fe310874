//! What policies say of a resource holds however a request writes it.

use haar_ecs_contract::model::*;
use serde_json::json;

use crate::house::*;

/// Nothing may be done to services and tasks of the default cluster, nor may `held` run.
const HELD: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Deny",
        "Action": ["ecs:UpdateService", "ecs:DeleteService", "ecs:StopTask", "ecs:RunTask"],
        "Resource": [
            "arn:aws:ecs:us-east-1:*:service/default/*",
            "arn:aws:ecs:us-east-1:*:task/default/*",
            "arn:aws:ecs:us-east-1:*:task-definition/held:*"
        ]
    }]
}"#;

fn arn(resource: &str) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:{resource}")
}

/// The error's name.
macro_rules! refused {
    ($world:ident, $operation:ty, $input:expr) => {
        $world.call::<$operation>($input).map_err(|(name, _)| name).unwrap_err()
    };
}

#[test]
fn a_denial_is_not_passed_by_writing_a_name_otherwise() {
    play_under(HELD, |world| {
        world.cluster();
        world.ok::<CreateCluster>(json!({ "clusterName": "prod" }));
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 0));
        let task = world.run_task("web");
        let id = task.rsplit('/').next().unwrap();
        let whole = json!({ "service": arn("service/default/s") });
        let short = json!({ "service": arn("service/s"), "cluster": arn("cluster/default") });
        for named in [json!({ "service": "s" }), whole, short] {
            let denied = refused!(world, UpdateService, named.clone());
            assert_eq!(denied, "AccessDeniedException", "{named}");
            let denied = refused!(world, DeleteService, named.clone());
            assert_eq!(denied, "AccessDeniedException", "{named}");
        }
        for named in [id.to_owned(), task.clone(), arn(&format!("task/{id}"))] {
            let denied = refused!(world, StopTask, json!({ "task": named }));
            assert_eq!(denied, "AccessDeniedException", "{named}");
        }
        for from in ["us-east-1", "arn:aws:", "000000000000", "/default/"] {
            let to = match from {
                "us-east-1" => "eu-west-1",
                "arn:aws:" => "arn:aws-cn:",
                "/default/" => "/prod/",
                _ => "111111111111",
            };
            let name = refused!(world, StopTask, json!({ "task": task.replace(from, to) }));
            let is_denied = ["InvalidParameterException", "AccessDeniedException"];
            assert!(is_denied.contains(&&*name), "{to}: {name}");
            let named = arn("service/default/s").replace(from, to);
            let name = refused!(world, DeleteService, json!({ "service": named }));
            assert!(is_denied.contains(&&*name), "{to}: {name}");
        }
        let in_prod = json!({ "service": arn("service/default/s"), "cluster": "prod" });
        let name = refused!(world, DeleteService, in_prod);
        assert_eq!(name, "AccessDeniedException");
        assert_eq!(world.service("s")["status"], "ACTIVE");
        assert_eq!(world.task(&task)["desiredStatus"], "RUNNING");
    });
}

#[test]
fn a_definition_is_the_same_by_its_family() {
    play_under(HELD, |world| {
        world.cluster();
        let whole = world.define("held", "nginx");
        let family = arn("task-definition/held");
        for named in ["held", "held:1", "held:01", &whole, &family] {
            let name = refused!(world, RunTask, run(named));
            assert_eq!(name, "AccessDeniedException", "{named}");
        }
    });
}

#[test]
fn tags_are_for_whole_arns() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 0));
        let asked = json!({ "resourceArn": arn("service/s") });
        let refused = world.call::<ListTagsForResource>(asked).unwrap_err();
        assert_eq!(refused.1, "Long arn format must be used for tagging operations");
        world.ok::<ListTagsForResource>(json!({ "resourceArn": arn("service/default/s") }));
    });
}
