"""Tools that people use beside AWS's own clients, each as its manual says, where it is installed."""

import datetime
import os
import shutil
import subprocess
import urllib.request

import pytest


@pytest.fixture
def folder(tmp_path):
    """Files of several sizes, with names that have to be encoded and one time of its own."""
    made = tmp_path / "files"
    (made / "deep" / "er").mkdir(parents=True)
    for name, size in {"small": 1_000, "other": 3_000, "big": 13_000_000}.items():
        (made / name).write_bytes(os.urandom(size))
    (made / "deep/er/a b+c&d=é.txt").write_text("hé")
    (made / "deep/100% #1.txt").write_text("x")
    os.utime(made / "small", (1_577_836_800, 1_577_836_800))
    return made


@pytest.fixture
def tool(cloud, tmp_path):
    """Makes a function that runs a program and returns what it prints."""

    def make(program, *always, **environment):
        if not shutil.which(program):
            pytest.skip(f"apt-get install {program} brings it")

        def run(*arguments, sends=None, fails=False):
            done = subprocess.run(
                [program, *always, *map(str, arguments)], cwd=tmp_path, input=sends, timeout=100,
                capture_output=True, env=cloud.environment(HOME=str(tmp_path), **environment),
            )
            assert (done.returncode != 0) == fails, (arguments, done.stdout, done.stderr)
            return (done.stderr if fails else done.stdout).decode()

        return run

    return make


def same(one, other):
    return subprocess.run(["diff", "-r", one, other], capture_output=True).returncode == 0


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def test_rclone_copies_checks_syncs_and_knows_versions(tool, cloud, folder, tmp_path):
    # new buckets have their lists turned off, on AWS too: old rclones send one with each object
    settings = {
        "type": "s3", "provider": "Other", "endpoint": cloud.endpoint, "region": "us-east-1",
        "access_key_id": "test", "secret_access_key": "test", "acl": "bucket-owner-full-control",
        "bucket_acl": "private", "chunk_size": "5Mi", "upload_cutoff": "6Mi", "copy_cutoff": "6Mi",
    }
    environment = {f"RCLONE_CONFIG_HAAR_{name.upper()}": value for name, value in settings.items()}
    rclone = tool("rclone", "--retries", "1", "--config", os.devnull, **environment)
    rclone("mkdir", "haar:rclone")
    rclone("copy", folder, "haar:rclone")
    rclone("check", "--download", folder, "haar:rclone")
    listed = rclone("lsl", "haar:rclone")
    assert "2020-01-01" in listed and "deep/er/a b+c&d=é.txt" in listed
    assert rclone("sync", folder, "haar:rclone", "--dry-run", "--stats-log-level", "ERROR") == ""
    rclone("copyto", "haar:rclone/big", "haar:rclone/copies/big")
    rclone("moveto", "haar:rclone/small", "haar:rclone/moved")
    rclone("check", "--one-way", folder / "big", "haar:rclone/copies")
    assert fetch(rclone("link", "haar:rclone/other").strip()) == (folder / "other").read_bytes()
    rclone("rcat", "haar:rclone/piped", sends=os.urandom(11_000_000))
    assert "Enabled" in rclone("backend", "versioning", "haar:rclone", "Enabled")
    for text in [b"one", b"two"]:
        rclone("rcat", "haar:rclone/v.txt", sends=text)
    rclone("deletefile", "haar:rclone/v.txt")
    versions = rclone("lsf", "--files-only", "--s3-versions", "haar:rclone", "--include", "v*.txt").split()
    assert len(versions) == 2
    assert {rclone("cat", "--s3-versions", f"haar:rclone/{name}") for name in versions} == {"one", "two"}
    (folder / "other").unlink()
    rclone("sync", folder, "haar:rclone")
    rclone("copy", "haar:rclone", tmp_path / "back")
    assert same(folder, tmp_path / "back")
    rclone("backend", "cleanup-hidden", "haar:rclone")
    rclone("purge", "haar:rclone")
    assert "rclone" not in rclone("lsd", "haar:")


def test_restic_backs_up_checks_forgets_and_restores(tool, cloud, folder, tmp_path):
    restic = tool("restic", "-r", f"s3:{cloud.endpoint}/restic/some/where", RESTIC_PASSWORD="x",
                  RESTIC_CACHE_DIR=str(tmp_path / "cache"))
    restic("init")
    restic("backup", "files")
    (folder / "more").write_bytes(os.urandom(3_000_000))
    (folder / "other").unlink()
    assert "Files:           1 new" in restic("backup", "files", "--tag", "second")
    assert "no errors were found" in restic("check", "--read-data")
    assert "remove 1 snapshots" in restic("forget", "--keep-last", "1", "--prune")
    assert "no errors were found" in restic("check")
    restic("restore", "latest", "--target", "back")
    assert same(folder, tmp_path / "back/files")
    assert restic("list", "locks").strip() == ""


