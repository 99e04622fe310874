"""Functions from container images, with the stock client."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import uuid
from pathlib import Path

import pytest

from support.cloud import ACCOUNT, until
from support.functions import ROLE, Functions, zipped
from support.images import MANIFEST
from support.policies import TRUST_LAMBDA, document
from support.registry import Registry

BUSYBOX = Path("/bin/busybox")

#: A runtime that runs its event, a JSON text, and answers what that has printed.
SHELL = """#!/bin/sh
echo starting in $PWD with $# arguments: "$@"
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
    busybox wget -q -S -O /tmp/event $api/next 2>/tmp/head || exit 3
    id=$(busybox sed -n 's/.*[Rr]equest-[Ii]d: *//p' /tmp/head | busybox tr -d '\\r')
    command=$(busybox sed 's/^"//; s/"$//; s/\\\\"/"/g' /tmp/event)
    echo running $command
    eval "$command" >/tmp/answer 2>&1
    busybox wget -q -O /tmp/accepted --post-file=/tmp/answer $api/$id/response
done
"""


def root(**more):
    """A layer with a shell."""
    busybox = BUSYBOX.read_bytes()
    return {"bin/busybox": busybox, "bin/sh": busybox, "run.sh": SHELL.encode(), **more}


class Images(Functions):
    """Functions of images that this cloud's registry has."""

    def __init__(self, cloud, **keys):
        super().__init__(cloud, cloud.client("lambda", **keys))
        self.registry = Registry(cloud, **keys)
        self.repository = f"functions-{uuid.uuid4().hex[:8]}"
        self.registry.ecr.create_repository(repositoryName=self.repository)

    def push(self, tag, files=None, **config):
        config.setdefault("Env", ["PATH=/bin", "FROM=image"])
        config.setdefault("Entrypoint", ["/bin/sh", "/run.sh"])
        return self.registry.push(self.repository, tag, [files or root()], **config)

    def make(self, uri, name=None, wait=True, **options):
        name = name or f"i-{uuid.uuid4().hex[:12]}"
        options.setdefault("Timeout", 20)
        made = self.client.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": uri},
            **{"Role": ROLE, **options},
        )
        if wait:
            self.wait(name)
        return made

    def tell(self, name, command, **options):
        """What a shell function prints."""
        found = self.invoke(name, command, **options)
        assert found.error is None, found.raw
        return found.raw.decode().strip()

    def configuration(self, name, **options):
        return self.client.get_function_configuration(FunctionName=name, **options)

    def change(self, name, uri, **options):
        answer = self.client.update_function_code(FunctionName=name, ImageUri=uri, **options)
        self.wait(name)
        return answer


@pytest.fixture(scope="module")
def images(cloud):
    return Images(cloud)


@pytest.fixture(scope="module")
def shell(images):
    """An image with a shell, its name and its digest."""
    return images.push("shell")


@pytest.fixture(scope="module")
def function(images, shell):
    """A function of it, for tests that leave it as it is."""
    return images.make(shell[0], MemorySize=256)["FunctionName"]


def refused(call, **options):
    with pytest.raises(call.__self__.exceptions.ClientError) as caught:
        call(**options)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_function_is_made_from_an_image_and_runs(images, shell):
    uri, digest = shell
    made = images.make(uri, Description="d", MemorySize=256)
    name, hexadecimal = made["FunctionName"], digest.removeprefix("sha256:")
    assert made["PackageType"] == "Image" and made["State"] == "Pending"
    assert (made["CodeSize"], made["CodeSha256"]) == (0, hexadecimal)
    assert "Runtime" not in made and "Handler" not in made and "Layers" not in made

    found = images.client.get_function(FunctionName=name)
    repository = uri.rsplit(":", 1)[0]
    assert found["Code"] == {
        "RepositoryType": "ECR",
        "ImageUri": uri,
        "ResolvedImageUri": f"{repository}@{digest}",
    }
    configuration = found["Configuration"]
    assert configuration["State"] == "Active" and "ImageConfigResponse" not in configuration

    first = images.invoke(name, "echo hello")
    assert (first.error, first.raw.strip()) == (None, b"hello")
    assert re.search(r"REPORT RequestId: \S+\tDuration: .*\tInit Duration: ", first.tail)
    second = images.invoke(name, "echo again")
    assert second.raw.strip() == b"again" and "Init Duration" not in second.tail
    assert "running echo again" in second.tail

    def lines():
        events = images.cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
        return [event["message"].strip() for event in events["events"]]

    written = until(lines, lambda found: sum("REPORT" in line for line in found) == 2)
    assert "starting in / with 0 arguments:" in written
    assert not any("INIT_START" in line for line in written)


