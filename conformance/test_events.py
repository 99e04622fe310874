"""EventBridge with boto3: rules that really call functions and run tasks."""

import datetime
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT, REGION, until
from support.containers import Containers
from support.enforced import refusal, root_of, user_of
from support.functions import ROLE, Functions

#: Answers by writing what it was told to its log, which is how a test hears of it.
RECORDER = """
    import json
    def handler(event, context):
        print("GOT " + json.dumps(event))
"""


@pytest.fixture
def events(cloud):
    return cloud.client("events")


def heard(cloud, name):
    logs = cloud.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern='"GOT "')
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(event["message"].split("GOT ", 1)[1]) for event in found["events"]]


def arn_of(functions, name):
    return functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]


def rule(events, target, name=None, **cause):
    name = name or f"r-{uuid.uuid4().hex[:8]}"
    made = events.put_rule(Name=name, **cause)
    where = {"EventBusName": cause["EventBusName"]} if "EventBusName" in cause else {}
    put = events.put_targets(Rule=name, Targets=[{"Id": "1", **target}], **where)
    assert put["FailedEntryCount"] == 0
    return made["RuleArn"]


def put(events, detail, source="shop", **more):
    entry = {"Source": source, "DetailType": "order", "Detail": json.dumps(detail), **more}
    answer = events.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    return answer["Entries"][0]["EventId"]


def test_a_bus_of_another_region_gets_what_a_rule_sends_there(cloud, events):
    source = uuid.uuid4().hex
    there, sqs = (cloud.client(name, region="eu-west-1") for name in ("events", "sqs"))
    url = sqs.create_queue(QueueName=source)["QueueUrl"]
    queue = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{source}"
    pattern = json.dumps({"source": [source]})
    rule(there, {"Arn": queue}, EventPattern=pattern)
    bus = f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/default"
    rule(events, {"Arn": bus, "RoleArn": ROLE}, EventPattern=pattern)
    sent = put(events, {"n": 1}, source)
    (message,) = until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages"))
    event = json.loads(message["Body"])
    assert (event["id"], event["region"], event["detail"]) == (sent, REGION, {"n": 1})


def test_a_rule_calls_a_function_with_what_a_template_makes(cloud, functions, events):
    whole, part = functions.python(RECORDER), functions.python(RECORDER)
    source = uuid.uuid4().hex
    pattern = {"source": [source], "detail": {"price": [{"numeric": [">=", 10]}]}}
    cause = {"EventPattern": json.dumps(pattern)}
    rule(events, {"Arn": arn_of(functions, whole)}, **cause)
    transformer = {
        "InputPathsMap": {"price": "$.detail.price"},
        "InputTemplate": '{"text": "costs <price>", "rule": <aws.events.rule-name>}',
    }
    rule(events, {"Arn": arn_of(functions, part), "InputTransformer": transformer}, "named", **cause)
    put(events, {"price": 9}, source)
    sent = put(events, {"price": 10}, source)
    (event,) = until(lambda: heard(cloud, whole))
    assert (event["id"], event["detail"]) == (sent, {"price": 10})
    assert event["account"] == ACCOUNT and event["region"] == REGION
    assert until(lambda: heard(cloud, part)) == [{"text": "costs 10", "rule": "named"}]


def test_a_bus_of_ones_own_sends_to_a_log_group(cloud, events):
    bus, group = f"bus-{uuid.uuid4().hex[:8]}", f"/events/{uuid.uuid4().hex[:8]}"
    events.create_event_bus(Name=bus, Tags=[{"Key": "k", "Value": "v"}])
    cloud.client("logs").create_log_group(logGroupName=group)
    target = {"Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"}
    rule(events, target, "to-log", EventPattern='{"source": ["shop"]}', EventBusName=bus)
    put(events, {"n": 1})
    sent = put(events, {"n": 2}, EventBusName=bus)
    logs = cloud.client("logs")
    found = until(lambda: logs.filter_log_events(logGroupName=group)["events"])
    assert [json.loads(event["message"])["id"] for event in found] == [sent]
    with pytest.raises(ClientError) as refused:
        events.delete_event_bus(Name=bus)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    events.remove_targets(Rule="to-log", EventBusName=bus, Ids=["1"])
    events.delete_rule(Name="to-log", EventBusName=bus)
    events.delete_event_bus(Name=bus)