def test_s3cmd_syncs_and_sets_what_buckets_have(tool, cloud, folder, tmp_path):
    host = cloud.endpoint.removeprefix("http://")
    (tmp_path / "s3cfg").write_text(
        "[default]\naccess_key = test\nsecret_key = test\nuse_https = False\n"
        f"host_base = {host}\nhost_bucket = {host}\n")
    s3cmd = tool("s3cmd", "-c", tmp_path / "s3cfg", "--no-progress")
    s3 = cloud.client("s3")
    s3cmd("mb", "s3://s3cmd")
    s3cmd("sync", "--multipart-chunk-size-mb=5", "files/", "s3://s3cmd/in/")
    assert s3cmd("sync", "files/", "s3://s3cmd/in/") == ""
    listed = s3cmd("ls", "-r", "s3://s3cmd")
    assert listed.count("\n") == 5 and "s3://s3cmd/in/deep/er/a b+c&d=é.txt" in listed
    s3cmd("sync", "s3://s3cmd/in/", "back/")
    assert same(folder, tmp_path / "back")
    assert fetch(s3cmd("signurl", "s3://s3cmd/in/other", "+60").strip()) == (folder / "other").read_bytes()

    # what s3cmd copies, it gives the source's list: AWS takes lists where they are turned on
    assert "AccessControlListNotSupported" in s3cmd("setacl", "--acl-public", "s3://s3cmd/in/other", fails=True)
    s3.put_bucket_ownership_controls(Bucket="s3cmd", OwnershipControls={
        "Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.delete_public_access_block(Bucket="s3cmd")
    s3cmd("setacl", "--acl-public", "s3://s3cmd/in/other")
    assert "*anon*: READ" in s3cmd("info", "s3://s3cmd/in/other")
    s3cmd("cp", "s3://s3cmd/in/big", "s3://s3cmd/copy")
    s3cmd("mv", "s3://s3cmd/copy", "s3://s3cmd/moved")
    s3cmd("modify", "--add-header=Cache-Control:max-age=9", "s3://s3cmd/in/other")
    assert s3.head_object(Bucket="s3cmd", Key="in/other")["CacheControl"] == "max-age=9"

    s3cmd("ws-create", "s3://s3cmd", "--ws-error=oops.html")
    assert "Index document:   index.html" in s3cmd("ws-info", "s3://s3cmd")
    s3cmd("expire", "s3://s3cmd", "--expiry-days=3", "--expiry-prefix=logs/")
    assert "<Days>3</Days>" in s3cmd("getlifecycle", "s3://s3cmd")
    policy = ('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", '
              '"Action": "s3:GetObject", "Resource": "arn:aws:s3:::s3cmd/*"}]}')
    (tmp_path / "policy.json").write_text(policy)
    s3cmd("setpolicy", "policy.json", "s3://s3cmd")
    assert "s3:GetObject" in s3cmd("info", "s3://s3cmd")
    s3cmd("rb", "--recursive", "s3://s3cmd")


def test_pyarrow_writes_and_reads_parts_of_files(cloud):
    """AWS's C++ SDK is in it."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import dataset, fs, parquet

    s3 = fs.S3FileSystem(
        endpoint_override=cloud.endpoint.removeprefix("http://"), scheme="http", access_key="test",
        secret_key="test", region="us-east-1", allow_bucket_creation=True, allow_bucket_deletion=True)
    s3.create_dir("arrow/x/y")
    data = os.urandom(12_000_000)
    with s3.open_output_stream("arrow/x/y/a") as out:
        out.write(data)
    with s3.open_input_file("arrow/x/y/a") as file:
        file.seek(11_999_990)
        assert file.read() == data[-10:]
    s3.move("arrow/x/y/a", "arrow/x/b")
    kinds = {info.path: info.type for info in s3.get_file_info(["arrow/x/b", "arrow/x", "arrow/none"])}
    assert kinds == {"arrow/x/b": fs.FileType.File, "arrow/x": fs.FileType.Directory,
                     "arrow/none": fs.FileType.NotFound}
    table = pyarrow.table({"n": list(range(1_000)), "part": [n % 4 for n in range(1_000)]})
    parquet.write_to_dataset(table, "arrow/set", partition_cols=["part"], filesystem=s3)
    found = dataset.dataset("arrow/set", filesystem=s3, partitioning="hive")
    assert found.to_table(filter=dataset.field("part") == 2).num_rows == 250
    s3.delete_dir("arrow")


def test_pynamodb_keeps_models(cloud):
    pytest.importorskip("pynamodb")
    from pynamodb import attributes as has, exceptions
    from pynamodb.connection import Connection
    from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
    from pynamodb.models import Model
    from pynamodb.transactions import TransactWrite

    at = {"host": cloud.endpoint, "region": "us-east-1",
          "aws_access_key_id": "test", "aws_secret_access_key": "test"}

    class ByMail(GlobalSecondaryIndex):
        Meta = type("Meta", (), {"index_name": "by_mail", "projection": AllProjection(),
                                 "read_capacity_units": 1, "write_capacity_units": 1})
        mail = has.UnicodeAttribute(hash_key=True)

    class User(Model):
        Meta = type("Meta", (), {**at, "table_name": "users", "read_capacity_units": 50,
                                 "write_capacity_units": 100})
        org = has.UnicodeAttribute(hash_key=True)
        name = has.UnicodeAttribute(range_key=True)
        mail = has.UnicodeAttribute(null=True)
        age = has.NumberAttribute(default=0)
        tags = has.UnicodeSetAttribute(null=True)
        ends = has.TTLAttribute(null=True)
        version = has.VersionAttribute()
        by_mail = ByMail()

    User.create_table(wait=True)
    dynamodb = cloud.client("dynamodb")
    life = dynamodb.describe_time_to_live(TableName="users")["TimeToLiveDescription"]
    assert life == {"AttributeName": "ends", "TimeToLiveStatus": "ENABLED"}
    ann = User("o", "ann", mail="a@x", age=30, tags={"a"}, ends=datetime.timedelta(days=1))
    ann.save()
    stale = User.get("o", "ann")
    ann.update(actions=[User.age.add(5), User.tags.add({"b"})], condition=User.age == 30)
    assert (ann.age, ann.tags, ann.version) == (35, {"a", "b"}, 2)
    with pytest.raises(exceptions.PutError) as refused:
        stale.save()
    assert refused.value.cause_response_code == "ConditionalCheckFailedException"
    with User.batch_write() as batch:
        for n in range(60):
            batch.save(User("o", f"u{n:02}", mail=f"m{n % 3}", age=n))
    found = User.query("o", User.name.between("u10", "u19"), User.age > 12, page_size=2)
    assert [user.age for user in found] == list(range(13, 20))
    assert User.by_mail.count("m1") == 20 and User.count("o") == 61
    assert len(list(User.batch_get([("o", f"u{n:02}") for n in range(60)]))) == 60
    connection = Connection(region="us-east-1", host=cloud.endpoint)
    connection.session.set_credentials("test", "test")
    writing = TransactWrite(connection=connection)
    with pytest.raises(exceptions.TransactWriteError) as refused, writing as write:
        write.condition_check(User, "o", "u03", condition=User.age.does_not_exist())
        write.save(User("o", "tx"))
    assert [each and each.code for each in refused.value.cancellation_reasons] == \
        ["ConditionalCheckFailed", None]
    assert User.count("o", User.name == "tx") == 0
    User.delete_table()


def test_kombu_hands_on_messages_by_queues(cloud):
    """The transport under Celery."""
    kombu = pytest.importorskip("kombu")
    host = cloud.endpoint.removeprefix("http://")
    options = {"region": "us-east-1", "is_secure": False, "wait_time_seconds": 1,
               "polling_interval": 0, "queue_name_prefix": "kombu-"}
    with kombu.Connection(f"sqs://test:test@{host}//", transport_options=options) as connection:
        got = []

        def take(body, message):
            got.append(body["n"])
            message.ack()

        for name, more in {"jobs": {}, "jobs.fifo": {"MessageGroupId": "g"}}.items():
            queue = kombu.Queue(name, kombu.Exchange("exchange"), routing_key=name)
            with connection.Producer() as producer:
                for n in range(12):
                    own = {**more, "MessageDeduplicationId": str(n)} if more else {}
                    producer.publish({"n": n, "é": "ü"}, exchange=queue.exchange, routing_key=name,
                                     declare=[queue], serializer="json", **own)
            got.clear()
            with connection.Consumer(queue, callbacks=[take]):
                while len(got) < 12:
                    connection.drain_events(timeout=20)
            assert sorted(got) == list(range(12)) and (not more or got == sorted(got))
    waiting = cloud.client("sqs").list_queues(QueueNamePrefix="kombu-")["QueueUrls"]
    assert len(waiting) == 2
