"""Objects in buckets, with boto3, the aws CLI and plain HTTP."""

import functools
import hashlib
import io
import itertools
import json
import os
import threading
import time

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from support.cli import aws_cli
from support.cloud import until
from support.enforced import user_of
from support.forms import form
from support.functions import zipped

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
    yield name
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=name)


def test_objects_come_back_as_they_were_put(s3, bucket):
    for size in (0, 1, 1000, 2048, 2049, 64 * 1024, 64 * 1024 + 1, 3 * MIB + 7):
        body = os.urandom(size)
        put = s3.put_object(Bucket=bucket, Key=f"k/{size}", Body=body, Metadata={"size": str(size)},
                            ContentType="text/plain")
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        got = s3.get_object(Bucket=bucket, Key=f"k/{size}", ChecksumMode="ENABLED")
        assert got["Body"].read() == body
        assert got["Metadata"] == {"size": str(size)}
        assert got["ContentType"] == "text/plain"
        assert got["ServerSideEncryption"] == "AES256"
        if size > 10:
            cut = s3.get_object(Bucket=bucket, Key=f"k/{size}", Range="bytes=3-9")
            assert cut["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert (cut["ContentRange"], cut["Body"].read()) == (f"bytes 3-9/{size}", body[3:10])
        s3.copy_object(Bucket=bucket, Key=f"c/{size}", CopySource=f"{bucket}/k/{size}")
        assert s3.get_object(Bucket=bucket, Key=f"c/{size}")["Body"].read() == body
    head = s3.head_object(Bucket=bucket, Key="k/1000")
    assert head["ContentLength"] == 1000
    assert code_of(s3.head_object, Bucket=bucket, Key="none") == "404"
    assert code_of(s3.get_object, Bucket=bucket, Key="none") == "NoSuchKey"
    assert code_of(s3.get_object, Bucket=f"{bucket}-none", Key="k") == "NoSuchBucket"
    assert code_of(s3.get_object, Bucket=bucket, Key="k/1", Range="bytes=5-") == "InvalidRange"
    assert code_of(s3.get_object, Bucket=bucket, Key="k/1", IfNoneMatch=s3.head_object(
        Bucket=bucket, Key="k/1")["ETag"]) == "304"
    assert code_of(s3.put_object, Bucket=bucket, Key="k/1", IfNoneMatch="*") == "PreconditionFailed"
    assert code_of(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"


def test_listings_fold_what_lies_below_a_delimiter(s3, bucket):
    for key in ["a.txt", "photos/2026/jan.jpg", "photos/2026/feb.jpg", "photos/me.jpg", "ümlaut +&"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [one["Key"] for one in top["Contents"]] == ["a.txt", "ümlaut +&"]
    assert [one["Prefix"] for one in top["CommonPrefixes"]] == ["photos/"]
    below = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="photos/")
    assert [one["Key"] for one in below["Contents"]] == ["photos/me.jpg"]
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(operation).paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 2}))
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        assert keys == sorted(keys, key=str.encode) and len(keys) == 5 and len(pages) == 3
    pages = s3.get_paginator("list_objects").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    assert [len(page.get("Contents", [])) for page in pages] == [1, 0, 1]


def test_versions_are_kept_marked_and_brought_back(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    two = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    headers = refused.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amz-delete-marker"], headers["allow"]) == ("true", "DELETE")
    assert headers["last-modified"].endswith(" GMT")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=one)["Body"].read() == b"one"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"null"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == [two, one, "null"]
    assert [m["IsLatest"] for m in listed["DeleteMarkers"]] == [True]
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1})
    seen = [v["VersionId"] for page in pages for v in page.get("DeleteMarkers", []) + page.get("Versions", [])]
    assert seen == [marker["VersionId"], two, one, "null"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"new null")["VersionId"] == "null"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == ["null", two, one]


