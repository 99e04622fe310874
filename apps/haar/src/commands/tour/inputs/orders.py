"""Orders come from a queue and go to a table; one that cannot be read stays in the queue."""

import json
import os

import aws


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        aws.put_item(os.environ["TABLE"], id=order["id"], amount=order["amount"])
