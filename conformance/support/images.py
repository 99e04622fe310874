"""Images made of nothing but Python, and the clients that push and pull them."""

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files):
    """A gzipped tar of files, and its digest before compression."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), 1, mtime=0), digest(plain.getvalue())


class Layout:
    """An image in a folder, as OCI lays it out."""

    def __init__(self, folder, *layers):
        self.folder = Path(folder)
        (self.folder / "blobs/sha256").mkdir(parents=True)
        made = [layer(files) for files in layers]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in made]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(
                "application/vnd.oci.image.config.v1+json", json.dumps(config).encode()
            ),
            "layers": [self.blob(LAYER, data) for data, _ in made],
        }
        self.manifest = json.dumps(manifest)
        self.digest = digest(self.manifest.encode())
        entry = self.blob(MANIFEST, self.manifest.encode())
        entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.folder / "index.json").write_text(json.dumps(index))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, media_type, data):
        name = digest(data)
        (self.folder / "blobs/sha256" / name.split(":")[1]).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data)}

    def blobs(self):
        return {path.name: path.read_bytes() for path in (self.folder / "blobs/sha256").iterdir()}


def password(ecr):
    """What `aws ecr get-login-password` prints."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, password = base64.b64decode(token).decode().split(":", 1)
    assert user == "AWS"
    return password


def run(*command, ok=True, **options):
    """Runs a client; answers its output, or what it says when it fails."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, **options
    )
    if ok:
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout
    assert done.returncode != 0, f"{command} did not fail: {done.stdout}"
    return done.stdout + done.stderr


def storage(folder, program, run=None):
    """Where a client keeps its images for the length of a test."""
    folder = Path(folder)
    run = Path(run) if run else folder
    return [
        program,
        "--root", folder / "root",
        "--runroot", run / "run",
        "--storage-driver", "vfs",
    ]


def without_home(folder):
    """An environment in which clients find nobody's settings."""
    return {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
