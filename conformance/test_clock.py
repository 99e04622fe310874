"""A clock that is moved: what is due in hours happens in moments, what is real stays real."""

import datetime
import json
import socket
import subprocess
import threading
import time

import pytest

from support.cloud import ACCOUNT, BINARY, REGION, Cloud, until
from support.functions import ROLE, Functions
from support.policies import allow, document, root_key
from test_events import arn_of, heard

#: Says when it was called for, and what its own clocks say.
RECORDER = """
    import json, time
    def handler(event, context):
        left = context.get_remaining_time_in_millis()
        print("GOT " + json.dumps({"time": event["time"], "left": left, "clock": time.time()}))
"""


def move(cloud, **wish):
    status, _, body = cloud.http("POST", "/_haar/clock", json.dumps(wish).encode())
    return status, json.loads(body)


def advance(cloud, span):
    status, page = move(cloud, advance=span)
    assert status == 200, page
    return page


def at(text):
    return datetime.datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def moved(nothing_is_left):
    """A cloud whose clock the tests of this module move."""
    cloud = Cloud().start()
    yield cloud
    cloud.stop()


def each_minute(cloud, functions):
    """A rule that calls a function each minute, and a schedule that sends to a queue."""
    name, url = functions.python(RECORDER), cloud.client("sqs").create_queue(QueueName="m")["QueueUrl"]
    events = cloud.client("events")
    events.put_rule(Name="minutely", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="minutely", Targets=[{"Id": "1", "Arn": arn_of(functions, name)}])
    cloud.client("scheduler").create_schedule(
        Name="minutely", ScheduleExpression="cron(* * * * ? *)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "RoleArn": ROLE, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:m",
            "Input": "<aws.scheduler.scheduled-time>",
        },
    )
    return name, url


def received(cloud, url):
    """All that is in a queue by now."""
    sqs, bodies = cloud.client("sqs"), []
    while True:
        page = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        if not page.get("Messages"):
            return bodies
        for message in page["Messages"]:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_each_minute_that_passes_is_called_for_once(new_cloud):
    cloud = new_cloud()
    functions = Functions(cloud)
    name, url = each_minute(cloud, functions)
    begun = time.monotonic()
    page = advance(cloud, "10m")
    assert time.monotonic() - begun < 60
    assert page["offset_seconds"] == 600
    events = until(lambda: heard(cloud, name), lambda all: len(all) >= 10)
    times = sorted(at(event["time"]) for event in events)
    gaps = {(later - earlier).total_seconds() for earlier, later in zip(times, times[1:])}
    assert len(set(times)) == len(times) <= 11 and gaps == {60.0}
    # functions live in real time
    assert all(0 < event["left"] <= 20_000 for event in events)
    assert all(abs(event["clock"] - time.time()) < 120 for event in events)
    sent = sorted(at(text) for text in received(cloud, url))
    assert 10 <= len(sent) == len(set(sent)) <= 11
    assert {(b - a).total_seconds() for a, b in zip(sent, sent[1:])} == {60.0}
    # lines are written at the cloud's time
    logs = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert (max(line["timestamp"] for line in logs) / 1000 - time.time()) > 480