def test_objects_are_put_together_of_parts(s3, bucket):
    made = s3.create_multipart_upload(Bucket=bucket, Key="big", ChecksumAlgorithm="CRC32")
    where = {"Bucket": bucket, "Key": "big", "UploadId": made["UploadId"]}
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB), b"end"]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    assert [p["Size"] for p in s3.list_parts(**where)["Parts"]] == [len(body) for body in bodies]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["big"]
    small = {"Parts": [parts[2], ]}
    bare = {"Parts": [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]}
    assert code_of(s3.complete_multipart_upload, **where, MultipartUpload=bare) == "InvalidRequest"
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-3"') and done["ChecksumType"] == "COMPOSITE"
    again = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert (again["ETag"], again["ChecksumCRC32"]) == (done["ETag"], done["ChecksumCRC32"])
    whole = b"".join(bodies)
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == whole
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=3)
    assert (part["Body"].read(), part["PartsCount"]) == (b"end", 3)
    assert part["ChecksumCRC32"] == parts[2]["ChecksumCRC32"]
    across = s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert across["Body"].read() == whole[5 * MIB - 2:5 * MIB + 2]
    told = s3.get_object_attributes(
        Bucket=bucket, Key="big", ObjectAttributes=["ObjectSize", "Checksum", "ObjectParts"])
    assert told["ObjectSize"] == len(whole) and told["ObjectParts"]["TotalPartsCount"] == 3
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "big"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    s3.upload_fileobj(io.BytesIO(whole * 2), bucket, "managed")
    assert s3.head_object(Bucket=bucket, Key="managed")["ContentLength"] == 2 * len(whole)
    assert code_of(s3.complete_multipart_upload, **where, MultipartUpload=small) == "NoSuchUpload"




def test_bodies_in_chunks_are_unwrapped_and_their_trailers_proven(cloud, s3, bucket):
    def put(checksum, length=5):
        return cloud.http("PUT", f"/{bucket}/chunked", (
            f"3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n").encode(), {
                "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Type": "text/x",
                "x-amz-trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked",
                "x-amz-decoded-content-length": str(length)})

    status, headers, _ = put("NhCmhg==")
    assert (status, headers["x-amz-checksum-crc32"]) == (200, "NhCmhg==")
    got = s3.get_object(Bucket=bucket, Key="chunked")
    assert got["Body"].read() == b"hello" and "ContentEncoding" not in got
    status, _, body = put("AAAAAA==")
    assert status == 400 and b"BadDigest" in body, body
    status, _, body = put("NhCmhg==", 6)
    assert status == 400 and b"IncompleteBody" in body, body


def test_checksums_are_proven_whatever_their_kind(s3, bucket):
    for kind in ("CRC32", "SHA1", "SHA256"):
        put = s3.put_object(Bucket=bucket, Key=kind, Body=b"hello", ChecksumAlgorithm=kind)
        got = s3.get_object(Bucket=bucket, Key=kind, ChecksumMode="ENABLED")
        assert got[f"Checksum{kind}"] == put[f"Checksum{kind}"]
        assert got["Body"].read() == b"hello"
    # botocore computes these with another package only
    for kind, value in {"CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg="}.items():
        given = {f"Checksum{kind}": value}
        s3.put_object(Bucket=bucket, Key=kind, Body=b"123456789", **given)
        assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"12345678", **given) == "BadDigest"
    wrong = {"ChecksumSHA256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **wrong) == "BadDigest"
    for _ in range(20):  # each ends its connection, and says so
        refused = code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="AAAA")
        assert refused == "InvalidDigest"
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"


def test_buckets_are_found_by_path_and_by_host(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"there")
    for host in (f"{bucket}.s3.localhost", f"{bucket}.s3.us-east-1.localhost",
                 f"{bucket}.s3.amazonaws.com", f"{bucket}.s3.eu-west-1.amazonaws.com"):
        status, _, body = cloud.http("GET", "/a/b", headers={"Host": f"{host}:{cloud.port}"})
        assert (status, body) == (200, b"there"), host
    virtual = cloud.client("s3", s3={"addressing_style": "virtual"})
    assert virtual.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"there"


