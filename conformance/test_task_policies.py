"""Who may run which tasks: roles to be passed, and what policies ask of a request, with boto3."""

import pytest
from botocore.exceptions import ClientError

from support.enforced import root_of, user_of
from support.policies import allow, document


@pytest.fixture(scope="module")
def place(closed):
    """A definition with a role, a subnet, and whoever may run tasks but pass no role."""
    root = root_of(closed)
    iam, ecs = (closed.client(name, **root) for name in ("iam", "ecs"))
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="of-the-task", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    ecs.create_cluster()
    arn = ecs.register_task_definition(
        family="guarded",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=role,
        containerDefinitions=[{"name": "main", "image": "nowhere.invalid/none:1"}],
    )["taskDefinition"]["taskDefinitionArn"]
    subnet = closed.client("ec2", **root).describe_subnets()["Subnets"][0]["SubnetId"]
    return {"root": root, "role": role, "definition": arn, "subnet": subnet}


def runs(closed, place, keys, **more):
    """Asks for a task, and stops it at once; whoever may not is told by AWS's error."""
    network = {"awsvpcConfiguration": {"subnets": [place["subnet"]], "assignPublicIp": "DISABLED"}}
    asked = {"taskDefinition": "guarded", "launchType": "FARGATE", "networkConfiguration": network, **more}
    (task,) = closed.client("ecs", **keys).run_task(**asked)["tasks"]
    closed.client("ecs", **place["root"]).stop_task(task=task["taskArn"])


def test_a_definitions_own_roles_must_be_passed(closed, place):
    keys = user_of(closed, place["root"], "runner", allow("ecs:RunTask"))
    with pytest.raises(ClientError, match="iam:PassRole") as refused:
        runs(closed, place, keys)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    passes = allow("iam:PassRole", resource=place["role"])
    keys = user_of(closed, place["root"], "passer", allow("ecs:RunTask"), passes)
    runs(closed, place, keys)


@pytest.mark.parametrize(
    ("name", "condition", "more"),
    [
        ("exec", {"Bool": {"ecs:enable-execute-command": "true"}}, {"enableExecuteCommand": True}),
        ("size", {"NumericGreaterThan": {"ecs:task-cpu": "256"}}, {"overrides": {"cpu": "512", "memory": "1024"}}),
        (
            "public",
            {"Bool": {"ecs:auto-assign-public-ip": "true"}},
            {"assignPublicIp": "ENABLED"},
        ),
    ],
)
def test_what_a_request_asks_for_can_be_denied(closed, place, name, condition, more):
    deny = {"Effect": "Deny", "Action": "ecs:RunTask", "Resource": "*", "Condition": condition}
    passes = allow("iam:PassRole", resource=place["role"])
    keys = user_of(closed, place["root"], f"denied-{name}", allow("ecs:RunTask"), passes, deny)
    runs(closed, place, keys)
    if "assignPublicIp" in more:
        network = {"subnets": [place["subnet"]], **more}
        more = {"networkConfiguration": {"awsvpcConfiguration": network}}
    with pytest.raises(ClientError, match="AccessDenied"):
        runs(closed, place, keys, **more)


def test_a_definition_is_known_by_its_arn_however_it_is_named(closed, place):
    family = place["definition"].rsplit(":", 1)[0]
    only = allow("ecs:CreateService")
    only["Condition"] = {"ArnLike": {"ecs:task-definition": f"{family}:*"}}
    keys = user_of(closed, place["root"], "by-arn", only, allow("iam:PassRole", resource=place["role"]))
    network = {"awsvpcConfiguration": {"subnets": [place["subnet"]]}}
    asked = {"serviceName": "none", "desiredCount": 0, "launchType": "FARGATE", "networkConfiguration": network}
    unable = user_of(closed, place["root"], "no-passer", allow("ecs:CreateService"))
    with pytest.raises(ClientError, match="iam:PassRole"):
        closed.client("ecs", **unable).create_service(taskDefinition="guarded", **asked)
    ecs = closed.client("ecs", **keys)
    made = ecs.create_service(taskDefinition="guarded", **asked)["service"]
    assert made["taskDefinition"] == place["definition"]
