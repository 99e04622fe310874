"""SNS with boto3: queues, functions, HTTP endpoints, and what survives a kill."""

import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support.cloud import until
from support.enforced import refusal, root_of, user_of


@pytest.fixture
def sns(cloud):
    return cloud.client("sns")


@pytest.fixture
def sqs(cloud):
    return cloud.client("sqs")


def queue_of(sqs, name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(sqs, url, wait=20, **more):
    return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait, MaxNumberOfMessages=10, **more).get("Messages", [])


@pytest.fixture
def endpoint():
    """An HTTP endpoint: what it got, and what it answers next."""
    got, answers = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body.decode()))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.got, server.answers = got, answers
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_topic_fans_out_to_queues_by_their_filters(sns, sqs):
    topic = sns.create_topic(Name="fan", Tags=[{"Key": "team", "Value": "blue"}])["TopicArn"]
    assert topic == "arn:aws:sns:us-east-1:000000000000:fan"
    wrapped_url, wrapped = queue_of(sqs, "fan-wrapped")
    raw_url, raw = queue_of(sqs, "fan-raw")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=wrapped)
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=raw,
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"price": [{"numeric": [">", 10]}]})},
    )["SubscriptionArn"]
    price = lambda value: {"price": {"DataType": "Number", "StringValue": value}}
    sent = sns.publish(TopicArn=topic, Message="cheap", Subject="offer", MessageAttributes=price("5"))
    sns.publish(TopicArn=topic, Message="dear", MessageAttributes=price("50"))
    got = receive(sqs, raw_url, MessageAttributeNames=["All"])
    assert [(m["Body"], m["MessageAttributes"]["price"]["StringValue"]) for m in got] == [("dear", "50")]
    bodies = []
    until(lambda: bodies.extend(json.loads(m["Body"]) for m in receive(sqs, wrapped_url, 1)) or len(bodies) == 2)
    first = next(b for b in bodies if b["Message"] == "cheap")
    assert (first["MessageId"], first["Subject"], first["Type"]) == (sent["MessageId"], "offer", "Notification")
    assert first["MessageAttributes"] == {"price": {"Type": "Number", "Value": "5"}}
    shown = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert shown["FilterPolicyScope"] == "MessageAttributes" and shown["PendingConfirmation"] == "false"
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "team", "Value": "blue"}]


def test_an_http_endpoint_confirms_and_is_tried_again(cloud, sns, endpoint):
    topic = sns.create_topic(Name="hooked")["TopicArn"]
    policy = {
        "healthyRetryPolicy": {"numRetries": 3, "minDelayTarget": 1, "maxDelayTarget": 1},
        "requestPolicy": {"headerContentType": "application/json"},
        "throttlePolicy": {"maxReceivesPerSecond": 50},
    }
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url,
                           Attributes={"DeliveryPolicy": json.dumps(policy)})
    assert answer["SubscriptionArn"] == "pending confirmation"
    sns.publish(TopicArn=topic, Message="too early")
    headers, body = until(lambda: endpoint.got)[0]
    question = json.loads(body)
    assert headers["x-amz-sns-message-type"] == question["Type"] == "SubscriptionConfirmation"
    with urllib.request.urlopen(question["SubscribeURL"]) as page:
        assert b"<SubscriptionArn>" in page.read()
    endpoint.got.clear()
    endpoint.answers += [503, 500]
    sns.publish(TopicArn=topic, Message="hello")
    got = until(lambda: endpoint.got, lambda got: len(got) == 3)
    assert {json.loads(body)["Message"] for _, body in got} == {"hello"}
    assert got[0][0]["x-amz-sns-topic-arn"] == topic
    assert {headers["content-type"] for headers, _ in got} == {"application/json"}
    assert "too early" not in str(got)


