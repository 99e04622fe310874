"""Records what AWS's clients send for the scenarios, and what they make of haar's answers.

Writes golden/CLIENT.json, which `cargo test -p haar-wire-conformance` replays without any client.

usage: record.py PROBE CLIENTS [CLIENT]    (CLIENTS: the folder that conformance/prepare fills)
"""

import base64
import datetime
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions

from round_trip import Probe

HERE = Path(__file__).resolve().parent
# What differs from run to run or says nothing to a server.
DROPPED = ("user-agent", "x-amz-user-agent", "amz-sdk", "date", "x-amz-date", "connection",
           "accept", "expect", "content-length", "transfer-encoding", "x-amz-content-sha256",
           "x-amzn-trace-id", "traceparent")
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers = {n: v for n, v in headers.items() if not n.startswith(DROPPED)}
        host = headers["host"].rsplit(":", 1)[0].replace("127.0.0.1", "localhost")
        headers["host"] = f"{host}:4566"
        if "authorization" in headers:
            scope = headers["authorization"].split("Credential=")[1].split(",")[0]
            scope = "/".join([scope.split("/")[0], "20260101", *scope.split("/")[2:]])
            headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        request = {"method": self.command, "url": self.path, "headers": headers,
                   "body": base64.b64encode(body).decode()}
        server = self.server
        decoded = server.probe.ask({"request": request})
        scenario = server.scenario
        kept = ("output", "body", "events", "error", "query_code", "status", "message")
        question = {key: scenario[key] for key in kept if key in scenario}
        question |= {"service": scenario["service"], "operation": scenario["operation"],
                     "protocol": {"Json10": "json-1.0", "Json11": "json", "RestJson": "rest-json",
                                  "RestXml": "rest-xml", "Ec2": "ec2", "Query": "query",
                                  "RpcV2Cbor": "smithy-rpc-v2-cbor"}
                     .get(decoded.get("protocol"), "json")}
        response = server.probe.ask(question)
        server.exchange = {"scenario": scenario["operation"], "request": request,
                           "decoded": decoded, "question": question, "response": response}
        if "refused" in response:
            print(f"{scenario['operation']}: {response['refused']}")
            response = {"status": 500, "headers": {}, "body": ""}
        self.send_response(response["status"])
        for name, value in response["headers"].items():
            if name != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        payload = base64.b64decode(response["body"])
        if response["status"] != 204 and self.command != "HEAD":
            self.send_header("content-length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_):
        pass


def plain(value):
    """A client's answer as JSON without what differs from run to run."""
    if isinstance(value, dict):
        left_out = ("ResponseMetadata", "$metadata")
        return {k: plain(v) for k, v in value.items() if k not in left_out}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def typed(value, blob, time):
    if isinstance(value, dict):
        return {k: typed(v, blob, time) for k, v in value.items()}
    if isinstance(value, list):
        return [typed(item, blob, time) for item in value]
    if isinstance(value, str) and value.startswith("@blob:"):
        return blob(value.removeprefix("@blob:"))
    if isinstance(value, str) and value.startswith("@time:"):
        return time(int(value.removeprefix("@time:")))
    return value


def with_boto3(url, scenario, _):
    config = botocore.config.Config(retries={"max_attempts": 0}, inject_host_prefix=False)
    client = boto3.client(scenario["service"], endpoint_url=url, config=config,
                          region_name="us-east-1", aws_access_key_id="AKID",
                          aws_secret_access_key="secret")
    method = boto3.session.botocore.xform_name(scenario["operation"])
    utc = datetime.timezone.utc
    arguments = typed(scenario["input"], base64.b64decode,
                      lambda at: datetime.datetime.fromtimestamp(at, utc))
    try:
        return plain(getattr(client, method)(**arguments))
    except botocore.exceptions.ClientError as error:
        return {"error": error.response["Error"]["Code"],
                "message": error.response["Error"]["Message"]}


def with_cli(url, scenario, clients):
    name = boto3.session.botocore.xform_name(scenario["operation"], "-")
    url = url.replace("s3.localhost", "127.0.0.1")  # by path
    service = {"s3": "s3api"}.get(scenario["service"], scenario["service"])
    iso = lambda at: datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat()
    arguments = typed(scenario["input"], str, iso)
    command = [clients / "venv/bin/aws", "--endpoint-url", url, service, name,
               "--output", "json"]
    if scenario["operation"] == "Invoke":
        return invoke_with_cli(command, arguments)
    command += ["--no-paginate", "--cli-input-json", json.dumps(arguments)]
    return run_cli(command)


def invoke_with_cli(command, arguments):
    """The one command whose options and output file are its own."""
    return run_cli([*command, "--function-name", arguments["FunctionName"], "--log-type", "Tail",
                    "--payload", '{"a": "b"}', os.devnull])


def run_cli(command):
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | KEYS, timeout=60)
    if done.returncode:
        return {"failed": done.stderr.strip()}
    return plain(json.loads(done.stdout or "{}"))


def with_js(url, scenario, clients):
    done = subprocess.run(
        ["node", HERE / "record.cjs", clients / "js/node_modules", url, json.dumps(scenario)],
        capture_output=True, text=True, env=os.environ | KEYS, timeout=60)
    if done.returncode:
        return {"failed": done.stderr.strip()}
    return plain(json.loads(done.stdout))


def local_names():
    """Names below localhost lead here, whatever this machine's resolver thinks."""
    real = socket.getaddrinfo

    def lookup(host, *rest, **more):
        host = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if host.endswith(".localhost") else host, *rest, **more)

    socket.getaddrinfo = lookup


def main():
    local_names()
    clients = Path(sys.argv[2]).resolve()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.probe = Probe(sys.argv[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    scenarios = json.loads((HERE / "scenarios.json").read_text())
    for name, call in (("boto3", with_boto3), ("aws-cli", with_cli), ("js", with_js)):
        if name not in (sys.argv[3:] or (name,)):
            continue
        exchanges = []
        for scenario in scenarios:
            if name not in scenario.get("only", (name,)):
                continue
            server.scenario, server.exchange = scenario, None
            own = url.replace("127.0.0.1", "s3.localhost") if scenario["service"] == "s3" else url
            parsed = call(own, scenario, clients)
            exchange = server.exchange or {"scenario": scenario["operation"]}
            exchange["parsed"] = parsed
            if "decoded" not in exchange or exchange["decoded"].get("operation") != scenario["operation"]:
                print(f"{name} {scenario['operation']}: {json.dumps(exchange)[:800]}")
            elif "failed" in parsed and "error" not in scenario:
                print(f"{name} {scenario['operation']}: {parsed}")
            exchanges.append(exchange)
        path = HERE / "golden" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(exchanges, indent=1, ensure_ascii=False) + "\n")
        print(f"{len(exchanges)} exchanges of {name}")


if __name__ == "__main__":
    main()
