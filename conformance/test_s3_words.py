"""What S3 says of heads and methods that it does not take, as AWS says it: plain HTTP, and boto3."""

import http.client
import os
import xml.etree.ElementTree as ElementTree

import pytest

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, "
                           "SignedHeaders=host, Signature=0"}


@pytest.fixture
def bucket(cloud):
    s3, name = cloud.client("s3"), f"b-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"text")
    return name


@pytest.fixture
def said(cloud):
    """What is answered: the status and, of an error, its members by name."""
    def said(method, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        status, _, body = cloud.http(method, path, b"" if method in ("PUT", "POST") else None,
                                     {**SIGNED, **headers})
        error = ElementTree.fromstring(body) if status >= 400 and body else []
        return status, {member.tag: member.text or "" for member in error}

    return said


def test_numbers_that_are_none_are_told_by_their_names(said, bucket):
    words = "Provided {} not an integer or within integer range"
    for name, value, query in [("max-keys", "abc", "list-type=2&"), ("max-keys", "1" * 30, ""),
                               ("max-uploads", "x", "uploads&"), ("max-keys", "1.5", "versions&")]:
        status, error = said("GET", f"/{bucket}?{query}{name}={value}")
        assert (status, error["Code"], error["Message"]) == (400, "InvalidArgument", words.format(name))
        assert (error["ArgumentName"], error["ArgumentValue"]) == (name, value)
    _, error = said("GET", f"/{bucket}/k?uploadId=u&part-number-marker=x")
    assert error["Message"] == words.format("part-number-marker")
    _, error = said("GET", f"/{bucket}/k?partNumber=x")
    assert error["Message"] == "Part number must be an integer between 1 and 10000, inclusive"
    assert said("GET", f"/{bucket}?max-keys=")[0] == 200
    _, error = said("GET", f"/{bucket}?encoding-type=base64")
    assert error["Message"] == "Invalid Encoding Method specified in Request"


def test_dates_that_are_none_are_no_conditions(said, bucket):
    assert said("GET", f"/{bucket}/k", If_Modified_Since="yesterday")[0] == 200
    assert said("GET", f"/{bucket}/k", If_Unmodified_Since="soon")[0] == 200
    date = said("PUT", f"/{bucket}/k", x_amz_object_lock_mode="GOVERNANCE",
                x_amz_object_lock_retain_until_date="soon")[1]
    assert date["Message"] == "The retain until date must be provided in ISO 8601 format"


def test_words_that_headers_do_not_know_are_told_by_their_headers(said, bucket):
    for header, words in [("x-amz-object-lock-mode", "Unknown wormMode directive."),
                          ("x-amz-object-lock-legal-hold", "Legal Hold must be either of 'ON' or 'OFF'"),
                          ("x-amz-acl", "")]:
        status, error = said("PUT", f"/{bucket}/k", **{header: "foo"})
        assert (status, error["Code"], error["Message"]) == (400, "InvalidArgument", words)
        assert (error["ArgumentName"], error["ArgumentValue"]) == (header, "foo")
    for header, words in [("x-amz-metadata-directive", "Unknown metadata directive."),
                          ("x-amz-tagging-directive", "Unknown tagging directive.")]:
        _, error = said("PUT", f"/{bucket}/k", **{header: "foo", "x-amz-copy-source": f"{bucket}/k"})
        assert (error["Message"], error["ArgumentName"]) == (words, header)
    _, error = said("PUT", f"/{bucket}/k", x_amz_storage_class="FOO")
    assert (error["Code"], error["StorageClassRequested"]) == ("InvalidStorageClass", "FOO")
    assert error["Message"] == "The storage class you specified is not valid"
    _, error = said("PUT", f"/{bucket}/k", x_amz_server_side_encryption="foo")
    assert (error["Code"], error["ArgumentValue"]) == ("InvalidEncryptionAlgorithmError", "foo")
    _, error = said("POST", f"/{bucket}/k?uploads", x_amz_checksum_algorithm="foo")
    assert error["Message"].startswith("Checksum algorithm provided is unsupported.")
    _, error = said("GET", f"/{bucket}/k?attributes", x_amz_object_attributes="ETag,Foo")
    assert (error["Message"], error["ArgumentValue"]) == ("Invalid attribute name specified.", "Foo")


def test_methods_are_refused_by_what_they_are_for(cloud, said, bucket):
    for method, path, resource in [("DELETE", "/", "SERVICE"), ("PATCH", f"/{bucket}", "BUCKET"),
                                   ("PUT", "/", "SERVICE"), ("POST", f"/{bucket}/k", "OBJECT"),
                                   ("PATCH", f"/{bucket}/a/b", "OBJECT")]:
        status, error = said(method, path)
        assert (status, error["Code"]) == (405, "MethodNotAllowed"), (method, path)
        assert error["Message"] == "The specified method is not allowed against this resource."
        assert (error["Method"], error["ResourceType"]) == (method, resource)
        body = b"" if method in ("PUT", "POST") else None
        allowed = cloud.http(method, path, body, SIGNED)[1]["Allow"].split(", ")
        assert "GET" in allowed and method not in allowed
    status, error = said("POST", f"/{bucket}")
    assert (status, error["Code"]) == (412, "PreconditionFailed")
    assert error["Condition"] == "Bucket POST must be of the enclosure-type multipart/form-data"
    status, error = said("OPTIONS", f"/{bucket}/k")
    assert (status, error["Message"]) == (400, "Insufficient information. Origin request header needed.")


def test_an_upload_that_names_no_checksum_gets_one_of_all_its_bytes(cloud, bucket):
    s3 = cloud.client("s3")
    bodies = [os.urandom(5 << 20), b"end"]
    assert cloud.http("PUT", f"/{bucket}/whole", b"".join(bodies))[0] == 200
    whole = s3.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    for algorithms in [(None, None), ("CRC32", "SHA256"), ("SHA1", None)]:
        made = s3.create_multipart_upload(Bucket=bucket, Key="k")
        where = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
        parts = []
        for number, (body, algorithm) in enumerate(zip(bodies, algorithms), 1):
            if algorithm:
                part = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
            else:
                path = f"/{bucket}/k?partNumber={number}&uploadId={made['UploadId']}"
                part = cloud.http("PUT", path, body)[1]
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        for answer in (done, head):
            assert answer["ChecksumType"] == "FULL_OBJECT", algorithms
            assert answer["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"], algorithms


def test_empty_objects_hold_up_nothing_that_follows(cloud, bucket):
    s3 = cloud.client("s3", read_timeout=8)
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"empty-{number}", Body=b"")
        s3.put_object(Bucket=bucket, Key=f"full-{number}", Body=b"hello")
    assert s3.head_object(Bucket=bucket, Key="empty-2")["ContentLength"] == 0


def test_a_website_redirects_to_addresses_that_are_one(cloud, bucket):
    s3 = cloud.client("s3")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={
        "IndexDocument": {"Suffix": "index.html"}, "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "d/"}}]})
    at = {"Host": f"{bucket}.s3-website.localhost:{cloud.port}"}
    for path, location in [("a%3Fb%23c", "a%3Fb%23c"), ("a%20b", "a%20b"), ("%0d%0ax", "%0D%0Ax"),
                           ("%E6%97%A5", "%E6%97%A5")]:
        connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=30)
        connection.request("GET", f"/docs/{path}", headers=at)
        answer = connection.getresponse()
        assert answer.status == 301
        assert answer.headers["Location"].split("/d/")[1] == location
