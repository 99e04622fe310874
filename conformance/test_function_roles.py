"""What functions' roles decide in enforce mode: starts, logs, and where results go."""

import json

import pytest
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT, REGION, until
from support.functions import Functions
from support.policies import TRUST_LAMBDA, allow, document

QUIET = """
    def handler(event, context):
        print("said", event)
        return event
"""
REFUSED = "The role defined for the function cannot be assumed by Lambda."


@pytest.fixture(scope="module")
def functions(closed, root):
    return Functions(closed, closed.client("lambda", **root))


def role(iam, name, *statements):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(TRUST_LAMBDA))
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def test_a_function_logs_only_as_a_role_that_may(closed, root, iam, functions):
    logs = closed.client("logs", **root)
    silent = functions.python(QUIET, Role=role(iam, "silent"))
    talking = functions.python(QUIET, Role=role(iam, "talking"))
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="talking", PolicyArn=basic)
    for name in (silent, talking):
        answer = functions.client.invoke(FunctionName=name, Payload=b"1", LogType="Tail")
        assert json.load(answer["Payload"]) == 1
    until(lambda: logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{talking}")["logGroups"])
    assert logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{silent}")["logGroups"] == []


def test_a_log_group_is_made_only_as_a_role_that_may(closed, root, iam, functions):
    logs = closed.client("logs", **root)
    writes = allow("logs:CreateLogStream", "logs:PutLogEvents")
    name = functions.python(QUIET, Role=role(iam, "writes-only", writes))
    group = f"/aws/lambda/{name}"
    functions.client.invoke(FunctionName=name, Payload=b"1", LogType="Tail")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    logs.create_log_group(logGroupName=group)
    functions.client.invoke(FunctionName=name, Payload=b"2", LogType="Tail")
    events = until(lambda: logs.filter_log_events(logGroupName=group, filterPattern="said")["events"])
    assert [event["message"].strip() for event in events] == ["said 2"]


def test_a_role_that_trusts_lambda_no_more_starts_nothing(iam, functions):
    name = functions.python(QUIET, Role=role(iam, "lost"))
    other = {"Service": "ec2.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": other, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName="lost", PolicyDocument=document(trust))
    with pytest.raises(ClientError) as refused:
        functions.client.invoke(FunctionName=name, Payload=b"1")
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert refused.value.response["Error"]["Message"] == REFUSED


def test_results_go_only_where_the_role_may_send_them(closed, root, iam, functions):
    source = functions.python(QUIET, Role=role(iam, "sender"))
    told = functions.python(QUIET, Role=role(iam, "teller", allow("logs:*")))
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{told}"
    config = {"OnSuccess": {"Destination": arn}}
    put = functions.client.put_function_event_invoke_config
    with pytest.raises(ClientError) as refused:
        put(FunctionName=source, DestinationConfig=config)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    text = f"The function execution role does not have permissions to call Invoke on {arn}"
    assert error["Message"] == text
    queue = {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}
    with pytest.raises(ClientError) as refused:
        functions.client.update_function_configuration(FunctionName=source, DeadLetterConfig=queue)
    text = "The provided execution role does not have permissions to call SendMessage on SQS"
    assert refused.value.response["Error"]["Message"] == text

    statement = allow("lambda:InvokeFunction", resource=arn)
    iam.put_role_policy(RoleName="sender", PolicyName="p", PolicyDocument=document(statement))
    put(FunctionName=source, DestinationConfig=config)
    functions.client.invoke(FunctionName=source, Payload=b"7", InvocationType="Event")
    logs = closed.client("logs", **root)
    group = f"/aws/lambda/{told}"
    until(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
    until(lambda: logs.filter_log_events(logGroupName=group, filterPattern="said")["events"])
