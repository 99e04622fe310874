"""Copies of objects in other buckets, and copies of archived ones, with boto3."""

import json
import os

import pytest
from botocore.exceptions import ClientError

from support.cloud import until
from support.enforced import root_of

MIB = 1 << 20


def pair(s3, name):
    """Two buckets that keep versions."""
    for bucket in (name, f"{name}-copy"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return name, f"{name}-copy"


def replicate(s3, source, target, role):
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": role, "Rules": [{
        "ID": "all", "Priority": 1, "Status": "Enabled", "Filter": {},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}]})


def status(s3, bucket, key="k"):
    try:
        return s3.head_object(Bucket=bucket, Key=key).get("ReplicationStatus")
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_an_object_is_copied_into_another_bucket_also_after_a_kill(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    s3 = cloud.client("s3")
    source, target = pair(s3, "here")
    replicate(s3, source, target, "arn:aws:iam::000000000000:role/r")
    bodies = {f"k/{number}": os.urandom(200 if number % 2 else MIB) for number in range(20)}
    for key, body in bodies.items():
        s3.put_object(Bucket=source, Key=key, Body=body)
    cloud.kill()
    s3 = cloud.start().client("s3")
    for key, body in bodies.items():
        until(lambda: status(s3, target, key) == "REPLICA")
        assert s3.get_object(Bucket=target, Key=key)["Body"].read() == body
        until(lambda: status(s3, source, key) == "COMPLETED")
    s3.delete_object(Bucket=source, Key="k/0")
    until(lambda: status(s3, target, "k/0") == "404")


def test_in_enforce_mode_the_role_decides_what_is_copied(closed):
    root = root_of(closed)
    s3, iam = closed.client("s3", **root), closed.client("iam", **root)
    source, target = pair(s3, "weighed")
    trust = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}}
    role = iam.create_role(RoleName="copies", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    replicate(s3, source, target, role)
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    until(lambda: status(s3, source) == "FAILED")
    assert status(s3, target) == "404"
    iam.put_role_policy(RoleName="copies", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObjectVersionForReplication",
             "Resource": f"arn:aws:s3:::{source}/*"},
            {"Effect": "Allow", "Action": ["s3:ReplicateObject", "s3:ReplicateDelete"],
             "Resource": f"arn:aws:s3:::{target}/*"}]}))
    s3.put_object(Bucket=source, Key="k", Body=b"y")
    until(lambda: status(s3, source) == "COMPLETED")
    assert s3.get_object(Bucket=target, Key="k")["Body"].read() == b"y"


def test_an_archived_object_is_restored_for_a_while(cloud):
    s3 = cloud.client("s3")
    bucket = f"b-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"cold", StorageClass="GLACIER")
    with pytest.raises(s3.exceptions.InvalidObjectState) as refused:
        s3.get_object(Bucket=bucket, Key="k")
    assert refused.value.response["StorageClass"] == "GLACIER"
    ask = {"Bucket": bucket, "Key": "k", "RestoreRequest": {
        "Days": 2, "GlacierJobParameters": {"Tier": "Expedited"}}}
    begun = s3.restore_object(**ask)
    assert begun["ResponseMetadata"]["HTTPStatusCode"] == 202 and "RestoreOutputPath" not in begun
    until(lambda: "ongoing-request=\"false\"" in s3.head_object(Bucket=bucket, Key="k")["Restore"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"cold"
    assert s3.restore_object(**ask)["ResponseMetadata"]["HTTPStatusCode"] == 200
    listed = s3.list_objects_v2(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert listed[0]["RestoreStatus"]["IsRestoreInProgress"] is False
