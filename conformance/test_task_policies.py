"""Who may run which tasks: roles to be passed, and what policies ask of a request, with boto3."""

import pytest
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT
from support.enforced import refusal, root_of, user_of
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


def arn(resource, region="us-east-1", partition="aws"):
    return f"arn:{partition}:ecs:{region}:{ACCOUNT}:{resource}"


@pytest.fixture(scope="module")
def held(closed, place):
    """A service and a task that nobody but the root may touch; answers both names."""
    ecs = closed.client("ecs", **place["root"])
    network = {"awsvpcConfiguration": {"subnets": [place["subnet"]]}}
    asked = {"taskDefinition": "guarded", "launchType": "FARGATE", "networkConfiguration": network}
    ecs.create_cluster(clusterName="prod")
    ecs.create_service(serviceName="held", desiredCount=0, **asked)
    (task,) = ecs.run_task(**asked)["tasks"]
    return {"service": "held", "task": task["taskArn"].rsplit("/", 1)[1]}


def ways(kind, name):
    """A name of what is in the default cluster, in every form that a request may give it."""
    whole = arn(f"{kind}/default/{name}")
    return [
        {kind: name},
        {kind: whole},
        {kind: arn(f"{kind}/{name}")},
        {kind: whole, "cluster": arn("cluster/default")},
        {kind: arn(f"{kind}/{name}"), "cluster": "default"},
        {kind: whole, "cluster": "prod"},
        {kind: arn(f"{kind}/{name}"), "cluster": "prod"},
        {kind: arn(f"{kind}/default/{name}", region="eu-west-1")},
        {kind: arn(f"{kind}/default/{name}", partition="aws-cn")},
    ]


@pytest.mark.parametrize(("kind", "operation"), [
    ("service", "update_service"), ("service", "delete_service"), ("task", "stop_task"),
])
def test_a_denial_holds_however_a_resource_is_written(closed, place, held, kind, operation):
    deny = {"Effect": "Deny", "Action": "ecs:*", "Resource": arn(f"{kind}/default/*")}
    keys = user_of(closed, place["root"], f"denied-{operation.replace('_', '-')}", allow("ecs:*"), deny)
    call = getattr(closed.client("ecs", **keys), operation)
    for count, named in enumerate(ways(kind, held[kind])):
        code, message = refusal(call, **named)
        if count < 5:
            assert code == "AccessDeniedException" and "explicit deny" in message, named
        else:
            known = ("AccessDeniedException", "InvalidParameterException", "ServiceNotFoundException")
            assert code in known, (named, code)
    elsewhere = user_of(
        closed, place["root"], f"abroad-{operation.replace('_', '-')}",
        allow("ecs:*", resource=f"arn:aws:ecs:eu-west-1:{ACCOUNT}:*"))
    call = getattr(closed.client("ecs", **elsewhere), operation)
    for named in ways(kind, held[kind]):
        assert refusal(call, **named)[0] in ("AccessDeniedException", "InvalidParameterException"), named
    root = closed.client("ecs", **place["root"])
    (service,) = root.describe_services(services=[held["service"]])["services"]
    (task,) = root.describe_tasks(tasks=[held["task"]])["tasks"]
    assert service["status"] == "ACTIVE" and task.get("stopCode") != "UserInitiated"


def test_tasks_are_told_of_to_those_who_may_only(closed, place, held):
    deny = {"Effect": "Deny", "Action": "ecs:DescribeTasks", "Resource": arn("task/default/*")}
    ecs = closed.client("ecs", **user_of(closed, place["root"], "blind", allow("ecs:*"), deny))
    for named in ways("task", held["task"])[:5]:
        asked = {"tasks": [named.pop("task")], **named}
        assert refusal(ecs.describe_tasks, **asked)[0] == "AccessDeniedException", asked


def test_a_definition_that_may_not_run_is_not_run_by_its_family(closed, place):
    deny = {"Effect": "Deny", "Action": "ecs:RunTask", "Resource": arn("task-definition/guarded:*")}
    passes = allow("iam:PassRole", resource=place["role"])
    keys = user_of(closed, place["root"], "no-family", allow("ecs:*"), passes, deny)
    for named in ("guarded", "guarded:1", place["definition"], arn("task-definition/guarded")):
        with pytest.raises(ClientError, match="explicit deny"):
            runs(closed, place, keys, taskDefinition=named)


def test_tags_are_for_whole_arns(closed, place, held):
    ecs = closed.client("ecs", **place["root"])
    for kind in ("service", "task"):
        code, message = refusal(ecs.list_tags_for_resource, resourceArn=arn(f"{kind}/{held[kind]}"))
        assert (code, message) == (
            "InvalidParameterException", "Long arn format must be used for tagging operations")
        ecs.list_tags_for_resource(resourceArn=arn(f"{kind}/default/{held[kind]}"))


def test_definitions_deployments_and_revisions_are_weighed_by_their_arns(closed, place, held):
    root = closed.client("ecs", **place["root"])
    (deployment,) = root.list_service_deployments(service=held["service"])["serviceDeployments"]
    deployment, revision = deployment["serviceDeploymentArn"], deployment["targetServiceRevisionArn"]
    root.register_task_definition(
        family="short",
        containerDefinitions=[{"name": "main", "image": "nowhere.invalid/none:1", "memory": 64}])
    root.deregister_task_definition(taskDefinition="short:1")
    keys = user_of(
        closed, place["root"], "by-arns",
        allow("ecs:DeleteTaskDefinitions", resource=arn("task-definition/short:*")),
        allow("ecs:DescribeServiceDeployments", resource=arn("service-deployment/default/held/*")),
        allow("ecs:DescribeServiceRevisions", resource=arn("service-revision/default/held/*")),
    )
    ecs = closed.client("ecs", **keys)
    found = ecs.describe_service_deployments(serviceDeploymentArns=[deployment])
    assert [one["serviceDeploymentArn"] for one in found["serviceDeployments"]] == [deployment]
    found = ecs.describe_service_revisions(serviceRevisionArns=[revision])
    assert [one["serviceRevisionArn"] for one in found["serviceRevisions"]] == [revision]
    for other in (deployment.replace("/held/", "/other/"), revision):
        code, _ = refusal(ecs.describe_service_deployments, serviceDeploymentArns=[deployment, other])
        assert code == "AccessDeniedException"
    for other in ("guarded:1", place["definition"]):
        code, _ = refusal(ecs.delete_task_definitions, taskDefinitions=["short:1", other])
        assert code == "AccessDeniedException"
    (gone,) = ecs.delete_task_definitions(taskDefinitions=["short:1"])["taskDefinitions"]
    assert gone["status"] == "DELETE_IN_PROGRESS"
