"""Function URLs in enforce mode: signatures and policies decide who comes in."""

import json

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT, REGION
from support.functions import Functions
from support.policies import TRUST_LAMBDA, allow, document

WHO = """
    import json
    def handler(event, context):
        who = event["requestContext"].get("authorizer", {}).get("iam")
        return {"statusCode": 200, "body": json.dumps(who)}
"""
CALL = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")


@pytest.fixture(scope="module")
def functions(closed, root, iam):
    iam.create_role(RoleName="runner", AssumeRolePolicyDocument=document(TRUST_LAMBDA))
    return Functions(closed, closed.client("lambda", **root))


@pytest.fixture(scope="module")
def function(functions):
    return functions.python(WHO, Role=f"arn:aws:iam::{ACCOUNT}:role/runner")


@pytest.fixture(scope="module")
def signed_host(functions, function):
    """The host of a URL that wants a signature."""
    made = functions.client.create_function_url_config(FunctionName=function, AuthType="AWS_IAM")
    return made["FunctionUrl"].split("://")[1].strip("/")


def call(cloud, host, keys=None, body=None, sent=None, service="lambda", presigned=False):
    """One request, signed with `keys`; `sent` goes out instead of the signed body."""
    headers = {"Host": host}
    method = "POST" if body else "GET"
    request = AWSRequest(method, f"http://{host}/", data=body, headers=headers)
    path = "/"
    if keys and presigned:
        SigV4QueryAuth(Credentials(keys["key"], keys["secret"]), service, REGION, 60).add_auth(request)
        path = "/" + request.url.split("/", 3)[3]
    elif keys:
        SigV4Auth(Credentials(keys["key"], keys["secret"]), service, REGION).add_auth(request)
        headers = dict(request.headers)
    status, headers, answer = cloud.http(method, path, sent or body, headers)
    return status, headers.get("x-amzn-errortype"), json.loads(answer)


def test_a_url_that_wants_a_signature_knows_who_signed(closed, root, signed_host):
    status, _, who = call(closed, signed_host, root)
    assert status == 200, who
    assert who["userArn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert (who["accountId"], who["accessKey"]) == (ACCOUNT, root["key"])
    status, _, who = call(closed, signed_host, root, body=b"some text")
    assert status == 200, who


def test_nobody_and_strangers_are_kept_out(closed, root, signed_host):
    status, kind, answer = call(closed, signed_host)
    assert (status, kind) == (403, "AccessDeniedException")
    assert answer["Message"].startswith("Forbidden. For troubleshooting Function URL authorization issues")
    wrong = {**root, "secret": "x" * 40}
    status, kind, answer = call(closed, signed_host, wrong)
    assert (status, kind) == (403, "InvalidSignatureException")
    assert answer["message"].startswith("The request signature we calculated does not match")
    status, kind, answer = call(closed, signed_host, root, service="logs")
    assert (status, kind) == (403, "InvalidSignatureException"), answer
    assert answer["message"].strip() == "Credential should be scoped to correct service: 'lambda'."
    status, kind, _ = call(closed, signed_host, root, body=b"one", sent=b"two")
    assert (status, kind) == (403, "InvalidSignatureException")
    unknown = {"key": "AKIA0000000000000000", "secret": "x" * 40}
    assert call(closed, signed_host, unknown)[:2] == (403, "UnrecognizedClientException")


def test_a_presigned_url_is_taken(closed, root, user, signed_host):
    status, _, who = call(closed, signed_host, root, presigned=True)
    assert status == 200 and who["userArn"].endswith(":root"), who
    idle = user("idle")
    assert call(closed, signed_host, idle, presigned=True)[:2] == (403, "AccessDeniedException")


def test_a_user_needs_both_actions(closed, iam, user, signed_host):
    dev = user("half", allow(CALL[0]))
    assert call(closed, signed_host, dev)[0] == 403
    iam.put_user_policy(UserName="half", PolicyName="p", PolicyDocument=document(allow(CALL[1])))
    assert call(closed, signed_host, dev)[0] == 403
    iam.put_user_policy(UserName="half", PolicyName="p", PolicyDocument=document(allow(*CALL)))
    status, _, who = call(closed, signed_host, dev)
    assert (status, who["userArn"]) == (200, f"arn:aws:iam::{ACCOUNT}:user/half")
    assert who["userId"].startswith("AIDA")


def test_conditions_see_how_the_function_is_called(closed, functions, function, user, signed_host):
    url_only = allow(CALL[0], Condition={"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}})
    via_url = allow(CALL[1], Condition={"Bool": {"lambda:InvokedViaFunctionUrl": "true"}})
    dev = user("conditional", url_only, via_url)
    assert call(closed, signed_host, dev)[0] == 200
    with pytest.raises(functions.client.exceptions.ClientError, match="AccessDenied"):
        closed.client("lambda", **dev).invoke(FunctionName=function)
    unsigned_only = allow(CALL[0], Condition={"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}})
    other = user("elsewhere", unsigned_only, via_url)
    assert call(closed, signed_host, other)[0] == 403


def test_the_functions_own_policy_lets_a_guest_in(closed, functions, function, user, signed_host):
    guest = user("guest")
    assert call(closed, signed_host, guest)[0] == 403
    who = f"arn:aws:iam::{ACCOUNT}:user/guest"
    functions.client.add_permission(
        FunctionName=function, StatementId="url", Action=CALL[0], Principal=who,
        FunctionUrlAuthType="AWS_IAM")
    assert call(closed, signed_host, guest)[0] == 403
    functions.client.add_permission(
        FunctionName=function, StatementId="run", Action=CALL[1], Principal=who,
        InvokedViaFunctionUrl=True)
    assert call(closed, signed_host, guest)[0] == 200


def test_an_open_url_is_open_once_the_functions_policy_says_so(closed, functions):
    name = functions.python(WHO, Role=f"arn:aws:iam::{ACCOUNT}:role/runner")
    made = functions.client.create_function_url_config(FunctionName=name, AuthType="NONE")
    host = made["FunctionUrl"].split("://")[1].strip("/")
    assert call(closed, host)[:2] == (403, "AccessDeniedException")
    functions.client.add_permission(
        FunctionName=name, StatementId="url", Action=CALL[0], Principal="*", FunctionUrlAuthType="NONE")
    assert call(closed, host)[:2] == (403, "AccessDeniedException")
    functions.client.add_permission(
        FunctionName=name, StatementId="run", Action=CALL[1], Principal="*", InvokedViaFunctionUrl=True)
    status, _, who = call(closed, host)
    assert (status, who) == (200, None)
    # What a caller of an open URL signs with is the function's own affair.
    status, _, body = closed.http("GET", "/", headers={"Host": host, "Authorization": "Bearer mine"})
    assert (status, body) == (200, b"null")
    assert call(closed, host, {"key": "AKIA0000000000000000", "secret": "x"})[0] == 200


def test_how_a_url_is_guarded_may_decide_who_sees_and_takes_it_away(closed, function, signed_host, user):
    def client(kind):
        statement = allow("lambda:*FunctionUrlConfig")
        statement["Condition"] = {"StringEquals": {"lambda:FunctionUrlAuthType": kind}}
        return closed.client("lambda", **user(f"urls-{kind}".lower(), statement))

    with pytest.raises(ClientError) as refused:
        client("NONE").get_function_url_config(FunctionName=function)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    shown = client("AWS_IAM").get_function_url_config(FunctionName=function)
    assert signed_host in shown["FunctionUrl"]
