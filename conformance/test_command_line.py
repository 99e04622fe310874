"""The commands beside `haar up`."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from support.cloud import BINARY, Cloud, until
from support.containers import BUSYBOX, Containers
from support.functions import NODE, Functions


@pytest.fixture
def haar(cloud):
    def run(*arguments, fails=False):
        done = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, timeout=280,
            env=cloud.environment(HAAR_ENDPOINT=cloud.endpoint),
        )
        assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    return run


def test_status_tells_what_is_served(haar, cloud):
    assert "running" in haar("status")
    assert json.loads(haar("status", "--json"))["health"]["services"]["lambda"]
    complaint = haar("status", "--endpoint", "http://127.0.0.1:1", fails=True)
    assert "haar up" in complaint


def test_outbox_shows_what_went_to_a_phone(haar, cloud):
    cloud.client("sns").publish(PhoneNumber="+49170555", Message="code 4711")
    until(lambda: "+49170555" in haar("outbox"))
    assert "code 4711" in haar("outbox")
    newest = json.loads(haar("outbox", "--max", "1", "--json"))["messages"]
    assert [(one["protocol"], one["to"]) for one in newest] == [("sms", "+49170555")]


def test_cargo_run_means_haar():
    """As the README says it."""
    root = Path(__file__).parent.parent
    told = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"],
        cwd=root, capture_output=True, check=True, timeout=60,
    ).stdout
    workspace = json.loads(told)
    runs = [
        target["name"]
        for package in workspace["packages"]
        if package["id"] in workspace["workspace_default_members"]
        for target in package["targets"]
        if "bin" in target["kind"]
    ]
    assert runs == ["haar"]


def test_env_points_clients_at_the_cloud(haar, cloud):
    exports = haar("env", "--access-key-id", "111122223333")
    assert "export AWS_DISABLE_HOST_PREFIX_INJECTION=true" in exports
    assert f"export AWS_ENDPOINT_URL={cloud.endpoint}" in exports
    shell = subprocess.run(
        ["sh", "-c", f"eval '{exports}'; echo $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID; {BINARY} status"],
        capture_output=True, text=True, check=True,
    )
    named, status = shell.stdout.split("\n", 1)
    assert named.split() == [cloud.endpoint, "111122223333"]
    assert f" on {cloud.endpoint}: running" in status
    assert json.loads(haar("env", "--json"))["AWS_REGION"] == "us-east-1"


def without_region(cloud, **more):
    """A shell that names no region."""
    shell = cloud.environment(HAAR_ENDPOINT=cloud.endpoint)
    return {**{name: text for name, text in shell.items() if not name.endswith("REGION")}, **more}


def test_commands_take_the_shells_region_and_else_the_clouds(new_cloud):
    cloud = new_cloud("--region", "eu-west-1")

    def run(*arguments, **shell):
        done = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, timeout=60,
            env=without_region(cloud, **shell),
        )
        return done.stdout + done.stderr

    def exported(*arguments, **shell):
        told = json.loads(run("env", "--json", *arguments, **shell))
        assert told["AWS_REGION"] == told["AWS_DEFAULT_REGION"]
        return told["AWS_REGION"]

    assert exported() == "eu-west-1"
    assert exported(AWS_DEFAULT_REGION="eu-north-1") == "eu-north-1"
    assert exported(AWS_DEFAULT_REGION="eu-north-1", AWS_REGION="us-west-2") == "us-west-2"
    assert exported("--region", "us-east-2", AWS_REGION="us-west-2") == "us-east-2"
    assert exported("--endpoint", "http://127.0.0.1:1") == "us-east-1"
    logs = cloud.client("logs", region="eu-west-1")
    logs.create_log_group(logGroupName="/own/group")
    assert run("logs", "/own/group").strip() == ""
    assert "does not exist" in run("logs", "/own/group", AWS_REGION="us-east-1")
    task = "0123456789abcdef0123456789abcdef"
    cluster = cloud.client("ecs", region="eu-west-1").create_cluster(clusterName="default")
    assert ":eu-west-1:" in cluster["cluster"]["clusterArn"]
    assert "cluster" in run("exec", task, AWS_REGION="us-east-1").lower()
    assert "cluster" not in run("exec", task).lower()


def test_logs_look_back_by_the_clouds_clock(new_cloud):
    cloud = new_cloud()
    name = Functions(cloud).python("def handler(event, context): print('said', event)")

    def shown(*arguments):
        done = subprocess.run(
            [BINARY, "logs", *arguments, name], capture_output=True, text=True, timeout=60, check=True,
            env=cloud.environment(HAAR_ENDPOINT=cloud.endpoint),
        )
        return done.stdout

    Functions(cloud).invoke(name, "before")
    until(lambda: "said before" in shown())
    cloud.http("POST", "/_haar/clock", json.dumps({"advance": "2h"}).encode())
    Functions(cloud).invoke(name, "after")
    until(lambda: "said after" in shown())
    assert "said before" not in shown() and "said before" in shown("--since", "180")


def test_logs_show_what_functions_print_and_go_on(haar, functions, cloud):
    name = functions.python("def handler(event, context): print('said', event)")
    functions.invoke(name, "first")
    until(lambda: haar("logs", name), lambda text: "said first" in text and "REPORT" in text)
    follower = subprocess.Popen(
        [BINARY, "logs", "-f", name, "--endpoint", cloud.endpoint], stdout=subprocess.PIPE, text=True
    )
    try:
        functions.invoke(name, "second")
        for line in follower.stdout:
            if "said second" in line:
                break
        else:
            pytest.fail("the log ended before what was said")
    finally:
        follower.terminate()
        follower.wait(10)


def test_doctor_and_runtimes_look_at_this_machine(haar):
    assert json.loads(haar("doctor", "--json"))["usable"] is True
    rows = {row["runtime"]: row for row in json.loads(haar("runtimes", "--json"))}
    assert rows["provided.al2023"]["usable"]
    assert any(name.startswith("python3") and row["usable"] for name, row in rows.items())


def test_cost_names_each_function(haar, functions):
    name = functions.python("def handler(event, context): return 1")
    functions.invoke(name)
    until(lambda: haar("cost"), lambda text: name in text)


def test_completions_are_printed(haar):
    assert "haar" in haar("completions", "bash")


@pytest.mark.timeout(300)  # a rule calls each minute
@pytest.mark.parametrize("flags", [["--built-in"], []])
def test_the_tour_shows_that_everything_works(haar, clients, flags, monkeypatch):
    import os

    monkeypatch.setenv("PATH", f"{clients / 'venv/bin'}:{os.environ['PATH']}")
    shown = haar("tour", *flags)
    assert "everything works" in shown
    assert shown.count("REPORT RequestId") >= 6
    assert "hello from a container" in shown and "rolling back to deployment" in shown
    assert "hello-image" in shown and "AWS Fargate: tasks at the prices of" in shown
    assert '"haar.jpg"' in shown and '"order 1"' in shown and '"tick ' in shown


def test_in_enforce_mode_the_shells_keys_sign(closed, root):
    def run(*arguments, **keys):
        done = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, timeout=60,
            env=closed.environment(HAAR_ENDPOINT=closed.endpoint, **keys),
        )
        return done.returncode, done.stdout + done.stderr

    logs = closed.client("logs", **root)
    logs.create_log_group(logGroupName="/own/group")
    logs.create_log_stream(logGroupName="/own/group", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": "for the root alone"}
    logs.put_log_events(logGroupName="/own/group", logStreamName="s", logEvents=[event])
    keys = {"AWS_ACCESS_KEY_ID": root["key"], "AWS_SECRET_ACCESS_KEY": root["secret"]}
    code, text = run("logs", "/own/group", **keys)
    assert code == 0 and "for the root alone" in text
    code, text = run("logs", "/nosuch", **keys)
    assert code == 1 and text.strip() == "haar: The specified log group does not exist"
    code, text = run("logs", **{**keys, "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert code == 1 and "{" not in text and "AWS_SECRET_ACCESS_KEY" in text
    assert "KEY" not in run("env", **keys)[1]


def test_what_localstack_calls_a_reset_is_one(new_cloud, closed):
    cloud = new_cloud()
    s3 = cloud.client("s3")
    restart = json.dumps({"action": "restart"}).encode()
    resets = [("/_localstack/health", restart), ("/_localstack/state/reset", b"")]
    for path, body in resets:
        s3.create_bucket(Bucket="mine")
        page = {"Origin": "https://evil.example"}
        assert cloud.http("POST", path, body, headers=page)[0] == 403
        assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["mine"]
        assert cloud.http("POST", path, body)[0] == 200
        assert s3.list_buckets()["Buckets"] == []
        assert closed.http("POST", path, body)[0] == 403
    assert cloud.http("POST", "/_localstack/health", b'{"action": "dance"}')[0] == 400
    assert cloud.http("GET", "/_localstack/state/reset")[0] == 404


def test_what_is_no_image_and_no_name_is_refused_with_the_reason(haar):
    passwd = haar("images", "import", "/etc/passwd", "--name", "app:1", fails=True)
    assert "answered 400" in passwd and "malformed" in passwd
    named = haar("images", "import", "/etc/passwd", "--name", "UPPER CASE", fails=True)
    assert "answered 400" in named and "'UPPER CASE' is no name of an image" in named


def test_an_image_that_was_brought_in_is_removed_when_nobody_needs_it(haar, cloud, closed, tmp_path):
    root, archive = tmp_path / "root", tmp_path / "root.tar"
    (root / "bin").mkdir(parents=True)
    for name in ("busybox", "sh"):
        shutil.copy(BUSYBOX, root / "bin" / name)
    subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
    brought = haar("images", "import", str(archive), "--name", "brought-in:1").strip()
    assert "brought-in:1" in haar("images", "ls")
    containers = Containers(cloud)
    containers.image = "brought-in:1"
    containers.ecs.create_cluster()
    containers.define("brought-in", "exec busybox sleep 1000", stopTimeout=2)
    task = containers.run("brought-in")
    containers.wait(task, "RUNNING")
    assert "answered 409: brought-in:1 is needed" in haar("images", "rm", "brought-in:1", fails=True)
    containers.ecs.stop_task(task=task)
    until(lambda: subprocess.run(
        [BINARY, "images", "rm", "brought-in:1", "--endpoint", cloud.endpoint], capture_output=True,
    ).returncode == 0)
    assert brought not in haar("--json", "images", "ls")
    assert "answered 404: no image was brought in as brought-in:1" in haar(
        "images", "rm", "brought-in:1", fails=True)
    assert closed.http("DELETE", "/_haar/images?name=app:1")[0] == 403


def test_a_clock_that_is_to_go_back_is_told_why_not(haar):
    assert "only goes forward" in haar("clock", "--advance", "-1h", fails=True)


def test_up_says_why_a_folder_cannot_be_used(new_cloud, tmp_path):
    def refused(folder):
        done = subprocess.run(
            [BINARY, "up", "--listen", "127.0.0.1:0", "--data-dir", str(folder)],
            capture_output=True, text=True, timeout=60,
        )
        assert done.returncode != 0
        return done.stderr.splitlines()[-1]

    file = tmp_path / "file"
    file.touch()
    assert refused(file) == f"haar: {file} is no folder: choose another with --data-dir"
    assert "choose another with --data-dir" in refused("/proc/nowhere")
    data = tmp_path / "data"
    new_cloud(data_dir=data)
    assert refused(data).startswith(f"haar: {data} is in use by another haar: stop it")


def test_services_that_are_not_here_are_named(cloud):
    for service, operation, name in [
        ("kms", "list_keys", "kms.ListKeys"),
        ("elbv2", "describe_load_balancers", "elbv2.DescribeLoadBalancers"),
        ("route53", "list_hosted_zones", "route53: GET /2013-04-01/hostedzone"),
        ("apigateway", "get_rest_apis", "apigateway: GET /restapis"),
        ("stepfunctions", "list_state_machines", "stepfunctions.ListStateMachines"),
        ("cloudformation", "list_stacks", "cloudformation.ListStacks"),
    ]:
        with pytest.raises(ClientError) as refused:
            getattr(cloud.client(service), operation)()
        error = refused.value.response["Error"]
        assert (error["Code"], error["Message"]) == ("NotImplemented", f"{name} is not implemented by haar")


def test_up_tells_programs_where_it_is_and_refuses_what_is_no_region(tmp_path):
    refused = subprocess.run(
        [BINARY, "up", "--region", "mars"], capture_output=True, text=True, timeout=30
    )
    assert refused.returncode != 0
    assert "'mars' is not the name of a region, such as us-east-1" in refused.stderr
    command = [
        BINARY, "--json", "up", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path),
        "--region", "eu-central-1", "--account-id", "123456789012",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as started:
        ready = json.loads(started.stdout.readline())
        client = boto3.client(
            "sts", endpoint_url=ready["url"], region_name=ready["region"],
            aws_access_key_id="test", aws_secret_access_key="test",
        )
        assert client.get_caller_identity()["Account"] == ready["account"] == "123456789012"
        assert (ready["region"], ready["dataDir"]) == ("eu-central-1", str(tmp_path))
        again = subprocess.run(
            command, capture_output=True, text=True, timeout=30, env={**os.environ, "HAAR_LOG": "off"}
        )
        assert again.returncode != 0 and json.loads(again.stdout)["error"]
        assert ready["pid"] == started.pid
        started.terminate()
        assert started.wait(30) == 0


def test_up_hands_programs_the_root_key_that_it_mints(tmp_path):
    command = [
        BINARY, "--json", "up", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path),
        "--auth", "enforce",
    ]
    for is_first in (True, False):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as started:
            ready = json.loads(started.stdout.readline())
            if is_first:
                client = boto3.client(
                    "sts", endpoint_url=ready["url"], region_name=ready["region"],
                    aws_access_key_id=ready["accessKeyId"],
                    aws_secret_access_key=ready["secretAccessKey"],
                )
                assert client.get_caller_identity()["Arn"].endswith(":root")
            else:
                assert "secretAccessKey" not in ready
            started.terminate()
            assert started.wait(30) == 0


def test_up_refuses_a_folder_that_has_no_sdk(tmp_path):
    for folder, problem in [(tmp_path / "absent", "cannot be read"), (tmp_path, "has no @aws-sdk in it")]:
        tmp_path.chmod(0o755)
        refused = subprocess.run(
            [BINARY, "up", "--ephemeral", "--listen", "127.0.0.1:0"], capture_output=True, text=True,
            timeout=30, env={**os.environ, "HAAR_NODE_MODULES": str(folder)},
        )
        assert refused.returncode != 0 and refused.stdout == ""
        assert f"{folder} {problem}" in refused.stderr


def test_functions_of_node_find_the_sdk_that_the_host_has(clients):
    modules = clients / "js" / "node_modules"
    cloud = Cloud(environment={"HAAR_NODE_MODULES": str(modules)}).start()
    try:
        functions = Functions(cloud)
        required = """
            const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts');
            exports.handler = async () => (await new STSClient().send(
                new GetCallerIdentityCommand({}))).Account;
        """
        imported = """
            import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
            export const handler = async () => (await new STSClient().send(
                new GetCallerIdentityCommand({}))).Account;
        """
        for files in ({"app.js": required}, {"app.mjs": imported}):
            name = functions.create(files, NODE, "app.handler", MemorySize=512)
            heard = functions.invoke(name)
            assert heard.payload == "000000000000", heard.raw
    finally:
        cloud.stop()
