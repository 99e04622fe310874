"""A secret that a function rotates: AWS's four steps, by a function that only speaks HTTP."""

import json

from support.cloud import until

#: What AWS's template does, without its SDK.
ROTATE = '''
import json
import os
import urllib.request


def ask(operation, **input):
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"],
        data=json.dumps(input).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "secretsmanager." + operation,
            "Authorization": "AWS4-HMAC-SHA256 Credential="
            + os.environ["AWS_ACCESS_KEY_ID"]
            + "/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0",
            "X-Amz-Date": "20260101T000000Z",
            "X-Amz-Security-Token": os.environ["AWS_SESSION_TOKEN"],
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def handler(event, context):
    secret, version, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    shown = ask("DescribeSecret", SecretId=secret)
    assert shown["RotationEnabled"] and "AWSPENDING" in shown["VersionIdsToStages"][version]
    if step == "createSecret":
        password = ask("GetRandomPassword", PasswordLength=20)["RandomPassword"]
        ask(
            "PutSecretValue",
            SecretId=secret,
            ClientRequestToken=version,
            SecretString=json.dumps({"password": password}),
            VersionStages=["AWSPENDING"],
        )
    elif step == "finishSecret":
        old = ask("GetSecretValue", SecretId=secret)["VersionId"]
        ask(
            "UpdateSecretVersionStage",
            SecretId=secret,
            VersionStage="AWSCURRENT",
            MoveToVersionId=version,
            RemoveFromVersionId=old,
        )
    elif step not in ("setSecret", "testSecret"):
        raise ValueError(step)
'''


def test_a_function_rotates_a_secret(cloud, functions):
    name = functions.python(ROTATE)
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    secrets = cloud.client("secretsmanager")
    first = secrets.create_secret(Name="rotated", SecretString='{"password": "old"}')
    begun = secrets.rotate_secret(
        SecretId="rotated", RotationLambdaARN=arn, RotationRules={"AutomaticallyAfterDays": 30}
    )
    shown = until(
        lambda: secrets.describe_secret(SecretId="rotated"), lambda it: "LastRotatedDate" in it
    )
    stages = shown["VersionIdsToStages"]
    assert "AWSCURRENT" in stages[begun["VersionId"]]
    assert stages[first["VersionId"]] == ["AWSPREVIOUS"]
    value = secrets.get_secret_value(SecretId="rotated")
    assert value["VersionId"] == begun["VersionId"]
    assert len(json.loads(value["SecretString"])["password"]) == 20
    assert shown["RotationEnabled"] and shown["NextRotationDate"] > shown["LastRotatedDate"]
    secrets.cancel_rotate_secret(SecretId="rotated")
    secrets.delete_secret(SecretId="rotated", ForceDeleteWithoutRecovery=True)
