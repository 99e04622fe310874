"""Objects in buckets, with boto3, the aws CLI and plain HTTP."""

import hashlib
import io
import os

import pytest
from botocore.exceptions import ClientError

from support.cli import aws_cli

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
    for size in (0, 1, 1000, 64 * 1024, 64 * 1024 + 1, 3 * MIB + 7):
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
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-3"') and done["ChecksumType"] == "COMPOSITE"
    whole = b"".join(bodies)
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == whole
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=3)
    assert (part["Body"].read(), part["PartsCount"]) == (b"end", 3)
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
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="AAAA") == "InvalidDigest"
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