def test_a_function_sees_what_lambda_gives_it(images, function):
    told = images.tell(function, "env")
    environment = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == function
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["LAMBDA_TASK_ROOT"] == "/var/task"
    assert (environment["PATH"], environment["FROM"]) == ("/bin", "image")
    assert environment["AWS_ACCESS_KEY_ID"] and environment["AWS_SESSION_TOKEN"]
    assert "_HANDLER" not in environment and "AWS_EXECUTION_ENV" not in environment
    assert images.tell(function, "busybox id -u; busybox id -g") == "993\n990"
    assert "Read-only file system" in images.tell(function, "echo x > /x")
    assert images.tell(function, "echo kept > /tmp/x; busybox cat /tmp/x") == "kept"
    capabilities = images.tell(function, "busybox grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status")
    assert {line.split()[1] for line in capabilities.splitlines()} == {"0" * 16}
    health = "busybox wget -q -O - $AWS_ENDPOINT_URL/_haar/health"
    assert json.loads(images.tell(function, health))["services"]


def test_its_own_variables_go_before_the_images(images, shell):
    variables = {"FROM": "function", "LAMBDA_TASK_ROOT_X": "1"}
    name = images.make(shell[0], Environment={"Variables": variables})["FunctionName"]
    assert images.tell(name, "echo $FROM") == "function"


def test_image_config_goes_before_the_images_own(images):
    files = root(**{"srv/here": b"here", "other.sh": SHELL.replace("running", "other").encode()})
    uri, _ = images.push("config", files, Cmd=["of", "image"], WorkingDir="/srv")
    name = images.make(uri)["FunctionName"]
    assert images.tell(name, "echo $PWD $*") == "/srv of image"

    config = {"Command": ["mine"], "WorkingDirectory": "/bin"}
    changed = images.client.update_function_configuration(FunctionName=name, ImageConfig=config)
    assert changed["ImageConfigResponse"] == {"ImageConfig": config}
    images.wait(name)
    assert images.tell(name, "echo $PWD $*") == "/bin mine"

    config = {"EntryPoint": ["/bin/sh", "/other.sh"], "Command": ["a", "b c"]}
    images.client.update_function_configuration(FunctionName=name, ImageConfig=config)
    images.wait(name)
    found = images.invoke(name, "echo $PWD $# $*")
    assert found.raw.strip() == b"/srv 2 a b c" and "other echo" in found.tail

    images.client.update_function_configuration(FunctionName=name, ImageConfig={})
    images.wait(name)
    assert "ImageConfigResponse" not in images.configuration(name)
    assert images.tell(name, "echo $PWD $*") == "/srv of image"


def test_a_version_keeps_its_image_when_the_tag_moves(images):
    uri, first = images.push("moving", root(mark=b"one"))
    made = images.make(uri, Publish=True)
    name = made["FunctionName"]
    assert made["Version"] == "1"
    images.client.get_waiter("function_active_v2").wait(FunctionName=name, Qualifier="1")
    _, second = images.push("moving", root(mark=b"two"))
    assert images.tell(name, "busybox cat /mark") == "one", "a tag that moves changes nothing"

    dry = images.client.update_function_code(FunctionName=name, ImageUri=uri, DryRun=True)
    assert dry["CodeSha256"] == second.removeprefix("sha256:")
    assert images.configuration(name)["CodeSha256"] == first.removeprefix("sha256:")

    answer = images.change(name, uri, Publish=True)
    assert (answer["Version"], answer["CodeSha256"]) == ("2", second.removeprefix("sha256:"))
    assert images.tell(name, "busybox cat /mark") == "two"
    assert images.tell(name, "busybox cat /mark", Qualifier="1") == "one"
    assert images.tell(name, "busybox cat /mark", Qualifier="2") == "two"
    resolved = images.client.get_function(FunctionName=name, Qualifier="1")["Code"]
    assert resolved["ResolvedImageUri"].endswith(f"@{first}")

    images.registry.ecr.batch_delete_image(
        repositoryName=images.repository, imageIds=[{"imageDigest": first}]
    )
    images.client.update_function_configuration(FunctionName=name, Timeout=9)
    images.wait(name)
    assert images.tell(name, "busybox cat /mark", Qualifier="1") == "one"


