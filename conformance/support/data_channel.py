"""AWS's data channel from the client's side, written from its description: what
session-manager-plugin speaks with a container."""

import hashlib
import json
import struct
import time
import uuid
from contextlib import ExitStack

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

HEADER = struct.Struct(">I32sIQqQ16s32sI")
OUTPUT, SIZE, HANDSHAKE, ANSWER, COMPLETE, FLAG, STDERR, EXIT_CODE = 1, 3, 5, 6, 7, 10, 11, 12


def pack(kind, sequence, payload_type=0, payload=b"", message=None):
    """The bytes of a message."""
    number = (message or uuid.uuid4()).bytes
    head = HEADER.pack(
        HEADER.size, kind.encode().ljust(32), 1, int(time.time() * 1000), sequence, 0,
        number[8:] + number[:8], hashlib.sha256(payload).digest(), payload_type,
    )
    return head + struct.pack(">I", len(payload)) + payload


def unpack(data):
    """Kind, sequence number, id, type of payload and payload of a message."""
    header, kind, version, _, sequence, _, number, digest, payload_type = HEADER.unpack_from(data)
    (length,) = struct.unpack_from(">I", data, HEADER.size)
    payload = data[header + 4 :]
    assert (header, version, length) == (116, 1, len(payload))
    assert not payload or digest == hashlib.sha256(payload).digest()
    name = uuid.UUID(bytes=number[8:] + number[:8])
    return kind.decode().rstrip(" \0"), sequence, name, payload_type, payload


class DataChannel:
    """One session, opened with the answer of ExecuteCommand."""

    def __init__(self, session, acknowledges=True, token=None, **more):
        self.session = session
        self.open = ExitStack()
        self.socket = self.open.enter_context(connect(session["streamUrl"], proxy=None))
        self.acknowledges = acknowledges
        self.sent = 0
        self.expected = 0
        self.acknowledged = set()
        self.seen = []
        self.screen = b""
        self.errors = b""
        self.exit_code = None
        self.closed = None
        self.complete = False
        words = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": session["tokenValue"] if token is None else token,
            "ClientId": str(uuid.uuid4()),
            "ClientVersion": "1.2.707.0",
        }
        self.socket.send(json.dumps({**words, **more}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open.close()

    def say(self, payload_type, payload):
        self.socket.send(pack("input_stream_data", self.sent, payload_type, payload))
        self.sent += 1

    def type(self, text):
        self.say(OUTPUT, text.encode())

    def size(self, columns, rows):
        self.say(SIZE, json.dumps({"cols": columns, "rows": rows}).encode())

    def step(self, limit=10):
        """Takes one message; false once the other side has hung up."""
        try:
            data = self.socket.recv(timeout=limit)
        except ConnectionClosed:
            return False
        kind, sequence, name, payload_type, payload = unpack(data)
        self.seen.append((kind, sequence, payload_type))
        if kind == "acknowledge":
            self.acknowledged.add(json.loads(payload)["AcknowledgedMessageSequenceNumber"])
        elif kind == "channel_closed":
            self.closed = json.loads(payload)
        elif kind == "output_stream_data":
            if self.acknowledges:
                self.acknowledge(kind, sequence, name)
            if sequence == self.expected:
                self.expected += 1
                self.take(payload_type, payload)
        return True

    def acknowledge(self, kind, sequence, name):
        document = {
            "AcknowledgedMessageType": kind,
            "AcknowledgedMessageId": str(name),
            "AcknowledgedMessageSequenceNumber": sequence,
            "IsSequentialMessage": True,
        }
        try:
            self.socket.send(pack("acknowledge", 0, payload=json.dumps(document).encode()))
        except ConnectionClosed:
            pass  # the last words need no answer

    def take(self, payload_type, payload):
        if payload_type == HANDSHAKE:
            asked = json.loads(payload)["RequestedClientActions"]
            assert asked[0]["ActionParameters"]["SessionType"] == "InteractiveCommands"
            done = [
                {"ActionType": one["ActionType"], "ActionStatus": 1, "ActionResult": None, "Error": ""}
                for one in asked
            ]
            answer = {"ClientVersion": "1.2.707.0", "ProcessedClientActions": done, "Errors": None}
            self.say(ANSWER, json.dumps(answer).encode())
        elif payload_type == COMPLETE:
            self.complete = True
        elif payload_type == OUTPUT:
            self.screen += payload
        elif payload_type == STDERR:
            self.errors += payload
        elif payload_type == EXIT_CODE:
            self.exit_code = payload.decode()

    def until(self, done, limit=20):
        """Takes messages until something holds."""
        end = time.monotonic() + limit
        while not done():
            left = end - time.monotonic()
            assert left > 0, self.screen
            if not self.step(left):
                break
        assert done(), (self.screen, self.closed)
        return self

    def begin(self, columns=80, rows=24):
        """Shakes hands, and tells the size of the terminal."""
        self.until(lambda: self.complete)
        self.size(columns, rows)
        return self

    def shows(self, text):
        return self.until(lambda: text.encode() in self.screen)

    def end(self):
        """Takes all until the other side says that there is no more."""
        return self.until(lambda: self.closed is not None)
