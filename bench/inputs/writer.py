import http.client
import json
import os
from urllib.parse import urlsplit

HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.PutItem",
    "Authorization": "AWS4-HMAC-SHA256 Credential=%s/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0" % os.environ["AWS_ACCESS_KEY_ID"],
    "X-Amz-Security-Token": os.environ["AWS_SESSION_TOKEN"],
}
endpoint = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)


def handler(event, context):
    for record in event["Records"]:
        item = {"id": {"S": record["s3"]["object"]["key"]}}
        body = json.dumps({"TableName": os.environ["TABLE"], "Item": item})
        endpoint.request("POST", "/", body, HEADERS)
        answer = endpoint.getresponse()
        if answer.status != 200:
            raise RuntimeError(answer.read())
        answer.read()