def test_the_command_line_copies_and_synchronises(cloud, clients, tmp_path, s3, bucket):
    aws = aws_cli(cloud, clients, tmp_path)
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "one").write_bytes(b"1")
    (folder / "deep" / "large").write_bytes(os.urandom(9 * MIB))
    aws("s3", "sync", "--quiet", str(folder), f"s3://{bucket}/in")
    aws("s3", "cp", "--quiet", f"s3://{bucket}/in/deep/large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (folder / "deep" / "large").read_bytes()
    aws("s3", "sync", "--quiet", f"s3://{bucket}/in", str(tmp_path / "out"))
    assert (tmp_path / "out" / "one").read_bytes() == b"1"
    aws("s3", "rm", "--quiet", "--recursive", f"s3://{bucket}/in")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_what_was_acknowledged_outlives_a_kill(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    small, large = os.urandom(1000), os.urandom(2 * MIB)
    first = s3.put_object(Bucket="kept", Key="k", Body=small)["VersionId"]
    s3.put_object(Bucket="kept", Key="k", Body=large)
    upload = s3.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    where = {"Bucket": "kept", "Key": "parts", "UploadId": upload}
    tag = s3.upload_part(**where, PartNumber=1, Body=large)["ETag"]
    cloud.kill()
    s3 = cloud.start().client("s3")
    assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == large
    assert s3.get_object(Bucket="kept", Key="k", VersionId=first)["Body"].read() == small
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    s3.complete_multipart_upload(**where, MultipartUpload=parts)
    assert s3.get_object(Bucket="kept", Key="parts")["Body"].read() == large



def test_presigned_urls_and_forms_are_let_in(cloud, s3, bucket):
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "signed"})
    path = url[len(cloud.endpoint):]
    assert cloud.http("PUT", path, b"by url")[0] == 200
    url = s3.generate_presigned_url("get_object", {
        "Bucket": bucket, "Key": "signed", "ResponseContentType": "text/x"})
    status, headers, body = cloud.http("GET", url[len(cloud.endpoint):])
    assert (status, headers["Content-Type"], body) == (200, "text/x", b"by url")
    post = s3.generate_presigned_post(
        bucket, "in/${filename}", Fields={"success_action_status": "201"},
        Conditions=[{"success_action_status": "201"}, ["content-length-range", 1, 200_000]])
    where = "/" + bucket
    kind, whole = form(post["fields"], os.urandom(100_000))
    status, _, body = cloud.http("POST", where, whole, {"Content-Type": kind})
    assert status == 201 and b"<Key>in/f.txt</Key>" in body, body
    assert s3.head_object(Bucket=bucket, Key="in/f.txt")["ContentLength"] == 100_000
    kind, whole = form(post["fields"], os.urandom(200_001))
    status, _, body = cloud.http("POST", where, whole, {"Content-Type": kind})
    assert status == 400 and b"EntityTooLarge" in body, body
    kind, whole = form({**post["fields"], "acl": "private"}, b"x")
    status, _, body = cloud.http("POST", where, whole, {"Content-Type": kind})
    assert status == 403 and b"Extra input fields: acl" in body, body






def test_websites_and_pages_of_other_origins_are_served(cloud, s3, bucket):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={
        "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "oops.html"}})
    for key, text in {"index.html": "top", "sub/index.html": "below", "oops.html": "oops"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="text/html")
    at = {"Host": f"{bucket}.s3-website.localhost:{cloud.port}"}
    for path, status, body in [("/", 200, b"top"), ("/sub/", 200, b"below"), ("/none", 404, b"oops")]:
        assert cloud.http("GET", path, headers=at)[::2] == (status, body), path
    origin = "http://app.localhost:3000"
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
        "AllowedMethods": ["GET"], "AllowedOrigins": [origin], "AllowedHeaders": ["x-*"],
        "ExposeHeaders": ["ETag"]}]})
    asks = {"Origin": origin, "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-mine"}
    status, headers, _ = cloud.http("OPTIONS", f"/{bucket}/index.html", headers=asks)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, origin)
    asks["Access-Control-Request-Method"] = "PUT"
    assert cloud.http("OPTIONS", f"/{bucket}/index.html", headers=asks)[0] == 403
    _, headers, _ = cloud.http("GET", f"/{bucket}/index.html", headers={"Origin": origin})
    assert headers["Access-Control-Expose-Headers"] == "ETag"


def open_to_all(bucket, *actions):
    """A policy that lets everybody do this to a bucket's objects, and list them."""
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": f"arn:aws:s3:::{bucket}/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}]})


