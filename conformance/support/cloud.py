"""One haar on a free port, as an operator would run it."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

BINARY = os.environ.get("HAAR_BIN", "haar")
REGION = "us-east-1"
ACCOUNT = "000000000000"
READY = re.compile(r"haar is ready on (http://\S+)")


class Cloud:
    """A running `haar up`."""

    #: Called whenever one is ready.
    watch = staticmethod(lambda: None)

    def __init__(
        self, *flags, data_dir=None, listen="127.0.0.1:0", environment=None, before=(BINARY,)
    ):
        self.flags = list(flags)
        #: The program, with what starts it as somebody who may do less.
        self.before = list(before)
        self.own_environment = environment or {}
        self.data_dir = data_dir
        self.listen = listen
        self.process = None
        self.endpoint = None
        self.output = []
        self.log = tempfile.NamedTemporaryFile("w+", prefix="haar-log-", suffix=".txt", delete=False)

    def start(self):
        where = ["--data-dir", str(self.data_dir)] if self.data_dir else ["--ephemeral"]
        command = [*self.before, "up", "--listen", self.listen, *where, *self.flags]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, **self.own_environment},
        )
        self.endpoint = None
        for line in self.process.stdout:
            self.output.append(line)
            if found := READY.search(line):
                self.endpoint = found.group(1)
                break
        assert self.endpoint, f"haar did not start: {''.join(self.output)}{self.logged()}"
        Cloud.watch()
        threading.Thread(target=self._drain, args=(self.process.stdout,), daemon=True).start()
        return self

    def _drain(self, pipe):
        for line in pipe:
            self.output.append(line)

    @property
    def port(self):
        return int(self.endpoint.rsplit(":", 1)[1])

    def logged(self):
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")[-4000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(30)
            assert code == 0, f"haar ended with {code}: {self.logged()}"

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def client(self, service, region=REGION, key="test", secret="test", token=None, **config):
        config.setdefault("retries", {"total_max_attempts": 1})
        config.setdefault("read_timeout", 100)
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(**config),
        )

    def environment(self, **more):
        """For clients that are other programs."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1",
            **more,
        }

    def http(self, method, path, body=None, headers=None, base=None):
        """One plain HTTP exchange: status, headers, body."""
        request = urllib.request.Request(
            (base or self.endpoint) + path, data=body, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def page(self, method, path):
        status, _, body = self.http(method, path)
        assert status == 200, (status, body)
        return json.loads(body)


def until(probe, wished=bool, limit=30, every=0.05):
    """Repeats a probe until it is as wished, and returns it."""
    end = time.monotonic() + limit
    while True:
        found = probe()
        if wished(found):
            return found
        assert time.monotonic() < end, f"never became as wished; last: {found!r}"
        time.sleep(every)
