"""Tasks and services of one cloud, with busybox in them."""

import uuid
from pathlib import Path

from .cloud import until
from .registry import Registry

ROLE = "arn:aws:iam::000000000000:role/ecs"
BUSYBOX = "/bin/busybox"


class Containers:
    """ECS with an image of busybox in a repository."""

    def __init__(self, cloud, **who):
        self.cloud = cloud
        self.who = who
        self.ecs = cloud.client("ecs", **who)
        self.logs = cloud.client("logs", **who)
        ec2 = cloud.client("ec2", **who)
        subnets = ec2.describe_subnets()["Subnets"]
        group = ec2.create_security_group(
            GroupName=f"web-{uuid.uuid4()}", Description="web", VpcId=subnets[0]["VpcId"]
        )["GroupId"]
        ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
        )
        self.network = {
            "awsvpcConfiguration": {
                "subnets": [subnets[0]["SubnetId"]],
                "securityGroups": [group],
            }
        }
        self.image = f"localhost:{cloud.port}/busybox:1"

    def push(self):
        registry = Registry(self.cloud, **self.who)
        try:
            registry.ecr.create_repository(repositoryName="busybox")
        except registry.ecr.exceptions.RepositoryAlreadyExistsException:
            pass  # other tests of this cloud push the same
        busybox = Path(BUSYBOX).read_bytes()
        files = {"bin/busybox": busybox, "bin/sh": busybox}
        registry.push("busybox", "1", [files], Cmd=["/bin/sh"], Env=["PATH=/bin"])

    def define(self, family, script, task=None, **more):
        container = {
            "name": "web",
            "image": self.image,
            "command": ["/bin/sh", "-c", script],
            "environment": [{"name": "NAME", "value": family}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/" + family,
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "run",
                    "awslogs-create-group": "true",
                },
            },
            **more,
        }
        made = self.ecs.register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[container],
            **{"executionRoleArn": ROLE, "taskRoleArn": ROLE, **(task or {})},
        )
        return made["taskDefinition"]["taskDefinitionArn"]

    def run(self, family, **more):
        made = self.ecs.run_task(
            taskDefinition=family,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **more,
        )
        assert not made["failures"]
        return made["tasks"][0]["taskArn"]

    def task(self, arn):
        return self.ecs.describe_tasks(tasks=[arn])["tasks"][0]

    def wait(self, arn, status):
        return until(lambda: self.task(arn), lambda task: task["lastStatus"] == status)

    def lines(self, family, arn):
        stream = "run/web/" + arn.rsplit("/", 1)[1]
        found = self.logs.get_log_events(
            logGroupName="/ecs/" + family, logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in found["events"]]

    def service(self, name):
        return self.ecs.describe_services(services=[name])["services"][0]

    def create(self, name, family, count, **more):
        self.ecs.create_service(
            serviceName=name,
            taskDefinition=family,
            desiredCount=count,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **more,
        )

    def is_stable(self, name, count):
        def stable(service):
            state = service["deployments"][0]["rolloutState"]
            is_alone = len(service["deployments"]) == 1
            return is_alone and state == "COMPLETED" and service["runningCount"] == count

        return until(lambda: self.service(name), stable, limit=90)

    def delete(self, name):
        self.ecs.delete_service(service=name, force=True)
        until(lambda: self.service(name)["status"], lambda status: status == "INACTIVE", limit=60)
