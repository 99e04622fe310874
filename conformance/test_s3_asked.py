"""What S3 refuses and asks besides, and how parts are read: with boto3 and plain HTTP."""

import json
import os

import pytest
from botocore.exceptions import ClientError

from support.enforced import user_of
from support.forms import form

MIB = 1 << 20


def code_of(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


@pytest.fixture
def s3(cloud):
    return cloud.client("s3")


@pytest.fixture
def bucket(s3):
    name = f"b-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    return name


def test_parts_of_an_object_with_one_checksum_are_read_by_themselves(s3, bucket):
    made = s3.create_multipart_upload(
        Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    where = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    bodies = [os.urandom(5 * MIB), b"end"]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    listed = {"MultipartUpload": {"Parts": parts}}
    assert code_of(s3.complete_multipart_upload, **where, **listed, ChecksumSHA1="AAAA") == "InvalidRequest"
    done = s3.complete_multipart_upload(**where, **listed)
    assert done["ChecksumType"] == "FULL_OBJECT"
    for number, body in enumerate(bodies, 1):
        part = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        assert part["Body"].read() == body and "ChecksumCRC32" not in part
        head = s3.head_object(Bucket=bucket, Key="k", PartNumber=number, ChecksumMode="ENABLED")
        assert head["ContentLength"] == len(body) and "ChecksumCRC32" not in head
    whole = s3.get_object(Bucket=bucket, Key="k")
    assert whole["Body"].read() == b"".join(bodies) and whole["ChecksumCRC32"] == done["ChecksumCRC32"]


def test_trailers_are_those_that_were_announced(cloud, bucket):
    def put(trailers, **headers):
        return cloud.http("PUT", f"/{bucket}/k", f"5\r\nhello\r\n0\r\n{trailers}\r\n".encode(), {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked",
            "x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": "5", **headers})

    right = "x-amz-checksum-crc32:NhCmhg==\r\n"
    for wrong in ["", "x-amz-checksum-sha1:AAAA\r\n", right + "x-amz-checksum-sha1:AAAA\r\n"]:
        status, _, body = put(wrong)
        assert status == 400 and b"MalformedTrailerError" in body, body
    two = {"x-amz-checksum-sha1": "qvTGHdzF6KLavt4PO0gs2a6pQ00="}
    status, _, body = put(right, **two)
    assert status == 400 and b"Expecting a single x-amz-checksum- header" in body, body
    both = {**two, "x-amz-checksum-crc32": "NhCmhg=="}
    status, _, body = cloud.http("PUT", f"/{bucket}/k", b"hello", both)
    assert status == 400 and b"Expecting a single x-amz-checksum- header" in body, body
    assert cloud.http("GET", f"/{bucket}/k")[0] == 404
    assert put(right)[0] == 200


def test_fields_of_forms_are_read_as_headers_are(cloud, s3):
    bucket = f"forms-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)

    def post(**fields):
        kind, whole = form({name.replace("_", "-"): value for name, value in fields.items()}, b"hello")
        return cloud.http("POST", "/" + bucket, whole, {"Content-Type": kind})

    until_2100 = {"x_amz_object_lock_mode": "GOVERNANCE",
                  "x_amz_object_lock_retain_until_date": "2100-01-01T00:00:00Z"}
    for fields, code in [
            ({"x_amz_checksum_crc32": "AAAAAA=="}, b"BadDigest"),
            ({"x_amz_checksum_crc32": "NhCmhg==", "x_amz_checksum_sha1": "AAAA"}, b"InvalidRequest"),
            ({"x_amz_storage_class": "FOO"}, b"InvalidStorageClass"),
            ({"x_amz_server_side_encryption": "FOO"}, b"InvalidEncryptionAlgorithmError"),
            ({"acl": "foo"}, b"InvalidArgument"),
            ({"x_amz_object_lock_mode": "FOO"}, b"Unknown wormMode directive."),
            ({**until_2100, "x_amz_object_lock_retain_until_date": "soon"}, b"InvalidArgument"),
            ({"tagging": "junk"}, b"MalformedXML")]:
        status, _, body = post(key="k", **fields)
        assert status == 400 and code in body, (fields, body)
    assert code_of(s3.head_object, Bucket=bucket, Key="k") == "404"
    tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>c=</Value></Tag></TagSet></Tagging>"
    assert post(key="k", tagging=tags, x_amz_checksum_crc32="NhCmhg==", **until_2100)[0] == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a b", "Value": "c="}]
    kept = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (kept["ObjectLockMode"], kept["ChecksumCRC32"]) == ("GOVERNANCE", "NhCmhg==")


def test_locations_are_escaped_so_that_a_url_can_be_made_of_them(cloud, s3, bucket):
    key, escaped = "a b/\u00e9&", "/a%20b%2F%C3%A9%26"
    kind, whole = form({"key": key, "success_action_status": "201"}, b"hello")
    status, headers, body = cloud.http("POST", "/" + bucket, whole, {"Content-Type": kind})
    assert status == 201 and f"/{bucket}{escaped}</Location>".encode() in body, body
    assert headers["Location"].endswith(f"/{bucket}{escaped}"), dict(headers)
    upload = {"Bucket": bucket, "Key": key}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"hello")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    location = s3.complete_multipart_upload(**upload, MultipartUpload=parts)["Location"]
    assert location.endswith(f"/{bucket}{escaped}"), location


def test_a_plus_in_a_path_is_a_space(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b", Body=b"spaced")
    s3.put_object(Bucket=bucket, Key="a+b", Body=b"plus")
    for key, body in [("a%20b", b"spaced"), ("a+b", b"spaced"), ("a%2Bb", b"plus")]:
        assert cloud.http("GET", f"/{bucket}/{key}")[::2] == (200, body), key


def test_forms_ask_what_headers_ask(closed, root):
    s3 = closed.client("s3", **root)
    s3.create_bucket(Bucket="asked", ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="asked")
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"

    def post(signer, **fields):
        made = signer.generate_presigned_post(
            "asked", "k", Fields=fields, Conditions=[{name: value} for name, value in fields.items()])
        kind, whole = form(made["fields"], b"hello")
        status, _, body = closed.http("POST", "/asked", whole, {"Content-Type": kind})
        assert status == 204 or b"AccessDenied" in body, body
        return status

    def signer(name, action, **condition):
        key = user_of(closed, root, name, {
            "Effect": "Allow", "Action": action, "Resource": "*", **condition})
        return closed.client("s3", signature_version="s3v4", **key)

    alone = signer("form-alone", "s3:PutObject")
    assert [post(alone), post(alone, acl="public-read"), post(alone, tagging=tags)] == [204, 403, 403]
    more = signer("form-more", ["s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"])
    assert [post(more, acl="public-read"), post(more, tagging=tags)] == [204, 204]
    cold = {"Condition": {"StringEquals": {"s3:x-amz-storage-class": "STANDARD_IA"}}}
    cold = signer("form-cold", "s3:PutObject", **cold)
    assert [post(cold), post(cold, **{"x-amz-storage-class": "STANDARD_IA"})] == [403, 204]


def test_pages_that_a_policy_names_may_show_an_object(closed, root):
    s3 = closed.client("s3", **root)
    s3.create_bucket(Bucket="shown")
    s3.put_object(Bucket="shown", Key="k", Body=b"x")
    s3.delete_public_access_block(Bucket="shown")
    s3.put_bucket_policy(Bucket="shown", Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::shown/*", "Condition": {
                "StringLike": {"aws:Referer": "http://mine.example/*"},
                "Bool": {"aws:PrincipalIsAWSService": "false"},
                "StringEquals": {"aws:ResourceAccount": "000000000000"}}}]}))
    for headers, status in [({"Referer": "http://mine.example/page"}, 200),
                            ({"Referer": "http://other.example/"}, 403), ({}, 403)]:
        assert closed.http("GET", "/shown/k", headers=headers)[0] == status, headers


def test_keys_and_rights_beside_an_operations_own_are_asked(closed, root):
    s3 = closed.client("s3", **root)
    s3.create_bucket(Bucket="beside")
    s3.put_object(Bucket="beside", Key="tagged", Body=b"x", Tagging="a=1")
    for key in ("plain", "bare"):
        s3.put_object(Bucket="beside", Key=key, Body=b"x")

    def user(name, allowed, *more):
        key = user_of(closed, root, name, {"Effect": "Allow", "Action": allowed, "Resource": "*"}, *more)
        return closed.client("s3", **key)

    def tag(client, value):
        client.put_object_tagging(
            Bucket="beside", Key="plain", Tagging={"TagSet": [{"Key": "level", "Value": value}]})

    one = user("beside-tags", "s3:PutObjectTagging", {
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"s3:RequestObjectTag/level": "secret"}}})
    tag(one, "open")
    assert code_of(tag, client=one, value="secret") == "AccessDenied"
    one = user("beside-copy", ["s3:GetObject", "s3:PutObject", "s3:ListBucket"])
    one.copy_object(Bucket="beside", Key="c", CopySource="beside/bare")
    copy = {"Bucket": "beside", "Key": "c", "CopySource": "beside/tagged"}
    assert code_of(one.copy_object, **copy) == "AccessDenied"
    one.copy_object(**copy, TaggingDirective="REPLACE")
    two = user("beside-copy-tags", ["s3:*Object", "s3:ListBucket", "s3:*ObjectTagging"])
    two.copy_object(**copy)
    assert s3.get_object_tagging(Bucket="beside", Key="c")["TagSet"] == [{"Key": "a", "Value": "1"}]
    one = user("beside-make", "s3:CreateBucket")
    assert code_of(one.create_bucket, Bucket="beside-lock",
                   ObjectLockEnabledForBucket=True) == "AccessDenied"
    assert code_of(one.create_bucket, Bucket="beside-own",
                   ObjectOwnership="ObjectWriter") == "AccessDenied"
    one.create_bucket(Bucket="beside-made")
    far = closed.client("s3", region="eu-west-1", **user_of(closed, root, "beside-far", {
        "Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*",
        "Condition": {"StringEquals": {"s3:LocationConstraint": "eu-west-1"}}}))
    far.create_bucket(Bucket="beside-there", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert code_of(closed.client("s3", **user_of(closed, root, "beside-near", {
        "Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*",
        "Condition": {"StringEquals": {"s3:LocationConstraint": "eu-west-1"}}})).create_bucket,
        Bucket="beside-here") == "AccessDenied"
