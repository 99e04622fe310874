"""Black box: AWS's clients against the real binary."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support import leaks
from support.cloud import Cloud
from support.functions import Functions
from support.policies import document, root_key

HERE = Path(__file__).parent
#: AWS waits minutes between the tries of an asynchronous invocation; here it waits seconds.
FAST = ("--wait-divisor", "60")
#: How long what ended may take to be gone.
GONE_MAX = 15


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """Counts processes, mounts, cgroups, networks and folders of the suite's clouds at its end."""
    leaks.adopt_orphans()
    instances = leaks.Instances()
    Cloud.watch = staticmethod(instances.look)
    folder = tempfile.mkdtemp(prefix="haar-conformance-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    before = leaks.held(folder, instances)
    yield
    instances.stop()
    end = time.monotonic() + GONE_MAX
    while True:
        leaks.reap()
        left = leaks.held(folder, instances) - before
        if not left or time.monotonic() > end:
            break
        time.sleep(0.2)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, "haar left behind:\n" + "\n".join(sorted(left))


@pytest.fixture(scope="session")
def cloud(nothing_is_left):
    """The cloud that most tests share."""
    cloud = Cloud(*FAST).start()
    yield cloud
    cloud.stop()


@pytest.fixture
def new_cloud(nothing_is_left):
    """Makes clouds of the test's own; stops those that still run."""
    made = []

    def make(*flags, **options):
        made.append(Cloud(*flags, **options))
        return made[-1].start()

    yield make
    for cloud in made:
        cloud.stop()


@pytest.fixture(scope="session")
def functions(cloud):
    return Functions(cloud)


@pytest.fixture(scope="module")
def closed(nothing_is_left):
    """A cloud in enforce mode."""
    cloud = Cloud("--auth", "enforce").start()
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def root(closed):
    return root_key(closed)


@pytest.fixture(scope="module")
def iam(closed, root):
    return closed.client("iam", **root)


@pytest.fixture
def user(closed, iam):
    """Makes users with one inline policy; answers their credentials."""

    def make(name, *statements, **options):
        iam.create_user(UserName=name, **options)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}

    return make


@pytest.fixture(scope="session")
def program(nothing_is_left, tmp_path_factory):
    """Compiles a C source of inputs/ into a static program and returns its bytes."""
    folder = tmp_path_factory.mktemp("programs")
    made = {}

    def compile_once(name, source=None):
        if name not in made:
            source = source or HERE / "inputs" / f"{name}.c"
            target = folder / name
            subprocess.run(
                ["cc", "-Os", "-static", "-s", "-o", target, source], check=True, capture_output=True
            )
            made[name] = target.read_bytes()
        return made[name]

    return compile_once


@pytest.fixture(scope="session")
def bootstrap(program):
    """The tour's static function."""
    source = HERE.parent / "apps/haar/src/commands/tour/inputs/bootstrap.c"
    return program("bootstrap", source)


@pytest.fixture(scope="session")
def clients():
    """Where AWS's clients are installed."""
    return Path(os.environ["HAAR_CLIENTS"]).resolve()
