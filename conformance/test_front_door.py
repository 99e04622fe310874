"""The front door: who may knock, what is too large, what is not served."""

import json
import socket
import subprocess
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from support.cloud import BINARY, Cloud

JSON_11 = "application/x-amz-json-1.1"
SCOPE = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def json_call(cloud, service, target, body=b"{}", kind=JSON_11):
    headers = {"x-amz-target": target, "content-type": kind, "authorization": SCOPE.format(service)}
    status, headers, body = cloud.http("POST", "/", body, headers)
    return status, headers, json.loads(body)


def query_call(cloud, service, **fields):
    headers = {
        "content-type": "application/x-www-form-urlencoded", "authorization": SCOPE.format(service),
    }
    body = urllib.parse.urlencode(fields).encode()
    return cloud.http("POST", "/", body, headers)


def test_an_operation_that_is_not_served_is_named(cloud):
    status, _, body = json_call(cloud, "logs", "Logs_20140328.StartQuery")
    assert status in (400, 501) and "NotImplemented" in body["__type"]
    assert "StartQuery" in body["message"]
    status, _, body = query_call(cloud, "iam", Action="AcceptDelegationRequest", Version="2010-05-08")
    assert status in (400, 501)
    assert b"NotImplemented" in body and b"AcceptDelegationRequest" in body
    with pytest.raises(ClientError) as error:
        cloud.client("lambda").list_capacity_providers()
    assert "NotImplemented" in error.value.response["Error"]["Code"]
    assert "ListCapacityProviders" in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as error:
        cloud.client("cloudwatch").list_dashboards()
    assert "NotImplemented" in error.value.response["Error"]["Code"]
    with pytest.raises(ClientError) as error:  # signed for `s3express`
        cloud.client("s3").list_directory_buckets()
    told = error.value.response["Error"]
    assert told == {"Code": "NotImplemented", "Message": "s3: GET / is not implemented by haar"}


def test_an_operation_that_nobody_knows_is_refused_as_on_aws(cloud):
    status, _, body = json_call(cloud, "logs", "Logs_20140328.Nonsense")
    assert status == 400 and "UnknownOperationException" in body["__type"]
    status, _, body = query_call(cloud, "sts", Action="Nonsense", Version="2011-06-15")
    assert status in (400, 403) and b"InvalidAction" in body


def test_cloudwatch_names_missing_parameters_in_every_protocol(cloud):
    text = "The parameter Namespace is required."
    target = "GraniteServiceVersion20100801.PutMetricData"
    status, _, body = json_call(cloud, "monitoring", target, kind="application/x-amz-json-1.0")
    assert (status, body["message"]) == (400, text)
    assert "MissingRequiredParameterException" in body["__type"]
    status, _, body = query_call(cloud, "monitoring", Action="PutMetricData", Version="2010-08-01")
    assert status == 400
    assert b"<Code>MissingParameter</Code>" in body and text.encode() in body
    client = cloud.client("cloudwatch", parameter_validation=False)  # by CBOR
    with pytest.raises(client.exceptions.MissingRequiredParameterException) as error:
        client.put_metric_data()
    assert error.value.response["Error"]["Message"] == text


def test_a_put_of_metrics_is_bounded_by_its_size(cloud):
    client = cloud.client("cloudwatch", disable_request_compression=True)
    packed = cloud.client("cloudwatch")  # gzip; what it holds counts
    datum = {"MetricName": "m" * 255, "Value": 1.0, "Dimensions": [
        {"Name": "d%d" % number + "n" * 250, "Value": "v" * 1000} for number in range(2)]}
    client.put_metric_data(Namespace="wide", MetricData=[datum] * 350)
    for one in (client, packed):
        with pytest.raises(ClientError) as error:
            one.put_metric_data(Namespace="wide", MetricData=[datum] * 400)
        told = error.value.response
        assert told["ResponseMetadata"]["HTTPStatusCode"] == 413
        assert told["Error"]["Code"] == "RequestEntityTooLarge"
        assert told["Error"]["Message"].startswith("Request size ")
        assert told["Error"]["Message"].endswith(" exceeded 1048576 bytes")


