"""ECR and its registry, with AWS's clients and those that people push and pull with."""

import base64
import concurrent.futures
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError

from support.cloud import ACCOUNT, Cloud, until
from support.images import Layout, digest, password, run, storage, without_home


@pytest.fixture(scope="module")
def ecr(cloud):
    return cloud.client("ecr")


@pytest.fixture
def image(tmp_path):
    shared = {"etc/os-release": b"NAME=haar\n", "data": os.urandom(300_000)}
    return Layout(tmp_path / "image", shared, {"hello": os.urandom(50_000)})


@pytest.fixture
def repository(ecr):
    made = []

    def make(name, **options):
        made.append(name)
        return ecr.create_repository(repositoryName=name, **options)["repository"]

    yield make
    for name in made:
        ecr.delete_repository(repositoryName=name, force=True)


@pytest.fixture
def short():
    """A folder whose name is short enough for podman."""
    folder = tempfile.mkdtemp(prefix="p", dir="/tmp")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def skopeo(*arguments, **options):
    return run("skopeo", "--insecure-policy", *arguments, **options)


def push(cloud, image, name, login, **options):
    return skopeo(
        "copy", "--dest-tls-verify=false", "--dest-creds", f"AWS:{login}",
        f"oci:{image.folder}:latest", f"docker://127.0.0.1:{cloud.port}/{name}", **options,
    )


def pull(cloud, name, folder, *flags, **options):
    return skopeo(
        "copy", "--src-tls-verify=false", *flags,
        f"docker://127.0.0.1:{cloud.port}/{name}", f"oci:{folder}:latest", **options,
    )


