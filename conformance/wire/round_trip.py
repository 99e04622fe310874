"""Every listed operation, both ways, judged by botocore.

botocore serialises random valid input -> haar decodes -> the same members come out;
haar encodes random valid output -> botocore parses -> the same members come out;
every constraint of the input's model violated once -> haar names the member and the constraint.

usage: round_trip.py PROBE [SEED [ROUNDS]]     (PROBE: the haar-wire-conformance program)
"""

import base64
import datetime
import email.utils
import json
import math
import random
import re
import string
import subprocess
import sys
import tomllib
from pathlib import Path

import botocore.session
from botocore import parsers, serialize
from botocore.awsrequest import prepare_request_dict

from violations import violations

ROOT = Path(__file__).resolve().parents[2]
DEPTH_MAX = 5
LETTERS = string.ascii_letters + string.digits + " <&>'\"é/%+=;:,."
#: Violations that are tried for one operation and protocol.
VIOLATIONS_MAX = 200
#: How a service refuses documents that it judges as a whole.
DOCUMENT_FAULTS = ("MalformedXML", "MissingRequestBodyError")


class Probe:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Unmatched(Exception):
    """No text was found for a pattern that a required member has."""


class Values:
    """Random values that a model allows."""

    def __init__(self, seed, sparse=False):
        self.random = random.Random(seed)
        #: Required members only.
        self.sparse = sparse
        #: Headers hold no more than ASCII.
        self.letters = LETTERS

    def of(self, shape, depth=0):
        if shape.serialization.get("eventstream") or getattr(shape, "is_eventstream", False):
            return None
        return getattr(self, shape.type_name)(shape, depth)

    def structure(self, shape, depth):
        out = {}
        members = list(shape.members.items())
        # The query protocol has no way to write a structure without members.
        enough = self.sparse and shape.required_members
        forced = self.random.choice(members)[0] if members and depth and not enough else None
        if getattr(shape, "is_tagged_union", False):
            members = [self.random.choice(members)]
        for name, member in members:
            wanted = name == forced or name in shape.required_members or getattr(shape, "is_tagged_union", False)
            if not wanted and (self.sparse or depth > DEPTH_MAX or self.random.random() < 0.4):
                continue
            in_head = member.serialization.get("location") in ("header", "headers")
            self.letters = string.ascii_letters if in_head else LETTERS
            value = self.of(member, depth + 1)
            if value is not None:
                out[name] = value
            elif name in shape.required_members and not member.serialization.get("eventstream"):
                raise Unmatched(f"{shape.name}.{name}")
        return out

    def size(self, shape, default_max):
        low = int(shape.metadata.get("min", 0))
        high = min(int(shape.metadata.get("max", low + default_max)), low + default_max)
        return self.random.randint(low, max(low, high))

    def list(self, shape, depth):
        count = max(1, self.size(shape, 3)) if depth <= DEPTH_MAX else self.size(shape, 0)
        items = [self.of(shape.member, depth + 1) for _ in range(count)]
        return [item for item in items if item is not None]

    def map(self, shape, depth):
        count = max(1, self.size(shape, 3)) if depth <= DEPTH_MAX else 0
        pairs = [(self.of(shape.key, depth), self.of(shape.value, depth + 1)) for _ in range(count)]
        return {key: value for key, value in pairs if key is not None and value is not None}

    def string(self, shape, depth):
        if shape.enum:
            return self.random.choice(shape.enum)
        pattern = shape.metadata.get("pattern")
        if pattern:
            return self.matching(pattern, shape)
        count = max(1, self.size(shape, 12))
        text = "".join(self.random.choice(self.letters) for _ in range(count))
        return "x" + text[1:-1] + "x" if count > 1 else "x"

    def matching(self, pattern, shape):
        low = max(1, int(shape.metadata.get("min", 1)))
        high = int(shape.metadata.get("max", 10**6))
        python = pattern.replace(r"\p{L}", "a-zA-Z").replace(r"\p{N}", "0-9")
        python = python.replace(r"\p{Z}", " ").replace(r"\x2e", ".")
        try:
            compiled = re.compile(f"(?:{python})")
        except re.error:
            return None
        for _ in range(200):
            text = self.sample(re._parser.parse(python), low)
            if low <= len(text) <= high and compiled.fullmatch(text):
                return text
        return None

    def sample(self, parsed, low):
        """Text that a parsed pattern is likely to match."""
        out = ""
        for kind, what in parsed:
            name = str(kind)
            if name == "LITERAL":
                out += chr(what)
            elif name == "NOT_LITERAL":
                out += "x"
            elif name == "ANY":
                out += self.random.choice("abc123")
            elif name == "IN":
                out += self.one_of(what)
            elif name == "BRANCH":
                out += self.sample(self.random.choice(what[1]), low)
            elif name == "SUBPATTERN":
                out += self.sample(what[3], low)
            elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                least, most, inner = what
                most = min(int(most), max(int(least), low) + 4)
                count = self.random.randint(min(max(int(least), 1), most), most)
                out += "".join(self.sample(inner, low) for _ in range(count))
        return out

    def one_of(self, items):
        kind, what = self.random.choice([i for i in items if str(i[0]) != "NEGATE"])
        if str(items[0][0]) == "NEGATE":
            return "n"
        if str(kind) == "RANGE":
            low, high = max(what[0], 32), min(what[1], 126)
            return chr(self.random.randint(low, high) if low <= high else what[1])
        if str(kind) == "CATEGORY":
            return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(what), "w")
        return chr(what)

    def blob(self, shape, depth):
        return bytes(self.random.randrange(128) for _ in range(max(1, self.size(shape, 9))))

    def boolean(self, shape, depth):
        return self.random.random() < 0.5

    def integer(self, shape, depth):
        low = int(shape.metadata.get("min", 0))
        high = int(shape.metadata.get("max", low + 1000))
        return self.random.randint(low, high)

    long = integer

    def double(self, shape, depth):
        low = float(shape.metadata.get("min", 0))
        high = float(shape.metadata.get("max", low + 1000))
        return round(self.random.uniform(low, high), 3)

    float = double

    def timestamp(self, shape, depth):
        seconds = self.random.randint(1_500_000_000, 1_900_000_000)
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def is_nothing(value, shape):
    """Empty, where that cannot be told from not being there."""
    flat = shape.serialization.get("flattened") or shape.serialization.get("location") == "headers"
    return bool(flat) and value in ([], {})


