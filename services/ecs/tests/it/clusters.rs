//! Clusters, settings, tags.

use haar_ecs_contract::model::*;
use serde_json::json;

use crate::house::*;

#[test]
fn a_cluster_is_made_described_changed_and_deleted() {
    play(|world| {
        let made = world.ok::<CreateCluster>(json!({ "clusterName": "prod" }));
        let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/prod";
        assert_eq!(made["cluster"]["clusterArn"], arn);
        assert_eq!(made["cluster"]["status"], "ACTIVE");
        let again = world.ok::<CreateCluster>(json!({ "clusterName": "prod" }));
        assert_eq!(again["cluster"]["clusterArn"], arn);
        let settings = json!({
            "cluster": "prod",
            "settings": [{ "name": "containerInsights", "value": "enhanced" }],
        });
        world.ok::<UpdateClusterSettings>(settings);
        let asked = json!({ "clusters": ["prod", "gone"], "include": ["SETTINGS", "STATISTICS"] });
        let found = world.ok::<DescribeClusters>(asked);
        assert_eq!(found["clusters"][0]["settings"][0]["value"], "enhanced");
        assert_eq!(found["clusters"][0]["statistics"][1]["name"], "runningFargateTasksCount");
        assert_eq!(found["failures"][0]["reason"], "MISSING");
        assert_eq!(world.ok::<ListClusters>(json!({}))["clusterArns"], json!([arn]));
        let gone = world.ok::<DeleteCluster>(json!({ "cluster": arn }));
        assert_eq!(gone["cluster"]["status"], "INACTIVE");
        let refused = world.call::<DeleteCluster>(json!({ "cluster": "prod" })).unwrap_err();
        let expected = ("ClusterNotFoundException".into(), "Cluster not found.".into());
        assert_eq!(refused, expected);
        let found = world.ok::<DescribeClusters>(json!({ "clusters": ["prod"] }));
        assert_eq!(found["clusters"][0]["status"], "INACTIVE");
        world.ok::<CreateCluster>(json!({ "clusterName": "prod" }));
    });
}

#[test]
fn clusters_are_listed_in_pages_with_tokens_of_their_own() {
    play(|world| {
        for name in ["a", "b", "c"] {
            world.ok::<CreateCluster>(json!({ "clusterName": name }));
        }
        let first = world.ok::<ListClusters>(json!({ "maxResults": 2 }));
        assert_eq!(first["clusterArns"].as_array().unwrap().len(), 2);
        let token = first["nextToken"].clone();
        let second = world.ok::<ListClusters>(json!({ "maxResults": 2, "nextToken": token }));
        let rest = json!(["arn:aws:ecs:us-east-1:000000000000:cluster/c"]);
        assert_eq!((second["clusterArns"].clone(), second["nextToken"].is_null()), (rest, true));
        let foreign = json!({ "nextToken": token, "status": "ALL" });
        let refused = world.call::<ListTaskDefinitionFamilies>(foreign).unwrap_err();
        assert_eq!(refused.0, "InvalidParameterException");
    });
}

#[test]
fn lists_of_what_fargate_has_none_of_take_no_token() {
    play(|world| {
        world.cluster();
        let bad = ("InvalidParameterException".to_owned(), "Invalid token".to_owned());
        let junk = json!({ "targetType": "container-instance", "nextToken": "junk" });
        assert_eq!(world.call::<ListAttributes>(junk).unwrap_err(), bad);
        let junk = json!({ "nextToken": "junk" });
        assert_eq!(world.call::<ListContainerInstances>(junk).unwrap_err(), bad);
        let none = world.ok::<ListContainerInstances>(json!({ "nextToken": "" }));
        assert_eq!(none["containerInstanceArns"], json!([]));
    });
}

#[test]
fn a_cluster_with_tasks_or_services_is_not_deleted() {
    play(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", 1));
        let refused = world.call::<DeleteCluster>(json!({ "cluster": "default" })).unwrap_err();
        assert_eq!(refused.0, "ClusterContainsServicesException");
        world.ok::<DeleteService>(json!({ "service": "s", "force": true }));
        world.run_for(seconds(120));
        world.run_task("web");
        let refused = world.call::<DeleteCluster>(json!({ "cluster": "default" })).unwrap_err();
        assert_eq!(refused.0, "ClusterContainsTasksException");
    });
}

