"""The tracing header on its way through invocations, and loops that it gives away."""

import datetime
import json
import re

import pytest

from support.cloud import until
from test_inside import boto3_layer  # noqa: F401 (a fixture)

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
SENT = f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"
SHOWS = """
    import json, os
    def handler(event, context):
        print("TRACE " + os.environ["_X_AMZN_TRACE_ID"])
        return {"trace": os.environ["_X_AMZN_TRACE_ID"], "event": event}
"""


def parts(header):
    return dict(part.split("=", 1) for part in header.split(";"))


@pytest.fixture
def traced(cloud):
    """A client that sends a tracing header, as X-Ray's SDKs do."""
    client = cloud.client("lambda")
    client.meta.events.register(
        "before-sign.lambda.*",
        lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", SENT),
    )
    return client


def shown(client, name):
    return parts(json.load(client.invoke(FunctionName=name)["Payload"])["trace"])


def test_the_callers_header_reaches_the_function(functions, traced):
    name = functions.python(SHOWS)
    found = shown(traced, name)
    assert (found["Root"], found["Parent"], found["Sampled"]) == (
        "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8", "1",
    )
    assert re.fullmatch(r"[0-9a-f]{8}:0", found["Lineage"])


def test_a_header_is_made_where_there_is_none(functions, cloud):
    passing = functions.python(SHOWS)
    found = shown(functions.client, passing)
    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", found["Root"])
    assert re.fullmatch(r"[0-9a-f]{16}", found["Parent"]) and found["Sampled"] == "0"
    active = functions.python(SHOWS, TracingConfig={"Mode": "Active"})
    heard = functions.invoke(active)
    found = parts(heard.payload["trace"])
    assert found["Sampled"] == "1", "a second's first request is sampled"
    assert f"XRAY TraceId: {found['Root']}\tSegmentId: {found['Parent']}\tSampled: true" in heard.tail


def log(cloud, name, word):
    logs = cloud.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=f'"{word}"')
    except logs.exceptions.ResourceNotFoundException:
        return []
    messages = (event["message"] for event in found["events"])
    return [message.removeprefix(word + " ") for message in messages if message.startswith(word)]


def test_asynchronous_invocations_keep_it(functions, cloud, traced):
    name = functions.python(SHOWS.replace("return", "raise RuntimeError('again')  # was: return"))
    sink = functions.python(SHOWS)
    arn = functions.client.get_function(FunctionName=sink)["Configuration"]["FunctionArn"]
    functions.client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    traced.invoke(FunctionName=name, InvocationType="Event")
    (told,) = until(lambda: log(cloud, sink, "TRACE"))
    assert told.startswith(SENT + ";Lineage=") and told.count("|") == 1
    tries = log(cloud, name, "TRACE")
    assert len(tries) == 2 and len(set(tries)) == 1 and tries[0].startswith(SENT)


def test_function_urls_pass_it_on(functions, cloud):
    name = functions.python(SHOWS)
    url = functions.client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    host = url.split("//")[1].strip("/")
    headers = {"Host": host, "X-Amzn-Trace-Id": SENT}
    status, answered, body = cloud.http("GET", "/", headers=headers)
    found = json.loads(body)
    assert status == 200 and found["trace"].startswith(SENT)
    assert found["event"]["headers"]["x-amzn-trace-id"] == SENT
    assert answered["x-amzn-trace-id"] == found["trace"]
    _, _, body = cloud.http("GET", "/", headers={"Host": host})
    found = json.loads(body)
    assert found["trace"].startswith(found["event"]["headers"]["x-amzn-trace-id"])


#: Calls itself with the header, as the SDKs do, until it is told to stop.
ITSELF = """
    import json, os, urllib.error, urllib.request
    def handler(event, context):
        print("RAN", event)
        if event == 0:
            return 0
        request = urllib.request.Request(
            os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/"
            + context.function_name + "/invocations",
            data=json.dumps(event - 1).encode(), method="POST",
            headers={"X-Amzn-Trace-Id": os.environ["_X_AMZN_TRACE_ID"]})
        try:
            return 1 + json.load(urllib.request.urlopen(request))
        except urllib.error.HTTPError as error:
            print("STOPPED", error.code, error.headers["X-Amzn-Errortype"])
            return 0
"""


def dropped(cloud, name):
    now = datetime.datetime.now(datetime.UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="RecursiveInvocationsDropped",
        Dimensions=[{"Name": "FunctionName", "Value": name}], Period=7200, Statistics=["Sum"],
        StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def test_a_function_that_calls_itself_is_stopped(functions, cloud):
    name = functions.python(ITSELF, Timeout=60)
    assert functions.invoke(name, 12).payload == 12
    heard = functions.invoke(name, 30)
    assert (heard.error, heard.payload) == (None, 15), "sixteen invocations, fifteen of them its own"
    (stopped,) = until(lambda: log(cloud, name, "STOPPED"))
    assert stopped.split()[0] == "400" and "RecursiveInvocationException" in stopped
    until(lambda: dropped(cloud, name), lambda found: found == 1)


def test_a_function_that_may_call_itself_is_not_stopped(functions, cloud):
    name = functions.python(ITSELF, Timeout=60)
    functions.client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert functions.invoke(name, 20).payload == 20
    assert dropped(cloud, name) == 0


SENDS = """
    import boto3, json
    def handler(event, context):
        print("RAN", event["n"])
        boto3.client("lambda").invoke(
            FunctionName=context.function_name, InvocationType="Event",
            Payload=json.dumps({"n": event["n"] + 1}))
"""
RECORDER = """
    import json
    def handler(event, context):
        print("GOT " + json.dumps(event))
"""


def test_a_loop_of_events_ends_at_the_failure_destination(functions, cloud, boto3_layer):  # noqa: F811
    name = functions.python(SENDS, Layers=[boto3_layer], Timeout=60, MemorySize=512)
    sink = functions.python(RECORDER)
    arn = functions.client.get_function(FunctionName=sink)["Configuration"]["FunctionArn"]
    functions.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    functions.invoke(name, {"n": 1}, InvocationType="Event")
    (told,) = until(lambda: log(cloud, sink, "GOT"), limit=60)
    told = json.loads(told)
    assert told["requestPayload"] == {"n": 17}
    assert told["requestContext"]["condition"] == "RecursiveLoop"
    assert sorted(map(int, log(cloud, name, "RAN"))) == list(range(1, 17))
    until(lambda: dropped(cloud, name), lambda found: found == 1)
