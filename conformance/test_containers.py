"""Containers on Fargate: real images, from haar's own registry, with the stock client."""

import json
import os
import platform
import signal
import urllib.request
import uuid
from pathlib import Path

import pytest

from support.cloud import ACCOUNT, until
from support.containers import ROLE, Containers
from support.enforced import root_of

#: Serves its own name on port 80 and says so, until it is told to stop.
SERVE = """
echo serving as $NAME
trap 'echo stopping; exit 0' TERM
mkdir -p /www; echo hello from $NAME > /www/index.html
busybox httpd -f -p 80 -h /www &
busybox wget -q -O /www/task $ECS_CONTAINER_METADATA_URI_V4/task
busybox wget -q -O /www/stats $ECS_CONTAINER_METADATA_URI_V4/task/stats
busybox wget -q -O /www/health $AWS_ENDPOINT_URL/_haar/health
busybox wget -q -O /www/keys http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
wait
"""


@pytest.fixture(scope="module")
def containers(cloud):
    made = Containers(cloud)
    made.ecs.create_cluster()
    made.push()
    return made


def address(task):
    return task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]


def fetch(task, path):
    with urllib.request.urlopen(f"http://{address(task)}/{path}", timeout=5) as answer:
        return answer.read().decode()


def tried(task, path):
    try:
        return fetch(task, path)
    except OSError:
        return None


