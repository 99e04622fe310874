"""Every listed operation in every protocol, by botocore's own serialisers and parsers."""

import subprocess
import sys
from pathlib import Path

from support.cloud import BINARY

HERE = Path(__file__).parent
ROUNDS = 4


def test_messages_survive_both_ways_and_each_violation_is_told():
    probe = Path(BINARY).resolve().parent / "haar-wire-conformance"
    assert probe.exists(), "cargo build --package haar-wire-conformance"
    command = [sys.executable, HERE / "wire/round_trip.py", probe, "1", str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
