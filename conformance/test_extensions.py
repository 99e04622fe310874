"""Extensions and their telemetry: what they are told, what they may ask for, how they fail."""

import json
import textwrap

import pytest

from support.cloud import until
from support.functions import PYTHON, zipped

#: An extension in Python: registers, listens, subscribes, and prints all that it is told.
WITNESS = """
    #!/usr/bin/env python3
    import http.server, json, os, socketserver, sys, threading, time, urllib.request
    API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]
    NAME = os.path.basename(__file__)
    OPTIONS = json.loads(os.environ.get("WITNESS", "{}"))

    def tell(what, value):
        print("WITNESS " + json.dumps([what, value]), flush=True)

    def call(method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(API + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read())

    heard = threading.Condition()
    done = set()

    def hear(event):
        tell("event", event)
        if event["type"] == "platform.runtimeDone":
            with heard:
                done.add(event["record"]["requestId"])
                heard.notify_all()

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
                hear(event)
            self.send_response(200)
            self.end_headers()
        do_PUT = do_POST
        def log_message(self, *_):
            pass

    class Lines(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                hear(json.loads(line))

    events = OPTIONS.get("events", ["INVOKE", "SHUTDOWN"])
    status, headers, body = call("POST", "/2020-01-01/extension/register", {"events": events},
                                 Lambda_Extension_Name=NAME,
                                 Lambda_Extension_Accept_Feature="accountId")
    tell("registered", [status, body])
    me = headers["Lambda-Extension-Identifier"]
    protocol = OPTIONS.get("protocol", "HTTP")
    if protocol == "HTTP":
        server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 8080), Listener)
        destination = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/here"}
    else:
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 8080), Lines)
        destination = {"protocol": "TCP", "port": 8080}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = OPTIONS.get("path", "/2022-07-01/telemetry")
    request = {
        "schemaVersion": OPTIONS.get("schema", "2022-12-13"),
        "types": ["platform", "function"],
        "buffering": {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144},
        "destination": destination,
    }
    for ask in [*OPTIONS.get("first", []), request, request]:
        status, _, body = call("PUT", path, ask, Lambda_Extension_Identifier=me)
        tell("subscribed", [status, body])
    tell("environment", sorted(os.environ))
    while True:
        _, _, event = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)
        tell("next", event)
        if event["eventType"] == "SHUTDOWN":
            break
        with heard:
            heard.wait_for(lambda: event["requestId"] in done, 10)
        time.sleep(OPTIONS.get("linger", 0))
    tell("bye", None)
"""
HANDLER = """
    def handler(event, context):
        print("the function says", event)
        if event == "fail":
            raise RuntimeError("as asked")
        return event
"""


@pytest.fixture(scope="session")
def layer(functions):
    """Publishes one extension by its name and text."""

    def publish(name, text):
        content = zipped({f"extensions/{name}": textwrap.dedent(text).lstrip("\n")})
        layer = functions.client.publish_layer_version(LayerName=name, Content={"ZipFile": content})
        return layer["LayerVersionArn"]

    return publish


@pytest.fixture(scope="session")
def witness(layer):
    return layer("witness", WITNESS)


def log(cloud, name):
    """All lines of a function's log, in their order, each without its line break."""
    pages = cloud.client("logs").get_paginator("filter_log_events")
    try:
        found = list(pages.paginate(logGroupName=f"/aws/lambda/{name}"))
    except cloud.client("logs").exceptions.ResourceNotFoundException:
        return []
    return [event["message"].removesuffix("\n") for page in found for event in page["events"]]


def told(cloud, name, what):
    lines = [line.split("WITNESS ", 1)[1] for line in log(cloud, name) if "WITNESS " in line]
    return [value for kind, value in map(json.loads, lines) if kind == what]


def run(functions, cloud, witness, *calls, environment=None, **options):
    """Calls a function beside the witness, ends its environment, and waits for the last word."""
    variables = {"WITNESS": json.dumps(environment or {})}
    name = functions.python(
        HANDLER, Layers=[witness], Environment={"Variables": variables}, **options
    )
    heard = [functions.invoke(name, call) for call in calls]
    functions.client.delete_function(FunctionName=name)  # its environment ends; its log stays
    until(lambda: told(cloud, name, "bye"), bool)
    return name, heard


