"""Code inside a function reaches the cloud with an unmodified SDK."""

import json

import pytest

from support import layers
from support.functions import NODE, zipped


@pytest.fixture(scope="session")
def boto3_layer(functions, clients):
    return layers.publish(functions, "boto3", layers.sdk(clients, "sts", "lambda", "logs"))


CALLER = """
    import boto3, json, os
    def handler(event, context):
        who = boto3.client("sts").get_caller_identity()
        answer = boto3.client("lambda").invoke(
            FunctionName=event["call"], Payload=json.dumps(event["with"]).encode())
        return {
            "arn": who["Arn"], "answer": json.load(answer["Payload"]),
            "key": os.environ["AWS_ACCESS_KEY_ID"], "token": bool(os.environ["AWS_SESSION_TOKEN"]),
            "region": os.environ["AWS_REGION"],
        }
"""


def test_python_calls_another_function_as_its_role(functions, boto3_layer):
    callee = functions.python("def handler(event, context): return event * 2")
    caller = functions.python(CALLER, Layers=[boto3_layer], Timeout=60, MemorySize=512)
    heard = functions.invoke(caller, {"call": callee, "with": 21})
    assert heard.error is None, heard.raw
    assert heard.payload["answer"] == 42
    assert f":assumed-role/conformance/{caller}" in heard.payload["arn"]
    assert heard.payload["key"].startswith("ASIA") and heard.payload["token"]
    assert heard.payload["region"] == "us-east-1"


def sdk_for_javascript(clients, *names):
    """Packages of AWS's JavaScript SDK with all that they need: bytes by path in an archive."""
    modules = clients / "js/node_modules"
    wanted, files = list(names), {}
    seen = set(wanted)
    while wanted:
        name = wanted.pop()
        told = json.loads((modules / name / "package.json").read_text())
        fresh = [other for other in told.get("dependencies", {}) if other not in seen]
        seen.update(fresh)
        wanted += fresh
        for path in (modules / name).rglob("*"):
            # Requests of CommonJS need neither types nor the builds for browsers.
            if path.is_file() and path.suffix in (".js", ".cjs", ".json") and "dist-es" not in path.parts:
                files[f"node_modules/{path.relative_to(modules)}"] = path.read_bytes()
    return files


NODE_CALLER = """
    const { LambdaClient, InvokeCommand } = require("@aws-sdk/client-lambda");
    const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");
    exports.handler = async (event) => {
      const who = await new STSClient({}).send(new GetCallerIdentityCommand({}));
      const heard = await new LambdaClient({}).send(new InvokeCommand({
        FunctionName: event.call, Payload: JSON.stringify(event.with) }));
      return {
        arn: who.Arn, answer: JSON.parse(Buffer.from(heard.Payload).toString()),
        key: process.env.AWS_ACCESS_KEY_ID, token: Boolean(process.env.AWS_SESSION_TOKEN),
        endpoint: process.env.AWS_ENDPOINT_URL,
      };
    };
"""


@pytest.fixture(scope="session")
def sdk(clients):
    return sdk_for_javascript(clients, "@aws-sdk/client-lambda", "@aws-sdk/client-sts")


def is_heard(functions, caller):
    callee = functions.python("def handler(event, context): return event * 2")
    heard = functions.invoke(caller, {"call": callee, "with": 21})
    assert heard.error is None, heard.raw
    assert heard.payload["answer"] == 42
    assert f":assumed-role/conformance/{caller}" in heard.payload["arn"]
    assert heard.payload["key"].startswith("ASIA") and heard.payload["token"]
    assert heard.payload["endpoint"].startswith("http://")


def test_node_calls_another_function_with_the_sdk_in_its_archive(functions, sdk):
    files = {**sdk, "app.js": NODE_CALLER}
    caller = functions.create(files, NODE, "app.handler", Timeout=60, MemorySize=512)
    is_heard(functions, caller)


def test_node_calls_another_function_with_the_sdk_in_a_layer(functions, sdk):
    archive = zipped({f"nodejs/{path}": content for path, content in sdk.items()})
    layer = functions.client.publish_layer_version(LayerName="sdk-js", Content={"ZipFile": archive})
    caller = functions.create(
        {"app.js": NODE_CALLER}, NODE, "app.handler", Layers=[layer["LayerVersionArn"]], Timeout=60,
        MemorySize=512)
    is_heard(functions, caller)
