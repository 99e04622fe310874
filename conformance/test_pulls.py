"""Images of other registries: public and private, slow, broken and lying ones."""

import base64
import json
import threading

import pytest

from support.cloud import Cloud, until
from support.images import digest
from support.upstream import PASSWORD, USER, Authority, Image, Proxy, Registry

ROLE = "arn:aws:iam::000000000000:role/ecs"
HUB = ("registry-1.docker.io", "auth.docker.io", "registry.test", "hub.test", "cdn.test")
CANNOT = "CannotPullContainerError: "


class Tasks:
    """Runs images once, on a cloud that meets the test's registries for all others."""

    def __init__(self, cloud, hub, plain, proxy, logins):
        self.cloud, self.hub, self.plain, self.proxy, self.logins = cloud, hub, plain, proxy, logins
        self.ecs = cloud.client("ecs")
        self.ecs.create_cluster()
        # A network beside the default one, which another cloud of this machine may have.
        ec2 = cloud.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.79.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.79.1.0/24")["Subnet"]["SubnetId"]
        self.network = {"awsvpcConfiguration": {"subnets": [subnet]}}
        self.secrets = cloud.client("secretsmanager")

    def start(self, image, **more):
        container = {
            "name": "main",
            "image": image,
            "command": ["/bin/sh", "-c", "exit 7"],
            **more,
        }
        self.ecs.register_task_definition(
            family="pulled",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=ROLE,
            containerDefinitions=[container],
        )
        made = self.ecs.run_task(
            taskDefinition="pulled", launchType="FARGATE", networkConfiguration=self.network
        )
        assert not made["failures"]
        return made["tasks"][0]["taskArn"]

    def task(self, arn):
        return self.ecs.describe_tasks(tasks=[arn])["tasks"][0]

    def end(self, arn):
        return until(lambda: self.task(arn), lambda task: task["lastStatus"] == "STOPPED", limit=60)

    def runs(self, image, **more):
        """The image is pulled and its program has run."""
        task = self.end(self.start(image, **more))
        assert task["containers"][0].get("exitCode") == 7, task
        return task

    def fails(self, image, **more):
        """Why the image could not be pulled."""
        task = self.end(self.start(image, **more))
        assert task["stopCode"] == "TaskFailedToStart", task
        assert task["containers"][0]["reason"] == task["stoppedReason"]
        return task["stoppedReason"]

    def secret(self, name, value):
        return self.secrets.create_secret(Name=name, SecretString=json.dumps(value))["ARN"]


