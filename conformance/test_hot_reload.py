"""Code that is a folder of this machine: what is edited runs."""

import os
import shutil

import pytest

from support.cloud import until
from support.functions import PYTHON, ROLE, Functions, zipped


@pytest.fixture
def folder(tmp_path):
    """A folder that functions can read; pytest's own are for one user alone."""
    path = tmp_path / "code"
    path.mkdir()
    path.chmod(0o755)
    return path


def write(folder, text, name="app.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)


def create(functions, folder, name, **options):
    functions.client.create_function(
        FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=ROLE,
        Code={"S3Bucket": "hot-reload", "S3Key": str(folder)}, **options,
    )
    functions.wait(name)
    return name


COUNTS = "count = 0\ndef handler(event, context):\n    global count; count += 1; return ['{}', count]\n"


def test_an_edited_file_runs_at_the_next_invocation(functions, folder):
    write(folder, COUNTS.format("one"))
    name = create(functions, folder, "hot-edited")
    assert functions.invoke(name).payload == ["one", 1]
    assert functions.invoke(name).payload == ["one", 2], "the same environment while nothing changes"
    write(folder, COUNTS.format("two"))
    heard = until(lambda: functions.invoke(name).payload, lambda found: found[0] == "two")
    assert heard == ["two", 1]
    # A file in a new subfolder, and one that takes another's place, as editors do it.
    write(folder, "WHO = 'sub'\n", "package/part.py")
    write(folder, "from package.part import WHO\ndef handler(event, context): return [WHO, 1]\n", "app.new")
    os.rename(folder / "app.new", folder / "app.py")
    (folder / "package").chmod(0o755)
    until(lambda: functions.invoke(name).payload, lambda found: found == ["sub", 1])
    write(folder, "WHO = 'deep'\n", "package/part.py")
    until(lambda: functions.invoke(name).payload, lambda found: found == ["deep", 1])


def test_a_folder_is_shown_replaced_and_never_published(functions, folder):
    write(folder, "def handler(event, context): return 'folder'\n")
    name = create(functions, folder, "hot-shown")
    client = functions.client
    assert client.get_function(FunctionName=name)["Code"]["Location"] == f"file://{folder}"
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.publish_version(FunctionName=name)
    archive = zipped({"app.py": "def handler(event, context): return 'archive'"})
    client.update_function_code(FunctionName=name, ZipFile=archive)
    functions.wait(name)
    assert functions.invoke(name).payload == "archive"
    client.update_function_code(FunctionName=name, S3Bucket="hot-reload", S3Key=str(folder))
    functions.wait(name)
    assert functions.invoke(name).payload == "folder"


def test_what_is_no_readable_folder_is_refused(functions, folder):
    write(folder, "x = 1\n")
    folder_of_one = folder / "private"
    folder_of_one.mkdir(mode=0o700)
    for path in ("relative/path", folder / "absent", folder / "app.py", folder_of_one):
        with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as refused:
            create(functions, path, "hot-refused")
        assert str(path) in str(refused.value)
    shutil.rmtree(folder_of_one)


def test_with_policies_on_the_name_means_nothing(closed, root, folder):
    write(folder, "x = 1\n")
    client = closed.client("lambda", **root)
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refused:
        create(Functions(closed, client), folder, "hot-enforced")
    assert "NoSuchBucket" in str(refused.value)
