"""Docker itself, with a daemon of its own that touches nothing of this machine's."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.cloud import ACCOUNT, until
from support.images import digest, layer, run

pytestmark = pytest.mark.skipif(
    not (shutil.which("dockerd") and shutil.which("docker") and os.geteuid() == 0),
    reason="apt-get install docker.io brings Docker, and its daemon wants root",
)

# Names below `localhost` that this machine's resolver need not know.
OWN = f"{ACCOUNT}.dkr.ecr.us-east-1.localhost"
ALONE = ("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none")


class Docker:
    """The command line at a daemon that keeps all it has in one folder."""

    def __init__(self, folder):
        self.socket = f"unix://{folder}/s"
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n127.0.0.1 {OWN}\n")
        daemon = [
            "dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec",
            "--pidfile", folder / "pid", "--host", self.socket, "--storage-driver", "vfs", *ALONE,
        ]
        script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
        self.log = open(folder / "log", "wb")
        self.daemon = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script, "sh", hosts, *daemon],
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self.env = {**os.environ, "DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(folder / "config")}
        until(lambda: subprocess.run(
            ["docker", "info"], env=self.env, capture_output=True
        ).returncode == 0, limit=60)

    def __call__(self, *arguments, **options):
        return run("docker", *arguments, env=self.env, **options)

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.log.close()


@pytest.fixture(scope="module")
def docker():
    folder = Path(tempfile.mkdtemp(prefix="dk", dir="/tmp"))
    made = Docker(folder)
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def image(docker, tmp_path):
    """An image that goes with its last name, with a file that does not compress."""
    archive = tmp_path / "root.tar.gz"
    archive.write_bytes(layer({"hello": os.urandom(3_000_000)})[0])
    return docker("import", "--change", 'CMD ["/hello"]', archive).strip()


def pushed(said):
    return re.search(r"digest: (sha256:[0-9a-f]{64})", said)[1]


def log_in(cloud, clients, docker, there):
    login = run(clients / "venv/bin/aws", "ecr", "get-login-password", env=cloud.environment())
    said = docker("login", "--username", "AWS", "--password-stdin", there, input=login)
    assert "Login Succeeded" in said


@pytest.mark.parametrize("host", ["localhost", OWN])
def test_docker_logs_in_pushes_and_pulls(cloud, clients, docker, image, host):
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="docker/app")
    there = f"{host}:{cloud.port}"
    name = f"{there}/docker/app:v1"
    log_in(cloud, clients, docker, there)
    docker("tag", image, name)
    name_of_manifest = pushed(docker("push", name))
    detail = ecr.describe_images(repositoryName="docker/app")["imageDetails"][0]
    assert (detail["imageDigest"], detail["imageTags"]) == (name_of_manifest, ["v1"])
    # again, under another tag: nothing is sent twice
    docker("tag", image, f"{there}/docker/app:v2")
    said = docker("push", f"{there}/docker/app:v2")
    assert "Layer already exists" in said and pushed(said) == name_of_manifest

    kept = docker("image", "inspect", "--format", "{{.RootFS.Layers}} {{.Config.Cmd}}", name)
    docker("rmi", name, f"{there}/docker/app:v2")
    said = docker("pull", name)
    assert f"Digest: {name_of_manifest}" in said
    again = docker("image", "inspect", "--format", "{{.RootFS.Layers}} {{.Config.Cmd}}", name)
    assert again == kept
    docker("rmi", name)
    docker("logout", there)
    ecr.delete_repository(repositoryName="docker/app", force=True)


def test_docker_is_told_to_log_in_and_what_is_not_there(cloud, clients, docker, image):
    there = f"localhost:{cloud.port}"
    docker("tag", image, f"{there}/nowhere:v1")
    assert "no basic auth credentials" in docker("push", f"{there}/nowhere:v1", ok=False)
    log_in(cloud, clients, docker, there)
    said = docker("push", f"{there}/nowhere:v1", ok=False)
    assert "The repository with name 'nowhere' does not exist in the registry" in said
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="docker/empty")
    said = docker("pull", f"{there}/docker/empty@{digest(b'')}", ok=False)
    assert "manifest unknown: Requested image not found" in said
    docker("rmi", f"{there}/nowhere:v1")
    ecr.delete_repository(repositoryName="docker/empty", force=True)
