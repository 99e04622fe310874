"""Functions: their archives, their making, their calling."""

import base64
import io
import json
import textwrap
import uuid
import zipfile
from dataclasses import dataclass

from .cloud import ACCOUNT, until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
PYTHON = "python3.13"
NODE = "nodejs22.x"
PROVIDED = "provided.al2023"


def zipped(files):
    """A zip of text or bytes by name, all executable."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            if isinstance(content, str):
                content = textwrap.dedent(content).lstrip("\n")
            archive.writestr(entry, content)
    return buffer.getvalue()


@dataclass
class Invocation:
    status: int
    error: str | None
    payload: object
    raw: bytes
    tail: str
    version: str | None
    request_id: str


class Functions:
    """Makes and calls functions of one cloud."""

    def __init__(self, cloud, client=None):
        self.cloud = cloud
        self.client = client or cloud.client("lambda")

    def python(self, code, **options):
        return self.create({"app.py": code}, PYTHON, "app.handler", **options)

    def node(self, code, **options):
        return self.create({"app.mjs": code}, NODE, "app.handler", **options)

    def provided(self, program, **options):
        return self.create({"bootstrap": program}, PROVIDED, "bootstrap", **options)

    def create(self, files, runtime, handler, name=None, wait=True, **options):
        name = name or f"f-{uuid.uuid4().hex[:12]}"
        archive = files if isinstance(files, bytes) else zipped(files)
        options.setdefault("Role", ROLE)
        options.setdefault("Timeout", 20)
        options.setdefault("MemorySize", 256)
        self.client.create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler=handler,
            Code={"ZipFile": archive},
            **options,
        )
        if wait:
            self.wait(name)
        return name

    def wait(self, name):
        def state():
            return self.client.get_function_configuration(FunctionName=name)

        def settled(found):
            return found["State"] == "Active" and found.get("LastUpdateStatus") == "Successful"

        return until(state, settled, limit=60)

    def invoke(self, name, payload=None, **options):
        options.setdefault("LogType", "Tail")
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        answer = self.client.invoke(FunctionName=name, Payload=raw, **options)
        body = answer["Payload"].read()
        try:
            document = json.loads(body) if body else None
        except ValueError:
            document = None
        return Invocation(
            answer["StatusCode"],
            answer.get("FunctionError"),
            document,
            body,
            base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
            answer.get("ExecutedVersion"),
            answer["ResponseMetadata"]["RequestId"],
        )