def test_refusals_have_the_services_words(events):
    with pytest.raises(events.exceptions.InvalidEventPatternException) as refused:
        events.put_rule(Name="bad", EventPattern='{"source": [{"prefix": 1}]}')
    assert "prefix match pattern must be a string" in str(refused.value)
    with pytest.raises(events.exceptions.ResourceNotFoundException) as refused:
        events.describe_rule(Name="none")
    assert str(refused.value).endswith("Rule none does not exist on EventBus default.")
    answer = events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{"}])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"


def test_a_rule_runs_a_task_on_fargate(cloud, events):
    containers = Containers(cloud)
    containers.ecs.create_cluster(clusterName="default")
    containers.push()
    definition = containers.define("ruled", "echo got $WHAT; exit 0")
    network = containers.network["awsvpcConfiguration"]
    source = uuid.uuid4().hex
    target = {
        "Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/default",
        "RoleArn": ROLE,
        "EcsParameters": {
            "TaskDefinitionArn": definition,
            "LaunchType": "FARGATE",
            "TaskCount": 1,
            "NetworkConfiguration": {
                "awsvpcConfiguration": {
                    "Subnets": network["subnets"],
                    "SecurityGroups": network["securityGroups"],
                }
            },
        },
        "InputTransformer": {
            "InputPathsMap": {"what": "$.detail.what"},
            "InputTemplate": json.dumps(
                {
                    "containerOverrides": [
                        {"name": "web", "environment": [{"name": "WHAT", "value": "<what>"}]}
                    ]
                }
            ),
        },
    }
    rule(events, target, "runs-a-task", EventPattern=json.dumps({"source": [source]}))
    put(events, {"what": "the goods"}, source)

    def stopped():
        return containers.ecs.list_tasks(family="ruled", desiredStatus="STOPPED")["taskArns"]

    (arn,) = until(stopped)
    task = containers.wait(arn, "STOPPED")
    assert task["startedBy"] == "events-rule/runs-a-task"
    assert task["containers"][0]["exitCode"] == 0
    until(lambda: containers.lines("ruled", arn), lambda lines: lines == ["got the goods"])


def test_what_was_acknowledged_is_delivered_after_a_crash(new_cloud, tmp_path):
    """At least once: haar is killed as soon as the events are acknowledged."""
    cloud = new_cloud(data_dir=tmp_path)
    events, queue = cloud.client("events"), cloud.client("sqs").create_queue(QueueName="kept")["QueueUrl"]
    rule(events, {"Arn": "arn:aws:sqs:us-east-1:000000000000:kept"}, "kept", EventPattern='{"source": ["shop"]}')
    sent = {put(events, {"n": n}) for n in range(20)}
    cloud.kill()
    cloud.start()
    came, sqs = set(), cloud.client("sqs")

    def arrived():
        taken = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        came.update(json.loads(message["Body"])["id"] for message in taken)
        return came

    until(arrived, lambda ids: ids == sent, limit=60)
    assert cloud.client("events").describe_rule(Name="kept")["State"] == "ENABLED"


def test_tasks_and_services_tell_of_their_states(cloud, functions, events):
    name = functions.python(RECORDER)
    containers = Containers(cloud)
    containers.ecs.create_cluster(clusterName="default")
    containers.push()
    definition = containers.define("telling", "exit 3")
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {"taskDefinitionArn": [definition], "lastStatus": ["STOPPED"]},
    }
    rule(events, {"Arn": arn_of(functions, name)}, EventPattern=json.dumps(pattern))
    arn = containers.run("telling")
    (event,) = until(lambda: heard(cloud, name))
    assert event["resources"] == [arn]
    assert event["detail"]["containers"][0]["exitCode"] == 3
    assert event["detail"]["stoppedAt"].endswith("Z")

    hearer, service = functions.python(RECORDER), f"s-{uuid.uuid4().hex[:6]}"
    pattern = {"source": ["aws.ecs"], "resources": [{"suffix": f"/{service}"}]}
    rule(events, {"Arn": arn_of(functions, hearer)}, EventPattern=json.dumps(pattern))
    containers.define("staying", "trap 'exit 0' TERM; sleep 1000 & wait")
    containers.create(service, "staying", 1)
    wanted = {"SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_STEADY_STATE"}
    until(
        lambda: {event["detail"]["eventName"] for event in heard(cloud, hearer)},
        lambda names: names == wanted,
        limit=60,
    )
    containers.delete(service)


def test_an_archive_is_replayed(cloud, functions, events):
    bus = f"bus-{uuid.uuid4().hex[:8]}"
    arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.create_archive(ArchiveName=bus, EventSourceArn=arn)
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=5)
    sent = put(events, {"n": 1}, EventBusName=bus)
    assert events.describe_archive(ArchiveName=bus)["EventCount"] == 1
    name = functions.python(RECORDER)
    pattern = '{"source": ["shop"]}'
    rule(events, {"Arn": arn_of(functions, name)}, EventPattern=pattern, EventBusName=bus)
    events.start_replay(
        ReplayName=bus,
        EventSourceArn=events.describe_archive(ArchiveName=bus)["ArchiveArn"],
        EventStartTime=begin,
        EventEndTime=begin + datetime.timedelta(seconds=60),
        Destination={"Arn": arn},
    )
    (event,) = until(lambda: heard(cloud, name))
    assert (event["id"], event["replay-name"]) == (sent, bus)
    until(lambda: events.describe_replay(ReplayName=bus)["State"], lambda state: state == "COMPLETED")


