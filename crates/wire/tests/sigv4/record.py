"""Records requests as botocore signs them, for `tests/sigv4.rs`.

Run `python3 crates/wire/tests/sigv4/record.py` from the repository's root; it writes
`vectors.json` beside itself. The keys are AWS's documented examples.
"""

import base64
import datetime
import json
import pathlib

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEXAMPLE//token+with/odd=letters=="
NOW = datetime.datetime(2026, 1, 31, 9, 30, 0, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *_, **__: NOW.replace(tzinfo=None)

AUTHS = {
    "header": botocore.auth.SigV4Auth,
    "s3-header": botocore.auth.S3SigV4Auth,
    "query": botocore.auth.SigV4QueryAuth,
    "s3-query": botocore.auth.S3SigV4QueryAuth,
}

# name, auth, service, method, url, headers, body, session token
CASES = [
    ("plain get", "header", "lambda", "GET", "http://localhost:4566/2015-03-31/functions/", {}, b"", None),
    ("json post", "header", "logs", "POST", "http://localhost:4566/",
     {"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"},
     b'{"limit": 1}', None),
    ("query post with token", "header", "sts", "POST", "http://localhost:4566/",
     {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
     b"Action=GetCallerIdentity&Version=2011-06-15", TOKEN),
    ("escaped path", "header", "lambda", "GET",
     "http://localhost:4566/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/policy",
     {}, b"", None),
    ("unicode and sorted query", "header", "lambda", "GET",
     "http://localhost:4566/x?b=2&a=%C3%A4%20%2B&a=1&empty=&flag&Z=~-._", {}, b"", None),
    ("dots and double slashes", "header", "lambda", "GET",
     "http://localhost:4566/a//b/./c/../d/", {}, b"", None),
    ("odd header spaces", "header", "lambda", "GET", "http://localhost:4566/",
     {"X-Amz-Meta": "  two   spaces  ", "X-Custom": "a,b"}, b"", None),
    ("binary body", "header", "kinesis", "POST", "http://localhost:4566/", {}, bytes(range(256)), None),
    ("s3 put", "s3-header", "s3", "PUT", "http://bucket.s3.localhost:4566/a%20b/%C3%A4//c%2Bd",
     {"X-Amz-Meta-Owner": "ann"}, b"hello", None),
    ("s3 get with token", "s3-header", "s3", "GET", "http://localhost:4566/bucket/key?versionId=1&acl", {}, b"", TOKEN),
    ("presigned get", "query", "lambda", "GET", "http://localhost:4566/2015-03-31/functions/f?Qualifier=1", {}, b"", None),
    ("presigned with token", "query", "sts", "GET",
     "http://localhost:4566/?Action=GetCallerIdentity&Version=2011-06-15", {}, b"", TOKEN),
    ("presigned s3", "s3-query", "s3", "GET", "http://localhost:4566/bucket/a%20key", {}, b"", None),
    ("presigned s3 put with token", "s3-query", "s3", "PUT", "http://localhost:4566/bucket/key",
     {"Content-Type": "text/plain"}, b"anything", TOKEN),
]


def record(name, auth, service, method, url, headers, body, token):
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=None if "query" in auth else body)
    extra = {"expires": 900} if "query" in auth else {}
    AUTHS[auth](Credentials(KEY, SECRET, token), service, "us-east-1", **extra).add_auth(request)
    sent = request.prepare()
    shown = [[key, value.decode() if isinstance(value, bytes) else value] for key, value in sent.headers.items()]
    if not any(key.lower() == "host" for key, _ in shown):
        shown.append(["Host", url.split("/")[2]])
    return {
        "name": name, "auth": auth, "service": service, "method": method, "url": sent.url,
        "headers": shown, "body": base64.b64encode(body).decode(), "token": token,
        "unsigned_url": url, "unsigned_headers": [[key, value] for key, value in headers.items()],
    }


vectors = {
    "access_key_id": KEY, "secret_access_key": SECRET, "region": "us-east-1",
    "now_ms": int(NOW.timestamp() * 1000), "requests": [record(*case) for case in CASES],
}
path = pathlib.Path(__file__).with_name("vectors.json")
path.write_text(json.dumps(vectors, indent=1) + "\n")
