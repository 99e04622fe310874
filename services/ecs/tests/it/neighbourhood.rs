//! What tasks have of the rooms beside: secrets, security groups.

use std::net::Ipv4Addr;

use haar_ec2_contract::peek::{Allowed, AllowedPeer, Ipv4Range, Rules};
use haar_ecs::state::TaskStatus;
use haar_ecs_contract::model::*;
use haar_substrate::{Filter, FilterRule, Network, Peer, RuleProtocol};
use serde_json::json;

use crate::house::*;

#[test]
fn secrets_are_read_as_the_execution_role_may() {
    play(|world| {
        world.cluster();
        let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf".to_owned();
        let role = |name: &str| format!("arn:aws:iam::000000000000:role/{name}");
        let neighbours = &world.outside.neighbours;
        neighbours.secrets.lock().insert(secret.clone(), "s3cret".to_owned());
        neighbours.denied_roles.lock().insert(role("stranger"));
        let mut input = definition("web", "nginx");
        input["executionRoleArn"] = json!(role("friend"));
        input["containerDefinitions"][0]["secrets"] = json!([{ "name": "S", "valueFrom": secret }]);
        world.ok::<RegisterTaskDefinition>(input);
        let mut asked = run("web");
        for (name, reached) in [("friend", TaskStatus::Running), ("stranger", TaskStatus::Stopped)]
        {
            asked["overrides"] = json!({ "executionRoleArn": role(name) });
            let made = world.ok::<RunTask>(asked.clone())["tasks"][0].clone();
            let arn = made["taskArn"].as_str().unwrap().to_owned();
            assert!(reaches(world, &arn, reached, seconds(5)), "{name}");
            if name == "stranger" {
                let reason = world.task(&arn)["stoppedReason"].as_str().unwrap().to_owned();
                assert_eq!(
                    reason,
                    "ResourceInitializationError: unable to pull secrets or registry auth: \
                     execution resource retrieval failed: unable to retrieve secret from asm: \
                     service call has been retried 1 time(s): AccessDeniedException: \
                     arn:aws:iam::000000000000:role/stranger is not authorized"
                );
            }
        }
    });
}

#[test]
fn rules_of_security_groups_reach_tasks_that_run() {
    play(|world| {
        world.cluster();
        world.ok::<RegisterTaskDefinition>(definition("web", "nginx"));
        let arns = [world.run_task("web"), world.run_task("web")];
        let filter = |world: &Cloud<'_>, arn: &str| {
            let spec = world.outside.substrate().spec(&sandbox(arn)).unwrap();
            let Network::Bridged(bridged) = spec.network else { panic!("it has no interface") };
            bridged.filter.unwrap()
        };
        for arn in &arns {
            assert!(reaches(world, arn, TaskStatus::Running, seconds(5)));
            assert_eq!(filter(world, arn), Filter::default());
        }
        let range = Ipv4Range { first: Ipv4Addr::new(10, 0, 0, 0), prefix: 8 };
        let web = |peer| Allowed { protocol: Some(6), ports: Some((80, 80)), peer };
        let one = Ipv4Range::one(Ipv4Addr::new(172, 31, 0, 9));
        let group = AllowedPeer::Group("sg-2".to_owned());
        let ingress =
            vec![web(AllowedPeer::Range(range)), web(AllowedPeer::Range(one)), web(group)];
        *world.outside.neighbours.rules.lock() = Rules { ingress, egress: Vec::new() };
        world.ok::<CreateCluster>(json!({ "clusterName": "other" }));
        world.run_for(seconds(1));
        let peer = |address: [u8; 4], prefix| Peer { address: address.into(), prefix };
        let peers = vec![peer([10, 0, 0, 0], 8), peer([172, 31, 0, 9], 32)];
        let groups = vec!["sg-2".to_owned()];
        let ingress = vec![FilterRule { protocol: RuleProtocol::Tcp(80, 80), peers, groups }];
        let expected = Filter { ingress, ..Filter::default() };
        for arn in &arns {
            assert_eq!(filter(world, arn), expected);
        }

        // what changed while no process was there is told by the next one
        *world.outside.neighbours.rules.lock() = Rules::default();
        world.crash();
        world.run_for(seconds(1));
        for arn in &arns {
            assert_eq!(filter(world, arn), Filter::default());
        }
    });
}
