"""HTTP targets that are slow or gone: tried again, given up to the dead letters, and nobody else waits."""

import http.server
import json
import socket
import threading
import urllib.request
import uuid

import pytest

from support.cloud import until

ROLE = "arn:aws:iam::000000000000:role/events"


class Endpoint:
    """Answers at once, or hangs until it is let go; keeps what it got."""

    def __init__(self):
        self.got, self.hangs, self.goes_on = [], False, threading.Event()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint.got.append(body.decode())
                if endpoint.hangs:
                    endpoint.goes_on.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def handle(self):
                try:
                    super().handle()
                except ConnectionError:
                    pass  # the caller gave up

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.goes_on.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoints():
    made = [Endpoint(), Endpoint()]
    yield made
    for endpoint in made:
        endpoint.close()


def queue(cloud, name):
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:000000000000:{name}"


def receive(cloud, url, wait=20):
    return cloud.client("sqs").receive_message(
        QueueUrl=url, WaitTimeSeconds=wait, MessageAttributeNames=["All"]).get("Messages", [])


def test_a_subscriber_that_hangs_keeps_no_other_waiting_and_its_message_is_not_lost(cloud, endpoints):
    sns, (slow, quick) = cloud.client("sns"), endpoints
    name = f"slow-{uuid.uuid4().hex[:8]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    dead_url, dead = queue(cloud, f"{name}-dead")
    policy = {"healthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 1, "maxDelayTarget": 1}}
    for endpoint in endpoints:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes={
            "DeliveryPolicy": json.dumps(policy), "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})})
        question = json.loads(until(lambda: endpoint.got)[0])
        urllib.request.urlopen(question["SubscribeURL"]).close()
        endpoint.got.clear()
    slow.hangs = True
    for text in ("one", "two"):
        sns.publish(TopicArn=topic, Message=text)
    heard = until(lambda: quick.got, lambda got: len(got) == 2)
    assert sorted(json.loads(body)["Message"] for body in heard) == ["one", "two"]
    assert not receive(cloud, dead_url, wait=0), "the slow one has not been given up yet"
    letters = []
    until(lambda: letters.extend(receive(cloud, dead_url)) or len(letters) == 2, limit=90)
    assert sorted(json.loads(one["Body"])["Message"] for one in letters) == ["one", "two"]
    assert len(slow.got) == 4, "each was tried twice"
    assert len(quick.got) == 2
    slow.hangs = False
    slow.goes_on.set()
    slow.got.clear()
    sns.publish(TopicArn=topic, Message="three")
    assert json.loads(until(lambda: slow.got)[0])["Message"] == "three"


def test_destinations_that_hang_or_are_gone_end_in_the_dead_letters_and_others_go_on(cloud, endpoints):
    events, (slow, quick) = cloud.client("events"), endpoints
    name = f"slow-{uuid.uuid4().hex[:8]}"
    with socket.socket() as gone:  # a port at which nobody listens
        gone.bind(("127.0.0.1", 0))
        gone_url = f"http://127.0.0.1:{gone.getsockname()[1]}/hook"
        connection = events.create_connection(Name=name, AuthorizationType="API_KEY", AuthParameters={
            "ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "v"}})["ConnectionArn"]
        out_url, out = queue(cloud, f"{name}-out")
        dead = {}
        targets = [{"Id": "queue", "Arn": out}]
        for kind, url in (("slow", slow.url), ("gone", gone_url), ("quick", quick.url)):
            destination = events.create_api_destination(
                Name=f"{name}-{kind}", ConnectionArn=connection, InvocationEndpoint=url, HttpMethod="POST")
            dead[kind], letters = queue(cloud, f"{name}-{kind}-dead")
            targets.append({"Id": kind, "Arn": destination["ApiDestinationArn"], "RoleArn": ROLE,
                            "InputPath": "$.detail", "DeadLetterConfig": {"Arn": letters},
                            "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 3600}})
        slow.hangs = True
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        assert events.put_targets(Rule=name, Targets=targets)["FailedEntryCount"] == 0
        sent = events.put_events(Entries=[
            {"Source": name, "DetailType": "d", "Detail": json.dumps({"n": 1})}])
        assert sent["FailedEntryCount"] == 0
        assert json.loads(until(lambda: quick.got)[0]) == {"n": 1}
        assert receive(cloud, out_url)
        for kind in ("gone", "slow"):
            (letter,) = until(lambda: receive(cloud, dead[kind]), limit=90)
            attributes = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
            assert json.loads(letter["Body"])["source"] == name
            assert attributes["RETRY_ATTEMPTS"] == "1" and attributes["TARGET_ARN"].split("/")[1] == f"{name}-{kind}"
        assert len(slow.got) == 2 and len(quick.got) == 1
        assert not receive(cloud, dead["quick"], wait=0)