def test_an_extension_registers_and_hears_of_invocations_and_of_the_end(functions, cloud, witness):
    name, (one, two) = run(functions, cloud, witness, "one", "two")
    assert (one.payload, two.payload) == ("one", "two")
    (status, registered), = told(cloud, name, "registered")
    assert status == 200
    assert registered == {
        "functionName": name, "functionVersion": "$LATEST", "handler": "app.handler",
        "accountId": "000000000000",
    }
    first, second, last = told(cloud, name, "next")
    assert (first["eventType"], first["requestId"]) == ("INVOKE", one.request_id)
    assert second["requestId"] == two.request_id
    assert first["invokedFunctionArn"].endswith(f":function:{name}")
    assert first["tracing"]["type"] == "X-Amzn-Trace-Id"
    assert (last["eventType"], last["shutdownReason"]) == ("SHUTDOWN", "spindown")
    assert last["deadlineMs"] > first["deadlineMs"] - 20_000
    (environment,) = told(cloud, name, "environment")
    assert "AWS_LAMBDA_FUNCTION_NAME" in environment and "AWS_ACCESS_KEY_ID" in environment
    assert not {"_HANDLER", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT"} & set(environment)
    lines = log(cloud, name)
    assert "EXTENSION\tName: witness\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in lines
    assert "TELEMETRY\tName: witness\tState: Subscribed\tTypes: [Platform, Function]" in lines


def test_telemetry_tells_the_whole_life_with_real_values(functions, cloud, witness):
    name, (fine, failed) = run(functions, cloud, witness, "fine", "fail")
    assert [status for status, _ in told(cloud, name, "subscribed")] == [200, 200]
    events = told(cloud, name, "event")
    # The runtime and the extension start side by side: which is first is chance.
    events[1:4] = sorted(events[1:4], key=lambda event: event["type"])
    kinds = [event["type"] for event in events]
    invocation = ["platform.start", "function", "platform.runtimeDone", "platform.report"]
    failing = ["platform.start", "function", "function", "platform.runtimeDone", "platform.report"]
    assert kinds == [
        "platform.initStart", "platform.extension", "platform.initRuntimeDone",
        "platform.telemetrySubscription", "platform.initReport", *invocation, *failing,
    ]
    record = [event["record"] for event in events]
    assert record[0]["initializationType"] == "on-demand" and record[0]["phase"] == "init"
    assert record[0]["runtimeVersion"].startswith("python:")
    assert record[1] == {"name": "witness", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert record[2]["status"] == "success"
    assert record[3] == {"name": "witness", "state": "Subscribed", "types": ["platform", "function"]}
    assert record[4]["metrics"]["durationMs"] > 0
    start, line, done, report = record[5:9]
    assert start["requestId"] == done["requestId"] == report["requestId"] == fine.request_id
    assert start["version"] == "$LATEST" and start["tracing"]["value"].startswith("Root=1-")
    assert line == "the function says fine"
    assert done["status"] == "success" and done["metrics"]["producedBytes"] == len('"fine"')
    spans = {span["name"]: span["durationMs"] for span in done["spans"]}
    assert {"responseLatency", "responseDuration", "runtimeOverhead"} == set(spans)
    assert spans["responseLatency"] <= report["metrics"]["durationMs"]
    metrics = report["metrics"]
    assert metrics["memorySizeMB"] == 256 and 0 < metrics["maxMemoryUsedMB"] <= 256
    assert metrics["billedDurationMs"] >= metrics["durationMs"] and metrics["initDurationMs"] > 0
    assert record[12]["status"] == "error" and record[12]["errorType"] == "RuntimeError"
    assert record[13]["requestId"] == failed.request_id and "initDurationMs" not in record[13]["metrics"]


def test_function_lines_reach_the_log_and_the_subscriber(functions, cloud, witness):
    logging = {"LoggingConfig": {"LogFormat": "JSON"}}
    name, _ = run(functions, cloud, witness, "x", **logging)
    lines = [event["record"] for event in told(cloud, name, "event") if event["type"] == "function"]
    assert any("the function says x" in str(line) for line in lines)
    assert any("the function says x" in line for line in log(cloud, name))


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_the_logs_api_has_its_own_shapes(functions, cloud, witness, protocol):
    environment = {"path": "/2020-08-15/logs", "schema": "2021-03-18", "protocol": protocol}
    name, (heard,) = run(functions, cloud, witness, "x", environment=environment)
    events = told(cloud, name, "event")
    assert [event["type"] for event in events] == [
        "platform.logsSubscription", "platform.extension", "platform.start", "function",
        "platform.runtimeDone", "platform.end", "platform.report",
    ]
    assert events[4]["record"] == {"requestId": heard.request_id, "status": "success"}
    assert events[5]["record"] == {"requestId": heard.request_id}
    assert set(events[6]["record"]) == {"requestId", "metrics"}


def test_bad_subscriptions_are_refused_in_awss_words(functions, cloud, witness):
    first = [
        {"schemaVersion": "2022-12-13", "types": [],
         "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}},
        {"schemaVersion": "2022-12-13", "types": ["platform"], "buffering": {"timeoutMs": 24},
         "destination": {"protocol": "HTTP", "URI": "http://example.com:80"}},
    ]
    name, _ = run(functions, cloud, witness, "x", environment={"first": first})
    answers = told(cloud, name, "subscribed")
    assert answers[0] == [400, {
        "errorType": "ValidationError",
        "errorMessage": "URI port is not provided; types should not be empty",
    }]
    assert answers[1][0] == 400 and "timeoutMs" in answers[1][1]["errorMessage"]
    assert answers[2][0] == 200


def test_an_invocation_lasts_until_its_extensions_are_done(functions, cloud, witness):
    name, (heard,) = run(functions, cloud, witness, "x", environment={"linger": 0.3})
    (report,) = [event["record"] for event in told(cloud, name, "event") if event["type"] == "platform.report"]
    (done,) = [event["record"] for event in told(cloud, name, "event") if event["type"] == "platform.runtimeDone"]
    assert report["metrics"]["durationMs"] >= done["metrics"]["durationMs"] + 300
    assert heard.payload == "x"


def test_an_internal_extension_takes_part(functions, cloud):
    name = functions.python(
        """
        import json, os, threading, urllib.request
        API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
        seen = []

        def register(events):
            request = urllib.request.Request(
                API + "register", data=json.dumps({"events": events}).encode(),
                headers={"Lambda-Extension-Name": "inside"})
            return urllib.request.urlopen(request).headers["Lambda-Extension-Identifier"]

        def follow(me):
            while True:
                request = urllib.request.Request(
                    API + "event/next", headers={"Lambda-Extension-Identifier": me})
                seen.append(json.load(urllib.request.urlopen(request)))

        try:
            register(["SHUTDOWN"])
        except urllib.error.HTTPError as error:
            refused = [error.code, json.load(error)["errorType"]]
        threading.Thread(target=follow, args=[register(["INVOKE"])], daemon=True).start()

        def handler(event, context):
            return {"refused": refused, "seen": seen}
        """
    )
    first = functions.invoke(name)
    second = functions.invoke(name)
    assert second.error is None, second.raw
    assert second.payload["refused"] == [400, "Extension.InvalidEventType"]
    assert [event["requestId"] for event in second.payload["seen"]][:1] == [first.request_id]


CRASHING = """
    #!/bin/sh
    # Registers by hand, takes one event, and dies.
    exec 3<>/dev/null
    python3 - <<'END'
    import json, os, sys, urllib.request
    API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
    request = urllib.request.Request(API + "register", data=b'{"events": ["INVOKE"]}',
                                     headers={"Lambda-Extension-Name": "crashing"})
    me = urllib.request.urlopen(request).headers["Lambda-Extension-Identifier"]
    urllib.request.urlopen(urllib.request.Request(
        API + "event/next", headers={"Lambda-Extension-Identifier": me}))
    sys.exit(0)
    END
    exit 7
"""


def test_an_extension_that_crashes_fails_the_invocation(functions, layer):
    slow = functions.python(
        "import time\ndef handler(event, context): time.sleep(5)", Layers=[layer("crashing", CRASHING)]
    )
    heard = functions.invoke(slow)
    assert heard.error == "Unhandled"
    assert heard.payload["errorType"] == "Extension.Crash"
    assert "exit status 7" in heard.payload["errorMessage"]


def test_an_extension_that_exits_at_init_fails_the_invocation(functions, cloud, layer):
    quitting = layer("quitting", "#!/bin/sh\necho quitting; exit 3\n")
    name = functions.python(HANDLER, Layers=[quitting])
    heard = functions.invoke(name, "x")
    assert heard.error == "Unhandled" and heard.payload["errorType"] == "Extension.Crash"
    assert "exit status 3" in heard.payload["errorMessage"]
    assert "quitting" in until(lambda: log(cloud, name), bool)


REFUSING = """
    #!/usr/bin/env python3
    import os, urllib.request
    API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"
    request = urllib.request.Request(API + "register", data=b'{"events": ["INVOKE"]}',
                                     headers={"Lambda-Extension-Name": "refusing"})
    me = urllib.request.urlopen(request).headers["Lambda-Extension-Identifier"]
    urllib.request.urlopen(urllib.request.Request(API + "init/error", data=b"{}", headers={
        "Lambda-Extension-Identifier": me,
        "Lambda-Extension-Function-Error-Type": "Fatal.ConnectFailed"}))
"""


def test_an_extension_that_reports_an_error_at_init_names_it(functions, cloud, layer):
    name = functions.python(HANDLER, Layers=[layer("refusing", REFUSING)])
    assert functions.invoke(name, "x").error == "Unhandled"
    lines = until(lambda: log(cloud, name), lambda found: any("EXTENSION" in line for line in found))
    assert any("Error Type: Fatal.ConnectFailed" in line for line in lines), lines


def test_a_runtime_that_reads_until_the_connection_ends_works(functions):
    """HTTP/1.0, and HTTP/1.1 with `Connection: close`."""
    bootstrap = """
        #!/usr/bin/env python3
        import os, socket
        host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
        def ask(head, body=b""):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(head.encode() + b"\\r\\n" + body)
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
            return answer.split(b"\\r\\n\\r\\n", 1)
        for version, more in [("1.0", ""), ("1.1", "Host: x\\r\\nConnection: close\\r\\n")] * 2:
            base = " /2018-06-01/runtime/invocation/"
            head, event = ask(f"GET{base}next HTTP/{version}\\r\\n{more}")
            id = head.split(b"Aws-Request-Id: ")[1].split(b"\\r\\n")[0].decode()
            ask(f"POST{base}{id}/response HTTP/{version}\\r\\n{more}"
                f"Content-Length: {len(event)}\\r\\n", event)
    """
    name = functions.provided(bootstrap.replace("\\\\", "\\"))
    for number in range(4):
        heard = functions.invoke(name, number)
        assert (heard.error, heard.payload) == (None, number), heard.raw
