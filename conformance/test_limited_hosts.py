"""Hosts where haar may do less: what works must work, and what cannot must say what is missing."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import botocore.exceptions
import pytest

from support.cloud import BINARY
from support.containers import Containers
from support.functions import Functions

NOBODY = 65534
#: Who haar runs as, and what he hears about functions and tasks.
KINDS = {
    "nobody": (
        [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"],
        "functions and tasks need root: run haar with sudo",
    ),
    "root without SYS_ADMIN": (
        ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"],
        "here it lacks SYS_ADMIN",
    ),
    "root without NET_ADMIN": (
        ["--bounding-set=-net_admin", "--inh-caps=-net_admin"],
        "give haar the capability NET_ADMIN",
    ),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def home():
    """A folder that anybody may go through, with the binary in it."""
    made = Path(tempfile.mkdtemp(prefix="haar-conformance-limited-", dir="/tmp"))
    made.chmod(0o755)
    shutil.copy(shutil.which(BINARY), made / "haar")
    data = made / "data"
    data.mkdir()
    yield made
    shutil.rmtree(made)


def records_work(cloud):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="records")
    s3.put_object(Bucket="records", Key="k", Body=b"x" * 100_000)
    assert len(s3.get_object(Bucket="records", Key="k")["Body"].read()) == 100_000
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="records")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert message["Body"] == "hello"
    table = cloud.client("dynamodb")
    table.create_table(
        TableName="records",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.get_waiter("table_exists").wait(TableName="records", WaiterConfig={"Delay": 1})
    table.put_item(TableName="records", Item={"id": {"S": "one"}})
    assert table.get_item(TableName="records", Key={"id": {"S": "one"}})["Item"]
    cloud.client("iam").create_user(UserName="somebody")


@pytest.mark.parametrize("kind", KINDS)
def test_records_work_and_what_cannot_run_says_why(kind, home, new_cloud):
    flags, why = KINDS[kind]
    if kind == "nobody":
        os.chown(home / "data", NOBODY, NOBODY)
    before = ["setpriv", *flags, str(home / "haar")]
    doctor = subprocess.run([*before, "doctor"], capture_output=True, text=True, timeout=60)
    assert why in doctor.stdout
    assert (doctor.returncode == 0) == (kind == "root without NET_ADMIN"), doctor.stderr

    cloud = new_cloud(data_dir=home / "data", before=before)
    assert why in "".join(cloud.output), "it is said at the start"
    records_work(cloud)

    functions = Functions(cloud)
    name = functions.python("def handler(event, context): return 1")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        functions.invoke(name)
    assert why in refused.value.response["Error"]["Message"]

    containers = Containers(cloud)
    containers.ecs.create_cluster()
    containers.push()
    containers.define("limited", "echo hello")
    task = containers.wait(containers.run("limited"), "STOPPED")
    assert why in task["stoppedReason"], task
    records = cloud.client("s3").list_objects_v2(Bucket="records")
    assert records["KeyCount"] == 1, "nothing of this harms what works"
