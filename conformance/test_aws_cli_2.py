"""The aws CLI of version 2, where Debian's package has brought it; version 1 is tested elsewhere."""

import datetime
import json
import subprocess
from pathlib import Path

import pytest

from support.cloud import until
from support.functions import zipped

PROGRAM = Path("/usr/bin/aws")
CODE = """
    def handler(event, context):
        print("said", event["name"])
        return {"hello": event["name"]}
"""
TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
NAME = "by-cli-2"
GROUP = f"/aws/lambda/{NAME}"


def is_version_2():
    if not PROGRAM.exists():
        return False
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=60)
    return told.stdout.startswith("aws-cli/2.")


pytestmark = pytest.mark.skipif(not is_version_2(), reason="apt-get install awscli brings version 2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli-2")


@pytest.fixture(scope="module")
def environment(cloud, folder):
    # Its python is the system's, not the one that runs these tests.
    kept = {k: v for k, v in cloud.environment().items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture(scope="module")
def aws(cloud, folder, environment):
    def run(*arguments, fails=False):
        # Versions before 2.13 do not know AWS_ENDPOINT_URL.
        done = subprocess.run(
            [PROGRAM, "--endpoint-url", cloud.endpoint, *arguments], cwd=folder, env=environment,
            capture_output=True, text=True, timeout=60,
        )
        assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture(scope="module")
def function(aws, folder):
    (folder / "code.zip").write_bytes(zipped({"app.py": CODE}))
    role = json.loads(aws("iam", "create-role", "--role-name", "cli-2-role",
                          "--assume-role-policy-document", json.dumps(TRUST)))["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/cli-2-role"
    assert role["AssumeRolePolicyDocument"] == TRUST
    made = json.loads(aws(
        "lambda", "create-function", "--function-name", NAME, "--runtime", "python3.13", "--handler",
        "app.handler", "--role", role["Arn"], "--zip-file", "fileb://code.zip"))
    assert (made["FunctionName"], made["State"]) == (NAME, "Pending")
    aws("lambda", "wait", "function-active-v2", "--function-name", NAME)
    yield NAME
    aws("lambda", "delete-function", "--function-name", NAME)


@pytest.fixture
def invoke(aws, function, folder):
    def call(name):
        payload = json.dumps({"name": name})
        printed = json.loads(aws(
            "lambda", "invoke", "--function-name", function, "--payload", payload,
            "--cli-binary-format", "raw-in-base64-out", "answer.json"))
        assert printed == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        assert json.loads((folder / "answer.json").read_text()) == {"hello": name}

    return call


def test_who_calls(aws):
    assert json.loads(aws("sts", "get-caller-identity")) == {
        "UserId": "000000000000", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root"}
    assert aws("sts", "get-caller-identity", "--query", "Account", "--output", "text") == "000000000000\n"


def test_a_payload_is_base64_unless_said_otherwise(aws, function, folder):
    aws("lambda", "invoke", "--function-name", function, "--payload", "eyJuYW1lIjogImI2NCJ9", "b64.json")
    assert json.loads((folder / "b64.json").read_text()) == {"hello": "b64"}


def test_logs_tail_shows_what_was_said(aws, invoke):
    invoke("tailed")
    shown = until(lambda: aws("logs", "tail", GROUP, "--since", "1h", "--format", "short"),
                  lambda text: "said tailed" in text and "REPORT RequestId" in text)
    line = next(line for line in shown.splitlines() if "said tailed" in line)
    stamp, text = line.split(" ", 1)
    assert datetime.datetime.fromisoformat(stamp).date() and text.strip() == "said tailed"
    detailed = aws("logs", "tail", GROUP, "--since", "1h", "--filter-pattern", "tailed")
    assert "[$LATEST]" in detailed and "REPORT" not in detailed


def test_logs_tail_follows(cloud, environment, folder, invoke):
    command = [PROGRAM, "--endpoint-url", cloud.endpoint, "logs", "tail", GROUP, "--follow",
               "--since", "1s", "--format", "short"]
    output = folder / "followed.txt"
    with open(output, "w") as file:
        follower = subprocess.Popen(
            command, cwd=folder, env={**environment, "PYTHONUNBUFFERED": "1"}, stdout=file,
            stderr=subprocess.STDOUT)
    try:
        for number in range(2):
            said = f"said followed-{number}"
            invoke(f"followed-{number}")
            until(output.read_text, lambda text: said in text)
    finally:
        follower.kill()
        follower.wait()
    assert output.read_text().count("said followed-0") == 1


def test_statistics_count_the_calls(aws, invoke):
    invoke("counted")
    now = datetime.datetime.now(datetime.timezone.utc)
    window = [(now + datetime.timedelta(minutes=minutes)).isoformat() for minutes in (-10, 10)]
    ask = ["cloudwatch", "get-metric-statistics", "--namespace", "AWS/Lambda", "--metric-name",
           "Invocations", "--dimensions", f"Name=FunctionName,Value={NAME}", "--start-time", window[0],
           "--end-time", window[1], "--period", "3600", "--statistics", "Sum"]
    found = until(lambda: json.loads(aws(*ask)), lambda found: found["Datapoints"])
    assert found["Label"] == "Invocations"
    assert sum(point["Sum"] for point in found["Datapoints"]) >= 1
    assert {point["Unit"] for point in found["Datapoints"]} == {"Count"}


def test_an_error_reads_as_on_aws(aws):
    complaint = aws("lambda", "get-function", "--function-name", "absent", fails=True)
    assert complaint.strip() == (
        "An error occurred (ResourceNotFoundException) when calling the GetFunction operation "
        "(reached max retries: 0): "
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:absent")