def blobs(folder):
    return {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def test_skopeo_pushes_inspects_pulls_and_deletes(cloud, ecr, repository, image, tmp_path):
    made = repository("team/skopeo")
    assert made["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.us-east-1.localhost:{cloud.port}/team/skopeo"
    push(cloud, image, "team/skopeo:v1", password(ecr))
    pull(cloud, "team/skopeo:v1", tmp_path / "copy")
    assert blobs(tmp_path / "copy") == image.blobs()

    detail = ecr.describe_images(repositoryName="team/skopeo")["imageDetails"][0]
    assert (detail["imageDigest"], detail["imageTags"]) == (image.digest, ["v1"])
    layers = json.loads(image.manifest)["layers"]
    assert detail["imageSizeInBytes"] == sum(layer["size"] for layer in layers)
    assert detail["lastRecordedPullTime"]
    inspected = skopeo(
        "inspect", "--tls-verify=false", f"docker://127.0.0.1:{cloud.port}/team/skopeo:v1"
    )
    assert json.loads(inspected)["RepoTags"] == ["v1"]
    skopeo("delete", "--tls-verify=false", f"docker://127.0.0.1:{cloud.port}/team/skopeo:v1")
    assert ecr.list_images(repositoryName="team/skopeo")["imageIds"] == []
    said = push(cloud, image, "nowhere:v1", password(ecr), ok=False)
    assert "The repository with name 'nowhere' does not exist in the registry" in said


def test_buildah_builds_logs_in_pushes_and_pulls(cloud, ecr, repository, tmp_path):
    repository("built")
    home, there = without_home(tmp_path), f"127.0.0.1:{cloud.port}"
    (tmp_path / "context").mkdir()
    (tmp_path / "context/hello").write_bytes(b"#!/bin/sh\necho hello\n")
    (tmp_path / "context/Dockerfile").write_text('FROM scratch\nCOPY hello /hello\nCMD ["/hello"]\n')
    auth = ("--authfile", tmp_path / "auth.json", "--tls-verify=false")
    buildah = storage(tmp_path / "storage", "buildah")
    run(*buildah, "login", *auth, "-u", "AWS", "-p", password(ecr), there, env=home)
    run(
        *buildah, "build", "--isolation", "chroot", "-t", f"{there}/built:v1",
        tmp_path / "context", env=home,
    )
    run(*buildah, "push", *auth, f"{there}/built:v1", env=home)
    other = storage(tmp_path / "other", "buildah")
    pulled = run(*other, "pull", *auth, f"{there}/built:v1", env=home).strip()
    assert pulled in run(*other, "images", "--no-trunc", "-q", env=home)
    assert ecr.describe_images(repositoryName="built")["imageDetails"][0]["imageTags"] == ["v1"]


def test_podman_pulls_and_pushes_under_another_name(
    cloud, ecr, repository, image, tmp_path, short
):
    for name in ("podman", "again"):
        repository(name)
    push(cloud, image, "podman:v1", password(ecr))
    home, there = without_home(tmp_path), f"127.0.0.1:{cloud.port}"
    podman = storage(tmp_path / "storage", "podman", short)
    run(*podman, "pull", "--tls-verify=false", f"{there}/podman:v1", env=home)
    run(*podman, "tag", f"{there}/podman:v1", f"{there}/again:v2", env=home)
    run(*podman, "push", "--tls-verify=false", f"{there}/again:v2", env=home)
    assert ecr.list_images(repositoryName="again")["imageIds"][0]["imageTag"] == "v2"


def test_the_aws_cli_logs_in(cloud, clients):
    aws = clients / "venv/bin/aws"
    printed = run(aws, "ecr", "get-login-password", env=cloud.environment())
    basic = base64.b64encode(f"AWS:{printed.strip()}".encode()).decode()
    status, headers, _ = cloud.http("GET", "/v2/")
    assert status == 401 and headers["www-authenticate"].startswith("Basic realm=")
    status, _, _ = cloud.http("GET", "/v2/", headers={"authorization": f"Basic {basic}"})
    assert status == 200


def test_boto3_uploads_a_layer_and_downloads_it_by_its_url(ecr, repository):
    repository("layers")
    data = os.urandom(6 << 20)
    upload = ecr.initiate_layer_upload(repositoryName="layers")["uploadId"]
    half = 5 << 20
    for first, part in ((0, data[:half]), (half, data[half:])):
        answer = ecr.upload_layer_part(
            repositoryName="layers", uploadId=upload, partFirstByte=first,
            partLastByte=first + len(part) - 1, layerPartBlob=part,
        )
        assert answer["lastByteReceived"] == first + len(part) - 1
    name = digest(data)
    ecr.complete_layer_upload(repositoryName="layers", uploadId=upload, layerDigests=[name])
    url = ecr.get_download_url_for_layer(repositoryName="layers", layerDigest=name)["downloadUrl"]
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert hashlib.sha256(answer.read()).hexdigest() == name.split(":")[1]


def test_an_upload_that_broke_off_is_resumed_where_it_ended(cloud, repository):
    repository("resumed")
    data = os.urandom(2 << 20)
    _, headers, _ = cloud.http("POST", "/v2/resumed/blobs/uploads/", body=b"")
    location = headers["location"]
    # A client that dies in the middle of its request.
    with socket.create_connection(("127.0.0.1", cloud.port)) as broken:
        head = f"PATCH {location} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(data)}\r\n\r\n"
        broken.sendall(head.encode() + data[: 1 << 20])
        time.sleep(0.3)

    def received():
        status, headers, _ = cloud.http("GET", location)
        return int(headers["range"].split("-")[1]) + 1 if status == 204 else None

    offset = until(received, wished=lambda count: count and count > 1)
    assert offset <= 1 << 20
    status, _, _ = cloud.http(
        "PATCH", location, body=data[offset:],
        headers={"content-range": f"{offset}-{len(data) - 1}"},
    )
    assert status == 202
    status, _, _ = cloud.http("PUT", f"{location}?digest={digest(data)}", body=b"")
    assert status == 201
    status, headers, body = cloud.http(
        "GET", f"/v2/resumed/blobs/{digest(data)}", headers={"range": "bytes=100-199"}
    )
    assert (status, body) == (206, data[100:200])


def test_pushes_at_once_of_one_image_all_succeed(cloud, ecr, repository, image):
    repository("crowd")
    login = password(ecr)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        pushes = [pool.submit(push, cloud, image, f"crowd:v{n}", login) for n in range(4)]
        for one in pushes:
            one.result()
    assert len(ecr.list_images(repositoryName="crowd")["imageIds"]) == 4


def test_a_pull_through_cache_asks_its_upstream_once(cloud, ecr, new_cloud, image, tmp_path):
    upstream = new_cloud()
    elsewhere = upstream.client("ecr")
    elsewhere.create_repository(repositoryName="library/app")
    push(upstream, image, "library/app:v1", password(elsewhere))
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="hub", upstreamRegistryUrl=f"127.0.0.1:{upstream.port}"
    )
    valid = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="hub")
    assert valid["isValid"]
    pull(cloud, "hub/library/app:v1", tmp_path / "first")
    assert blobs(tmp_path / "first") == image.blobs()
    assert ecr.describe_repositories(repositoryNames=["hub/library/app"])
    upstream.stop()
    pull(cloud, "hub/library/app:v1", tmp_path / "second")
    assert blobs(tmp_path / "second") == image.blobs()
    missing = pull(cloud, "hub/library/other:v1", tmp_path / "third", ok=False)
    assert "503" in missing
    assert not ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="hub")["isValid"]
    ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="hub")
    ecr.delete_repository(repositoryName="hub/library/app", force=True)