def as_json(value, shape):
    """A value as haar's neutral JSON has it."""
    if shape.type_name == "structure":
        members = shape.members
        return {members[k].serialization.get("name", k): as_json(v, members[k])
                for k, v in value.items()
                if k in members and v is not None and not is_nothing(v, members[k])}
    if shape.type_name == "list":
        return [as_json(item, shape.member) for item in value]
    if shape.type_name == "map":
        # Names of headers have no case.
        in_head = shape.serialization.get("location") == "headers"
        return {k.lower() if in_head else k: as_json(v, shape.value) for k, v in value.items()}
    if shape.type_name == "blob":
        # botocore gives a body that is a blob by itself as text.
        value = value.encode() if isinstance(value, str) else value
        return base64.b64encode(value).decode()
    if shape.type_name == "timestamp":
        # botocore makes a timestamp of S3's text.
        value = value.astimezone(datetime.timezone.utc)
        written = "rfc822" if shape.name == "Expires" else shape.serialization.get("timestampFormat")
        if written == "iso8601":
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        return email.utils.format_datetime(value, usegmt=True) if written == "rfc822" else int(value.timestamp())
    return value


def streaming(shape):
    payload = shape.serialization.get("payload") if shape else None
    return bool(payload and shape.members[payload].serialization.get("streaming"))


def same(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other)
    return one == other


def listed():
    lists = [*ROOT.glob("services/*/operations.toml"), *ROOT.glob("conformance/wire/samples/*/operations.toml")]
    for path in sorted(lists):
        table = tomllib.loads(path.read_text())
        for operation in table["operation"]:
            yield table, operation["name"]


def request(model, operation, protocol, value, valid=True):
    serializer = serialize.create_serializer(protocol, include_validation=valid)
    raw = serializer.serialize_to_request(value, operation)
    prepare_request_dict(raw, endpoint_url="http://localhost:4566", context={})
    body = raw["body"]
    if isinstance(body, dict):
        from urllib.parse import urlencode
        body = urlencode(body).encode()
    body = body.encode() if isinstance(body, str) else body
    body = body.read() if hasattr(body, "read") else body
    headers = {k: (v.decode() if isinstance(v, bytes) else str(v))
               for k, v in raw["headers"].items()}
    signing = model.metadata.get("signingName", model.endpoint_prefix)
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{signing}/aws4_request, "
        "SignedHeaders=host, Signature=0")
    return {"method": raw["method"], "url": raw["url"], "headers": headers,
            "body": base64.b64encode(body or b"").decode()}


def check_input(probe, model, operation, protocol, values):
    if operation.input_shape is None:
        value, expected = {}, {}
    else:
        value = values.of(operation.input_shape)
        expected = as_json(value, operation.input_shape)
        if streaming(operation.input_shape):
            expected.pop(operation.input_shape.serialization["payload"], None)
    answer = probe.ask({"request": request(model, operation, protocol, value)})
    if answer.get("operation") != operation.name:
        return f"input: {answer} for {value}"
    if not same(answer["input"], expected):
        return f"input: {answer['input']}\n   wanted {expected}"
    return None