def test_by_digest_and_by_the_registrys_own_name(images, shell):
    uri, digest = shell
    repository = images.registry.ecr.describe_repositories(
        repositoryNames=[images.repository]
    )["repositories"][0]["repositoryUri"]
    name = images.make(f"{repository}@{digest}")["FunctionName"]
    code = images.client.get_function(FunctionName=name)["Code"]
    assert code["ResolvedImageUri"] == code["ImageUri"] == f"{repository}@{digest}"
    assert images.tell(name, "echo here") == "here"


def test_images_that_are_not_there_or_not_lambdas_are_refused(images, shell):
    uri, digest = shell
    create = images.client.create_function
    common = {"FunctionName": "never", "PackageType": "Image", "Role": ROLE}

    def text(uri):
        code, message = refused(create, Code={"ImageUri": uri}, **common)
        assert code == "InvalidParameterValueException"
        return message

    missing = images.registry.uri(images.repository, "none")
    assert text(missing) == (
        f"Source image {missing} does not exist. Provide a valid source image."
    )
    for bad in (
        "public.ecr.aws/lambda/python:3.12",
        "nginx:1",
        uri.rsplit(":", 1)[0],
        f"{uri}@{digest}",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.localhost:{images.cloud.port}/{images.repository}:shell",
    ):
        assert text(bad) == f"Source image {bad} is not valid. Provide a valid source image."

    index_type = "application/vnd.oci.image.index.v1+json"
    manifest = images.registry.ecr.batch_get_image(
        repositoryName=images.repository, imageIds=[{"imageTag": "shell"}]
    )["images"][0]["imageManifest"]
    entry = {"mediaType": MANIFEST, "digest": digest, "size": len(manifest)}
    entry["platform"] = {"os": "linux", "architecture": "amd64"}
    index = {"schemaVersion": 2, "mediaType": index_type, "manifests": [entry]}
    images.registry.manifest(images.repository, "index", index_type, index)
    several = images.registry.uri(images.repository, "index")
    assert text(several) == (
        f"The image manifest, config or layer media type for the source image {several} is not "
        "supported."
    )


def test_what_does_not_go_together_is_refused(images, shell, function):
    uri, _ = shell
    create = images.client.create_function
    common = {"FunctionName": "never", "PackageType": "Image", "Role": ROLE}
    invalid = "InvalidParameterValueException"
    with_image = {**common, "Code": {"ImageUri": uri}}
    neither = (
        invalid,
        "Please don't provide Handler or Runtime or Layer when the intended function PackageType "
        "is Image.",
    )
    assert refused(create, Runtime="python3.13", **with_image) == neither
    assert refused(create, Handler="a.b", **with_image) == neither
    archive = {"ZipFile": zipped({"a.py": ""})}
    assert refused(create, Code=archive, **common)[1] == (
        "Please provide ImageUri when creating a function with packageType Image."
    )
    zipped_one = {"FunctionName": "never", "Role": ROLE, "Runtime": "python3.13", "Handler": "a.b"}
    assert refused(create, Code={"ImageUri": uri}, **zipped_one)[1] == (
        "Please don't provide ImageUri when creating a function with packageType Zip."
    )
    config = {"Command": ["x"]}
    code, message = refused(create, Code=archive, ImageConfig=config, **zipped_one)
    assert code == invalid and "ImageConfig" in message

    configure = images.client.update_function_configuration
    assert refused(configure, FunctionName=function, Runtime="python3.13") == neither
    update = images.client.update_function_code
    assert refused(update, FunctionName=function, ZipFile=archive["ZipFile"])[1] == (
        "Please provide ImageUri when updating a function with packageType Image."
    )
    other = images.python("def handler(event, context): return 1\n")
    assert refused(update, FunctionName=other, ImageUri=uri)[1] == (
        "Please don't provide ImageUri when updating a function with packageType Zip."
    )