def kill(mark):
    """Kills the first process of the containers that have a variable: from outside."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        except OSError:
            pass
    return False


def test_a_task_runs_is_reached_on_its_own_address_logs_and_stops(containers):
    containers.define("web", SERVE, stopTimeout=5)
    arn = containers.run("web")
    containers.ecs.get_waiter("tasks_running").wait(
        tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    task = containers.task(arn)
    until(lambda: tried(task, ""), lambda text: text == "hello from web\n")
    shown = json.loads(until(lambda: tried(task, "task")))
    assert shown["TaskARN"] == arn and shown["KnownStatus"] in ("PENDING", "RUNNING")
    assert json.loads(until(lambda: tried(task, "keys")))["RoleArn"] == ROLE
    assert json.loads(until(lambda: tried(task, "stats")))
    assert json.loads(until(lambda: tried(task, "health")))
    containers.ecs.stop_task(task=arn, reason="enough")
    task = containers.wait(arn, "STOPPED")
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert task["containers"][0]["exitCode"] == 0
    assert containers.lines("web", arn) == ["serving as web", "stopping"]


def test_idle_connections_to_the_metadata_endpoint_make_room(containers):
    """A program may keep more connections open than a task may have: others are answered."""
    script = """busybox mkfifo /hold; busybox sleep 1000 > /hold &
        while [ $((count += 1)) -le 260 ]; do
            busybox nc 169.254.170.2 80 < /hold > /dev/null 2>&1 &
        done
        busybox sleep 2
        for try in 1 2 3 4 5; do
            printf "GET ${ECS_CONTAINER_METADATA_URI_V4#http://169.254.170.2}/task HTTP/1.0\\r\\n\\r\\n" |
                busybox nc -w 3 169.254.170.2 80 | busybox grep -q TaskARN && echo answered
        done"""
    containers.define("crowded", script)
    arn = containers.run("crowded")
    containers.wait(arn, "STOPPED")
    assert containers.lines("crowded", arn) == ["answered"] * 5


@pytest.mark.skipif(
    tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2]) < (6, 3),
    reason="users of one's own need Linux 6.3",
)
def test_tasks_may_have_users_of_their_own(new_cloud):
    cloud = new_cloud("--user-namespaces")
    containers = Containers(cloud)
    containers.ecs.create_cluster()
    containers.push()
    mark = f"MARK={uuid.uuid4()}"
    name, value = mark.split("=")
    containers.define("own", SERVE, stopTimeout=5, environment=[
        {"name": name, "value": value}, {"name": "NAME", "value": "own"},
    ])
    task = containers.wait(containers.run("own"), "RUNNING")
    # its root may use port 80, and is nobody here
    until(lambda: tried(task, ""), lambda text: text == "hello from own\n")
    owners = {
        folder.stat().st_uid
        for folder in Path("/proc").glob("[0-9]*")
        if mark in environment(folder)
    }
    assert owners and min(owners) >= 0x70000000


def environment(process):
    try:
        return (process / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def test_security_groups_act_on_tasks_that_run(containers):
    """Two tasks in groups of their own: what is authorized and revoked is felt at once."""
    ec2 = containers.cloud.client("ec2")
    vpc = ec2.describe_subnets()["Subnets"][0]["VpcId"]
    groups = {}
    for name in ("server", "client"):
        made = ec2.create_security_group(GroupName=f"{name}-{uuid.uuid4()}", Description=name, VpcId=vpc)
        groups[name] = made["GroupId"]
    usual = containers.network["awsvpcConfiguration"]

    def run(family, group):
        containers.network = {"awsvpcConfiguration": {**usual, "securityGroups": [groups[group]]}}
        return containers.wait(containers.run(family), "RUNNING")

    try:
        containers.define("felt", SERVE, stopTimeout=2)
        server = run("felt", "server")
        # says how each attempt went, the newest last
        ask = f"""while busybox sleep 0.1; do
            printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 1 {address(server)} 80 2>/dev/null |
                busybox grep -q hello && echo open || echo shut
        done"""
        containers.define("asks", ask, stopTimeout=2)
        client = run("asks", "client")
    finally:
        containers.network = {"awsvpcConfiguration": usual}

    def last(state):
        return until(
            lambda: containers.lines("asks", client["taskArn"])[-2:],
            lambda lines: lines == [state, state],
        )

    rule = {
        "GroupId": groups["server"],
        "IpPermissions": [
            {
                "IpProtocol": "tcp",
                "FromPort": 80,
                "ToPort": 80,
                "UserIdGroupPairs": [{"GroupId": groups["client"]}],
            }
        ],
    }
    last("shut")
    ec2.authorize_security_group_ingress(**rule)
    last("open")
    ec2.revoke_security_group_ingress(**rule)
    last("shut")
    ec2.authorize_security_group_ingress(**rule)
    last("open")
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=groups["client"], IpPermissions=everything)
    last("shut")
    for task in (server, client):
        containers.ecs.stop_task(task=task["taskArn"])
        containers.wait(task["taskArn"], "STOPPED")


def test_accounts_share_the_hosts_network_without_sharing_addresses(containers):
    other = Containers(containers.cloud, key="444455556666")
    other.ecs.create_cluster()
    other.image = f"{ACCOUNT}.dkr.ecr.us-east-1.localhost:{containers.cloud.port}/busybox:1"
    made = []
    for one in (containers, other):
        one.define("calm", "exec busybox sleep 1000", stopTimeout=2)
        made.append((one, one.run("calm")))
    tasks = [one.wait(arn, "RUNNING") for one, arn in made]
    assert len({address(task) for task in tasks}) == 2
    for one, arn in made:
        one.ecs.stop_task(task=arn)
        one.wait(arn, "STOPPED")


def test_vpcs_do_not_reach_each_other_whatever_their_groups_say(containers):
    other = Containers(containers.cloud, key="444455556677")
    other.ecs.create_cluster()
    other.image = f"{ACCOUNT}.dkr.ecr.us-east-1.localhost:{containers.cloud.port}/busybox:1"
    ec2 = containers.cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.177.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.177.3.0/24")["Subnet"]["SubnetId"]
    usual = containers.network
    containers.define("apart", SERVE, stopTimeout=2)
    server = containers.wait(containers.run("apart"), "RUNNING")
    # its group lets everybody in, and haar's own programs get there
    until(lambda: tried(server, ""), lambda text: text == "hello from apart\n")
    ask = f"""while busybox sleep 0.1; do
        printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 1 {address(server)} 80 2>/dev/null |
            busybox grep -q hello && echo open || echo shut
        busybox wget -q -O /health $AWS_ENDPOINT_URL/_haar/health && echo haar
    done"""
    made = []
    try:
        for one in (containers, other):
            one.define("asks-apart", ask, stopTimeout=2)
        made.append(("open", containers, containers.run("asks-apart")))
        made.append(("shut", other, other.run("asks-apart")))
        containers.network = {"awsvpcConfiguration": {"subnets": [subnet]}}
        made.append(("shut", containers, containers.run("asks-apart")))
    finally:
        containers.network = usual
    for state, one, arn in made:
        one.wait(arn, "RUNNING")
        said = until(lambda: one.lines("asks-apart", arn), lambda lines: len(lines) >= 6)
        assert set(said) == {state, "haar"}, (state, said)
    for one, arn in [(containers, server["taskArn"])] + [made[1:] for made in made]:
        one.ecs.stop_task(task=arn)
        one.wait(arn, "STOPPED")


def test_clouds_of_one_host_have_networks_of_their_own(new_cloud):
    clouds = [Containers(new_cloud()) for _ in range(2)]
    ranges = set()
    tasks = []
    for one in clouds:
        ranges.add(one.cloud.client("ec2").describe_vpcs()["Vpcs"][0]["CidrBlock"])
        one.ecs.create_cluster()
        one.push()
        one.define("web", SERVE, stopTimeout=2)
        tasks.append(one.wait(one.run("web"), "RUNNING"))
    assert len(ranges) == 2
    for task in tasks:
        until(lambda: tried(task, ""), lambda text: text == "hello from web\n")
    # both survive being forgotten
    status, _, _ = clouds[1].cloud.http("POST", "/_haar/reset", b"")
    assert status == 200
    again = {one.cloud.client("ec2").describe_vpcs()["Vpcs"][0]["CidrBlock"] for one in clouds}
    assert again == ranges


def test_secrets_are_read_as_the_execution_role_may(closed):
    root = root_of(closed)
    containers = Containers(closed, **root)
    containers.ecs.create_cluster()
    containers.push()
    iam = closed.client("iam", **root)
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="exec", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    closed.client("ssm", **root).put_parameter(Name="db", Value="from ssm", Type="SecureString")
    secret = closed.client("secretsmanager", **root).create_secret(
        Name="door", SecretString=json.dumps({"key": "from asm"})
    )["ARN"]

    def allow(*actions):
        statement = {"Effect": "Allow", "Action": ["ecr:*", "logs:CreateLogGroup", "logs:CreateLogStream", *actions], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="exec", PolicyName="p", PolicyDocument=policy)

    def run():
        containers.define(
            "secret",
            "echo $DB, $DOOR",
            task={"executionRoleArn": role, "taskRoleArn": role},
            secrets=[
                {"name": "DB", "valueFrom": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/db"},
                {"name": "DOOR", "valueFrom": f"{secret}:key::"},
            ],
        )
        return containers.wait(containers.run("secret"), "STOPPED")

    head = (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
        "retrieval failed: "
    )
    user = f"AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/exec/ecs-execution"
    allow()
    assert run()["stoppedReason"] == (
        f"{head}unable to retrieve secrets from ssm: service call has been retried 1 time(s): {user} "
        f"is not authorized to perform: ssm:GetParameters on resource: "
        f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/db because no identity-based policy allows the "
        "ssm:GetParameters action"
    )
    allow("ssm:GetParameters")
    reason = run()["stoppedReason"]
    assert reason.startswith(f"{head}unable to retrieve secret from asm: ")
    assert f"{user} is not authorized to perform: secretsmanager:GetSecretValue" in reason
    allow("ssm:GetParameters", "secretsmanager:GetSecretValue")
    task = run()
    assert task["stopCode"] == "EssentialContainerExited", task["stoppedReason"]
    assert containers.lines("secret", task["taskArn"]) == ["from ssm, from asm"]


def test_an_operator_says_where_default_vpcs_lie(new_cloud):
    ec2 = new_cloud("--default-vpc", "10.99.0.0/16").client("ec2")
    assert ec2.describe_vpcs()["Vpcs"][0]["CidrBlock"] == "10.99.0.0/16"
    assert all(one["CidrBlock"].startswith("10.99.") for one in ec2.describe_subnets()["Subnets"])


def test_a_task_that_ends_says_how(containers):
    containers.define("job", "echo done; exit 3")
    task = containers.wait(containers.run("job"), "STOPPED")
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["containers"][0]["exitCode"] == 3
    assert containers.lines("job", task["taskArn"]) == ["done"]


def test_an_image_that_is_not_there_is_told(containers):
    made = containers.image
    containers.image = made.replace(":1", ":2")
    containers.define("gone", "true")
    containers.image = made
    task = containers.wait(containers.run("gone"), "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")


def test_a_service_keeps_its_count_when_a_task_is_killed(containers):
    mark = f"MARK={uuid.uuid4()}"
    name, value = mark.split("=")
    containers.define("kept", "exec busybox sleep 1000", environment=[{"name": name, "value": value}])
    containers.create("kept", "kept", 2)
    containers.is_stable("kept", 2)
    before = containers.ecs.list_tasks(serviceName="kept")["taskArns"]
    assert kill(mark)
    after = until(
        lambda: containers.ecs.list_tasks(serviceName="kept")["taskArns"],
        lambda arns: len(arns) == 2 and set(arns) != set(before),
    )
    containers.is_stable("kept", 2)
    assert len(set(before) & set(after)) == 1
    messages = [event["message"] for event in containers.service("kept")["events"]]
    assert any("has started 1 tasks: (task " in message for message in messages)
    containers.delete("kept")


def test_a_broken_deployment_is_rolled_back(containers):
    containers.define("rolled", "exec busybox sleep 1000")
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    containers.create("rolled", "rolled", 1, deploymentConfiguration=breaker)
    good = containers.is_stable("rolled", 1)["deployments"][0]["id"]
    containers.define("rolled", "exit 1")
    containers.ecs.update_service(service="rolled", taskDefinition="rolled")
    messages = until(
        lambda: [event["message"] for event in containers.service("rolled")["events"]],
        lambda all: f"(service rolled) rolling back to deployment {good}." in all,
        limit=90,
    )
    assert any("deployment failed: tasks failed to start." in message for message in messages)
    found = containers.is_stable("rolled", 1)
    assert found["taskDefinition"].endswith(":1")
    containers.delete("rolled")


def elsewhere(cloud):
    """A network beside the default one, which another cloud of this machine may have."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    return {"awsvpcConfiguration": {"subnets": [subnet]}}


def test_a_task_outlives_a_killed_haar(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    containers = Containers(cloud)
    containers.network = elsewhere(cloud)
    containers.ecs.create_cluster()
    containers.push()
    script = """i=0; while true; do
        printf "GET $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI HTTP/1.0\\r\\n\\r\\n" |
            busybox nc -w 2 169.254.170.2 80 | busybox grep -q SecretAccessKey &&
            echo line $i && i=$((i+1))
        busybox sleep 0.2
    done"""
    containers.define("steady", script, stopTimeout=2)
    arn = containers.run("steady")
    containers.wait(arn, "RUNNING")
    until(lambda: len(containers.lines("steady", arn)) > 3)
    cloud.kill()
    cloud.listen = f"127.0.0.1:{cloud.port}"
    cloud.start()
    known = len(containers.lines("steady", arn))
    until(lambda: len(containers.lines("steady", arn)) > known + 5)
    assert containers.task(arn)["lastStatus"] == "RUNNING"
    containers.ecs.stop_task(task=arn)
    containers.wait(arn, "STOPPED")
    lines = containers.lines("steady", arn)
    assert lines == [f"line {number}" for number in range(len(lines))]
