"""Condition keys in enforce mode: how a request is signed, what it is about, whose boundary it meets."""

import json
import time
import urllib.parse
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support.enforced import refusal
from support.forms import form


def allow(action, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def deny(action, **condition):
    return {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition}


def status(url):
    try:
        return urllib.request.urlopen(url).status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_how_a_request_is_signed_may_decide(closed, root, user):
    closed.client("s3", **root).create_bucket(Bucket="signed")
    closed.client("s3", **root).put_object(Bucket="signed", Key="k", Body=b"x")

    def client(name, **condition):
        key = user(name, allow(["s3:GetObject", "s3:PutObject"], **condition))
        return closed.client("s3", signature_version="s3v4", **key)

    def link(s3):
        return s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "k"})

    where = {"Bucket": "signed", "Key": "k"}
    by_head = client("by-head", StringEquals={"s3:authType": "REST-HEADER",
                                              "s3:signatureversion": "AWS4-HMAC-SHA256"})
    assert by_head.get_object(**where)["Body"].read() == b"x" and status(link(by_head)) == 403
    by_link = client("by-link", StringEquals={"s3:authType": "REST-QUERY-STRING"})
    assert status(link(by_link)) == 200
    assert refusal(by_link.get_object, **where)[0] == "AccessDenied"
    young = client("young", NumericLessThan={"s3:signatureAge": "1500"})
    url = link(young)
    assert status(url) == 200
    assert refusal(young.get_object, **where)[0] == "AccessDenied"  # of a head's signature nobody asks the age
    time.sleep(2.5)
    assert status(url) == 403
    whole = client("whole", StringNotEquals={"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
                   Null={"s3:x-amz-content-sha256": "false"})
    whole.get_object(**where)
    assert status(link(whole)) == 403


def test_links_and_forms_in_the_manner_of_version_2_are_proven(closed, root, user):
    """Without a word about versions, boto3 signs what it hands out for us-east-1 in this manner."""
    owner = closed.client("s3", **root)
    owner.create_bucket(Bucket="older")
    owner.put_object(Bucket="older", Key="k x", Body=b"x")
    where = {"Bucket": "older", "Key": "k x"}
    key = user("older", allow(["s3:GetObject", "s3:PutObject"],
                              StringEquals={"s3:signatureversion": "AWS"}))
    s3 = closed.client("s3", **key)

    url = s3.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "text/x"})
    assert "X-Amz-" not in url and "Signature=" in url
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x" and answer.headers["content-type"] == "text/x"
    assert refusal(s3.get_object, **where)[0] == "AccessDenied"  # this one is of version 4
    assert status(url.replace("k%20x", "other")) == 403
    assert status(s3.generate_presigned_url("get_object", Params=where, ExpiresIn=-1)) == 403
    stranger = closed.client("s3", key=key["key"], secret="wrong")
    code, _, body = closed.http("GET", "", base=stranger.generate_presigned_url("get_object", Params=where))
    assert code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in body
    put = s3.generate_presigned_url("put_object", Params={**where, "ContentType": "text/y"})
    assert closed.http("PUT", "", b"y", {"content-type": "text/y"}, base=put)[0] == 200
    assert closed.http("PUT", "", b"z", {"content-type": "text/z"}, base=put)[0] == 403
    owner.create_bucket(Bucket="young", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    link = owner.generate_presigned_url("list_objects_v2", Params={"Bucket": "young"})
    code, _, body = closed.http("GET", "", base=link)
    assert code == 400 and b"Please use AWS4-HMAC-SHA256." in body
    session = closed.client("sts", **root).get_session_token()["Credentials"]
    guest = closed.client("s3", key=session["AccessKeyId"], secret=session["SecretAccessKey"],
                          token=session["SessionToken"])
    assert urllib.request.urlopen(guest.generate_presigned_url("get_object", Params=where)).read() == b"y"

    fields = s3.generate_presigned_post("older", "sent")["fields"]
    assert "signature" in fields
    for filled, expected in [(fields, 204), ({**fields, "signature": "x"}, 403)]:
        kind, body = form(filled, b"by form")
        assert closed.http("POST", "/older", body, {"content-type": kind})[0] == expected
    assert owner.get_object(Bucket="older", Key="sent")["Body"].read() == b"by form"
    link = urllib.parse.urlsplit(s3.generate_presigned_url("get_object", Params=where))
    host = {"host": f"older.s3.localhost:{closed.port}"}
    assert closed.http("GET", f"/k%20x?{link.query}", headers=host)[2] == b"y"
    host = {"host": f"older.localhost:{closed.port}"}
    assert closed.http("GET", f"/k%20x?{link.query}", headers=host)[2] == b"y"


def test_a_link_of_version_2_opens_what_was_signed_and_nothing_else(closed, root):
    s3 = closed.client("s3", **root)
    for bucket, key in [("shown", "hidden/file"), ("hidden", "file")]:
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=bucket.encode())
    where = {"Bucket": "shown", "Key": "hidden/file"}
    for operation, method in [("get_object", "GET"), ("delete_object", "DELETE")]:
        link = urllib.parse.urlsplit(s3.generate_presigned_url(operation, Params=where))
        assert "AWSAccessKeyId" in link.query
        for host in ["shown.localhost", "shown.localhost.localstack.cloud"]:
            for more in ["", "&SignatureVersion=2", "&X-Amz-Credential=a/b/c/sqs/aws4_request"]:
                at = {"host": f"{host}:{closed.port}"}
                body = closed.http(method, f"/hidden/file?{link.query}{more}", None, at)[2]
                assert body != b"hidden"
    assert s3.get_object(Bucket="hidden", Key="file")["Body"].read() == b"hidden"
    link = urllib.parse.urlsplit(s3.generate_presigned_url("list_objects", Params={"Bucket": "shown"}))
    assert closed.http("GET", f"/shown?{link.query}")[0] == 200
    for name in ["encryption", "ownershipControls", "publicAccessBlock"]:
        assert closed.http("GET", f"/shown?{name}&{link.query}")[0] >= 400


