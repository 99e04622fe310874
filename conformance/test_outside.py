"""What functions reach that is not in the cloud."""

import os
import subprocess
import sys
import textwrap

import pytest

# Networks for documentation: nobody has them.
SERVER, HOST = "198.51.100.2", "198.51.100.1"

SERVE = textwrap.dedent(f"""
    import http.server
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "2000000")
            self.end_headers()
            self.wfile.write(b"x" * 2_000_000)
        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("{SERVER}", 8080), Handler)
    print("up", flush=True)
    server.serve_forever()
""")

CALLER = """
    import urllib.request
    def handler(event, context):
        try:
            with urllib.request.urlopen(event, timeout=10) as answer:
                return len(answer.read())
        except OSError as error:
            return type(getattr(error, "reason", error)).__name__
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture(scope="module")
def server():
    """A server on another machine, which is a network namespace beside this one."""
    if os.geteuid() != 0:
        pytest.skip("making a network needs root")
    name = f"outside-{os.getpid()}"
    ours, theirs = f"ho{os.getpid()}", f"hi{os.getpid()}"
    ip("netns", "add", name)
    process = None
    try:
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        ip("addr", "add", f"{HOST}/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("-n", name, "addr", "add", f"{SERVER}/30", "dev", theirs)
        ip("-n", name, "link", "set", theirs, "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-c", SERVE]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "up\n"
        yield f"http://{SERVER}:8080/"
    finally:
        if process:
            process.kill()
            process.wait()
        ip("netns", "del", name)


def test_a_function_reaches_what_the_host_reaches(functions, server):
    caller = functions.python(CALLER, Timeout=30)
    assert functions.invoke(caller, server).payload == 2_000_000
    assert functions.invoke(caller, server).payload == 2_000_000, "also when it was frozen"


def test_a_function_reaches_neither_the_host_nor_its_neighbours(functions, server, tmp_path):
    serve = ["-m", "http.server", "-d", str(tmp_path), "--bind", "0.0.0.0", "0"]
    process = subprocess.Popen([sys.executable, "-u", *serve], stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().split("port ")[1].split()[0]
        caller = functions.python(CALLER, Timeout=30)
        for place in (f"{HOST}:{port}", "169.254.169.254", f"127.0.0.1:{port}"):
            told = functions.invoke(caller, f"http://{place}/").payload
            assert told in ("ConnectionResetError", "ConnectionRefusedError"), place
    finally:
        process.kill()
        process.wait()
