"""The aws CLI as a function."""

import json
import subprocess


def aws_cli(cloud, clients, folder):
    """Runs the aws CLI against a cloud; answers its JSON, or its complaint where it must fail."""

    def run(*arguments, fails=False):
        done = subprocess.run(
            [clients / "venv/bin/aws", *arguments], cwd=folder, env=cloud.environment(),
            capture_output=True, text=True, timeout=60,
        )
        assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
        return done.stderr if fails else json.loads(done.stdout or "null")

    return run