class Api(BaseHTTPRequestHandler):
    """Gives tokens, asks for them, fails once, and keeps what it was told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        heard = self.server.heard
        heard.append((self.path, self.headers.get("authorization"), self.headers.get("x-kind"), body))
        if self.path == "/token":
            answer, status = b'{"access_token": "t0k3n", "expires_in": 3600}', 200
        else:
            calls = [path for path, *_ in heard if path != "/token"]
            answer, status = b"{}", 503 if len(calls) == 1 else 200
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_an_api_destination_is_called_with_a_token_and_called_again(events):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    name = f"api-{uuid.uuid4().hex[:8]}"
    connection = events.create_connection(
        Name=name,
        AuthorizationType="OAUTH_CLIENT_CREDENTIALS",
        AuthParameters={
            "OAuthParameters": {
                "ClientParameters": {"ClientID": "me", "ClientSecret": "s3cret"},
                "AuthorizationEndpoint": f"{base}/token",
                "HttpMethod": "POST",
            },
            "InvocationHttpParameters": {
                "BodyParameters": [{"Key": "from", "Value": "haar", "IsValueSecret": False}]
            },
        },
    )
    destination = events.create_api_destination(
        Name=name,
        ConnectionArn=connection["ConnectionArn"],
        InvocationEndpoint=f"{base}/orders/*",
        HttpMethod="POST",
    )
    target = {
        "Arn": destination["ApiDestinationArn"],
        "RoleArn": ROLE,
        "InputPath": "$.detail",
        "HttpParameters": {
            "PathParameterValues": ["$.detail.id"],
            "HeaderParameters": {"x-kind": "$.detail-type"},
        },
    }
    rule(events, target, name, EventPattern=json.dumps({"source": [name]}))
    put(events, {"id": "a7"}, name)
    calls = until(lambda: [one for one in server.heard if one[0] != "/token"], lambda all: len(all) == 2)
    assert calls[0] == calls[1]
    path, authorization, kind, body = calls[1]
    assert (path, authorization, kind) == ("/orders/a7", "Bearer t0k3n", "order")
    assert json.loads(body) == {"id": "a7", "from": "haar"}
    (token,) = [one for one in server.heard if one[0] == "/token"]
    assert "client_secret=s3cret" in token[3]
    server.shutdown()


def test_in_enforce_mode_policies_decide_who_puts_events_and_where_they_go(closed):
    root = root_of(closed)
    events, sqs = closed.client("events", **root), closed.client("sqs", **root)
    names = ("bus-wanted", "bus-dead")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    arn = lambda name: f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    may_send = lambda name: {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn(name), "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}]})}
    rule = events.put_rule(Name="guarded", EventPattern=json.dumps({"source": ["guarded"]}))["RuleArn"]
    events.put_targets(Rule="guarded", Targets=[{
        "Id": "1", "Arn": arn("bus-wanted"), "DeadLetterConfig": {"Arn": arn("bus-dead")}}])
    sqs.set_queue_attributes(QueueUrl=urls["bus-dead"], Attributes=may_send("bus-dead"))
    entry = {"Source": "guarded", "DetailType": "d", "Detail": "{}"}

    def taken(name):
        found = sqs.receive_message(QueueUrl=urls[name], WaitTimeSeconds=10, MessageAttributeNames=["All"])
        return found.get("Messages", [])

    events.put_events(Entries=[entry])
    (dead,) = taken("bus-dead")
    assert dead["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert dead["MessageAttributes"]["RULE_ARN"]["StringValue"] == rule
    sqs.set_queue_attributes(QueueUrl=urls["bus-wanted"], Attributes=may_send("bus-wanted"))
    events.put_events(Entries=[entry])
    assert len(taken("bus-wanted")) == 1

    narrow = closed.client("events", **user_of(closed, root, "bus-narrow", {
        "Effect": "Allow", "Action": "events:PutEvents", "Resource": "*",
        "Condition": {"StringEquals": {"events:source": "guarded"}}}))
    code, text = refusal(narrow.put_events, Entries=[{**entry, "Source": "other"}])
    assert code == "AccessDeniedException" and "events:PutEvents" in text
    answer = narrow.put_events(Entries=[entry, {**entry, "Source": "other"}])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][1]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert refusal(narrow.put_rule, Name="mine", EventPattern="{}")[0] == "AccessDeniedException"
