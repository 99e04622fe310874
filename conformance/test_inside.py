"""Code inside a function reaches the cloud with an unmodified SDK."""

import io
import zipfile

import pytest


@pytest.fixture(scope="session")
def boto3_layer(functions, clients):
    """boto3 with the models of a few services, as a layer."""
    (packages,) = (clients / "venv/lib").glob("python3*/site-packages")
    wanted = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
    models = ("sts", "lambda", "logs", "_retry", "endpoints", "partitions", "sdk-default")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in wanted:
            found = packages / name
            for path in [found] if found.is_file() else found.rglob("*"):
                inside = path.relative_to(packages)
                data = inside.parts[:2] in (("botocore", "data"), ("boto3", "data"))
                model = data and len(inside.parts) > 2
                if path.suffix == ".pyc" or model and not inside.parts[2].startswith(models):
                    continue
                if path.is_file() and "examples" not in inside.parts:
                    archive.write(path, f"python/{inside}")
    layer = functions.client.publish_layer_version(
        LayerName="boto3", Content={"ZipFile": buffer.getvalue()}
    )
    return layer["LayerVersionArn"]


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