def test_an_image_is_copied_to_another_region(cloud, ecr, repository, image):
    repository("copied/app")
    ecr.put_replication_configuration(
        replicationConfiguration={
            "rules": [{
                "destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}],
                "repositoryFilters": [{"filter": "copied/", "filterType": "PREFIX_MATCH"}],
            }]
        }
    )
    push(cloud, image, "copied/app:v1", password(ecr))
    there = cloud.client("ecr", region="eu-west-1")

    def copied():
        try:
            return there.describe_images(repositoryName="copied/app")["imageDetails"]
        except there.exceptions.RepositoryNotFoundException:
            return None

    assert until(copied)[0]["imageDigest"] == image.digest
    status, _, body = cloud.http(
        "GET", "/v2/copied/app/manifests/v1",
        headers={"host": f"{ACCOUNT}.dkr.ecr.eu-west-1.localhost:{cloud.port}"},
    )
    assert (status, body.decode()) == (200, image.manifest)
    ecr.put_replication_configuration(replicationConfiguration={"rules": []})
    there.delete_repository(repositoryName="copied/app", force=True)


def test_images_and_uploads_survive_a_kill(new_cloud, image, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="kept")
    push(cloud, image, "kept:v1", password(ecr))
    _, headers, _ = cloud.http("POST", "/v2/kept/blobs/uploads/", body=b"")
    location = headers["location"]
    cloud.http("PATCH", location, body=b"first,")
    cloud.kill()
    cloud.start()
    pull(cloud, "kept:v1", tmp_path / "copy")
    assert blobs(tmp_path / "copy") == image.blobs()
    status, headers, _ = cloud.http("GET", location)
    assert (status, headers["range"]) == (204, "0-5")
    whole = digest(b"first,second")
    status, _, _ = cloud.http("PUT", f"{location}?digest={whole}", body=b"second")
    assert status == 201


