"""Functions that mean harm: the failure stays inside."""

import datetime

import pytest

from support import leaks
from support.cloud import until
from support.functions import PROVIDED

FINE = "def handler(event, context): return 'fine'"


@pytest.fixture(autouse=True)
def others_go_on(functions, cloud):
    """A neighbour answers before and after."""
    neighbour = functions.python(FINE)
    assert functions.invoke(neighbour).payload == "fine"
    yield
    assert functions.invoke(neighbour).payload == "fine"
    assert cloud.page("GET", "/_haar/health")["status"] == "running"


def test_a_fork_bomb_is_bounded(functions):
    name = functions.python(
        """
        import os, time
        def handler(event, context):
            made = 0
            try:
                while made < 5000:
                    if os.fork() == 0:
                        time.sleep(60)
                        os._exit(0)
                    made += 1
            except OSError:
                pass
            return made
        """,
        Timeout=10,
    )
    heard = functions.invoke(name)
    assert heard.error or heard.payload <= 1024


def test_a_full_tmp_is_the_functions_own(functions):
    name = functions.python(
        """
        def handler(event, context):
            written = 0
            try:
                with open("/tmp/fill", "wb", buffering=0) as file:
                    while written < 2 << 30:
                        written += file.write(b"x" * (1 << 20))
            except OSError as error:
                return [written >> 20, error.strerror]
        """,
        MemorySize=1024,
        Timeout=30,
    )
    heard = functions.invoke(name)
    assert heard.payload and heard.payload[1] == "No space left on device", heard.raw
    assert 512 <= heard.payload[0] <= 530


def test_one_that_never_polls_fails_in_time(functions, program):
    name = functions.provided(program("never_polls"), Timeout=2)
    heard = functions.invoke(name)
    assert heard.error == "Unhandled"
    assert "timed out" in heard.raw.decode().lower() or "Sandbox.Timedout" in heard.raw.decode()


def test_one_that_exits_at_once_says_so(functions):
    name = functions.provided("#!/bin/sh\nexit 7\n")
    heard = functions.invoke(name)
    assert heard.payload["errorType"] == "Runtime.ExitError"
    assert "exit status 7" in heard.payload["errorMessage"]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"bootstrap": b"\x7fNOT A PROGRAM"}, "fork/exec /var/task/bootstrap: exec format error"),
        ({"other": "x"}, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    ],
)
def test_one_without_a_program_says_so_in_its_log_and_metrics(functions, cloud, files, text):
    name = functions.create(files, PROVIDED, "any")
    heard = functions.invoke(name)
    assert heard.error == "Unhandled"
    assert heard.payload == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {heard.request_id} Error: {text}",
    }
    begun = f"START RequestId: {heard.request_id} Version: $LATEST\n"
    assert f"{begun}RequestId: {heard.request_id} Error: {text}\nRuntime.InvalidEntrypoint\nEND " in heard.tail
    assert "INIT_REPORT Init Duration: " in heard.tail and "REPORT RequestId: " in heard.tail

    def messages():
        found = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
        return [event["message"] for event in found["events"]]

    logged = until(messages, lambda found: any(line.startswith("REPORT ") for line in found))
    assert begun in logged and f"END RequestId: {heard.request_id}\n" in logged
    now = datetime.datetime.now(datetime.UTC)

    def errors():
        points = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda", MetricName="Errors", Period=7200, Statistics=["Sum"],
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    until(errors, lambda found: found == 1)


def test_garbage_to_the_runtime_api_harms_itself_only(functions):
    name = functions.python(
        """
        import os, socket
        def handler(event, context):
            host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
            heard = []
            for garbage in (
                b"\\x00\\xff\\xfe garbage\\r\\n\\r\\n",
                b"POST /2018-06-01/runtime/invocation/none/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}",
                b"GET /nowhere HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n",
                b"POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 99999999999\\r\\n\\r\\n",
            ):
                with socket.create_connection((host, int(port)), 2) as peer:
                    peer.settimeout(1)
                    peer.sendall(garbage)
                    try:
                        heard.append(peer.recv(100).decode(errors="replace")[:12])
                    except OSError:
                        heard.append("")
            return heard
        """
    )
    heard = functions.invoke(name)
    assert heard.error is None, heard.raw
    assert heard.payload[1].startswith("HTTP/1.1 4") and heard.payload[2].startswith("HTTP/1.1 4")


def test_a_flooded_log_slows_nobody(functions):
    name = functions.python(
        """
        def handler(event, context):
            for n in range(200_000):
                print("flood", n)
            return "done"
        """,
        Timeout=60,
    )
    heard = functions.invoke(name)
    assert heard.payload == "done", heard.raw
    assert len(heard.tail) <= 4096
    assert "REPORT RequestId" in heard.tail


def test_left_behind_processes_end_with_their_environment(functions):
    name = functions.python(
        """
        import subprocess
        def handler(event, context):
            subprocess.Popen(["sleep", "987654"], start_new_session=True)
            return "left one"
        """
    )
    assert functions.invoke(name).payload == "left one"

    def left():
        return [one for one in leaks.processes() if "sleep 987654" in one]

    assert len(left()) == 1
    functions.client.delete_function(FunctionName=name)
    until(left, lambda found: not found)
