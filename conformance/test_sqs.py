"""SQS with boto3, the aws CLI and the older query protocol."""

import hashlib
import json
import threading
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

import pytest
from botocore.exceptions import ClientError

from support.cli import aws_cli
from support.cloud import until
from support.enforced import refusal, root_of, user_of

SPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture
def sqs(cloud):
    return cloud.client("sqs")


@pytest.fixture
def queue(sqs):
    urls = []

    def make(name, **attributes):
        url = sqs.create_queue(QueueName=name, Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]
        urls.append(url)
        return url

    yield make
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


def code(error):
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_message_is_sent_received_and_deleted(sqs, queue):
    url = queue("plain")
    assert url.endswith("/000000000000/plain")
    assert sqs.get_queue_url(QueueName="plain")["QueueUrl"] == url
    assert url in sqs.list_queues(QueueNamePrefix="pla")["QueueUrls"]
    attributes = {
        "text": {"DataType": "String", "StringValue": "x"},
        "number": {"DataType": "Number.int", "StringValue": "7"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\0\1\xff"},
    }
    # boto3 checks the digests of what it sent and got
    sent = sqs.send_message(QueueUrl=url, MessageBody="héllo", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5("héllo".encode()).hexdigest()
    got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
    assert [(m["Body"], m["MessageId"]) for m in got] == [("héllo", sent["MessageId"])]
    assert got[0]["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert got[0]["MessageAttributes"]["bytes"]["BinaryValue"] == b"\0\1\xff"
    assert got[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    assert got[0]["Attributes"]["SenderId"] == "000000000000"
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"
    assert counts["QueueArn"] == "arn:aws:sqs:us-east-1:000000000000:plain"


def test_a_long_poll_is_woken_by_what_arrives(sqs, queue):
    url, got = queue("polled"), []

    def wait():
        got.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", []))

    waiter = threading.Thread(target=wait)
    started = time.monotonic()
    waiter.start()
    time.sleep(0.3)
    sqs.send_message(QueueUrl=url, MessageBody="now")
    waiter.join()
    assert [m["Body"] for m in got] == ["now"] and time.monotonic() - started < 15


def test_batches_fail_in_part(sqs, queue):
    url = queue("batch", MaximumMessageSize=1024)
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "long", "MessageBody": "x" * 1025}]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["good"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [
        ("long", "InvalidParameterValue", True)]
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "junk"}])
    assert [e["Id"] for e in answer["Successful"]] == ["a"]
    assert [e["Code"] for e in answer["Failed"]] == ["ReceiptHandleIsInvalid"]
    with pytest.raises(sqs.exceptions.EmptyBatchRequest):
        sqs.send_message_batch(QueueUrl=url, Entries=[])
    with pytest.raises(sqs.exceptions.BatchEntryIdsNotDistinct):
        sqs.send_message_batch(QueueUrl=url, Entries=[entries[0], entries[0]])


def test_errors_have_the_codes_of_both_protocols(cloud, sqs):
    absent = cloud.endpoint + "/000000000000/absent"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as error:
        sqs.send_message(QueueUrl=absent, MessageBody="x")
    assert code(error) == ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    with pytest.raises(ClientError) as error:
        sqs.create_queue(QueueName="a b")
    assert code(error)[0] == "InvalidParameterValue"
    with pytest.raises(ClientError) as error:
        sqs.create_queue(QueueName="q", Attributes={"Nonsense": "1"})
    assert code(error) == ("InvalidAttributeName", "Unknown Attribute Nonsense.")


def test_fifo_queues_keep_order_and_tell_messages_apart(sqs, queue):
    url = queue("sqs-ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    sent = [sqs.send_message(QueueUrl=url, MessageBody=str(n), MessageGroupId=g)
            for n, g in enumerate("aabab")]
    numbers = [int(s["SequenceNumber"]) for s in sent]
    assert numbers == sorted(numbers) and len(sent[0]["SequenceNumber"]) == 20
    again = sqs.send_message(QueueUrl=url, MessageBody="0", MessageGroupId="a")
    assert again["MessageId"] == sent[0]["MessageId"]
    first = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, AttributeNames=["All"])["Messages"]
    assert [m["Body"] for m in first] == ["0", "1"]
    assert first[0]["Attributes"]["MessageGroupId"] == "a"
    rest = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [m["Body"] for m in rest] == ["2", "4"]
    for message in first:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=url)["Messages"]] == ["3"]