def test_an_endpoint_that_is_gone_keeps_nobody_waiting_and_its_message_goes_to_the_dead_letters(sns, sqs, endpoint):
    topic = sns.create_topic(Name="half-gone")["TopicArn"]
    dead_url, dead = queue_of(sqs, "half-gone-dead")
    url, queue = queue_of(sqs, "half-gone-queue")
    policy = {"healthyRetryPolicy": {"numRetries": 2, "minDelayTarget": 1, "maxDelayTarget": 1}}
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes={
        "DeliveryPolicy": json.dumps(policy), "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})})
    question = json.loads(until(lambda: endpoint.got)[0][1])
    urllib.request.urlopen(question["SubscribeURL"]).close()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    endpoint.shutdown()
    endpoint.server_close()
    sns.publish(TopicArn=topic, Message="still here")
    assert [m["Body"] for m in receive(sqs, url)] == ["still here"]
    (letter,) = receive(sqs, dead_url, MessageAttributeNames=["All"])
    assert json.loads(letter["Body"])["Message"] == "still here"
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "ConnectionFailed"


def is_signed(folder, document, names):
    """What a receiver does, with openssl: the certificate by its URL, the text by AWS's rules."""
    with urllib.request.urlopen(document["SigningCertURL"]) as page:
        (folder / "cert.pem").write_bytes(page.read())
    key = subprocess.run(["openssl", "x509", "-in", "cert.pem", "-pubkey", "-noout"],
                         cwd=folder, check=True, capture_output=True).stdout
    (folder / "key.pem").write_bytes(key)
    (folder / "signature").write_bytes(base64.b64decode(document["Signature"]))
    text = "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
    digest = {"1": "-sha1", "2": "-sha256"}[document["SignatureVersion"]]
    verify = ["openssl", "dgst", digest, "-verify", "key.pem", "-signature", "signature"]
    return subprocess.run(verify, cwd=folder, input=text.encode(), capture_output=True).returncode == 0


@pytest.mark.parametrize("version", ["1", "2"])
def test_openssl_verifies_what_an_http_endpoint_gets(sns, endpoint, tmp_path, version):
    topic = sns.create_topic(Name=f"signed-{version}", Attributes={"SignatureVersion": version})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    question = json.loads(until(lambda: endpoint.got)[0][1])
    assert is_signed(tmp_path, question, [
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"])
    urllib.request.urlopen(question["SubscribeURL"]).close()
    endpoint.got.clear()
    sns.publish(TopicArn=topic, Message="gr\u00fc\u00dfe\nund mehr", Subject="s")
    notice = json.loads(until(lambda: endpoint.got)[0][1])
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    assert notice["SignatureVersion"] == version and is_signed(tmp_path, notice, names)
    assert not is_signed(tmp_path, {**notice, "Message": "forged"}, names)


def test_a_fifo_topic_keeps_order(sns, sqs):
    fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name="ordered.fifo", Attributes=fifo)["TopicArn"]
    url, queue = queue_of(sqs, "ordered-sns.fifo", FifoQueue="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    entries = [{"Id": str(n), "Message": f"{n}", "MessageGroupId": "g"} for n in range(10)]
    assert len(sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]) == 10
    sns.publish(TopicArn=topic, Message="0", MessageGroupId="g")
    got = []
    while len(got) < 10:
        messages = receive(sqs, url)
        assert messages
        got += [m["Body"] for m in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert got == [str(n) for n in range(10)]


def test_a_function_is_called_and_its_failures_go_to_a_topic(cloud, sns, sqs, functions):
    code = "def handler(event, context):\n    raise RuntimeError(event['Records'][0]['Sns']['Message'])"
    name = functions.python(code)
    client = cloud.client("lambda")
    function = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    source = sns.create_topic(Name="to-function")["TopicArn"]
    failed = sns.create_topic(Name="failed")["TopicArn"]
    url, queue = queue_of(sqs, "failed-events")
    sns.subscribe(TopicArn=failed, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": failed}})
    sns.subscribe(TopicArn=source, Protocol="lambda", Endpoint=function)
    sns.publish(TopicArn=source, Message="poison")
    record = json.loads(receive(sqs, url)[0]["Body"])
    assert record["responsePayload"]["errorMessage"] == "poison"
    assert record["requestPayload"]["Records"][0]["EventSource"] == "aws:sns"


def test_people_and_phones_have_an_outbox(cloud, sns):
    sns.publish(PhoneNumber="+4917012345", Message="code 42")
    found = until(lambda: [m for m in cloud.page("GET", "/_haar/outbox")["messages"] if m["to"] == "+4917012345"])
    assert (found[0]["protocol"], found[0]["body"]) == ("sms", "code 42")


def test_errors(sns):
    with pytest.raises(sns.exceptions.NotFoundException) as error:
        sns.publish(TopicArn="arn:aws:sns:us-east-1:000000000000:none", Message="x")
    assert error.value.response["Error"]["Message"] == "Topic does not exist"
    with pytest.raises(sns.exceptions.InvalidParameterException):
        sns.create_topic(Name="a b")
    with pytest.raises(ClientError) as error:
        sns.publish(TopicArn="x", Message="x")
    assert error.value.response["Error"]["Message"] == (
        "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1")


def test_policies_decide_who_publishes_and_where_topics_deliver(closed):
    root = root_of(closed)
    sns, sqs = closed.client("sns", **root), closed.client("sqs", **root)
    topic = sns.create_topic(Name="guarded")["TopicArn"]
    url, queue = queue_of(sqs, "guarded-sns")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="the queue lets nobody in")
    assert receive(sqs, url, 1) == []
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]})})
    sns.publish(TopicArn=topic, Message="now it does")
    assert [m["Body"] for m in receive(sqs, url)] == ["now it does"]
    stranger = closed.client("sns", **user_of(closed, root, "sns-stranger", {
        "Effect": "Deny", "Action": "sns:Publish", "Resource": topic}))
    assert refusal(stranger.publish, TopicArn=topic, Message="x")[0] == "AuthorizationError"


