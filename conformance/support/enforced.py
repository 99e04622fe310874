"""A cloud where policies decide, and its users."""

import json
import re

import pytest
from botocore.exceptions import ClientError


def root_of(cloud):
    """The credentials that the first start has shown."""
    text = "".join(cloud.output) + cloud.logged()
    key = re.search(r"\bAKIA[A-Z0-9]{16}\b", text)
    secret = re.search(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])", text)
    assert key and secret, text
    return {"key": key.group(), "secret": secret.group()}


def user_of(cloud, root, name, *statements):
    """Makes a user with one inline policy; answers its credentials."""
    iam = cloud.client("iam", **root)
    iam.create_user(UserName=name)
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def refusal(call, **arguments):
    """Code and message of a call that must fail."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]
