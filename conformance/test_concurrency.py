"""Many at once: environments, throttles, provisioned ones, code that changes under load."""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.cloud import BINARY, until
from support.functions import Functions, zipped

WHO = """
    import os, time, uuid
    ME = str(uuid.uuid4())
    def handler(event, context):
        time.sleep(event)
        return ME
"""


def test_one_environment_serves_one_call_at_a_time(functions):
    name = functions.python(WHO)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: functions.invoke(name, 0.5).payload, range(8)))
    assert len(set(together)) == 8
    again = {functions.invoke(name, 0).payload for _ in range(4)}
    assert again <= set(together)


def test_calls_beyond_the_reserve_are_throttled(functions):
    client = functions.client
    name = functions.python(WHO)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    refused = []

    def call(_):
        try:
            return functions.invoke(name, 1).payload
        except client.exceptions.TooManyRequestsException as error:
            refused.append(error.response)

    with ThreadPoolExecutor(6) as pool:
        answers = [answer for answer in pool.map(call, range(6)) if answer]
    assert len(answers) + len(refused) == 6 and len(set(answers)) <= 2 and refused
    assert refused[0]["Error"]["Code"] == "TooManyRequestsException"
    assert refused[0]["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refused[0]["ResponseMetadata"]["HTTPStatusCode"] == 429

    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        functions.invoke(name, 0)
    client.delete_function_concurrency(FunctionName=name)
    assert functions.invoke(name, 0).payload


def test_provisioned_environments_are_warm_and_paid_for(functions, cloud):
    client = functions.client
    name = functions.python(WHO)
    version = client.publish_version(FunctionName=name)["Version"]
    wanted = {"FunctionName": name, "Qualifier": version}
    client.put_provisioned_concurrency_config(**wanted, ProvisionedConcurrentExecutions=2)

    def config():
        return client.get_provisioned_concurrency_config(**wanted)

    ready = until(config, lambda found: found["Status"] == "READY")
    assert ready["AllocatedProvisionedConcurrentExecutions"] == 2
    heard = functions.invoke(name, 0, Qualifier=version)
    assert "Init Duration" not in heard.tail
    client.delete_provisioned_concurrency_config(**wanted)

    def held():
        accounts = cloud.page("GET", "/_haar/cost")["accounts"]
        rows = [row for account in accounts for row in account["functions"]]
        return [row["provisionedGbSeconds"] for row in rows if row["function"] == name]

    # 2 environments of 256 MB, and what is begun of five minutes is paid for
    found = until(held, lambda found: found and found[0])
    assert found == [{"x86_64": 2 * 256 / 1024 * 300}]


def test_new_code_under_load_drops_no_request(functions):
    client = functions.client
    code = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n    return {version}\n"
    name = functions.python(code.format(version=0))
    answers, failures, done = [], [], threading.Event()

    def load():
        while not done.is_set():
            try:
                heard = functions.invoke(name)
                (failures if heard.error else answers).append(heard.payload)
            except Exception as error:  # whatever it is, it is a dropped request
                failures.append(error)

    callers = [threading.Thread(target=load) for _ in range(4)]
    for caller in callers:
        caller.start()
    for version in range(1, 6):
        archive = zipped({"app.py": code.format(version=version)})
        client.update_function_code(FunctionName=name, ZipFile=archive)
        functions.wait(name)
        until(lambda: version in answers, limit=15)
    done.set()
    for caller in callers:
        caller.join()
    assert not failures, failures[:3]
    assert functions.invoke(name).payload == 5


def test_many_functions_at_once(functions):
    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(lambda n: functions.python(f"def handler(e, c): return {n}"), range(40)))
        heard = list(pool.map(functions.invoke, names))
    assert [one.payload for one in heard] == list(range(40))
    for name in names:
        functions.client.delete_function(FunctionName=name)


def test_a_stop_under_load_answers_what_was_accepted(new_cloud):
    from support.functions import Functions

    cloud = new_cloud()
    functions = Functions(cloud)
    name = functions.python(WHO)
    functions.invoke(name, 0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.invoke, name, 1)
        time.sleep(0.3)
        cloud.stop()
        assert running.result().payload


def test_an_operator_may_give_an_account_less(new_cloud):
    account = "111122223333"
    cloud = new_cloud("--quota", f"{account}/lambda/L-B99A9384=101", "--quota", "lambda/L-B99A9384=500")
    limits = {
        key: cloud.client("lambda", key=key).get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        for key in ("test", account)
    }
    assert limits == {"test": 500, account: 101}
    functions = Functions(cloud, cloud.client("lambda", key=account))
    name = functions.python("def handler(event, context): return 1", Role=f"arn:aws:iam::{account}:role/r")
    reserve = functions.client.put_function_concurrency
    assert reserve(FunctionName=name, ReservedConcurrentExecutions=1)["ReservedConcurrentExecutions"] == 1
    with pytest.raises(functions.client.exceptions.InvalidParameterValueException, match="below its minimum value"):
        reserve(FunctionName=name, ReservedConcurrentExecutions=2)


def test_a_quota_that_cannot_be_read_is_told(tmp_path):
    command = [BINARY, "up", "--ephemeral", "--listen", "127.0.0.1:0", "--quota", "lambda=5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "is not [ACCOUNT/][REGION/]SERVICE/CODE=VALUE" in done.stderr