def test_bodies_that_do_not_parse(cloud):
    status, _, body = json_call(cloud, "logs", "Logs_20140328.CreateLogGroup", b"{not json")
    assert status == 400 and "SerializationException" in body["__type"]
    status, _, body = json_call(
        cloud, "logs", "Logs_20140328.CreateLogGroup", b'{"logGroupName": 5}'
    )
    assert status == 400 and "SerializationException" in body["__type"]
    cbor = {
        "smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor",
        "authorization": SCOPE.format("monitoring"),
    }
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    status, _, body = cloud.http("POST", path, b"\xff\xff\xff", cbor)
    assert status == 400 and b"SerializationException" in body
    rest = {"authorization": SCOPE.format("lambda")}
    status, headers, body = cloud.http("POST", "/2015-03-31/functions", b"[1", rest)
    assert status == 400 and headers["x-amzn-errortype"].startswith("SerializationException")


def test_constraints_are_told_in_the_words_of_aws(cloud):
    with pytest.raises(ClientError) as error:
        cloud.client("logs", parameter_validation=False).create_log_group(logGroupName="bad name!")
    found = error.value.response["Error"]
    assert found["Code"] == "InvalidParameterException"
    assert "1 validation error detected: Value 'bad name!' at 'logGroupName' failed to satisfy constraint" in found["Message"]
    client = cloud.client("lambda", parameter_validation=False)
    with pytest.raises(ClientError) as error:
        client.create_function(
            FunctionName="x", Runtime="python3.13", Handler="a.b", Code={"ZipFile": b""},
            Role="arn:aws:iam::000000000000:role/r", MemorySize=64,
        )
    assert "memorySize" in error.value.response["Error"]["Message"]
    client = cloud.client("dynamodb", parameter_validation=False)
    key = {"DeleteRequest": {"Key": {"p": {"S": "x"}}}}
    with pytest.raises(ClientError) as error:
        client.batch_write_item(RequestItems={"table": [key] * 26})
    told = error.value.response["Error"]["Message"]
    assert told.startswith("1 validation error detected: Value '{table=[")
    assert told.endswith(
        "' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: "
        "[Member must have length less than or equal to 25, "
        "Member must have length greater than or equal to 1]"
    )


def test_every_answer_carries_a_request_id(cloud):
    found = cloud.client("sts").get_caller_identity()["ResponseMetadata"]
    assert len(found["RequestId"]) >= 32
    found = cloud.client("lambda").list_functions()["ResponseMetadata"]
    assert len(found["RequestId"]) >= 32


def test_pages_of_other_sites_are_kept_out(cloud):
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        status, _, _ = cloud.http("GET", "/2015-03-31/functions", headers=headers)
        assert status == 403, headers
    for headers in ({"Origin": "http://localhost:3000"}, {"Host": f"localhost:{cloud.port}"}, {}):
        headers["authorization"] = SCOPE.format("lambda")
        status, _, _ = cloud.http("GET", "/2015-03-31/functions", headers=headers)
        assert status == 200, headers


def test_pages_of_this_machine_may_call_the_api(cloud):
    origin = "http://localhost:3000"
    asks = {"Origin": origin, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,x-amz-target"}
    status, headers, _ = cloud.http("OPTIONS", "/", headers=asks)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, origin)
    assert headers["Access-Control-Allow-Headers"] == asks["Access-Control-Request-Headers"]
    call = {"Origin": origin, "authorization": SCOPE.format("lambda")}
    for path, status in [("/2015-03-31/functions", 200), ("/2015-03-31/functions/none", 404)]:
        found, headers, _ = cloud.http("GET", path, headers=call)
        assert (found, headers["Access-Control-Allow-Origin"]) == (status, origin)
    asks["Origin"] = "https://evil.example"
    assert cloud.http("OPTIONS", "/", headers=asks)[0] == 403