def test_pages_of_other_sites_reach_what_policies_open_to_all_and_no_more(cloud, s3, bucket):
    origin, at = "https://app.example", {"Host": f"{bucket}.s3.localhost:{cloud.port}"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
        "AllowedMethods": ["GET", "PUT", "POST", "DELETE"], "AllowedOrigins": [origin, "*"],
        "AllowedHeaders": ["*"]}]})

    def status(method, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return cloud.http(method, path, headers={"Origin": origin, **headers})[0]

    # rules for other origins are no leave: a browser hears what AWS says to anybody
    asks = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "x-amz-meta-a"}
    assert status("OPTIONS", f"/{bucket}/k", **asks) == 200
    code, headers, body = cloud.http("GET", f"/{bucket}/k", headers={"Origin": origin})
    assert (code, b"AccessDenied" in body) == (403, True)
    assert headers["Access-Control-Allow-Origin"] == "*"
    for method, path in [("GET", "?list-type=2"), ("PUT", "/new"), ("DELETE", "/k"), ("HEAD", "/k")]:
        assert status(method, f"/{bucket}{path}") == 403, (method, path)
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert cloud.http("GET", "/k", headers={**at, **embedded})[0] == 403
    # keys that prove nothing open nothing, though they do for who sits at this machine
    links = cloud.client("s3", signature_version="s3v4")
    link = links.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    link = "/" + link.split("/", 3)[3]
    assert status("GET", link) == 403
    assert cloud.http("GET", link)[0] == 200
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, "
              "SignedHeaders=host, Signature=00", "x_amz_date": "20260101T000000Z"}
    assert status("GET", f"/{bucket}/k", **signed) == 403
    # what is open to all is open to pages, and shown apart from this machine's own
    s3.put_bucket_policy(Bucket=bucket, Policy=open_to_all(bucket, "s3:GetObject", "s3:PutObject"))
    for where in ({}, at):
        path = "/k" if where else f"/{bucket}/k"
        code, headers, body = cloud.http("GET", path, headers={"Origin": origin, **where})
        assert (code, body, headers["Access-Control-Allow-Origin"]) == (200, b"text", "*")
        assert ("sandbox" in headers.get("Content-Security-Policy", "")) == (not where)
    assert cloud.http("GET", "/k", headers={**at, **embedded})[0] == 200
    assert (status("PUT", f"/{bucket}/new"), status("GET", f"/{bucket}?list-type=2")) == (200, 200)
    assert status("DELETE", f"/{bucket}/k") == 403
    # other buckets, how a bucket is set up, and other services
    assert status("PUT", f"/{bucket}/new", x_amz_copy_source="other/secret") == 403
    assert (status("GET", f"/{bucket}?policy"), status("GET", "/")) == (403, 403)
    target = {"X_Amz_Target": "DynamoDB_20120810.ListTables"}
    assert status("POST", f"/{bucket}/k", **target, content_type="application/x-amz-json-1.0") == 403
    assert status("POST", f"/{bucket}/k?Action=ListUsers&Version=2010-05-08") == 403
    assert status("POST", f"/{bucket}/k", content_type="application/x-www-form-urlencoded") == 403
    assert status("POST", "/_haar/reset", **at) == 403


def test_a_key_that_is_known_lets_pages_of_other_sites_in_with_a_true_signature(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    client = cloud.client("s3", signature_version="s3v4", **user_of(cloud, {}, f"u-{bucket}", allow))
    origin = {"Origin": "https://app.example", "Host": client.meta.endpoint_url.split("://")[1]}

    def asks(operation, method):
        link = client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": "k"})
        path = "/" + link.split("/", 3)[3]
        return [cloud.http(method, path + more, headers=origin)[0] for more in ("", "0")]

    assert asks("get_object", "GET") == [200, 403]
    assert asks("delete_object", "DELETE") == [403, 403]


def test_forms_of_pages_of_other_sites_are_taken_where_anybody_may_put(cloud, s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
        "AllowedMethods": ["POST"], "AllowedOrigins": ["*"]}]})
    kind, body = form({"key": "k"}, b"text")

    def status(**origin):
        return cloud.http("POST", f"/{bucket}", body, {"Content-Type": kind, **origin})[0]

    assert status(Origin="https://evil.example") == 403
    assert (status(), status(Origin="http://localhost:3000")) == (204, 204)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=open_to_all(bucket, "s3:PutObject"))
    assert status(Origin="https://evil.example") == 204


