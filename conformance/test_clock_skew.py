"""Requests that were signed at another time."""

import datetime
import re

import botocore.auth
import pytest

from support.policies import refusal, root_key

#: A call of each protocol, and what AWS answers to a signature out of its time.
CALLS = [
    ("sts", "get_caller_identity", ("SignatureDoesNotMatch", 403)),  # query
    ("iam", "list_users", ("SignatureDoesNotMatch", 403)),
    ("lambda", "list_functions", ("InvalidSignatureException", 403)),  # rest-json
    ("logs", "describe_log_groups", ("InvalidSignatureException", 400)),  # json
    ("cloudwatch", "list_metrics", ("InvalidSignatureException", 400)),  # cbor
]
TIME = r"\d{8}T\d{6}Z"


@pytest.fixture
def signs_at(monkeypatch):
    """Lets clients believe that it is so many minutes later."""

    real = botocore.auth.get_current_datetime

    def shift(minutes):
        later = datetime.timedelta(minutes=minutes)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **o: real(*a, **o) + later)

    return shift


@pytest.mark.parametrize("service, operation, expected", CALLS)
def test_what_was_signed_twenty_minutes_off_is_refused(closed, root, signs_at, service, operation, expected):
    call = getattr(closed.client(service, **root), operation)
    signs_at(-20)
    found, message, status = refusal(call)
    assert (found, status) == expected
    assert re.fullmatch(
        rf"Signature expired: {TIME} is now earlier than {TIME} \({TIME} - 15 min\.\)", message)
    signs_at(20)
    found, message, status = refusal(call)
    assert (found, status) == expected
    assert re.fullmatch(
        rf"Signature not yet current: {TIME} is still later than {TIME} \({TIME} \+ 15 min\.\)", message)
    signs_at(-10)
    assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200
    signs_at(10)
    assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_operator_may_switch_the_check_off(new_cloud, signs_at):
    cloud = new_cloud("--auth", "enforce", "--no-clock-skew-check")
    root = root_key(cloud)
    for minutes in (-20, 20, -60 * 24):
        signs_at(minutes)
        for service, operation, _ in CALLS:
            call = getattr(cloud.client(service, **root), operation)
            assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200
    signs_at(0)
    wrong = {**root, "secret": "x" * 40}
    assert refusal(cloud.client("sts", **wrong).get_caller_identity)[0] == "SignatureDoesNotMatch"