def exchange(cloud, request):
    with socket.create_connection(("127.0.0.1", cloud.port), 20) as peer:
        peer.settimeout(20)
        try:
            peer.sendall(request)
        except OSError:
            pass
        try:
            return peer.recv(4096)
        except OSError:
            return b""


def test_what_is_too_large_or_broken_is_refused(cloud):
    host = b"Host: localhost\r\n"
    large = exchange(cloud, b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n")
    assert large == b"" or b" 431 " in large or b" 400 " in large
    body = exchange(cloud, b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 999999999999\r\n\r\nx")
    assert b" 413 " in body
    assert b" 400 " in exchange(cloud, b"NONSENSE\r\n\r\n")
    assert cloud.page("GET", "/_haar/health")["status"] == "running"


def test_health_and_metrics_are_served(cloud):
    health = cloud.page("GET", "/_haar/health")
    assert {"lambda", "iam", "sts", "logs"} <= set(health["services"])
    assert "cloudwatch" in health["services"] and "monitoring" not in health["services"]
    assert cloud.page("GET", "/_localstack/health")["services"]
    status, headers, body = cloud.http("GET", "/_haar/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    families = []  # each with all its samples behind the line that tells its type
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("#"):
            assert line.startswith(families[-1]), line
    assert families == ["haar_requests_total", "haar_request_seconds"]
    status, _, _ = cloud.http("GET", "/_haar/nowhere")
    assert status == 404


def test_a_key_of_twelve_digits_names_the_account(cloud):
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"
    other = cloud.client("sts", key="123456789012")
    assert other.get_caller_identity()["Account"] == "123456789012"
    cloud.client("logs", key="123456789012").create_log_group(logGroupName="/only/theirs")
    mine = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/only/")["logGroups"]
    assert mine == []
    elsewhere = cloud.client("logs", key="123456789012", region="eu-west-1")
    assert elsewhere.describe_log_groups(logGroupNamePrefix="/only/")["logGroups"] == []


def test_it_does_not_listen_off_loopback_for_everybody():
    refused = subprocess.run(
        [BINARY, "up", "--ephemeral", "--listen", "0.0.0.0:0"], capture_output=True, text=True,
        timeout=30,
    )
    assert refused.returncode != 0
    assert "--auth enforce" in refused.stderr


def test_a_taken_port_says_what_to_do(cloud):
    refused = subprocess.run(
        [BINARY, "up", "--ephemeral", "--listen", f"127.0.0.1:{cloud.port}"], capture_output=True,
        text=True, timeout=30,
    )
    assert refused.returncode != 0
    assert "taken" in refused.stderr and f"--listen 127.0.0.1:{cloud.port + 1}" in refused.stderr


def test_reset_brings_back_the_initial_state(new_cloud):
    from support.functions import Functions

    cloud: Cloud = new_cloud()
    functions = Functions(cloud)
    name = functions.python("def handler(event, context): return 1")
    assert functions.invoke(name).payload == 1
    cloud.client("iam").create_user(UserName="u")
    cloud.page("POST", "/_haar/reset")
    assert functions.client.list_functions()["Functions"] == []
    assert cloud.client("iam").list_users()["Users"] == []
    assert cloud.client("logs").describe_log_groups()["logGroups"] == []
    assert functions.invoke(functions.python("def handler(e, c): return 2")).payload == 2


def test_several_clouds_live_side_by_side(new_cloud):
    from support.functions import Functions

    clouds = [new_cloud() for _ in range(3)]
    assert len({cloud.port for cloud in clouds}) == 3
    each = [Functions(cloud) for cloud in clouds]
    for number, functions in enumerate(each):
        functions.python(f"def handler(event, context): return {number}", name="same")
    assert [functions.invoke("same").payload for functions in each] == [0, 1, 2]
    clouds[0].stop()
    assert [functions.invoke("same").payload for functions in each[1:]] == [1, 2]


def test_account_and_region_can_be_chosen(new_cloud):
    cloud = new_cloud("--account-id", "111122223333", "--region", "eu-central-1")
    assert cloud.client("sts").get_caller_identity()["Account"] == "111122223333"
