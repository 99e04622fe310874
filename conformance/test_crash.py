"""kill -9 under load, repeatedly: nothing acknowledged is lost, nothing runs without end."""

import itertools
import random
import threading
import time

from support import leaks
from support.cloud import until
from support.functions import Functions

ROUNDS = 5


def test_acknowledged_writes_survive(tmp_path, new_cloud):
    random.seed(20261123)
    cloud = new_cloud("--wait-divisor", "60", data_dir=tmp_path / "data")
    kept, numbers = {}, itertools.count()
    name = Functions(cloud).python("def handler(event, context): return event")
    for _ in range(ROUNDS):
        stop = threading.Event()

        def write():
            client = cloud.client("lambda")
            iam = cloud.client("iam")
            while not stop.is_set():
                number = next(numbers)
                try:
                    client.create_alias(FunctionName=name, Name=f"a{number}", FunctionVersion="$LATEST")
                    kept[f"a{number}"] = True
                    iam.create_user(UserName=f"u{number}")
                    kept[f"u{number}"] = True
                except Exception:  # the cloud was killed: not acknowledged
                    return

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.1, 0.6))
        cloud.kill()
        stop.set()
        for writer in writers:
            writer.join()
        cloud.start()
        aliases = names(cloud, "lambda", "list_aliases", "Aliases", "Name", FunctionName=name)
        users = names(cloud, "iam", "list_users", "Users", "UserName")
        missing = set(kept) - set(aliases) - set(users)
        assert not missing, missing
        assert len(aliases) == len(set(aliases)) and len(users) == len(set(users))
    assert len(kept) > 20
    assert Functions(cloud).invoke(name, 5).payload == 5
    cloud.stop()


def names(cloud, service, operation, items, key, **arguments):
    pages = cloud.client(service).get_paginator(operation).paginate(**arguments)
    return [item[key] for page in pages for item in page[items]]


def test_accepted_events_run_after_a_crash_and_not_for_ever(tmp_path, new_cloud):
    cloud = new_cloud("--wait-divisor", "60", data_dir=tmp_path / "data")
    functions = Functions(cloud)
    # A tag is durable when its call returns; a log line may be lost with a killed cloud.
    name = functions.python(
        """
        import json, os, time, urllib.request
        def handler(event, context):
            time.sleep(0.1)
            print("RAN", event)
            arn = context.invoked_function_arn.replace(":", "%3A")
            urllib.request.urlopen(urllib.request.Request(
                os.environ["AWS_ENDPOINT_URL"] + "/2017-03-31/tags/" + arn, method="POST",
                data=json.dumps({"Tags": {event: "ran"}}).encode()), timeout=5)
        """
    )
    accepted = []
    # More kills than an event has tries: one that a kill cuts short has not used one up.
    for round_number in range(5):
        for number in range(4):
            event = f"event-{round_number}-{number}"
            functions.invoke(name, event, InvocationType="Event")
            accepted.append(event)
        cloud.kill()
        cloud.start()
        functions = Functions(cloud)

    def ran():
        return functions.client.get_function(FunctionName=name).get("Tags", {})

    def logged():
        pages = cloud.client("logs").get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{name}", filterPattern="RAN"
        )
        return sum(len(page["events"]) for page in pages)

    until(lambda: set(accepted) - set(ran()), lambda missing: not missing, limit=60, every=0.3)
    time.sleep(2)
    settled = logged()
    time.sleep(2)
    assert logged() == settled, "events go on for ever"
    assert settled <= len(accepted) * (3 + 5)
    cloud.stop()


def test_stops_use_up_no_tries(tmp_path, new_cloud):
    cloud = new_cloud("--wait-divisor", "60", data_dir=tmp_path / "data")
    name = Functions(cloud).python(
        """
        import time
        def handler(event, context):
            print("BEGUN", flush=True)
            time.sleep(3)
            print("ENDED")
        """
    )

    def logged(word):
        logs = cloud.client("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=word)
        except logs.exceptions.ResourceNotFoundException:
            return 0
        return len(found["events"])

    Functions(cloud).invoke(name, {}, InvocationType="Event")
    for stops in range(1, 5):  # more than an event has tries
        until(lambda: logged("BEGUN"), lambda found: found == stops)
        cloud.stop()
        cloud.start()
    until(lambda: logged("ENDED"), lambda found: found == 1)
    cloud.stop()


def test_a_killed_cloud_leaves_no_orphan(tmp_path, new_cloud):
    leaks.reap()
    before = leaks.processes()
    cloud = new_cloud(data_dir=tmp_path / "data")
    functions = Functions(cloud)
    name = functions.python("import time\ndef handler(event, context): time.sleep(event)")
    functions.invoke(name, 0)
    cloud.kill()

    def orphans():
        leaks.reap()
        return leaks.processes() - before

    until(orphans, lambda found: not found, limit=20)
    cloud.start()
    assert Functions(cloud).invoke(name, 0).error is None
    cloud.stop()
    until(orphans, lambda found: not found, limit=20)


def test_code_that_a_power_cut_tore_is_unpacked_again(tmp_path, new_cloud):
    data = tmp_path / "data"
    cloud = new_cloud(data_dir=data)
    name = Functions(cloud).python("def handler(event, context): return [event]")
    assert Functions(cloud).invoke(name, 1).payload == [1]
    cloud.stop()
    # What was not flushed before the machine went down is empty, and the machine's boot another.
    files = [file for file in (data / "code").rglob("*.py")]
    assert files
    for file in files:
        file.write_bytes(b"")
    (data / "code/.boot").write_text("another boot\n")
    cloud.start()
    assert Functions(cloud).invoke(name, 2).payload == [2]
    cloud.stop()
