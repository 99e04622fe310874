"""EventBridge Scheduler with boto3: functions called, messages sent, on time."""

import datetime
import json
import random
import time
import uuid

import pytest

from support.cloud import ACCOUNT, REGION, until
from support.enforced import refusal, root_of, user_of
from support.functions import ROLE, Functions
from test_events import RECORDER, arn_of, heard

NOW = {"Mode": "OFF"}


def soon(seconds):
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return f"at({at:%Y-%m-%dT%H:%M:%S})"


@pytest.fixture
def scheduler(cloud):
    return cloud.client("scheduler")


def create(scheduler, expression, target, **more):
    name = more.pop("Name", f"s-{uuid.uuid4().hex[:8]}")
    more.setdefault("FlexibleTimeWindow", NOW)
    scheduler.create_schedule(
        Name=name, ScheduleExpression=expression, Target={"RoleArn": ROLE, **target}, **more
    )
    return name


def test_a_function_is_called_once_and_the_schedule_goes(cloud, functions, scheduler):
    name = functions.python(RECORDER)
    schedule = create(
        scheduler,
        soon(2),
        {
            "Arn": arn_of(functions, name),
            "Input": '{"by": "<aws.scheduler.schedule-arn>", "try": <aws.scheduler.attempt-number>}',
        },
        ActionAfterCompletion="DELETE",
    )
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{schedule}"
    assert scheduler.get_schedule(Name=schedule)["Arn"] == arn
    assert until(lambda: heard(cloud, name)) == [{"by": arn, "try": 1}]
    until(lambda: scheduler.list_schedules(NamePrefix=schedule)["Schedules"], lambda all: all == [])


def test_an_operation_of_a_service_is_called(cloud, scheduler):
    name = f"by-schedule-{uuid.uuid4().hex[:8]}"
    create(
        scheduler,
        soon(1),
        {
            "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
            "Input": json.dumps({"Name": name, "Value": "made", "Type": "String"}),
        },
    )
    ssm = cloud.client("ssm")

    def found():
        values = ssm.get_parameters(Names=[name])["Parameters"]
        return [value["Value"] for value in values]

    assert until(found) == ["made"]


def test_operations_go_by_their_sdks_names_and_bytes_are_texts(cloud, functions, scheduler):
    name, source = functions.python(RECORDER), uuid.uuid4().hex
    events, s3, logs = cloud.client("events"), cloud.client("s3"), cloud.client("logs")
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=source, Targets=[{"Id": "1", "Arn": arn_of(functions, name)}])
    s3.create_bucket(Bucket=source)
    entry = {"Source": source, "DetailType": "tick", "Detail": "{}"}
    for operation, given in [
        ("eventbridge:putEvents", {"Entries": [entry]}),
        ("cloudwatchlogs:createLogGroup", {"LogGroupName": source}),
        ("s3:putObject", {"Bucket": source, "Key": "k", "Body": "hello"}),
    ]:
        target = {"Arn": f"arn:aws:scheduler:::aws-sdk:{operation}", "Input": json.dumps(given)}
        create(scheduler, soon(1), target)
    assert until(lambda: heard(cloud, name))[0]["detail-type"] == "tick"
    groups = lambda: logs.describe_log_groups(logGroupNamePrefix=source)["logGroups"]
    assert until(groups)[0]["logGroupName"] == source
    until(lambda: s3.list_objects_v2(Bucket=source).get("Contents"))
    assert s3.get_object(Bucket=source, Key="k")["Body"].read() == b"hello"
    for operation, text in [
        ("events:putEvents", "events is not a supported service for a target."),
        ("sqs:flyAway", "flyAway is not a supported api for a target."),
    ]:
        with pytest.raises(scheduler.exceptions.ValidationException) as refused:
            create(scheduler, soon(1), {"Arn": f"arn:aws:scheduler:::aws-sdk:{operation}"})
        assert text in str(refused.value)


def test_a_schedule_sends_to_the_default_bus(cloud, functions, scheduler):
    name, source = functions.python(RECORDER), uuid.uuid4().hex
    events = cloud.client("events")
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=source, Targets=[{"Id": "1", "Arn": arn_of(functions, name)}])
    target = {
        "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        "EventBridgeParameters": {"DetailType": "tick", "Source": source},
        "Input": '{"n": 1}',
    }
    create(scheduler, soon(1), target)
    (event,) = until(lambda: heard(cloud, name))
    assert (event["detail-type"], event["detail"]) == ("tick", {"n": 1})


