"""Policies as clients write them, and what their callers hear."""

import json
import re

import pytest
from botocore.exceptions import ClientError

TRUST_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def root_key(cloud):
    """The credentials that the first start of a cloud in enforce mode has shown."""
    text = "".join(cloud.output) + cloud.logged()
    key = re.search(r"\bAKIA[A-Z0-9]{16}\b", text)
    secret = re.search(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])", text)
    assert key and secret, text
    return {"key": key.group(), "secret": secret.group()}


def refusal(call, *arguments, **options):
    """Code, message and status of a call that fails."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **options)
    found = error.value.response
    return found["Error"]["Code"], found["Error"]["Message"], found["ResponseMetadata"]["HTTPStatusCode"]