def test_what_a_bucket_shows_drives_nothing_else_on_this_machine(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "k"}})
    hosts = [f"{bucket}.s3-website.localhost:{cloud.port}", f"{bucket}.s3.localhost:{cloud.port}"]
    for host in hosts:
        page = {"Origin": f"http://{host}"}
        assert cloud.http("GET", f"/{bucket}/k", headers=page)[0] == 403, host
        assert cloud.http("GET", f"/{bucket}?policy", headers=page)[0] == 403, host
        target = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
        own = {**page, "Host": host, "Sec-Fetch-Site": "same-origin"}
        assert cloud.http("GET", "/k", headers=own)[::2] == (200, b"text"), host
        assert cloud.http("POST", "/", b"{}", headers={**own, **target})[0] in (403, 405), host
        assert b"ListUsersResult" not in cloud.http("GET", "/?Action=ListUsers&Version=2010-05-08", headers=own)[2]
        assert cloud.http("POST", "/_haar/reset", headers=own)[0] in (403, 405), host
        asks = {**page, "Access-Control-Request-Method": "POST"}
        assert cloud.http("OPTIONS", "/", headers=asks)[0] == 403, host
    assert cloud.http("GET", "/?policy", headers={"Host": hosts[1], "Sec-Fetch-Site": "same-origin"})[0] == 403
    s3.head_object(Bucket=bucket, Key="k")  # and all is still there


def test_queues_hear_of_objects(cloud, s3, bucket):
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=f"q-{bucket}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"],
                                 "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}}]})
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"hello")
    s3.put_object(Bucket=bucket, Key="elsewhere", Body=b"hello")

    def messages():
        taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(one["Body"]) for one in taken.get("Messages", [])]

    heard = until(messages, lambda all: len(all) >= 2)
    assert [one["Event"] for one in heard if "Event" in one] == ["s3:TestEvent"]
    records = [one["Records"][0] for one in heard if "Records" in one]
    assert [one["s3"]["object"]["key"] for one in records] == ["in/a"]
    assert records[0]["eventName"] == "ObjectCreated:Put"
    gone = {"QueueConfigurations": [{"QueueArn": arn + "-none", "Events": ["s3:ObjectCreated:*"]}]}
    assert code_of(s3.put_bucket_notification_configuration, Bucket=bucket,
                   NotificationConfiguration=gone) == "InvalidArgument"


