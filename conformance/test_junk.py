"""Texts that clients let nobody send: each is refused, and none is a failure of haar's."""

import tomllib
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from support.cloud import ACCOUNT

ROOMS = [
    tomllib.loads(path.read_text())
    for path in sorted(Path(__file__).parents[1].glob("services/*/operations.toml"))
]
#: What stands for each text that an operation asks for or may have.
TEXTS = ["", "\0", ":", "/", "\u202e" * 300, f"arn:aws:sqs:us-east-1:{ACCOUNT}:"]
OTHERS = {"list": [], "map": {}, "structure": {}, "boolean": False, "blob": b"", "timestamp": 0}


def inputs(shape, text):
    """One with what is required alone, one for each other text of the first level."""
    required = {
        name: text if member.type_name == "string" else OTHERS.get(member.type_name, 0)
        for name, member in shape.members.items()
        if name in shape.required_members
    }
    yield required
    for name, member in shape.members.items():
        if member.type_name == "string" and name not in required:
            yield {**required, name: text}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room["service"])
def test_no_text_makes_an_operation_fail(closed, root, room):
    client = closed.client(
        room["service"], parameter_validation=False, read_timeout=10, **root
    )
    failures = []
    for operation in room["operation"]:
        name = operation["name"]
        shape = client.meta.service_model.operation_model(name).input_shape
        call = getattr(client, xform_name(name))
        for text in TEXTS if shape else []:
            for asked in inputs(shape, text):
                try:
                    call(**asked)
                except ClientError as error:
                    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                    # what haar does not offer is 501
                    if status >= 500 and status != 501:
                        failures.append((name, asked, error))
                except (BotoCoreError, ValueError, TypeError):
                    pass  # the client could not send it, but an answer that it cannot read tells
    assert not failures
    assert "panicked" not in closed.logged()


def test_a_queue_is_asked_for_by_a_name_of_any_length(closed, root):
    client = closed.client("sqs", **root)
    for length in [1_000, 70_000]:
        url = f"{closed.endpoint}/{ACCOUNT}/{'q' * length}"
        with pytest.raises(ClientError) as refused:
            client.get_queue_attributes(QueueUrl=url)
        assert refused.value.response["Error"]["Code"].endswith("NonExistentQueue")
    assert "panicked" not in closed.logged()