@pytest.fixture(scope="module")
def tasks(nothing_is_left, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pulls")
    authority = Authority(folder)
    hub = Registry(Image("hub"), authority.context(*HUB, "127.0.0.1"), "https://auth.docker.io")
    plain = Registry(Image("plain"))
    proxy = Proxy(hub.port)
    logins = folder / "docker"
    logins.mkdir()
    environment = {
        "SSL_CERT_FILE": str(authority.file),
        "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
        "DOCKER_CONFIG": str(logins),
    }
    cloud = Cloud("--wait-divisor", "20", environment=environment).start()
    yield Tasks(cloud, hub, plain, proxy, logins)
    cloud.stop()
    for one in (proxy, plain, hub):
        one.close()


def test_a_public_image_comes_from_docker_hub_by_its_short_name(tasks):
    def redirect(handler, kind, reference):
        if kind != "blobs" or not handler.may("library/hello"):
            return False
        handler.send(307, headers={"Location": f"https://cdn.test/cdn/{reference}"})
        return True

    tasks.hub.faults["library/hello"] = redirect
    task = tasks.runs("hello:1")
    assert task["containers"][0]["imageDigest"] == tasks.hub.image.digest
    met = {"registry-1.docker.io:443", "auth.docker.io:443", "cdn.test:443"}
    assert met <= set(tasks.proxy.hosts)
    elsewhere = [headers for path, headers in tasks.hub.asked if path.startswith("/cdn/")]
    assert len(elsewhere) == 2  # the configuration and the layer
    assert not any("authorization" in headers for headers in elsewhere)
    assert any("authorization" in headers for headers in tasks.hub.blobs_asked("library/hello"))
    tokens = [path for path, _ in tasks.hub.asked if path.startswith("/token")]
    assert tokens == ["/token?service=tests&scope=repository%3Alibrary%2Fhello%3Apull"]
    # What is here is not fetched again; what a digest names is not asked for by a tag.
    tasks.runs(f"docker.io/library/hello@{tasks.hub.image.digest}")
    assert len(tasks.hub.blobs_asked("library/hello")) <= 2
    assert any(path.endswith("/manifests/" + tasks.hub.image.digest) for path, _ in tasks.hub.asked)


def test_a_registry_on_this_machine_is_asked_without_encryption(tasks):
    task = tasks.runs(f"127.0.0.1:{tasks.plain.port}/any/app:1")
    assert task["containers"][0]["imageDigest"] == tasks.plain.image.digest


def test_a_private_image_is_pulled_with_the_secret_that_its_definition_names(tasks):
    image = f"127.0.0.1:{tasks.plain.port}/private/app:1"
    good = tasks.secret("good", {"username": USER, "password": PASSWORD})
    wrong = tasks.secret("wrong", {"username": USER, "password": "guess"})
    shapeless = tasks.secret("shapeless", ["x"])

    def login(arn):
        return {"repositoryCredentials": {"credentialsParameter": arn}}

    tasks.runs(image, **login(good))
    tasks.runs(image.replace("private/", "basic/"), **login(good))
    name = f"failed to resolve ref {image}: {image}"
    refused = tasks.fails(image)
    assert refused.startswith(f"{CANNOT}pull image manifest has been retried 1 time(s): {name}: ")
    assert "pull access denied" in refused and "authentication required" in refused
    refused = tasks.fails(image, **login(wrong))
    assert "failed to authorize: failed to fetch oauth token: " in refused
    assert "401 Unauthorized: unauthorized: incorrect username or password" in refused
    before = "ResourceInitializationError: unable to pull secrets or registry auth: "
    missing = "arn:aws:secretsmanager:us-east-1:000000000000:secret:none-AbCdEf"
    reason = tasks.fails(image, **login(missing))
    assert reason.startswith(before) and "ResourceNotFoundException" in reason
    reason = tasks.fails(image, **login(shapeless))
    assert reason.startswith(before) and "username and password" in reason


def test_the_logins_that_docker_keeps_are_used(tasks):
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = {"auths": {"registry.test": {"auth": auth}}}
    (tasks.logins / "config.json").write_text(json.dumps(config))
    tasks.runs("registry.test/private/app:2")
    assert "pull access denied" in tasks.fails("hub.test/private/app:2")
    (tasks.logins / "config.json").write_text("{")
    assert "pull access denied" in tasks.fails("registry.test/private/other:2")


def test_what_fails_for_a_while_is_tried_again(tasks):
    left = ["manifests", "manifests", "blobs"]

    def fault(handler, kind, reference):
        if not left or kind != left[0] or not handler.may("busy/app"):
            return False
        left.pop(0)
        handler.refuse(503 if kind == "blobs" else 429, "TOOMANYREQUESTS", "slow down")
        return True

    tasks.plain.faults["busy/app"] = fault
    tasks.plain.image = Image("busy")
    tasks.runs(f"127.0.0.1:{tasks.plain.port}/busy/app:1")
    assert not left


def test_a_layer_that_breaks_off_is_resumed(tasks):
    tasks.plain.image = Image("resumed")
    layer = tasks.plain.image.layer
    half = len(layer) // 2
    broken = threading.Event()

    def fault(handler, kind, reference):
        if reference != digest(layer) or broken.is_set():
            return False
        broken.set()
        handler.send(200, layer[:half], length=len(layer))
        handler.wfile.flush()
        handler.connection.close()
        handler.close_connection = True
        return True

    tasks.plain.faults["half/app"] = fault
    tasks.runs(f"127.0.0.1:{tasks.plain.port}/half/app:1")
    ranges = [headers.get("range") for headers in tasks.plain.blobs_asked("half/app")]
    assert f"bytes={half}-" in ranges, ranges


def test_what_does_not_get_better_is_told(tasks):
    place = f"127.0.0.1:{tasks.plain.port}"
    tasks.plain.image = Image("lied")
    silence = threading.Event()

    def limited(handler, kind, reference):
        handler.refuse(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.")
        return True

    def silent(handler, kind, reference):
        silence.wait(60)
        return True

    def lying(handler, kind, reference):
        if reference != digest(tasks.plain.image.layer):
            return False
        handler.send(200, b"x" * len(tasks.plain.image.layer))
        return True

    faults = {"limited/app": limited, "silent/app": silent, "lying/app": lying}
    tasks.plain.faults.update(faults)
    once = f"{CANNOT}pull image manifest has been retried 1 time(s): "
    reason = tasks.fails(f"{place}/any/app:missing")
    image = f"{place}/any/app:missing"
    assert reason == f"{once}failed to resolve ref {image}: {image}: not found"
    assert tasks.fails("No/SuchName") == f"{once}No/SuchName: invalid reference format"
    reason = tasks.fails(f"{place}/limited/app:1")
    assert "429 Too Many Requests: toomanyrequests: You have reached" in reason
    assert "retried 1 time(s)" not in reason
    assert "i/o timeout" in tasks.fails(f"{place}/silent/app:1")
    silence.set()
    reason = tasks.fails(f"{place}/lying/app:1")
    assert reason.startswith(f"{CANNOT}ref pull has been retried 1 time(s): ")
    assert f"{digest(tasks.plain.image.layer)} has the digest" in reason


def test_a_task_is_stopped_while_its_registry_keeps_silent(tasks):
    silence = threading.Event()
    tasks.plain.faults["quiet/app"] = lambda *_: silence.wait(60)
    arn = tasks.start(f"127.0.0.1:{tasks.plain.port}/quiet/app:1")
    until(lambda: tasks.task(arn).get("pullStartedAt"))
    tasks.ecs.stop_task(task=arn, reason="enough")
    assert tasks.end(arn)["stoppedReason"] == "enough"
    silence.set()


def cached(tasks, prefix, name):
    found = tasks.cloud.client("ecr").batch_get_image(
        repositoryName=f"{prefix}/{name}", imageIds=[{"imageTag": "1"}]
    )
    return [image["imageId"]["imageDigest"] for image in found["images"]]


def test_a_cache_of_a_private_registry_uses_its_rules_secret(tasks, tmp_path):
    ecr = tasks.cloud.client("ecr")
    upstream = f"https://127.0.0.1:{tasks.hub.port}"
    good = tasks.secret("ecr-pullthroughcache/good", {"username": USER, "accessToken": PASSWORD})
    wrong = tasks.secret("ecr-pullthroughcache/wrong", {"username": USER, "accessToken": "guess"})

    def validity():
        answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="closed")
        return answer["isValid"], answer.get("failure", "")

    with pytest.raises(ecr.exceptions.SecretNotFoundException):
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="closed",
            upstreamRegistryUrl=upstream,
            credentialArn=good.replace("good", "none"),
        )
    made = ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="closed", upstreamRegistryUrl=upstream, credentialArn=wrong
    )
    assert made["credentialArn"] == wrong
    is_valid, failure = validity()
    assert not is_valid and "incorrect username or password" in failure
    ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="closed", credentialArn=good)
    assert validity() == (True, "")
    rule = ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"][0]
    assert rule["credentialArn"] == good
    assert cached(tasks, "closed", "private/app") == [tasks.hub.image.digest]
    tasks.runs(f"localhost:{tasks.cloud.port}/closed/private/app:1")
    tasks.secrets.delete_secret(SecretId=good, ForceDeleteWithoutRecovery=True)
    is_valid, failure = validity()
    assert not is_valid and "secret" in failure


def test_a_cache_meets_no_registry_whose_certificate_nobody_vouches_for(tasks, tmp_path):
    ecr = tasks.cloud.client("ecr")
    stranger = Registry(Image("stranger"), Authority(tmp_path).context("127.0.0.1"))
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="stranger",
        upstreamRegistryUrl=f"https://127.0.0.1:{stranger.port}",
    )
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="stranger")
    stranger.close()
    assert not answer["isValid"] and "certificate" in answer["failure"]
    assert not stranger.asked