def test_a_bucket_tells_everybody_its_region(closed, root):
    """Clients ask so, without a signature, where to call: Go's GetBucketRegion, Arrow, DuckDB."""
    closed.client("s3", **root).create_bucket(
        Bucket="afar", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    code, headers, _ = closed.http("HEAD", "/afar")
    assert (code, headers["x-amz-bucket-region"]) == (403, "eu-west-1")


def test_versions_are_known_for_each_of_many_that_are_deleted(closed, root, user):
    s3 = closed.client("s3", **root)
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    kept, gone = (s3.put_object(Bucket="versions", Key="k", Body=b"x")["VersionId"] for _ in range(2))
    key = user("deletes", allow("s3:Delete*"),
               deny("s3:DeleteObjectVersion", StringEquals={"s3:VersionId": kept}))
    objects = [{"Key": "k", "VersionId": version} for version in (kept, gone)]
    told = closed.client("s3", **key).delete_objects(Bucket="versions", Delete={"Objects": objects})
    assert [one["VersionId"] for one in told["Deleted"]] == [gone]
    assert [(one["VersionId"], one["Code"]) for one in told["Errors"]] == [(kept, "AccessDenied")]


def test_tags_of_a_new_bucket_are_asked_for(closed, user):
    tagged = {"CreateBucketConfiguration": {"Tags": [{"Key": "team", "Value": "blue"}]}}
    plain = closed.client("s3", **user("makes", allow("s3:CreateBucket")))
    plain.create_bucket(Bucket="made-plain")
    code, message = refusal(plain.create_bucket, Bucket="made-tagged", **tagged)
    assert code == "AccessDenied" and "s3:TagResource" in message
    right = {"StringEquals": {"aws:RequestTag/team": "blue"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    tags = closed.client("s3", **user("makes-blue", allow(["s3:CreateBucket", "s3:TagResource"], **right)))
    tags.create_bucket(Bucket="made-tagged", **tagged)
    tagged["CreateBucketConfiguration"]["Tags"][0]["Value"] = "red"
    assert refusal(tags.create_bucket, Bucket="made-red", **tagged)[0] == "AccessDenied"


def test_who_has_a_boundary_may_be_given_policies(closed, iam, user):
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*")]})
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=document)["Policy"]["Arn"]
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    iam.create_user(UserName="bounded", PermissionsBoundary=bound)
    iam.create_user(UserName="free")
    iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=trust, PermissionsBoundary=bound)
    iam.create_role(RoleName="free", AssumeRolePolicyDocument=trust)
    key = user("delegate", allow("iam:*", StringEquals={"iam:PermissionsBoundary": bound}))
    delegate = closed.client("iam", **key)
    for name in ("bounded", "free"):
        asked = [(delegate.put_user_policy, {"UserName": name, "PolicyName": "p", "PolicyDocument": document}),
                 (delegate.delete_user_policy, {"UserName": name, "PolicyName": "p"}),
                 (delegate.attach_role_policy, {"RoleName": name, "PolicyArn": bound}),
                 (delegate.detach_role_policy, {"RoleName": name, "PolicyArn": bound})]
        for call, arguments in asked:
            if name == "bounded":
                call(**arguments)
            else:
                assert refusal(call, **arguments)[0] == "AccessDenied"
    delegate.create_user(UserName="new", PermissionsBoundary=bound)
    assert refusal(delegate.create_user, UserName="newer")[0] == "AccessDenied"


def test_networks_of_functions_may_be_prescribed(closed, root, user):
    ec2 = closed.client("ec2", **root)
    subnets = ec2.describe_subnets()["Subnets"]
    vpc, subnet = subnets[0]["VpcId"], subnets[0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    key = user("networks", allow("lambda:CreateFunction", StringEquals={"lambda:VpcIds": vpc, "lambda:SecurityGroupIds": group},
                                 Null={"lambda:SubnetIds": "false"}), allow("iam:PassRole"))
    client = closed.client("lambda", **key)

    def attempt(**vpc_config):
        with pytest.raises(ClientError) as refused:
            client.create_function(FunctionName="f", Role="arn:aws:iam::000000000000:role/none", Runtime="python3.12",
                                   Handler="f.h", Code={"ZipFile": b"none"}, VpcConfig=vpc_config)
        return refused.value.response["Error"]["Code"]

    assert attempt() == "AccessDeniedException"
    assert attempt(SubnetIds=[subnet], SecurityGroupIds=["sg-0123"]) == "AccessDeniedException"
    assert attempt(SubnetIds=[subnet], SecurityGroupIds=[group]) == "InvalidParameterValueException"


def test_policies_of_buckets_and_topics_say_what_these_do(closed, root):
    s3, sns = closed.client("s3", **root), closed.client("sns", **root)
    s3.create_bucket(Bucket="policed")
    bucket, objects = "arn:aws:s3:::policed", "arn:aws:s3:::policed/*"

    def put(action, resource, principal="000000000000"):
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": resource}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3.put_bucket_policy(Bucket="policed", Policy=policy)

    for arguments, message in [
        (("s3:ListBucket", objects), "Action does not apply to any resource(s) in statement"),
        (("s3:GetObject", bucket), "Action does not apply to any resource(s) in statement"),
        (("s3:GetObject", "arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (("sqs:SendMessage", bucket), "Policy has invalid action"),
        (("s3:GetObject", objects, "nobody"), "Invalid principal in policy"),
    ]:
        assert refusal(put, action=arguments[0], resource=arguments[1],
                       principal=(arguments[2:] or ("000000000000",))[0]) == ("MalformedPolicy", message)
    put(["s3:GetObject", "s3:ListBucket"], [bucket, objects])
    topic = sns.create_topic(Name="policed")["TopicArn"]
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sqs:SendMessage", "Resource": topic}]}
    set_policy = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": json.dumps(policy)}
    code, message = refusal(sns.set_topic_attributes, **set_policy)
    assert (code, message) == ("InvalidParameter", "Invalid parameter: Policy statement action out of service scope!")
