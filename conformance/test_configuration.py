"""Versions, aliases, layers, environment, /tmp, /var/task, runtimes."""

import json
from collections import Counter

import pytest
from botocore.exceptions import ClientError

from support.cloud import until
from support.functions import PYTHON, zipped

ANSWER = "def handler(event, context): return {answer!r}"


def code_of(answer):
    return zipped({"app.py": ANSWER.format(answer=answer)})


def test_versions_and_aliases_pick_what_runs(functions):
    client = functions.client
    name = functions.python(ANSWER.format(answer="one"))
    first = client.publish_version(FunctionName=name, Description="the first")
    assert first["Version"] == "1"
    assert client.publish_version(FunctionName=name)["Version"] == "1", "nothing changed"
    client.update_function_code(FunctionName=name, ZipFile=code_of("two"))
    functions.wait(name)
    assert client.publish_version(FunctionName=name)["Version"] == "2"

    alias = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert alias["AliasArn"].endswith(f":function:{name}:live")
    assert functions.invoke(name, Qualifier="live").payload == "one"
    assert functions.invoke(name, Qualifier="2").payload == "two"
    assert functions.invoke(f"{name}:1").version == "1"
    assert functions.invoke(name).payload == "two"

    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    client.update_alias(FunctionName=name, Name="live", RoutingConfig=weights)
    seen = Counter(functions.invoke(name, Qualifier="live").version for _ in range(40))
    assert set(seen) == {"1", "2"}, seen

    listed = client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "1", "2"]
    with pytest.raises(ClientError) as refused:
        functions.invoke(name, Qualifier="9")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_layers_environment_and_folders(functions):
    client = functions.client
    layer = client.publish_layer_version(
        LayerName="words",
        Content={"ZipFile": zipped({"python/words.py": "WORD = 'from a layer'", "data/x.txt": "x"})},
        CompatibleRuntimes=[PYTHON],
    )
    assert layer["Version"] == 1
    name = functions.python(
        """
        import os, shutil
        import words
        def writable(path):
            try:
                open(os.path.join(path, "probe"), "w").close()
                return True
            except OSError:
                return False
        def handler(event, context):
            return {
                "word": words.WORD,
                "opt": os.path.exists("/opt/data/x.txt"),
                "color": os.environ["COLOR"],
                "task": [os.getcwd(), writable("/var/task")],
                "tmp": [writable("/tmp"), shutil.disk_usage("/tmp").free >> 20],
                "etc": writable("/etc"),
            }
        """,
        Layers=[layer["LayerVersionArn"]],
        Environment={"Variables": {"COLOR": "blue"}},
        EphemeralStorage={"Size": 600},
    )
    found = functions.invoke(name).payload
    assert found["word"] == "from a layer" and found["opt"]
    assert found["color"] == "blue"
    assert found["task"] == ["/var/task", False]
    assert found["tmp"][0] and 600 <= found["tmp"][1] <= 620
    assert found["etc"] is False

    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOR": "green"}}
    )
    functions.wait(name)
    assert functions.invoke(name).payload["color"] == "green"


def test_a_function_runs_apart(functions):
    name = functions.python(
        """
        import os, socket
        def handler(event, context):
            status = open("/proc/self/status").read()
            field = lambda name: status.split(name + ":")[1].split()[0]
            return {
                "pids": len([p for p in os.listdir("/proc") if p.isdigit()]),
                "uid": os.getuid(),
                "capabilities": field("CapEff"),
                "no_new_privs": field("NoNewPrivs"),
                "seccomp": field("Seccomp"),
                "interfaces": [name for _, name in socket.if_nameindex()],
                "host": os.path.exists(event),
            }
        """
    )
    found = functions.invoke(name, __file__).payload
    assert found["pids"] < 10
    assert found["uid"] != 0
    assert int(found["capabilities"], 16) == 0
    assert found["no_new_privs"] == "1" and found["seccomp"] == "2"
    assert not found["host"]


def test_a_runtime_without_an_interpreter_says_what_to_install(functions, clients):
    listed = json.loads(run_haar("--json", "runtimes"))
    absent = [row["runtime"] for row in listed if not row["usable"]]
    assert "dotnet8" in absent
    name = functions.create({"app.x": "x"}, "dotnet8", "app.handler")
    with pytest.raises(functions.client.exceptions.InvalidRuntimeException) as error:
        functions.invoke(name)
    assert "Install" in error.value.response["Error"]["Message"]


def run_haar(*arguments):
    import subprocess

    from support.cloud import BINARY

    return subprocess.run([BINARY, *arguments], check=True, capture_output=True, text=True).stdout


def test_an_unknown_runtime_is_refused_with_those_there_are(functions):
    client = functions.client
    name = functions.python(ANSWER.format(answer=1))
    for refused in (
        lambda: functions.create({"app.py": "x"}, "cobol85", "app.handler", wait=False),
        lambda: client.update_function_configuration(FunctionName=name, Runtime="cobol85"),
    ):
        with pytest.raises(client.exceptions.InvalidParameterValueException) as error:
            refused()
        message = error.value.response["Error"]["Message"]
        assert message.startswith(
            "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
        )
        assert "python3.13, " in message and message.endswith("] or be a valid ARN")
    with pytest.raises(client.exceptions.InvalidParameterValueException) as error:
        client.update_function_configuration(FunctionName=name, Runtime="python2.7")
    assert "The runtime parameter of python2.7 is no longer supported" in str(error.value)


def test_tags_and_settings_are_kept(functions):
    client = functions.client
    name = functions.python(ANSWER.format(answer=1), Tags={"team": "a"}, Description="d")
    found = client.get_function(FunctionName=name)
    assert found["Tags"] == {"team": "a"}
    assert found["Configuration"]["Description"] == "d"
    arn = found["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"stage": "test"})
    client.untag_resource(Resource=arn, TagKeys=["team"])
    assert client.list_tags(Resource=arn)["Tags"] == {"stage": "test"}
    client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    client.delete_function(FunctionName=name)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=name)


def test_json_logs_and_levels(functions, cloud):
    name = functions.python(
        """
        import logging
        def handler(event, context):
            logging.getLogger().info("quiet")
            logging.getLogger().error("loud")
        """,
        LoggingConfig={
            "LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "INFO",
            "LogGroup": "/custom/group",
        },
    )
    tail = functions.invoke(name).tail
    lines = [json.loads(line) for line in tail.splitlines() if line.startswith("{")]
    assert any(line.get("type") == "platform.report" for line in lines), tail
    text = " ".join(json.dumps(line) for line in lines)
    assert "loud" in text and "quiet" not in text

    def written():
        logs = cloud.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix="/custom/")["logGroups"]
        if not groups:
            return []
        found = logs.filter_log_events(logGroupName="/custom/group")["events"]
        return [event["message"] for event in found]

    until(written, lambda lines: any("loud" in line for line in lines))