def test_poison_ends_among_the_dead_and_comes_back(sqs, queue):
    dead = queue("sqs-dead")
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = '{"deadLetterTargetArn":"%s","maxReceiveCount":"2"}' % arn
    url = queue("sqs-alive", VisibilityTimeout=0, RedrivePolicy=policy)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    got = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], VisibilityTimeout=0)["Messages"]
    assert [m["Body"] for m in got] == ["poison"]
    assert got[0]["Attributes"]["DeadLetterQueueSourceArn"].endswith(":sqs-alive")
    sqs.start_message_move_task(SourceArn=arn)
    tasks = until(lambda: [t for t in sqs.list_message_move_tasks(SourceArn=arn)["Results"]
                           if t["Status"] == "COMPLETED"])
    assert tasks[0]["ApproximateNumberOfMessagesMoved"] == 1
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=url)["Messages"]] == ["poison"]


def query(url, **fields):
    data = urllib.parse.urlencode({"Version": "2012-11-05", **fields}).encode()
    try:
        with urllib.request.urlopen(url, data) as answer:
            return answer.status, ET.fromstring(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, ET.fromstring(error.read())


def test_the_query_protocol_speaks_to_a_queues_own_url(cloud, sqs, queue):
    url = queue("queried")
    fields = {
        "Action": "SendMessage", "MessageBody": "by form & all",
        "MessageAttribute.1.Name": "a", "MessageAttribute.1.Value.DataType": "String",
        "MessageAttribute.1.Value.StringValue": "x",
    }
    status, answer = query(url, **fields)
    digest = answer.find(f"{SPACE}SendMessageResult/{SPACE}MD5OfMessageBody").text
    assert status == 200 and digest == hashlib.md5(b"by form & all").hexdigest()
    status, answer = query(url, Action="ReceiveMessage", AttributeName="All", **{"MessageAttributeName.1": "All"})
    message = answer.find(f"{SPACE}ReceiveMessageResult/{SPACE}Message")
    assert message.find(f"{SPACE}Body").text == "by form & all"
    names = [e.find(f"{SPACE}Name").text for e in message.findall(f"{SPACE}Attribute")]
    assert "SentTimestamp" in names and "ApproximateReceiveCount" in names
    value = message.find(f"{SPACE}MessageAttribute/{SPACE}Value/{SPACE}StringValue").text
    assert value == "x"
    handle = message.find(f"{SPACE}ReceiptHandle").text
    batch = {"DeleteMessageBatchRequestEntry.1.Id": "a", "DeleteMessageBatchRequestEntry.1.ReceiptHandle": handle}
    status, answer = query(url, Action="DeleteMessageBatch", **batch)
    assert answer.find(f"{SPACE}DeleteMessageBatchResult/{SPACE}DeleteMessageBatchResultEntry/{SPACE}Id").text == "a"
    status, answer = query(cloud.endpoint + "/", Action="GetQueueUrl", QueueName="absent")
    assert (status, answer.find(f"{SPACE}Error/{SPACE}Code").text) == (
        400, "AWS.SimpleQueueService.NonExistentQueue")


def test_the_aws_cli(cloud, clients, tmp_path, sqs, queue):
    aws = aws_cli(cloud, clients, tmp_path)
    url = queue("by-cli")
    at = ("--endpoint-url", cloud.endpoint)  # the CLI's older versions know SQS by a host of its own
    aws("sqs", "send-message", *at, "--queue-url", url, "--message-body", "hello")
    got = aws("sqs", "receive-message", *at, "--queue-url", url, "--attribute-names", "All")
    assert got["Messages"][0]["Body"] == "hello"
    aws("sqs", "delete-message", *at, "--queue-url", url, "--receipt-handle", got["Messages"][0]["ReceiptHandle"])


def test_policies_decide_who_sends_and_receives(closed):
    root = root_of(closed)
    owner = closed.client("sqs", **root)
    url = owner.create_queue(QueueName="guarded")["QueueUrl"]
    arn = owner.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sender = closed.client("sqs", **user_of(closed, root, "sqs-sender", {
        "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}))
    sender.send_message(QueueUrl=url, MessageBody="x")
    sender.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "y"}])
    code, text = refusal(sender.receive_message, QueueUrl=url)
    assert code == "AccessDenied" and "sqs:ReceiveMessage" in text
    stranger_keys = user_of(closed, root, "sqs-stranger")
    stranger = closed.client("sqs", **stranger_keys)
    assert refusal(stranger.send_message, QueueUrl=url, MessageBody="x")[0] == "AccessDenied"
    user = closed.client("sts", **stranger_keys).get_caller_identity()["Arn"]
    owner.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": user}, "Action": "SQS:ReceiveMessage", "Resource": arn}]})})
    assert stranger.receive_message(QueueUrl=url)["Messages"]


def test_nothing_acknowledged_is_lost_by_a_kill_and_fifo_order_stays(tmp_path, new_cloud):
    cloud = new_cloud(data_dir=tmp_path / "data")
    sqs = cloud.client("sqs")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    ordered = sqs.create_queue(QueueName="o.fifo", Attributes=fifo)["QueueUrl"]
    plain = sqs.create_queue(QueueName="p", Attributes={"VisibilityTimeout": "3"})["QueueUrl"]
    sent, kept, tried, removed = [], set(), set(), set()
    for round in range(3):
        stop = threading.Event()

        def in_order():
            client, number = cloud.client("sqs"), 0
            while not stop.is_set():
                body = f"{round:02}-{number:06}"
                try:
                    client.send_message(QueueUrl=ordered, MessageBody=body, MessageGroupId="g")
                except Exception:  # killed: not acknowledged
                    return
                sent.append(body)
                number += 1

        def any_order(worker):
            client, number = cloud.client("sqs"), 0
            while not stop.is_set():
                body = f"{round}-{worker}-{number}"
                try:
                    client.send_message(QueueUrl=plain, MessageBody=body)
                    kept.add(body)
                    if number % 3 == 0:
                        for message in client.receive_message(QueueUrl=plain).get("Messages", []):
                            tried.add(message["Body"])  # may be deleted without our hearing of it
                            client.delete_message(QueueUrl=plain, ReceiptHandle=message["ReceiptHandle"])
                            removed.add(message["Body"])
                except Exception:
                    return
                number += 1

        workers = [threading.Thread(target=in_order)]
        workers += [threading.Thread(target=any_order, args=(n,)) for n in range(2)]
        for worker in workers:
            worker.start()
        time.sleep(0.5)
        cloud.kill()
        stop.set()
        for worker in workers:
            worker.join()
        cloud.start()
    sqs = cloud.client("sqs")
    again = sqs.send_message(QueueUrl=ordered, MessageBody=sent[-1], MessageGroupId="g")
    got = drain(sqs, ordered)
    assert again["MessageId"] in [m["MessageId"] for m in got]
    bodies = [m["Body"] for m in got]
    assert bodies == sorted(set(bodies)) and set(sent) <= set(bodies), "order, loss or doubles"
    sqs.set_queue_attributes(QueueUrl=plain, Attributes={"VisibilityTimeout": "60"})
    left = {m["Body"] for m in drain(sqs, plain, wait=4)}
    assert len(removed) > 3 and not kept - tried - left and not removed & left
    cloud.stop()


def drain(sqs, url, wait=0):
    """All messages; `wait` is how long some may still be with a consumer that was killed."""
    all_of_them, end = [], time.monotonic() + wait
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not got and time.monotonic() > end:
            return all_of_them
        all_of_them += got
        if got:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)]
            assert not sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")
        else:
            time.sleep(0.5)
