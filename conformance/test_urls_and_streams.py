"""Function URLs and streamed responses."""

import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ECHO = """
    import base64, json
    def handler(event, context):
        if event["rawPath"] == "/plain":
            return {"just": "this"}
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body).decode()
        return {
            "statusCode": 201,
            "headers": {"x-made-by": "haar"},
            "cookies": ["a=1", "b=2"],
            "body": json.dumps({
                "method": event["requestContext"]["http"]["method"], "path": event["rawPath"],
                "query": event["rawQueryString"], "body": body, "version": event["version"],
                "header": event["headers"].get("x-asked"),
            }),
        }
"""
STREAM = """
    export const handler = awslambda.streamifyResponse(async (event, stream) => {
      stream = awslambda.HttpResponseStream.from(stream, {
        statusCode: 202, headers: { "content-type": "text/plain", "x-made-by": "node" } });
      for (const word of ["one ", "two ", "three"]) stream.write(word);
      stream.end();
    });
"""


def url_of(functions, name, **options):
    """The path of a function's URL at the cloud, and its Host."""
    made = functions.client.create_function_url_config(FunctionName=name, **options)
    host = made["FunctionUrl"].split("://")[1].strip("/")
    return host if ":" in host else f"{host}:{functions.cloud.port}"


def allow_all(functions, name):
    functions.client.add_permission(
        FunctionName=name, StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*",
        FunctionUrlAuthType="NONE",
    )
    functions.client.add_permission(
        FunctionName=name, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*",
        InvokedViaFunctionUrl=True,
    )


def test_a_url_is_called_without_any_key(functions, cloud):
    name = functions.python(ECHO)
    host = url_of(functions, name, AuthType="NONE")
    allow_all(functions, name)
    assert host.split(".")[1] == "lambda-url"
    status, headers, body = cloud.http(
        "POST", "/a/b?x=1&y=2", b"hi", {"Host": host, "x-asked": "yes", "content-type": "text/plain"}
    )
    assert (status, headers["x-made-by"]) == (201, "haar")
    assert headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert json.loads(body) == {
        "method": "POST", "path": "/a/b", "query": "x=1&y=2", "body": "hi", "version": "2.0",
        "header": "yes",
    }
    status, headers, body = cloud.http("GET", "/plain", headers={"Host": host})
    assert (status, json.loads(body)) == (200, {"just": "this"})
    assert headers["content-type"] == "application/json"


def test_a_url_that_wants_a_signature_gets_one(functions, cloud):
    name = functions.python(ECHO)
    host = url_of(functions, name, AuthType="AWS_IAM")
    status, _, body = cloud.http("GET", "/", headers={"Host": host})
    assert status == 403, body
    request = AWSRequest("GET", f"http://{host}/", headers={"Host": host})
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    status, _, body = cloud.http("GET", "/", headers=dict(request.headers))
    assert status == 201, body


def test_cors_is_answered_before_the_function(functions, cloud):
    name = functions.python(ECHO)
    cors = {"AllowOrigins": ["http://localhost:3000"], "AllowMethods": ["GET"], "MaxAge": 60}
    host = url_of(functions, name, AuthType="NONE", Cors=cors)
    allow_all(functions, name)
    asked = {"Host": host, "Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    status, headers, _ = cloud.http("OPTIONS", "/", headers=asked)
    assert status in (200, 204)
    assert headers["access-control-allow-origin"] == "http://localhost:3000"
    assert headers["access-control-max-age"] == "60"


def test_pages_of_any_site_reach_a_url_that_is_open_to_them(functions, cloud):
    name = functions.python(ECHO)
    host = url_of(functions, name, AuthType="NONE")
    origin = {"Host": host, "Origin": "https://app.example"}
    assert (cloud.http("GET", "/", headers=origin)[0], cloud.http("GET", "/", headers={"Host": host})[0]) == (403, 201)
    allow_all(functions, name)
    assert cloud.http("GET", "/", headers=origin)[0] == 201
    assert cloud.http("GET", "/", headers={"Host": host, "Sec-Fetch-Site": "cross-site"})[0] == 201
    assert cloud.http("GET", "/_haar/metrics", headers=origin)[2].find(b"haar_requests_total") < 0
    origins = ["https://app.example"]
    signed = url_of(functions, functions.python(ECHO), AuthType="AWS_IAM",
                    Cors={"AllowOrigins": origins, "AllowMethods": ["GET"]})
    asks = {"Host": signed, "Access-Control-Request-Method": "GET"}
    status, headers, _ = cloud.http("OPTIONS", "/", headers={**asks, "Origin": origins[0]})
    assert (status, headers["access-control-allow-origin"]) == (200, origins[0])
    _, headers, _ = cloud.http("OPTIONS", "/", headers={**asks, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in headers
    # leave to read an answer is none to call: a signature that proves nothing is refused
    request = AWSRequest("GET", f"http://{signed}/", headers={"Host": signed})
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    for page, wanted in (({"Origin": origins[0]}, 403), ({}, 201)):
        assert cloud.http("GET", "/", headers={**dict(request.headers), **page})[0] == wanted
    assert cloud.http("GET", "/", headers={"Host": signed, "Origin": origins[0]})[0] == 403


def test_a_failing_function_is_a_502(functions, cloud):
    name = functions.python("def handler(event, context): raise ValueError('x')")
    host = url_of(functions, name, AuthType="NONE")
    allow_all(functions, name)
    status, _, body = cloud.http("GET", "/", headers={"Host": host})
    assert (status, body) == (502, b"Internal Server Error")


def test_a_response_is_streamed(functions, cloud):
    name = functions.node(STREAM)
    answer = functions.client.invoke_with_response_stream(FunctionName=name, Payload=b"{}")
    events = list(answer["EventStream"])
    text = b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)
    assert text.endswith(b"one two three")
    assert "InvokeComplete" in events[-1]
    assert not events[-1]["InvokeComplete"].get("ErrorCode")

    host = url_of(functions, name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    allow_all(functions, name)
    status, headers, body = cloud.http("GET", "/", headers={"Host": host})
    assert (status, headers["x-made-by"], body) == (202, "node", b"one two three")


def test_a_second_url_is_refused(functions):
    name = functions.python(ECHO)
    url_of(functions, name, AuthType="NONE")
    with pytest.raises(functions.client.exceptions.ResourceConflictException):
        functions.client.create_function_url_config(FunctionName=name, AuthType="NONE")
