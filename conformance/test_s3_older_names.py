"""Operations of S3 by their older names: the same requests and the same rows as the newer ones."""

import pytest


@pytest.fixture
def bucket(cloud):
    cloud.client("s3").create_bucket(Bucket="older-names")
    return "older-names"


def test_lifecycles_and_notifications_are_written_and_read_by_both_names(cloud, bucket):
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    rule = {"ID": "r", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 9},
            "Transition": {"Days": 3, "StorageClass": "GLACIER"}}
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == [rule]
    [newer] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert newer["Transitions"] == [{"Days": 3, "StorageClass": "GLACIER"}]

    url = sqs.create_queue(QueueName="older-names")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = arn["Attributes"]["QueueArn"]
    config = {"QueueConfiguration": {"Id": "q", "Queue": arn, "Events": ["s3:ObjectCreated:*"]}}
    s3.put_bucket_notification(Bucket=bucket, NotificationConfiguration=config)
    shown = s3.get_bucket_notification(Bucket=bucket)["QueueConfiguration"]
    assert (shown["Id"], shown["Queue"], shown["Events"]) == ("q", arn, ["s3:ObjectCreated:*"])
    [newer] = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert newer["QueueArn"] == arn