def faulty(images, uri, kind, **config):
    name = images.make(uri, ImageConfig=config)["FunctionName"]
    found = images.invoke(name, "true")
    assert found.error == "Unhandled" and found.payload["errorType"] == kind, found.raw
    assert f"Error Type: {kind}" in found.tail
    return found.payload["errorMessage"].split("Error: ", 1)[1]


def test_programs_that_cannot_start_say_why(images, shell):
    uri, entry = shell[0], "Runtime.InvalidEntrypoint"
    said = faulty(images, uri, entry, EntryPoint=["/nowhere"])
    assert said == "fork/exec /nowhere: no such file or directory"
    said = faulty(images, uri, entry, EntryPoint=["nowhere"])
    assert said == 'exec: "nowhere": executable file not found in $PATH'
    folder = "Runtime.InvalidWorkingDir"
    assert "/nowhere" in faulty(images, uri, folder, WorkingDirectory="/nowhere")
    assert faulty(images, uri, folder, WorkingDirectory="run") == (
        "the working directory 'run' is invalid, it needs to be an absolute path"
    )
    said = faulty(images, uri, "Runtime.ExitError", EntryPoint=["/bin/sh", "-c", "exit 7"])
    assert said == "Runtime exited with error: exit status 7"

    other, _ = images.registry.push(
        images.repository, "odd", [{"prog": b"\x7fELF not for this machine"}], Entrypoint=["/prog"]
    )
    said = faulty(images, other, entry)
    assert said == "fork/exec /prog: exec format error"