def test_what_an_acl_grants_an_account_is_its_users_by_its_own_policies(closed, root):
    s3 = closed.client("s3", **root)
    s3.create_bucket(Bucket="own-acls", ObjectOwnership="ObjectWriter")
    s3.put_object(Bucket="own-acls", Key="k", Body=b"x", ACL="bucket-owner-full-control")
    nobody = closed.client("s3", **user_of(closed, root, "may-nothing"))
    assert code_of(nobody.get_object, Bucket="own-acls", Key="k") == "AccessDenied"
    assert code_of(nobody.put_object_acl, Bucket="own-acls", Key="k", ACL="private") == "AccessDenied"
    some = closed.client("s3", **user_of(closed, root, "may-read", {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::own-acls/*"}))
    assert some.get_object(Bucket="own-acls", Key="k")["Body"].read() == b"x"
    assert s3.get_object(Bucket="own-acls", Key="k")["Body"].read() == b"x"


def test_policies_decide_also_for_strangers(closed, root):
    s3 = closed.client("s3", signature_version="s3v4", **root)
    s3.create_bucket(Bucket="guarded")
    body = os.urandom(100_000)
    s3.put_object(Bucket="guarded", Key="open/a", Body=body)
    s3.put_object(Bucket="guarded", Key="secret", Body=b"s")
    assert closed.http("GET", "/guarded/open/a")[0] == 403
    s3.delete_public_access_block(Bucket="guarded")
    s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::guarded/open/*"}]}))
    assert closed.http("GET", "/guarded/open/a")[::2] == (200, body)
    assert closed.http("GET", "/guarded/secret")[0] == 403
    assert closed.http("PUT", "/guarded/open/b", b"x")[0] == 403
    s3.put_bucket_ownership_controls(Bucket="guarded", OwnershipControls={
        "Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_object(Bucket="guarded", Key="listed", Body=b"l", ACL="public-read")
    assert closed.http("GET", "/guarded/listed")[::2] == (200, b"l")
    assert closed.http("GET", "/guarded/listed?acl")[0] == 403
    old = closed.client("s3", signature_version="s3", **root)
    assert any(each["Name"] == "guarded" for each in old.list_buckets()["Buckets"])
    assert old.list_objects_v2(Bucket="guarded", Prefix="listed")["KeyCount"] == 1
    old.put_object(Bucket="guarded", Key="old é", Body=b"o", Metadata={"a": "b"})
    assert old.get_object(Bucket="guarded", Key="old é", ResponseContentType="x/y")["ContentType"] == "x/y"
    s3.create_bucket(Bucket="younger", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert code_of(old.list_objects_v2, Bucket="younger") == "InvalidRequest"
    liar = closed.client("s3", signature_version="s3", key=root["key"], secret="wrong")
    assert code_of(liar.list_buckets) == "SignatureDoesNotMatch"
    reader = closed.client("s3", **user_of(closed, root, "reader", {
        "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::guarded", "arn:aws:s3:::guarded/*"]}))
    assert reader.get_object(Bucket="guarded", Key="secret")["Body"].read() == b"s"
    assert code_of(reader.put_object, Bucket="guarded", Key="x", Body=b"x") == "AccessDenied"
    refused = reader.delete_objects(Bucket="guarded", Delete={"Objects": [{"Key": "secret"}]})
    assert [one["Code"] for one in refused["Errors"]] == ["AccessDenied"]
    forger = closed.client("s3", key=root["key"], secret="x" * 40)
    assert code_of(forger.put_object, Bucket="guarded", Key="x", Body=body) == "SignatureDoesNotMatch"
    url = s3.generate_presigned_url("get_object", {"Bucket": "guarded", "Key": "secret"})
    assert closed.http("GET", url[len(closed.endpoint):])[::2] == (200, b"s")
    assert closed.http("GET", url[len(closed.endpoint):] + "0")[0] == 403
    post = s3.generate_presigned_post("guarded", "formed")
    kind, whole = form(post["fields"], b"x")
    assert closed.http("POST", "/guarded", whole, {"Content-Type": kind})[0] == 204
    kind, whole = form({"key": "smuggled"}, b"x")
    signed = AWSRequest("POST", f"{closed.endpoint}/guarded", {"Content-Type": kind}, b"")
    S3SigV4Auth(Credentials(root["key"], root["secret"]), "s3", "us-east-1").add_auth(signed)
    assert closed.http("POST", "/guarded", whole, dict(signed.headers))[0] == 403
    kind, whole = form({**post["fields"], "x-amz-signature": "0" * 64}, b"x")
    assert closed.http("POST", "/guarded", whole, {"Content-Type": kind})[0] == 403


def test_functions_come_out_of_buckets_and_are_called_by_them(cloud, functions, s3, bucket):
    code = zipped({"app.py": """
import os, urllib.request
def handler(event, context):
    one = event["Records"][0]["s3"]
    where = os.environ["AWS_ENDPOINT_URL"] + "/" + one["bucket"]["name"]
    body = urllib.request.urlopen(where + "/" + one["object"]["key"]).read()
    put = urllib.request.Request(where + "/out/copy", data=body.upper(), method="PUT")
    urllib.request.urlopen(put).read()
"""})
    s3.put_object(Bucket=bucket, Key="code.zip", Body=code)
    client = functions.client
    name = f"f-{bucket}"
    made = client.create_function(
        FunctionName=name, Runtime="python3.13", Handler="app.handler", Timeout=30,
        Role="arn:aws:iam::000000000000:role/r", Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    functions.wait(name)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "LambdaFunctionConfigurations": [{
            "LambdaFunctionArn": made["FunctionArn"], "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}}]})
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"hello")
    until(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="out/")["KeyCount"])
    assert s3.get_object(Bucket=bucket, Key="out/copy")["Body"].read() == b"HELLO"


def test_a_presigned_payload_hash_holds_for_the_body(closed, root):
    s3 = closed.client("s3", signature_version="s3v4", **root)
    s3.create_bucket(Bucket="hashed")
    url = f"{closed.endpoint}/hashed/k"
    for body, sent, status in [(b"as signed", b"as signed", 200), (b"as signed", b"another!!", 400)]:
        digest = hashlib.sha256(body).hexdigest()
        request = AWSRequest("PUT", url, {"X-Amz-Content-SHA256": digest})
        auth = S3SigV4QueryAuth(Credentials(root["key"], root["secret"]), "s3", "us-east-1", 60)
        auth.payload = lambda _, digest=digest: digest
        auth.add_auth(request)
        path = request.url[len(closed.endpoint):]
        answer = closed.http("PUT", path, sent, {"X-Amz-Content-SHA256": digest})
        assert answer[0] == status, answer
    assert b"XAmzContentSHA256Mismatch" in answer[2]
    assert s3.get_object(Bucket="hashed", Key="k")["Body"].read() == b"as signed"


def test_documents_that_do_not_fit_their_schema_are_malformed(cloud, bucket):
    unknown = b"<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>"
    incomplete = b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>"
    for query, body in [("versioning", unknown), ("tagging", incomplete), ("tagging", b"<Tag")]:
        status, _, answer = cloud.http("PUT", f"/{bucket}?{query}", body)
        assert status == 400 and b"<Code>MalformedXML</Code>" in answer, (query, answer)
        assert b"The XML you provided was not well-formed or did not validate" in answer
    status, _, answer = cloud.http("PUT", f"/{bucket}?tagging", b"")
    assert status == 400 and b"<Code>MissingRequestBodyError</Code>" in answer, answer
    status, _, answer = cloud.http("PUT", f"/{bucket}/k", b"x", {"x-amz-storage-class": "GOLD"})
    assert status == 400 and b"MalformedXML" not in answer, answer


def test_no_acknowledged_object_is_lost_under_load(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    cloud.client("s3").create_bucket(Bucket="load")
    acknowledged, begun = {}, threading.Event()

    def write(worker):
        s3 = cloud.client("s3")
        for number in itertools.count():
            key, body = f"{worker}/{number}", os.urandom(1000 if number % 8 else 100_000)
            try:
                s3.put_object(Bucket="load", Key=key, Body=body)
            except (ClientError, BotoCoreError):
                return
            acknowledged[key] = hashlib.md5(body).hexdigest()
            if len(acknowledged) >= 200:
                begun.set()

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for worker in workers:
        worker.start()
    assert begun.wait(60)
    cloud.kill()
    for worker in workers:
        worker.join()
    s3 = cloud.start().client("s3")
    for key, md5 in acknowledged.items():
        assert hashlib.md5(s3.get_object(Bucket="load", Key=key)["Body"].read()).hexdigest() == md5


def test_a_link_whose_time_is_over_opens_nothing(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for version in ["s3v4", "s3"]:
        signer = cloud.client("s3", signature_version=version)
        link = functools.partial(signer.generate_presigned_url, "get_object", {"Bucket": bucket, "Key": "k"})
        assert cloud.http("GET", link(ExpiresIn=60)[len(cloud.endpoint):])[0] == 200
        short = link(ExpiresIn=1)[len(cloud.endpoint):]
        time.sleep(2.1)  # links tell whole seconds
        status, _, body = cloud.http("GET", short)
        assert (status, b"<Code>AccessDenied</Code>" in body) == (403, True), version


def test_tags_of_a_bucket_decide_once_they_count(closed, root):
    s3 = closed.client("s3", **root)
    for name in ("abac-red", "abac-none"):
        s3.create_bucket(Bucket=name)
    tags = [{"Key": "team", "Value": "red"}]
    s3.put_bucket_tagging(Bucket="abac-red", Tagging={"TagSet": tags})
    user = closed.client("s3", **user_of(closed, root, "abac", {
        "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}))
    assert code_of(user.list_objects_v2, Bucket="abac-red") == "AccessDenied"
    s3.put_bucket_abac(Bucket="abac-red", AbacStatus={"Status": "Enabled"})
    assert s3.get_bucket_abac(Bucket="abac-red")["AbacStatus"]["Status"] == "Enabled"
    assert user.list_objects_v2(Bucket="abac-red")["KeyCount"] == 0
    assert code_of(user.list_objects_v2, Bucket="abac-none") == "AccessDenied"