def test_what_a_client_sends_wrongly_is_refused_in_the_registrys_words(cloud, repository):
    repository("strict")

    def error(method, path, **request):
        status, _, body = cloud.http(method, path, **request)
        return status, json.loads(body)["errors"][0]["code"]

    put = {"body": b"not json", "headers": {"content-type": "application/vnd.oci.image.manifest.v1+json"}}
    assert error("PUT", "/v2/strict/manifests/v1", **put) == (400, "MANIFEST_INVALID")
    assert error("GET", "/v2/strict/manifests/none") == (404, "MANIFEST_UNKNOWN")
    assert error("GET", "/v2/strict/blobs/sha256:zz") == (400, "DIGEST_INVALID")
    assert error("GET", "/v2/UPPER/tags/list") == (400, "NAME_INVALID")
    assert error("POST", "/v2/none/blobs/uploads/", body=b"") == (404, "NAME_UNKNOWN")
    huge = b"{" + b" " * (4 << 20) + b"}"
    put = {**put, "body": huge}
    assert error("PUT", "/v2/strict/manifests/v1", **put) == (413, "SIZE_INVALID")
    large = Cloud.http(cloud, "POST", "/v2/strict/blobs/uploads/?digest=" + digest(huge), body=huge)
    assert large[0] == 201


def test_a_blob_may_be_called_by_its_sha512_digest_and_survives_a_kill_so(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    cloud.client("ecr").create_repository(repositoryName="sha512")
    data = os.urandom(2 << 20)
    name = "sha512:" + hashlib.sha512(data).hexdigest()
    status, headers, _ = cloud.http(
        "POST", f"/v2/sha512/blobs/uploads/?digest={name}", body=data,
        headers={"content-type": "application/octet-stream"},
    )
    assert (status, headers["docker-content-digest"]) == (201, name)
    cloud.kill()
    cloud.start()
    for called in (name, digest(data)):
        status, headers, body = cloud.http("GET", f"/v2/sha512/blobs/{called}")
        assert (status, headers["docker-content-digest"]) == (200, called)
        assert body == data


def test_names_and_policies_are_checked_as_on_aws(ecr, repository):
    assert refusal(ecr.create_repository, repositoryName="UPPER") == "InvalidParameterException"
    repository("checked")
    code = refusal(ecr.create_repository, repositoryName="checked")
    assert code == "RepositoryAlreadyExistsException"
    code = refusal(ecr.get_lifecycle_policy, repositoryName="checked")
    assert code == "LifecyclePolicyNotFoundException"
    code = refusal(
        ecr.put_lifecycle_policy, repositoryName="checked", lifecyclePolicyText="{}" + " " * 100
    )
    assert code == "InvalidParameterException"
    scan = {"repositoryName": "checked", "imageId": {"imageTag": "none"}}
    assert refusal(ecr.start_image_scan, **scan) == "ImageNotFoundException"


def test_what_is_stored_is_on_the_bill(new_cloud, image, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="billed")
    push(cloud, image, "billed:v1", password(ecr))
    time.sleep(1)
    cloud.stop()
    cloud.start()
    bill = cloud.page("GET", "/_haar/cost")
    stored = bill["accounts"][0]["repositories"][0]
    assert stored["repository"] == "billed" and stored["gbMonths"] > 0


def test_the_first_violation_of_the_model_is_told_in_ecrs_words(cloud):
    ecr = cloud.client("ecr", parameter_validation=False)

    def refused(call, **input):
        with pytest.raises(ecr.exceptions.InvalidParameterException) as caught:
            call(**input)
        return caught.value.response["Error"]["Message"]

    def said(name, constraint):
        return f"Invalid parameter at '{name}' failed to satisfy constraint: '{constraint}'"

    pattern = ecr.meta.service_model.shape_for("RepositoryName").metadata["pattern"]
    assert refused(ecr.create_repository, repositoryName="Org/app") == said(
        "repositoryName", f"must satisfy regular expression '{pattern}'"
    )
    assert refused(ecr.create_repository, repositoryName="a") == said(
        "repositoryName", "must have length greater than or equal to 2"
    )
    assert refused(ecr.batch_get_image, repositoryName="app", imageIds=[]) == said(
        "imageIds", "Member must have length greater than or equal to 1"
    )
    item = "[Member must satisfy regular expression pattern: [0-9]{12}]"
    assert refused(ecr.get_authorization_token, registryIds=["123"]) == said(
        "registryIds", f"Member must satisfy constraint: {item}"
    )
