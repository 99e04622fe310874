"""Pushes images that are made here over the registry's own HTTP API."""

import base64
import json

from .images import LAYER, MANIFEST, digest, layer, password

CONFIG = "application/vnd.oci.image.config.v1+json"


class Registry:
    """The default account's registry of one cloud."""

    def __init__(self, cloud, **keys):
        self.cloud = cloud
        self.ecr = cloud.client("ecr", **keys)

    def uri(self, repository, tag):
        return f"localhost:{self.cloud.port}/{repository}:{tag}"

    def push(self, repository, tag, layers, architecture="amd64", **config):
        """An image of layers, each files by name; answers its name and its digest."""
        made = [layer(files) for files in layers]
        document = {
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in made]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(repository, CONFIG, json.dumps(document).encode()),
            "layers": [self.blob(repository, LAYER, data) for data, _ in made],
        }
        name = self.manifest(repository, tag, MANIFEST, manifest)
        return self.uri(repository, tag), name

    def manifest(self, repository, tag, media_type, document):
        data = json.dumps(document).encode()
        headers = {**self.headers(), "Content-Type": media_type}
        status, _, body = self.cloud.http(
            "PUT", f"/v2/{repository}/manifests/{tag}", data, headers
        )
        assert status == 201, body
        return digest(data)

    def blob(self, repository, media_type, data):
        name, headers = digest(data), self.headers()
        place = f"/v2/{repository}/blobs/uploads/"
        status, answered, body = self.cloud.http("POST", place, b"", headers)
        assert status == 202, body
        place = answered["Location"].removeprefix(self.cloud.endpoint)
        join = "&" if "?" in place else "?"
        octets = {**headers, "Content-Type": "application/octet-stream"}
        status, _, body = self.cloud.http("PUT", f"{place}{join}digest={name}", data, octets)
        assert status == 201, body
        return {"mediaType": media_type, "digest": name, "size": len(data)}

    def headers(self):
        secret = base64.b64encode(f"AWS:{password(self.ecr)}".encode()).decode()
        return {"Authorization": f"Basic {secret}"}
