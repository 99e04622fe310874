"""Objects under keys that customers bring, with boto3."""

import os

import pytest
from botocore.exceptions import ClientError

MIB = 1 << 20


@pytest.fixture
def bucket(cloud):
    name = f"b-{os.urandom(6).hex()}"
    cloud.client("s3").create_bucket(Bucket=name)
    return name


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_an_object_is_read_with_its_key_alone(cloud, bucket):
    s3 = cloud.client("s3")
    mine = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    for size in (100, 3 * MIB):
        body = os.urandom(size)
        put = s3.put_object(Bucket=bucket, Key="k", Body=body, **mine)
        assert put["SSECustomerAlgorithm"] == "AES256" and "ServerSideEncryption" not in put
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **mine)
        assert got["Body"].read() == body
        assert got["SSECustomerKeyMD5"] == put["SSECustomerKeyMD5"]
        cut = s3.get_object(Bucket=bucket, Key="k", Range="bytes=17-80", **mine)
        assert cut["Body"].read() == body[17:81]
        assert s3.head_object(Bucket=bucket, Key="k", **mine)["ContentLength"] == size
        assert refused(s3.get_object, Bucket=bucket, Key="k") == (400, "InvalidRequest")
        assert refused(s3.get_object, Bucket=bucket, Key="k", **other) == (403, "AccessDenied")
        assert refused(s3.head_object, Bucket=bucket, Key="k", **other) == (403, "403")
    short = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"short"}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **short) == (
        400, "InvalidArgument")


def test_large_files_are_locked_in_parts_and_copied_under_another_key(cloud, bucket, tmp_path):
    s3 = cloud.client("s3")
    mine = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    body = os.urandom(9 * MIB)
    (tmp_path / "file").write_bytes(body)
    s3.upload_file(str(tmp_path / "file"), bucket, "large", ExtraArgs=mine)
    s3.download_file(bucket, "large", str(tmp_path / "back"), ExtraArgs=mine)
    assert (tmp_path / "back").read_bytes() == body
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/large",
                   CopySourceSSECustomerAlgorithm="AES256",
                   CopySourceSSECustomerKey=mine["SSECustomerKey"], **other)
    assert s3.get_object(Bucket=bucket, Key="copy", **other)["Body"].read() == body
    assert refused(s3.get_object, Bucket=bucket, Key="copy", **mine) == (403, "AccessDenied")


def test_an_object_gets_another_key_where_it_lies(cloud, bucket):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="moved", Body=b"body")
    before = s3.head_object(Bucket=bucket, Key="moved")
    arn = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    s3.update_object_encryption(
        Bucket=bucket, Key="moved", ObjectEncryption={"SSEKMS": {"KMSKeyArn": arn}}
    )
    after = s3.head_object(Bucket=bucket, Key="moved")
    assert (after["ServerSideEncryption"], after["SSEKMSKeyId"]) == ("aws:kms", arn)
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
