"""The aws CLI and AWS's JavaScript SDK."""

import json
import subprocess
from pathlib import Path

import pytest

from support.functions import ROLE, zipped

HELLO = "def handler(event, context):\n    print('to the log')\n    return {'hello': event['name']}"


@pytest.fixture
def aws(cloud, clients, tmp_path):
    def run(*arguments, fails=False):
        done = subprocess.run(
            [clients / "venv/bin/aws", *arguments], cwd=tmp_path, env=cloud.environment(),
            capture_output=True, text=True, timeout=60,
        )
        assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
        return done.stderr if fails else json.loads(done.stdout or "null")

    return run


def test_the_aws_cli_creates_invokes_and_reads(aws, tmp_path, cloud):
    (tmp_path / "code.zip").write_bytes(zipped({"app.py": HELLO}))
    (tmp_path / "event.json").write_text('{"name": "cli"}')
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    (tmp_path / "trust.json").write_text(json.dumps(trust))

    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"
    role = aws("iam", "create-role", "--role-name", "cli-role", "--assume-role-policy-document",
               "file://trust.json")["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/cli-role"
    assert role["AssumeRolePolicyDocument"] == trust
    made = aws("lambda", "create-function", "--function-name", "by-cli", "--runtime", "python3.13",
               "--handler", "app.handler", "--role", role["Arn"], "--zip-file", "fileb://code.zip")
    assert made["State"] == "Pending" and made["FunctionName"] == "by-cli"
    aws("lambda", "wait", "function-active-v2", "--function-name", "by-cli")
    printed = aws("lambda", "invoke", "--function-name", "by-cli", "--payload",
                  "fileb://event.json", "--log-type", "Tail", "answer.json")
    assert printed["StatusCode"] == 200 and printed["ExecutedVersion"] == "$LATEST"
    assert json.loads((tmp_path / "answer.json").read_text()) == {"hello": "cli"}
    for _ in range(20):
        lines = aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/by-cli",
                    "--query", "events[].message")
        if lines and any("REPORT" in line for line in lines):
            break
    assert "to the log" in [line.rstrip() for line in lines]
    listed = aws("cloudwatch", "list-metrics", "--namespace", "AWS/Lambda", "--dimensions",
                 "Name=FunctionName,Value=by-cli")
    assert "Metrics" in listed
    complaint = aws("lambda", "get-function", "--function-name", "absent", fails=True)
    assert "(ResourceNotFoundException) when calling the GetFunction operation: " in complaint
    assert "Function not found: arn:aws:lambda:us-east-1:000000000000:function:absent" in complaint
    aws("lambda", "delete-function", "--function-name", "by-cli")


def test_the_javascript_sdk_does_the_same(cloud, clients, tmp_path):
    archive = tmp_path / "code.zip"
    archive.write_bytes(zipped({"app.py": HELLO}))
    script = (Path(__file__).parent / "js/first_function.cjs").resolve()
    done = subprocess.run(
        ["node", script, archive, ROLE], capture_output=True, text=True, timeout=60,
        env=cloud.environment(NODE_PATH=str(clients / "js/node_modules")),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["account"] == "000000000000"
    assert found["answer"] == {"hello": "js"}
    assert "REPORT RequestId" in found["tail"]
    assert found["streamed"].endswith('{"hello": "js"}') or json.loads(found["streamed"]) == {"hello": "js"}
    assert found["missing"] == "ResourceNotFoundException"
    assert any("to the log" in line for line in found["events"])
    assert found["metrics"] >= 1
    assert found["role"] == "js-role"