def test_what_was_published_arrives_after_a_kill(tmp_path, new_cloud):
    cloud = new_cloud(data_dir=tmp_path / "data")
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name="t.fifo", Attributes=fifo)["TopicArn"]
    url, queue = queue_of(sqs, "q.fifo", FifoQueue="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    published = []
    for round in range(3):
        stop = threading.Event()

        def publish():
            client, number = cloud.client("sns"), 0
            while not stop.is_set():
                body = f"{round:02}-{number:06}"
                try:
                    client.publish(TopicArn=topic, Message=body, MessageGroupId="g")
                except Exception:  # killed: not acknowledged
                    return
                published.append(body)
                number += 1

        publisher = threading.Thread(target=publish)
        publisher.start()
        time.sleep(0.4)
        cloud.kill()
        stop.set()
        publisher.join()
        cloud.start()
    sqs, got, end = cloud.client("sqs"), [], time.monotonic() + 60
    while not set(published) <= set(got) and time.monotonic() < end:
        messages = receive(sqs, url, 2)
        got += [m["Body"] for m in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert set(published) <= set(got) and got == sorted(set(got)), "lost, doubled or out of order"
    cloud.stop()


def test_a_late_subscriber_has_the_archive_sent_again_also_behind_a_kill(new_cloud, tmp_path):
    cloud = new_cloud("--wait-divisor", "60", data_dir=tmp_path / "data")
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name="kept.fifo", Attributes={
        "FifoTopic": "true", "ContentBasedDeduplication": "true",
        "ArchivePolicy": json.dumps({"MessageRetentionPeriod": "1"})})["TopicArn"]
    begins = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["BeginningArchiveTime"]
    texts = [str(count) for count in range(5)]
    for text in texts:
        sns.publish(TopicArn=topic, Message=text, MessageGroupId="g")
    cloud.kill()
    cloud.start()
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    url, arn = queue_of(sqs, "kept.fifo", FifoQueue="true")
    policy = {"PointType": "Timestamp", "StartingPoint": begins}
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True,
                                 Attributes={"ReplayPolicy": json.dumps(policy)})["SubscriptionArn"]
    got = []

    def all_of_them():
        for message in receive(sqs, url, 1):
            got.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(got) == 5

    until(all_of_them)
    assert [one["Message"] for one in got] == texts and all(one["Replayed"] for one in got)
    shown = lambda: sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    until(lambda: shown()["ReplayStatus"] == "Completed")
    sns.publish(TopicArn=topic, Message="new", MessageGroupId="g")
    (message,) = receive(sqs, url)
    assert json.loads(message["Body"])["Message"] == "new"
