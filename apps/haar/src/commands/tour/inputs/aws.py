"""Just enough of an AWS client for functions that carry none along."""

import json
import os
import urllib.request


def call(service, method, path, body=b"", headers=None):
    key = os.environ["AWS_ACCESS_KEY_ID"]
    scope = f"{key}/20260101/{os.environ['AWS_REGION']}/{service}/aws4_request"
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, body or None, method=method)
    request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
    request.add_header("X-Amz-Security-Token", os.environ["AWS_SESSION_TOKEN"])
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def put_item(table, **attributes):
    item = {name: {"N": str(value)} if isinstance(value, (int, float)) else {"S": value}
            for name, value in attributes.items()}
    body = json.dumps({"TableName": table, "Item": item}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.PutItem"}
    call("dynamodb", "POST", "/", body, headers)
