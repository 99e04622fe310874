"""Broken, huge and climbing archives."""

import io
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support.functions import zipped

FINE = "def handler(event, context): return 'fine'"


def refused(functions, archive):
    with pytest.raises(ClientError) as error:
        functions.create(archive, "python3.13", "app.handler")
    return error.value.response["Error"]


def raw_zip(*entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return buffer.getvalue()


def test_what_is_no_zip_is_refused(functions):
    assert refused(functions, b"this is no zip")["Code"] == "InvalidParameterValueException"
    assert "unzip" in refused(functions, b"this is no zip")["Message"]
    whole = zipped({"app.py": FINE})
    assert refused(functions, whole[: len(whole) // 2])["Code"] == "InvalidParameterValueException"


def test_a_bomb_is_refused_before_it_goes_off(functions):
    bomb = raw_zip(("app.py", FINE), ("zeros", b"\0" * (300 << 20)))
    assert len(bomb) < 1 << 20
    error = refused(functions, bomb)
    assert error["Code"] == "InvalidParameterValueException"
    assert "262144000" in error["Message"]


@pytest.mark.parametrize("path", ["../climbed", "a/../../climbed", "/tmp/climbed", "..\\climbed"])
def test_paths_that_climb_stay_inside(functions, path):
    archive = raw_zip(("app.py", FINE), (path, b"outside"))
    name = None
    try:
        name = functions.create(archive, "python3.13", "app.handler")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException"
    outside = [Path("/tmp/climbed")]
    if name:
        assert functions.invoke(name).payload == "fine"
    else:
        outside += Path(tempfile.gettempdir()).rglob("climbed")
    assert not [place for place in outside if place.exists()]


def test_links_that_lead_out_read_nothing_of_the_host(functions):
    link = zipfile.ZipInfo("secret")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    code = """
import os
def handler(event, context):
    try:
        return open("/var/task/secret").read()[:5]
    except OSError as error:
        return error.strerror
"""
    archive = raw_zip(("app.py", code), (link, "/etc/shadow"))
    try:
        name = functions.create(archive, "python3.13", "app.handler")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException"
        return
    assert functions.invoke(name).payload in ("Permission denied", "No such file or directory")


def test_an_empty_archive_runs_into_a_missing_module(functions):
    name = functions.create(raw_zip(("readme", b"")), "python3.13", "app.handler")
    assert functions.invoke(name).payload["errorType"] == "Runtime.ImportModuleError"