#[test]
fn capacity_providers_are_fargates_two() {
    play(|world| {
        world.cluster();
        let put = |providers, strategy| {
            json!({
                "cluster": "default",
                "capacityProviders": providers,
                "defaultCapacityProviderStrategy": strategy,
            })
        };
        let spot = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
        let refused = world.call::<PutClusterCapacityProviders>(put(json!(["mine"]), json!([])));
        assert_eq!(refused.unwrap_err().0, "InvalidParameterException");
        let refused =
            world.call::<PutClusterCapacityProviders>(put(json!(["FARGATE"]), spot.clone()));
        assert!(refused.unwrap_err().1.contains("not associated with the cluster"));
        world.ok::<PutClusterCapacityProviders>(put(json!(["FARGATE", "FARGATE_SPOT"]), spot));
        world.define("web", "nginx");
        let mut asked = run("web");
        asked.as_object_mut().unwrap().remove("launchType");
        let made = world.ok::<RunTask>(asked);
        assert_eq!(made["tasks"][0]["capacityProviderName"], "FARGATE_SPOT");
        let fewer = put(json!(["FARGATE"]), json!([]));
        let refused = world.call::<PutClusterCapacityProviders>(fewer.clone()).unwrap_err();
        assert_eq!(refused.0, "ResourceInUseException");
        assert_eq!(refused.1, "The specified capacity provider is in use and cannot be removed.");
        world.ok::<StopTask>(json!({ "task": made["tasks"][0]["taskArn"] }));
        world.run_for(seconds(120));
        let mut asked = service("s", "web", 0);
        asked.as_object_mut().unwrap().remove("launchType");
        world.ok::<CreateService>(asked);
        assert!(world.call::<PutClusterCapacityProviders>(fewer.clone()).is_err());
        world.ok::<DeleteService>(json!({ "service": "s" }));
        world.run_for(seconds(120));
        world.ok::<PutClusterCapacityProviders>(fewer);
        let all =
            world.ok::<DescribeCapacityProviders>(json!({ "capacityProviders": ["x", "FARGATE"] }));
        assert_eq!(all["capacityProviders"][0]["status"], "ACTIVE");
        assert_eq!(all["failures"][0]["reason"], "MISSING");
    });
}

#[test]
fn account_settings_hold_for_what_is_made_after() {
    play(|world| {
        let insights = json!({ "name": "containerInsights", "value": "enabled" });
        world.ok::<PutAccountSettingDefault>(insights);
        let made = world.ok::<CreateCluster>(json!({ "clusterName": "a" }));
        assert_eq!(made["cluster"]["settings"][0]["value"], "enabled");
        let listed = world.ok::<ListAccountSettings>(
            json!({ "effectiveSettings": true, "name": "taskLongArnFormat" }),
        );
        assert_eq!(listed["settings"][0]["value"], "enabled");
        let name = json!({ "name": "containerInsights" });
        let gone = world.ok::<DeleteAccountSetting>(name.clone());
        assert_eq!(gone["setting"]["value"], "enabled"); // what it was
        assert_eq!(world.ok::<DeleteAccountSetting>(name)["setting"]["value"], "");
        let made = world.ok::<CreateCluster>(json!({ "clusterName": "b" }));
        assert_eq!(made["cluster"]["settings"][0]["value"], "disabled");
        let tagging = json!({ "effectiveSettings": true, "name": "tagResourceAuthorization" });
        assert_eq!(world.ok::<ListAccountSettings>(tagging)["settings"][0]["value"], "on");
        let off = json!({ "name": "tagResourceAuthorization", "value": "off" });
        assert!(world.call::<PutAccountSetting>(off).is_err());
        let wrong = json!({ "name": "awsvpcTrunking", "value": "perhaps" });
        assert!(world.call::<PutAccountSetting>(wrong).is_err());
    });
}

#[test]
fn all_that_has_an_arn_has_tags() {
    play(|world| {
        world.cluster();
        let definition = world.define("web", "nginx");
        let task = world.run_task("web");
        let made = world.ok::<CreateService>(service("s", "web", 0));
        let service = made["service"]["serviceArn"].as_str().unwrap().to_owned();
        let cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/default".to_owned();
        for arn in [cluster, definition, task, service] {
            let tags = json!([{ "key": "team", "value": "blue" }, { "key": "x", "value": "y" }]);
            world.ok::<TagResource>(json!({ "resourceArn": arn, "tags": tags }));
            world.ok::<UntagResource>(json!({ "resourceArn": arn, "tagKeys": ["x"] }));
            let tags =
                world.ok::<ListTagsForResource>(json!({ "resourceArn": arn }))["tags"].clone();
            assert_eq!(tags, json!([{ "key": "team", "value": "blue" }]), "{arn}");
            let own = json!([{ "key": "aws:x", "value": "y" }]);
            assert!(world.call::<TagResource>(json!({ "resourceArn": arn, "tags": own })).is_err());
        }
    });
}
