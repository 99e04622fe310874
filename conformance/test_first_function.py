"""The main job: functions from zip files, their results, logs and metrics."""

import datetime
import re

import pytest

from support.cloud import until

PYTHON = """
    import os
    def handler(event, context):
        print("hello to", event["name"])
        return {
            "hello": event["name"],
            "request": context.aws_request_id,
            "memory": context.memory_limit_in_mb,
            "arn": context.invoked_function_arn,
            "remaining": context.get_remaining_time_in_millis(),
            "group": os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
            "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        }
"""
NODE = """
    export const handler = async (event, context) => {
      console.log("hello to", event.name);
      return { hello: event.name, request: context.awsRequestId, remaining: context.getRemainingTimeInMillis() };
    };
"""
REPORT = re.compile(
    r"REPORT RequestId: (\S+)\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\t"
    r"Memory Size: (\d+) MB\tMax Memory Used: (\d+) MB"
)


@pytest.fixture(params=["python", "node", "provided"])
def function(request, functions, bootstrap):
    """One function of each kind, and a word that it logs."""
    match request.param:
        case "python":
            return functions.python(PYTHON)
        case "node":
            return functions.node(NODE)
        case "provided":
            return functions.provided(bootstrap)


def test_a_function_answers_and_leaves_log_and_metrics(function, functions, cloud):
    cold = functions.invoke(function, {"name": "world"})
    warm = functions.invoke(function, {"name": "world"})
    for heard in (cold, warm):
        assert (heard.status, heard.error, heard.version) == (200, None, "$LATEST")
        assert "world" in heard.raw.decode()
        report = REPORT.search(heard.tail)
        assert report, heard.tail
        assert report.group(1) == heard.request_id
        assert float(report.group(2)) <= int(report.group(3))
        assert report.group(4) == "256"
        assert 0 < int(report.group(5)) <= 256
        assert f"START RequestId: {heard.request_id} Version: $LATEST" in heard.tail
        assert f"END RequestId: {heard.request_id}" in heard.tail
    assert "Init Duration" in cold.tail
    assert "Init Duration" not in warm.tail

    logs = cloud.client("logs")
    group = f"/aws/lambda/{function}"

    def logged():
        return logs.filter_log_events(logGroupName=group).get("events", [])

    events = until(logged, lambda found: sum("REPORT" in e["message"] for e in found) == 2)
    assert any("hello" in event["message"] for event in events)
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert [re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", s["logStreamName"]) for s in streams]
    assert len(streams) == 1

    metrics = cloud.client("cloudwatch")
    dimensions = [{"Name": "FunctionName", "Value": function}]
    now = datetime.datetime.now(datetime.UTC)
    window = {"StartTime": now - datetime.timedelta(hours=1), "EndTime": now + datetime.timedelta(hours=1)}

    def statistics(metric, statistic):
        points = metrics.get_metric_statistics(
            Namespace="AWS/Lambda", MetricName=metric, Dimensions=dimensions, Period=7200,
            Statistics=[statistic], **window,
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    until(lambda: statistics("Invocations", "Sum"), lambda found: found == 2)
    assert statistics("Errors", "Sum") == 0
    assert statistics("Duration", "Maximum") > 0
    query = {
        "Id": "calls",
        "MetricStat": {
            "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": dimensions},
            "Period": 60, "Stat": "Sum",
        },
    }
    found = metrics.get_metric_data(MetricDataQueries=[query], **window)["MetricDataResults"]
    assert sum(found[0]["Values"]) == 2
    listed = metrics.list_metrics(Namespace="AWS/Lambda", Dimensions=dimensions)["Metrics"]
    assert {"Invocations", "Errors", "Duration"} <= {metric["MetricName"] for metric in listed}


def test_the_context_is_as_on_aws(functions):
    name = functions.python(PYTHON, Timeout=7)
    heard = functions.invoke(name, {"name": "x"})
    found = heard.payload
    assert found["request"] == heard.request_id
    assert found["memory"] in (256, "256")
    assert found["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert 0 < found["remaining"] <= 7000
    assert found["group"] == f"/aws/lambda/{name}"


def test_the_bill_counts_each_invocation(new_cloud):
    from support.functions import Functions

    cloud = new_cloud()
    functions = Functions(cloud)
    name = functions.python("def handler(event, context): return 1")
    for _ in range(3):
        functions.invoke(name)

    def billed():
        accounts = cloud.page("GET", "/_haar/cost")["accounts"]
        return {one["function"]: one["requests"] for a in accounts for one in a["functions"]}

    until(billed, lambda found: found == {name: 3})
