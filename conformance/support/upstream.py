"""A registry of the test's own: by HTTP or TLS, with tokens or passwords, and faults on demand."""

import base64
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from support.images import LAYER, MANIFEST, digest, layer

INDEX = "application/vnd.oci.image.index.v1+json"
#: Who may pull from repositories below `private/`.
USER, PASSWORD = "me", "secret"


class Authority:
    """A certificate authority, and what it has signed."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.file = self.folder / "ca.pem"
        self._openssl(
            "req", "-x509", *self._key("ca"), "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests"
        )

    def _key(self, name):
        curve = "ec_paramgen_curve:prime256v1"
        return ["-newkey", "ec", "-pkeyopt", curve, "-nodes", "-keyout", f"{name}.key"]

    def _openssl(self, *arguments):
        subprocess.run(
            ["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60
        )

    def context(self, *names):
        """What a server of these names shows."""
        kinds = ["IP:" + name if re.fullmatch(r"[\d.]+", name) else "DNS:" + name for name in names]
        (self.folder / "names").write_text("subjectAltName=" + ",".join(kinds))
        self._openssl("req", *self._key("server"), "-out", "server.csr", "-subj", "/CN=server")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        self._openssl(
            "x509", "-req", "-in", "server.csr", *signed, "-extfile", "names", "-out", "server.pem"
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context


class Image:
    """An image of busybox for this platform, in an index beside one for another."""

    def __init__(self, marker="1"):
        busybox = Path("/bin/busybox").read_bytes()
        files = {"bin/busybox": busybox, "bin/sh": busybox, "marker": marker.encode()}
        self.layer, diff = layer(files)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        }
        self.blobs = {}
        self.manifests = {}
        config = self.blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [self.blob(LAYER, self.layer)],
        }
        own = self.manifest(MANIFEST, manifest)
        other = {"mediaType": MANIFEST, "digest": digest(b"elsewhere"), "size": 9}
        platforms = [
            {**other, "platform": {"os": "linux", "architecture": "s390x"}},
            {**own, "platform": {"os": "linux", "architecture": "amd64"}},
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}
        self.digest = self.manifest(INDEX, index)["digest"]

    def blob(self, media_type, data):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def manifest(self, media_type, document):
        data = json.dumps(document).encode()
        self.manifests[digest(data)] = (media_type, data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


class Registry:
    """Serves one image under every name and tag.

    `private/…` wants the token of a user, `basic/…` the user's password, all else anybody's
    token. `faults` are asked first, by repository: one that answers true has dealt with it.
    """

    def __init__(self, image, context=None, realm=None):
        self.image = image
        self.faults = {}
        self.asked = []
        handler = type("Handler", (Handler,), {"registry": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        if context:
            # Handshakes are the threads' that serve, not the one's that accepts.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.realm = realm or f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def blobs_asked(self, repository):
        """The headers of requests for the layer's bytes, by their names in lower case."""
        end = f"/v2/{repository}/blobs/{digest(self.image.layer)}"
        return [headers for path, headers in self.asked if path == end]


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    registry = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.registry.asked.append((self.path, headers))
        path, _, query = self.path.partition("?")
        if path == "/token":
            return self.token(query)
        if path.startswith("/cdn/"):
            return self.send(200, self.registry.image.blobs[path.removeprefix("/cdn/")])
        found = re.fullmatch(r"/v2/(?:(.+)/(manifests|blobs)/([^/]+))?", path)
        if not found:
            return self.send(404)
        repository, kind, reference = found.groups()
        fault = self.registry.faults.get(repository)
        if fault and fault(self, kind, reference):
            return None
        if not self.may(repository or "private"):
            return self.challenge(repository or "private")
        if not repository:
            return self.send(200, b"{}")
        return self.manifest(reference) if kind == "manifests" else self.blob(reference)

    def may(self, repository):
        shown = self.headers.get("Authorization", "")
        if repository.startswith("basic/"):
            return shown == "Basic " + self.login()
        token = "users" if repository.startswith("private") else "anybodys"
        return shown in ("Bearer users", "Bearer " + token)

    @staticmethod
    def login():
        return base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def challenge(self, repository):
        how = f'Bearer realm="{self.registry.realm}/token",service="tests"'
        if repository.startswith("basic/"):
            how = 'Basic realm="tests"'
        self.refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": how})

    def token(self, query):
        shown = self.headers.get("Authorization")
        if shown and shown != "Basic " + self.login():
            return self.refuse(401, "UNAUTHORIZED", "incorrect username or password")
        token = "users" if shown else "anybodys"
        return self.send(200, json.dumps({"token": token, "expires_in": 300}).encode())

    def manifest(self, reference):
        wanted = reference if reference.startswith("sha256:") else self.registry.image.digest
        if reference == "missing" or wanted not in self.registry.image.manifests:
            return self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = self.registry.image.manifests[wanted]
        return self.send(200, data, {"Content-Type": media_type})

    def blob(self, name):
        data = self.registry.image.blobs[name]
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not found:
            return self.send(200, data)
        start = int(found.group(1))
        place = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.send(206, data[start:], {"Content-Range": place})

    def refuse(self, status, code, message, headers=None):
        body = {"errors": [{"code": code, "message": message}]}
        self.send(status, json.dumps(body).encode(), headers)

    def send(self, status, body=b"", headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


class Proxy:
    """An HTTP proxy that takes every connection to one port of this machine."""

    def __init__(self, port):
        self.port_behind = port
        self.hosts = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(4096)
            if not piece:
                return
            head += piece
        method, host, _ = head.split(b"\r\n")[0].decode().split(" ")
        assert method == "CONNECT"
        self.hosts.append(host)
        server = socket.create_connection(("127.0.0.1", self.port_behind))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(server, client)


def pump(source, target):
    """Copies bytes until one side is done."""
    try:
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    except OSError:
        pass
    finally:
        target.close()