def test_refusals_and_groups(scheduler):
    with pytest.raises(scheduler.exceptions.ValidationException) as refused:
        create(scheduler, "rate(5 weeks)", {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"})
    assert "Invalid Schedule Expression rate(5 weeks)." in str(refused.value)
    group = f"g-{uuid.uuid4().hex[:8]}"
    arn = scheduler.create_schedule_group(Name=group, Tags=[{"Key": "a", "Value": "b"}])
    arn = arn["ScheduleGroupArn"]
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    queue = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}
    for _ in range(3):
        create(scheduler, "cron(0 0 1 1 ? 2150)", queue, GroupName=group)
    pages = scheduler.get_paginator("list_schedules").paginate(
        GroupName=group, PaginationConfig={"PageSize": 2}
    )
    assert [len(page["Schedules"]) for page in pages] == [2, 1]
    scheduler.delete_schedule_group(Name=group)
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule_group(Name=group)


def test_what_was_due_while_haar_was_away_is_made_up_for_once(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path)
    functions, scheduler = Functions(cloud), cloud.client("scheduler")
    name = functions.python(RECORDER)
    told = {
        "by": "<aws.scheduler.schedule-arn>",
        "at": "<aws.scheduler.scheduled-time>",
        "id": "<aws.scheduler.execution-id>",
    }
    target = {"Arn": arn_of(functions, name), "Input": json.dumps(told)}
    create(scheduler, "rate(1 minutes)", target, Name="each-minute")
    until(lambda: heard(cloud, name))
    due = soon(4)
    create(scheduler, due, target, Name="missed")
    cloud.kill()
    until(lambda: None, lambda _: soon(-1) > due)
    cloud.start()

    def executions():
        """The ids of each instant: a delivery may come twice, an instant runs once."""
        found = {}
        for event in heard(cloud, name):
            found.setdefault((event["by"].rsplit("/", 1)[1], event["at"]), set()).add(event["id"])
        return found

    found = until(executions, lambda all: any(by == "missed" for by, _ in all))
    assert [by for by, _ in found].count("missed") == 1
    assert all(len(ids) == 1 for ids in found.values())
    assert cloud.client("scheduler").get_schedule(Name="each-minute")["State"] == "ENABLED"


def test_schedules_run_once_each_whenever_haar_is_killed(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path)
    sqs, scheduler = cloud.client("sqs"), cloud.client("scheduler")
    url = sqs.create_queue(QueueName="fired")["QueueUrl"]
    told = {"by": "<aws.scheduler.schedule-arn>", "id": "<aws.scheduler.execution-id>"}
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:fired", "Input": json.dumps(told)}
    names = set()
    for second in range(3, 15):  # twelve seconds with five schedules each
        at = soon(second)
        names |= {create(scheduler, at, target, ActionAfterCompletion="DELETE") for _ in range(5)}
    end = time.monotonic() + 15
    moments = random.Random(7)
    while time.monotonic() < end:
        time.sleep(moments.uniform(0.2, 2.5))
        cloud.kill()
        cloud.start()
    sqs, fired = cloud.client("sqs"), {}

    def received():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            body = json.loads(message["Body"])
            fired.setdefault(body["by"].rsplit("/", 1)[1], set()).add(body["id"])
        return set(fired)

    until(received, lambda all: all == names)
    # A message may come twice (at least once); an instant has one execution.
    assert all(len(ids) == 1 for ids in fired.values())
    until(lambda: cloud.client("scheduler").list_schedules()["Schedules"], lambda all: all == [])


def test_in_enforce_mode_a_schedules_role_decides_what_is_called(closed):
    root = root_of(closed)
    iam, sqs, scheduler = (closed.client(name, **root) for name in ("iam", "sqs", "scheduler"))
    names = ("sched-wanted", "sched-dead")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    arn = lambda name: sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def role(name, trusted, *resources):
        trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
        if resources:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(
                {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": list(resources)}))
        return made

    def send(role_arn, text):
        target = {"RoleArn": role_arn, "Arn": arn("sched-wanted"), "Input": text,
                  "DeadLetterConfig": {"Arn": arn("sched-dead")}}
        create(scheduler, soon(1), target)

    def texts(name):
        taken = sqs.receive_message(QueueUrl=urls[name], WaitTimeSeconds=10, MessageAttributeNames=["All"])
        return [(one["Body"], one.get("MessageAttributes", {}).get("ERROR_CODE", {}).get("StringValue"))
                for one in taken.get("Messages", [])]

    send(role("sched-may", "scheduler.amazonaws.com", arn("sched-wanted")), "allowed")
    assert texts("sched-wanted") == [("allowed", None)]
    send(role("sched-may-not", "scheduler.amazonaws.com", arn("sched-dead")), "not allowed")
    (text, code), = texts("sched-dead")
    assert text == "not allowed" and "AccessDenied" in code
    # Nobody passes a role that does not trust the service, nor one that it may not pass.
    passer = closed.client("scheduler", **user_of(closed, root, "sched-passer", {
        "Effect": "Allow", "Action": "scheduler:*", "Resource": "*"}))
    refused = refusal(passer.create_schedule, Name="no", ScheduleExpression=soon(60), FlexibleTimeWindow=NOW,
                      Target={"RoleArn": role("sched-other", "lambda.amazonaws.com"), "Arn": arn("sched-wanted")})
    assert refused[0] == "AccessDeniedException" and "iam:PassRole" in refused[1]
    reader = closed.client("scheduler", **user_of(closed, root, "sched-reader", {
        "Effect": "Allow", "Action": "scheduler:GetSchedule", "Resource": "*"}))
    assert refusal(reader.list_schedules)[0] == "AccessDeniedException"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