def test_messages_become_visible_and_due(moved):
    sqs = moved.client("sqs")
    url = sqs.create_queue(QueueName="hour", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="taken")
    (taken,) = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=900)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    advance(moved, "15m")
    (delayed,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]
    assert delayed["Body"] == "delayed"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=delayed["ReceiptHandle"])
    # who waits for a message has it when its time comes; the wait itself is real
    answer = {}
    waiting = threading.Thread(
        target=lambda: answer.update(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
    )
    waiting.start()
    time.sleep(0.3)
    begun = time.monotonic()
    advance(moved, "44m")
    assert waiting.is_alive()
    advance(moved, "1m")
    waiting.join(10)
    assert time.monotonic() - begun < 10
    assert [message["MessageId"] for message in answer["Messages"]] == [taken["MessageId"]]
    # and what is too old goes
    advance(moved, "5 days")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(attributes["ApproximateNumberOfMessages"]) == 0
    assert int(attributes["ApproximateNumberOfMessagesNotVisible"]) == 0


def test_items_expire(moved):
    dynamodb = moved.client("dynamodb")
    dynamodb.create_table(
        TableName="items", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="items", WaiterConfig={"Delay": 1})
    ttl = {"Enabled": True, "AttributeName": "until"}
    dynamodb.update_time_to_live(TableName="items", TimeToLiveSpecification=ttl)
    now = at(moved.page("GET", "/_haar/clock")["now"]).timestamp()
    for id, seconds in [("short", 3_600), ("long", 30 * 86_400)]:
        dynamodb.put_item(
            TableName="items", Item={"id": {"S": id}, "until": {"N": str(int(now + seconds))}}
        )
    left = lambda: {item["id"]["S"] for item in dynamodb.scan(TableName="items")["Items"]}
    advance(moved, "30m")
    assert left() == {"short", "long"}
    advance(moved, "31m")
    until(left, lambda ids: ids == {"long"}, limit=10)


def test_a_function_that_runs_is_not_cut_off_and_retries_come(moved):
    functions = Functions(moved)
    slow = functions.python("import time\ndef handler(event, context): time.sleep(2); return 'done'")
    flaky = functions.python(
        'def handler(event, context): print("GOT", 1); raise ValueError("always")'
    )
    functions.invoke(slow)
    outcome = {}
    running = threading.Thread(target=lambda: outcome.update(answer=functions.invoke(slow)))
    running.start()
    time.sleep(0.5)
    advance(moved, "2h")
    running.join(20)
    assert "done" in str(outcome["answer"])
    # two retries, one and two minutes later
    functions.client.invoke(FunctionName=flaky, InvocationType="Event", Payload=b"{}")
    until(lambda: heard(moved, flaky))
    advance(moved, "10m")
    until(lambda: heard(moved, flaky), lambda all: len(all) == 3, limit=10)


def test_the_clock_outlives_haar_and_no_minute_comes_twice(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path)
    name, url = each_minute(cloud, Functions(cloud))
    advance(cloud, "20m")
    before = at(cloud.page("GET", "/_haar/clock")["now"])
    time.sleep(0.5)  # a kill takes the last lines of logs
    cloud.kill()
    cloud.start()
    page = cloud.page("GET", "/_haar/clock")
    assert page["offset_seconds"] == 1200 and at(page["now"]) >= before
    advance(cloud, "3m")
    sent = sorted(at(text) for text in until(lambda: received(cloud, url)))
    assert 23 <= len(sent) == len(set(sent)) <= 25
    assert {(b - a).total_seconds() for a, b in zip(sent, sent[1:])} == {60.0}
    until(lambda: len({event["time"] for event in heard(cloud, name)}), lambda n: n >= 23)
    # a kill in the middle of a move keeps where the clock had come
    mover = threading.Thread(target=lambda: pytest.raises(OSError, move, cloud, advance="30 days"))
    mover.start()
    until(lambda: cloud.page("GET", "/_haar/clock")["offset_seconds"], lambda ahead: ahead > 1_600)
    cloud.kill()
    mover.join(10)
    cloud.start()
    ahead = cloud.page("GET", "/_haar/clock")["offset_seconds"]
    assert 1_600 < ahead < 30 * 86_400
    # a reset is the initial state
    cloud.page("POST", "/_haar/reset")
    page = cloud.page("GET", "/_haar/clock")
    assert page["offset_seconds"] == 0
    assert abs(at(page["now"]).timestamp() - time.time()) < 5
    cloud.kill()
    cloud.start()
    assert cloud.page("GET", "/_haar/clock")["offset_seconds"] == 0


def test_a_reset_of_a_moved_cloud_leaves_nothing_asleep(new_cloud):
    cloud = new_cloud()
    advance(cloud, "60 days")
    cloud.page("POST", "/_haar/reset")
    test_items_expire(cloud)
    _, url = each_minute(cloud, Functions(cloud))
    advance(cloud, "3m")
    sent = sorted(at(text) for text in until(lambda: received(cloud, url)))
    assert 3 <= len(sent) <= 4
    assert all(abs(text.timestamp() - time.time()) < 2 * 3_600 for text in sent)


def test_who_does_not_wait_for_a_move_finds_it_kept(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path)
    slow = Functions(cloud).python("import time\ndef handler(event, context): time.sleep(15)", Timeout=20)
    cloud.client("events").put_rule(Name="minutely", ScheduleExpression="rate(1 minute)")
    cloud.client("events").put_targets(
        Rule="minutely", Targets=[{"Id": "1", "Arn": arn_of(Functions(cloud), slow)}]
    )
    offset = lambda: cloud.page("GET", "/_haar/clock")["offset_seconds"]
    host, port = cloud.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head, wish = f"POST /_haar/clock HTTP/1.1\r\nHost: {host}:{port}\r\n", '{"advance": "1h"}'
        client.sendall(f"{head}Content-Length: {len(wish)}\r\n\r\n{wish}".encode())
        until(offset, lambda ahead: ahead > 0)
    # whoever asked has hung up while the function of the first minute runs
    ahead = offset()
    time.sleep(1)
    assert offset() == ahead < 3_600
    cloud.kill()
    cloud.start()
    assert offset() == ahead


def test_what_is_asked_of_the_clock_is_checked(moved, closed):
    for wish, told in [
        ({"advance": "-1h"}, "only goes forward"),
        ({"to": "2020-01-01T00:00:00Z"}, "only goes forward"),
        ({"advance": "soon"}, "no duration"),
        ({"advance": "100 years"}, "ten years"),
        ({}, "post"),
    ]:
        status, page = move(moved, **wish)
        assert status == 400 and told in page["error"], (wish, page)
    foreign = {"Origin": "http://example.com"}
    wish = json.dumps({"advance": "1h"}).encode()
    assert moved.http("POST", "/_haar/clock", wish, foreign)[0] == 403
    assert move(closed, advance="1h")[0] == 403
    assert closed.page("GET", "/_haar/clock")["offset_seconds"] == 0


def test_what_clients_sign_by_is_the_machines_time(new_cloud, tmp_path):
    """Permissive, the clock is moved; then the same cloud lets policies decide."""
    cloud = new_cloud(data_dir=tmp_path)
    advance(cloud, "2 days")
    cloud.stop()
    cloud = new_cloud("--auth", "enforce", data_dir=tmp_path)
    root = root_key(cloud)
    iam = cloud.client("iam", **root)
    user = iam.create_user(UserName="u")["User"]
    trust = {"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=document(trust))["Role"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document(allow("s3:*")))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    sts = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session")["Credentials"]
    left = given["Expiration"].timestamp() - time.time()
    assert 3_500 < left <= 3_600
    s3 = cloud.client(
        "s3", key=given["AccessKeyId"], secret=given["SecretAccessKey"],
        token=given["SessionToken"], signature_version="s3v4",
    )
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="k", Body=b"v")
    link = s3.generate_presigned_url("get_object", {"Bucket": "signed", "Key": "k"}, ExpiresIn=60)
    status, _, body = cloud.http("GET", link.removeprefix(cloud.endpoint))
    assert (status, body) == (200, b"v")
    modified = s3.head_object(Bucket="signed", Key="k")["LastModified"]
    assert modified.timestamp() - time.time() > 47 * 3600


def test_the_command_tells_and_moves_the_time(new_cloud):
    cloud = new_cloud()

    def haar(*arguments, code=0):
        done = subprocess.run(
            [BINARY, "clock", *arguments], capture_output=True, text=True, timeout=60,
            env=cloud.environment(HAAR_ENDPOINT=cloud.endpoint),
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    assert "as on this machine" in haar()
    assert "1h 30m ahead of this machine" in haar("--advance", "1h30m")
    assert json.loads(haar("--json"))["offset_seconds"] == 5400
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=40)
    told = json.loads(haar("--to", f"{later:%Y-%m-%dT%H:%M:%SZ}", "--json"))
    assert at(told["now"]) >= later.replace(microsecond=0)
    assert "only goes forward" in haar("--to", "2020-01-01T00:00:00Z", code=1)
