"""Asynchronous invocations: retries, ages, destinations, dead letters."""

import json

import pytest

from support.cloud import until

#: Answers by writing what it was told to its log, which is how a test hears of it.
RECORDER = """
    import json
    def handler(event, context):
        print("GOT " + json.dumps(event))
"""


def records(cloud, name):
    logs = cloud.client("logs")
    try:
        events = logs.filter_log_events(
            logGroupName=f"/aws/lambda/{name}", filterPattern='"GOT "'
        )["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(event["message"].split("GOT ", 1)[1]) for event in events]


def test_an_event_is_accepted_and_handled_once(functions, cloud):
    name = functions.python(RECORDER)
    heard = functions.invoke(name, {"n": 1}, InvocationType="Event")
    assert (heard.status, heard.raw) == (202, b"")
    assert until(lambda: records(cloud, name)) == [{"n": 1}]
    assert functions.invoke(name, {}, InvocationType="DryRun").status == 204


def test_failures_are_tried_three_times_then_sent_on(functions, cloud):
    failing = functions.python(
        RECORDER.replace("def handler", "def work")
        + """
    def handler(event, context):
        work(event, context)
        raise RuntimeError("always")
"""
    )
    sink = functions.python(RECORDER)
    arn = functions.client.get_function(FunctionName=sink)["Configuration"]["FunctionArn"]
    functions.client.put_function_event_invoke_config(
        FunctionName=failing, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    sent = functions.invoke(failing, {"n": 7}, InvocationType="Event")
    (told,) = until(lambda: records(cloud, sink))
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["requestContext"]["requestId"] == sent.request_id
    assert told["requestPayload"] == {"n": 7}
    assert told["responsePayload"]["errorMessage"] == "always"
    assert records(cloud, failing) == [{"n": 7}] * 3


def test_successes_are_sent_on_too(functions, cloud):
    name = functions.python("def handler(event, context): return {'sum': event['a'] + 1}")
    sink = functions.python(RECORDER)
    arn = functions.client.get_function(FunctionName=sink)["Configuration"]["FunctionArn"]
    functions.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    functions.invoke(name, {"a": 1}, InvocationType="Event")
    (told,) = until(lambda: records(cloud, sink))
    assert told["requestContext"]["condition"] == "Success"
    assert told["responsePayload"] == {"sum": 2}


def test_no_retries_when_none_are_asked_for(functions, cloud):
    name = functions.python(RECORDER + "        raise RuntimeError('once')\n")
    functions.client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    functions.invoke(name, {"n": 1}, InvocationType="Event")
    until(lambda: records(cloud, name))
    marker = functions.python(RECORDER + "        raise RuntimeError('thrice')\n")
    functions.invoke(marker, {"n": 2}, InvocationType="Event")
    # The retry of another that failed later would have come by now.
    until(lambda: records(cloud, marker), lambda found: len(found) > 1)
    assert records(cloud, name) == [{"n": 1}]


def test_event_payloads_over_the_limit_are_refused(functions):
    name = functions.python(RECORDER)
    with pytest.raises(functions.client.exceptions.RequestTooLargeException):
        functions.invoke(name, "x" * (2 << 20), InvocationType="Event")


def test_a_bus_gets_the_function_and_itself_as_resources_and_only_failures_go_to_buckets(functions, cloud):
    events, sqs = cloud.client("events"), cloud.client("sqs")
    name = functions.python("def handler(event, context): return {'sum': event['a'] + 1}")
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    bus = events.create_event_bus(Name="results")["EventBusArn"]
    url = sqs.create_queue(QueueName="results")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["lambda"], "resources": [{"prefix": arn}]}
    events.put_rule(Name="results", EventBusName="results", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="results", EventBusName="results", Targets=[{"Id": "1", "Arn": queue}])
    functions.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": bus}}
    )
    functions.invoke(name, {"a": 1}, InvocationType="Event")
    (told,) = until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages"))
    event = json.loads(told["Body"])
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["resources"] == [bus, f"{arn}:$LATEST"]
    assert event["detail"]["responsePayload"] == {"sum": 2}

    for ending, destination in [
        ("OnSuccess", "arn:aws:s3:::any"), ("OnFailure", f"{queue}-that-is-none"), ("OnFailure", f"{queue}.fifo")
    ]:
        with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as refused:
            functions.client.update_function_event_invoke_config(
                FunctionName=name, DestinationConfig={ending: {"Destination": destination}}
            )
        assert f"The destination ARN {destination} is invalid." in str(refused.value)