def check_violations(probe, table, model, operation, protocol, values):
    """How many constraints were broken, and the first that haar did not see."""
    if operation.input_shape is None:
        return 0, None
    opened = table.get("open_members", [])
    found = list(violations(operation.input_shape, values, protocol))
    values.random.shuffle(found)
    for member, words, value in found[:VIOLATIONS_MAX]:
        listed = operation.input_shape.members.get(member)
        within = [f"{listed.name}.member", f"{listed.name}.key"] if listed is not None else []
        if any(one.rsplit(".", 1)[-1] == member or one in within for one in opened):
            continue  # the room checks it
        if "missing_name" in table and words == "Member must not be null":
            words = table.get("missing_words", f"{member} is required").split("{}")[0].strip()
        if protocol == "ec2" and words == "Member must not be null":
            words = "The request must contain the parameter"
        if table.get("first_violation"):
            words = "' failed to satisfy constraint: '"  # one alone is told, in words of its own
        answer = probe.ask({"request": request(model, operation, protocol, value, valid=False)})
        message = answer.get("message", "")
        if table.get("document_schema") and answer.get("error") in DOCUMENT_FAULTS:
            continue  # members of documents are refused without being named
        if member.lower() not in message.lower() or words not in message:
            return len(found), f"violation of {member} ({words}): {answer} for {value}"
    return min(len(found), VIOLATIONS_MAX), None


def check_output(probe, service, operation, protocol, values):
    shape = operation.output_shape
    if shape is None or operation.has_event_stream_output or streaming(shape):
        return None
    if operation.name == "GetBucketLocation":
        return None  # botocore reads its bare text elsewhere
    value = values.of(shape)
    status = [n for n, m in shape.members.items() if m.serialization.get("location") == "statusCode"]
    for name in status:
        value[name] = 200
    question = {"service": service, "operation": operation.name, "protocol": protocol,
                "output": as_json(value, shape)}
    answer = probe.ask(question)
    if "refused" in answer:
        return f"output: {answer} for {question}"
    response = {"status_code": answer["status"], "body": base64.b64decode(answer["body"]),
                "headers": CaseInsensitive(answer["headers"]), "context": {}}
    parsed = parsers.create_parser(protocol).parse(response, shape)
    parsed.pop("ResponseMetadata", None)
    payload = shape.serialization.get("payload")
    if payload and not parsed.get(payload) and payload not in value:
        parsed.pop(payload, None)  # no body and an empty one are the same bytes
    if not same(as_json(parsed, shape), as_json(value, shape)):
        return f"output: {as_json(parsed, shape)}\n   wanted {as_json(value, shape)}\n   {response}"
    return None


def check_error(probe, service, operation, protocol):
    question = {"service": service, "operation": operation.name, "protocol": protocol,
                "error": "AccessDeniedException", "message": "no <way> & \"so\"", "status": 403}
    answer = probe.ask(question)
    response = {"status_code": answer["status"], "body": base64.b64decode(answer["body"]),
                "headers": CaseInsensitive(answer["headers"]), "context": {}}
    parsed = parsers.create_parser(protocol).parse(response, operation.output_shape)
    error = parsed["Error"]
    if not error["Code"].startswith("AccessDenied") or error["Message"] != question["message"]:
        return f"error: {parsed}"
    return None


class CaseInsensitive(dict):
    def __init__(self, items):
        super().__init__({k.lower(): v for k, v in items.items()})

    def get(self, key, default=None):
        return super().get(key.lower(), default)

    def __getitem__(self, key):
        return super().__getitem__(key.lower())

    def __contains__(self, key):
        return super().__contains__(key.lower())


def main():
    probe = Probe(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    session = botocore.session.get_session()
    models, failures, count = {}, [], 0
    for table, name in listed():
        service = table["service"]
        model = models.setdefault(service, session.get_service_model(service))
        operation = model.operation_model(name)
        for protocol in model.metadata.get("protocols", [model.metadata["protocol"]]):
            for turn in range(rounds):
                values = Values(f"{seed}.{name}.{protocol}.{turn}")
                for check in (lambda: check_input(probe, model, operation, protocol, values),
                              lambda: check_output(probe, service, operation, protocol, values),
                              lambda: check_error(probe, service, operation, protocol)):
                    count += 1
                    try:
                        fault = check()
                    except Unmatched as unmatched:
                        fault = f"no text for {unmatched}"
                    if fault:
                        failures.append(f"{service}.{name} ({protocol}) {fault}")
            values = Values(f"{seed}.{name}.{protocol}", sparse=True)
            broken, fault = check_violations(probe, table, model, operation, protocol, values)
            count += broken
            if fault:
                failures.append(f"{service}.{name} ({protocol}) {fault}")
    for failure in failures[:40]:
        print(failure[:2000])
    print(f"{count} messages, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