def test_limits_hold(images, shell):
    name = images.make(shell[0], Timeout=1, MemorySize=128)["FunctionName"]
    late = images.invoke(name, "busybox sleep 30")
    assert late.payload["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in late.payload["errorMessage"]
    assert images.tell(name, "echo well") == "well"
    images.client.update_function_configuration(FunctionName=name, Timeout=30)
    images.wait(name)
    greedy = images.invoke(name, "exec busybox tail /dev/zero")
    assert greedy.payload["errorType"] == "Runtime.ExitError"
    assert "signal: killed" in greedy.payload["errorMessage"]
    assert "Error Type: Runtime.OutOfMemory" in greedy.tail
    assert "Max Memory Used: 128 MB" in greedy.tail
    assert images.tell(name, "echo well") == "well"
    assert images.tell(name, "ulimit -n") == "1024"


def test_an_image_is_held_ready_by_provisioned_concurrency(images, shell):
    name = images.make(shell[0], Publish=True)["FunctionName"]
    named = {"FunctionName": name, "Qualifier": "1"}
    images.client.get_waiter("function_active_v2").wait(**named)
    images.client.put_provisioned_concurrency_config(ProvisionedConcurrentExecutions=2, **named)
    until(
        lambda: images.client.get_provisioned_concurrency_config(**named)["Status"],
        lambda status: status == "READY",
    )
    kind = "echo $AWS_LAMBDA_INITIALIZATION_TYPE"
    assert images.tell(name, kind, Qualifier="1") == "provisioned-concurrency"
    assert images.tell(name, kind) == "on-demand"
    images.client.delete_function(FunctionName=name)


#: An external extension: registers, tells of it, waits for events.
EXTENSION = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
busybox wget -q -S -O /tmp/registered --header 'Lambda-Extension-Name: watcher' \\
    --post-data '{"events": ["INVOKE"]}' $api/register 2>/tmp/watcher || exit 4
id=$(busybox sed -n 's/.*Extension-Identifier: *//p' /tmp/watcher | busybox tr -d '\\r')
while busybox wget -q -O /tmp/seen --header "Lambda-Extension-Identifier: $id" $api/event/next
do echo the watcher saw $(busybox sed 's/.*eventType":"//; s/".*//' /tmp/seen)
done
"""


def test_extensions_of_an_image_are_started(images):
    files = root(**{"opt/extensions/watcher": EXTENSION.encode()})
    name = images.make(images.push("extended", files)[0])["FunctionName"]
    assert "eventType" in images.tell(name, "busybox sleep 1; busybox cat /tmp/seen")
    logs = images.cloud.client("logs")

    def lines():
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return [event["message"].strip() for event in events]

    written = until(lines, lambda found: "the watcher saw INVOKE" in found)
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE]" in written


def test_an_image_is_held_while_a_function_refers_to_it(new_cloud, tmp_path):
    """Through a kill of haar too; and when no function does, it may go."""
    cloud = new_cloud(data_dir=tmp_path / "data")
    images = Images(cloud)
    uri, digest = images.push("kept")
    name = images.make(uri)["FunctionName"]
    assert images.tell(name, "echo before") == "before"
    images.registry.ecr.delete_repository(repositoryName=images.repository, force=True)
    cloud.kill()
    cloud.start()
    images.client = cloud.client("lambda")
    assert images.tell(name, "echo after") == "after"
    assert images.configuration(name)["CodeSha256"] == digest.removeprefix("sha256:")
    images.client.delete_function(FunctionName=name)


def test_a_repository_that_lets_nobody_read_makes_no_function(closed, root, iam):
    images = Images(closed, **root)
    uri, _ = images.push("guarded")
    trust = document(TRUST_LAMBDA)
    role = iam.create_role(RoleName="of-images", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    name = images.make(uri, Role=role)["FunctionName"]
    assert images.tell(name, "echo let in") == "let in"
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}
    images.registry.ecr.set_repository_policy(
        repositoryName=images.repository, policyText=document(nobody)
    )
    common = {"FunctionName": "never", "PackageType": "Image", "Role": role}
    assert refused(images.client.create_function, Code={"ImageUri": uri}, **common) == (
        "AccessDeniedException",
        "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
    )


def libraries(*programs):
    """The shared libraries that programs load, by path."""
    found = set()
    for one in programs:
        listed = subprocess.run(["ldd", one], capture_output=True, text=True).stdout
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return found


def python_layer(*packages):
    """This Python with its library, and packages of this virtual environment."""
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_paths(vars={"installed_base": sys.base_prefix})["stdlib"])
    skipped = {"site-packages", "dist-packages", "test", "idlelib", "ensurepip", "__pycache__"}
    files = {}
    for folder, folders, names in os.walk(library):
        folders[:] = [one for one in folders if one not in skipped and "config-" not in one]
        files.update({str(Path(folder) / one): None for one in names})
    modules = [name for name in files if name.endswith(".so")]
    ours = Path(sysconfig.get_paths()["platlib"])
    for package in packages:
        place = ours / package
        found = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
        assert found, f"{package} is not installed"
        modules += [str(one) for one in found if one.suffix == ".so"]
        files.update({f"/var/task/{one.relative_to(ours)}": one for one in found})
    files.update({name: None for name in libraries(program, *modules)})
    read = {name.lstrip("/"): Path(source or name).read_bytes() for name, source in files.items()}
    return {**read, "usr/bin/python": program.read_bytes()}


APP = """
import json, os, sys

def handler(event, context):
    print("seen by", context.function_name, file=sys.stderr)
    if event.get("fail"):
        raise ValueError("as asked")
    left = context.get_remaining_time_in_millis()
    return {"hello": event["name"], "left": left > 0, "arn": context.invoked_function_arn}
"""


def test_awss_own_runtime_interface_client_runs(images):
    native = next(Path(sysconfig.get_paths()["platlib"]).glob("runtime_client*.so")).name
    python = python_layer("awslambdaric", "simplejson", "snapshot_restore_py.py", native)
    uri, _ = images.registry.push(
        images.repository,
        "python",
        [python, {"var/task/app.py": APP.encode()}],
        Env=[f"PYTHONHOME={sys.base_prefix}", "PYTHONPATH=/var/task"],
        Entrypoint=["/usr/bin/python", "-m", "awslambdaric"],
        Cmd=["app.handler"],
        WorkingDir="/var/task",
    )
    made = images.make(uri, MemorySize=512)
    found = images.invoke(made["FunctionName"], {"name": "world"})
    assert found.payload == {"hello": "world", "left": True, "arn": made["FunctionArn"]}
    assert f"seen by {made['FunctionName']}" in found.tail
    failed = images.invoke(made["FunctionName"], {"fail": True})
    assert failed.error == "Unhandled" and failed.payload["errorType"] == "ValueError"
    assert failed.payload["errorMessage"] == "as asked" and failed.payload["stackTrace"]
