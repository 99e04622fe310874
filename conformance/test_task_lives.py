"""How tasks' containers begin, end, begin again and write, with real programs."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.cloud import until
from support.containers import Containers

WAIT = "trap 'exit 0' TERM; while :; do busybox sleep 0.05; done"


@pytest.fixture(scope="module")
def containers(cloud):
    made = Containers(cloud)
    made.ecs.create_cluster()
    made.push()
    return made


def define(containers, family, *more, volumes=(), **task):
    """A definition of several containers of the same image, which all have logs."""
    logs = {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/ecs/" + family,
            "awslogs-region": "us-east-1",
            "awslogs-stream-prefix": "run",
            "awslogs-create-group": "true",
        },
    }
    usual = {"image": containers.image, "logConfiguration": logs}
    made = []
    for one in more:
        script = one.pop("script")
        made.append({**usual, "command": ["/bin/sh", "-c", script], **one})
    containers.ecs.register_task_definition(
        family=family,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn="arn:aws:iam::000000000000:role/ecs",
        containerDefinitions=made,
        volumes=list(volumes),
        **task,
    )


def lines(containers, family, name, arn):
    found = containers.logs.get_log_events(
        logGroupName="/ecs/" + family,
        logStreamName=f"run/{name}/{arn.rsplit('/', 1)[1]}",
        startFromHead=True,
    )
    return [event["message"] for event in found["events"]]


def named(task, name):
    return next(one for one in task["containers"] if one["name"] == name)


def test_a_restart_policy_begins_again_what_ran_for_long_enough(containers):
    """The shortest period is a minute: three tasks live through it side by side."""
    policy = {"enabled": True, "restartAttemptPeriod": 60}
    late = "echo run; busybox sleep 62; exit "
    containers.define("again", late + "3", restartPolicy=policy, stopTimeout=2)
    containers.define("ignored", late + "7", restartPolicy={**policy, "ignoredExitCodes": [7]})
    containers.define("early", "echo run; busybox sleep 1; exit 3", restartPolicy=policy)
    again, ignored, early = (containers.run(name) for name in ("again", "ignored", "early"))
    task = containers.wait(early, "STOPPED")
    assert task["containers"][0]["exitCode"] == 3
    assert containers.lines("early", early) == ["run"]
    until(lambda: containers.lines("again", again), lambda found: found == ["run"] * 2, limit=90)
    task = containers.task(again)
    assert task["lastStatus"] == task["containers"][0]["lastStatus"] == "RUNNING"
    task = containers.wait(ignored, "STOPPED")
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["containers"][0]["exitCode"] == 7
    assert containers.lines("ignored", ignored) == ["run"]
    containers.ecs.stop_task(task=again)
    containers.wait(again, "STOPPED")


def test_a_container_has_the_volumes_of_another(containers):
    mounts = [{"sourceVolume": "shared", "containerPath": "/shared"}]
    define(
        containers,
        "borrowed",
        {"name": "owner", "script": "echo mine > /shared/file; " + WAIT, "mountPoints": mounts},
        {
            "name": "guest",
            "script": "until test -e /shared/file; do busybox sleep 0.05; done; "
            "busybox cat /shared/file; echo yours >> /shared/file || echo refused; exit 0",
            "volumesFrom": [{"sourceContainer": "owner", "readOnly": True}],
            "dependsOn": [{"containerName": "owner", "condition": "START"}],
        },
        volumes=[{"name": "shared"}],
    )
    arn = containers.run("borrowed")
    containers.wait(arn, "STOPPED")
    found = lines(containers, "borrowed", "guest", arn)
    assert found[0] == "mine" and "refused" in found, found


def test_a_container_waits_until_another_is_healthy(containers):
    check = {"command": ["CMD-SHELL", "test -e /ready"], "interval": 5, "retries": 10}
    define(
        containers,
        "healthy",
        {
            "name": "server",
            "script": f"busybox sleep 3; echo up; echo yes > /ready; {WAIT}",
            "healthCheck": check,
        },
        {
            "name": "client",
            "script": "echo begun; exit 0",
            "dependsOn": [{"containerName": "server", "condition": "HEALTHY"}],
        },
    )
    arn = containers.run("healthy")
    task = containers.wait(arn, "STOPPED")
    assert named(task, "client")["exitCode"] == 0
    assert named(task, "server")["healthStatus"] == "HEALTHY"
    stamps = {}
    for name in ("server", "client"):
        found = containers.logs.get_log_events(
            logGroupName="/ecs/healthy",
            logStreamName=f"run/{name}/{arn.rsplit('/', 1)[1]}",
            startFromHead=True,
        )
        stamps[name] = found["events"][0]["timestamp"]
    assert stamps["client"] >= stamps["server"]


def test_a_program_that_ignores_its_stop_signal_is_killed_after_its_timeout(containers):
    deaf = "trap '' TERM; echo up; while :; do busybox sleep 0.05; done"
    containers.define("deaf", deaf, stopTimeout=3)
    arn = containers.run("deaf")
    until(lambda: containers.task(arn)["lastStatus"] == "RUNNING")
    until(lambda: containers.lines("deaf", arn) == ["up"])
    begun = time.monotonic()
    containers.ecs.stop_task(task=arn)
    task = containers.wait(arn, "STOPPED")
    took = time.monotonic() - begun
    assert 3 <= took < 20, took
    assert task["containers"][0]["exitCode"] == 137
    assert (task["executionStoppedAt"] - task["stoppingAt"]).total_seconds() >= 2.9


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
def test_logs_are_whole_or_bounded_as_their_mode_says(containers, mode):
    """Some 6 MB at once: all of it arrives, or what a buffer of 64 KiB holds and not less."""
    family = "much-" + mode
    options = {
        "awslogs-group": "/ecs/" + family,
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "run",
        "awslogs-create-group": "true",
        "mode": mode,
    }
    if mode == "non-blocking":
        options["max-buffer-size"] = "64k"
    count = 60_000
    script = f"""busybox awk 'BEGIN {{ for (i = 1; i <= {count}; i++) printf "%0100d\\n", i }}'
        busybox sleep 2"""
    logs = {"logDriver": "awslogs", "options": options}
    containers.define(family, script, logConfiguration=logs)
    arn = containers.run(family)
    task = containers.wait(arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 0

    stream = "run/web/" + arn.rsplit("/", 1)[1]
    numbers, token = [], {}
    while True:
        page = containers.logs.get_log_events(
            logGroupName="/ecs/" + family, logStreamName=stream, startFromHead=True, **token
        )
        if not page["events"]:
            break
        numbers += [int(event["message"]) for event in page["events"] if len(event["message"]) == 100]
        token = {"nextToken": page["nextForwardToken"]}
    assert numbers == sorted(set(numbers)), "in order, and none twice"
    assert numbers[-1] == count
    if mode == "blocking":
        assert len(numbers) == count
    else:
        assert len(numbers) >= 600


def test_a_task_sees_and_asks_for_its_own_protection(containers):
    script = """ask() {
            printf "$1 ${ECS_AGENT_URI#http://169.254.170.2}/task-protection/v1/state HTTP/1.0\\r\\n"
            printf "Content-Length: ${#2}\\r\\n\\r\\n$2"
        }
        send() { ask "$@" | busybox nc -w 5 169.254.170.2 80 | busybox tail -n 1; echo; }
        send GET ''
        send PUT '{"ProtectionEnabled":true,"ExpiresInMinutes":5}'
        send GET ''
        send PUT '{"ExpiresInMinutes":5}'
        send PUT 'nonsense'
        send PUT '{"protectionEnabled":true,"EXPIRESINMINUTES":7}'
        send PUT '{"ProtectionEnabled":true,"Until":7}'
        busybox sleep 1000"""
    containers.define("guarded", script, stopTimeout=2)
    containers.create("guarded", "guarded", 1)
    containers.is_stable("guarded", 1)
    [arn] = containers.ecs.list_tasks(serviceName="guarded")["taskArns"]
    found = until(lambda: containers.lines("guarded", arn), lambda found: len(found) >= 7)
    found = [line for line in found if line]
    assert '"ProtectionEnabled":false' in found[0] and arn in found[0]
    assert '"ProtectionEnabled":true' in found[1] and '"ExpirationDate":"' in found[1]
    assert '"ProtectionEnabled":true' in found[2]
    assert "does not contain 'ProtectionEnabled' field" in found[3]
    assert "UpdateTaskProtection: failed to decode request" in found[4]
    assert '"ProtectionEnabled":true' in found[5], "names count whatever their case"
    assert "UpdateTaskProtection: failed to decode request" in found[6]
    told = containers.ecs.get_task_protection(cluster="default", tasks=[arn])
    assert told["protectedTasks"][0]["protectionEnabled"] is True
    containers.ecs.update_task_protection(cluster="default", tasks=[arn], protectionEnabled=False)
    containers.delete("guarded")


def test_a_user_that_there_cannot_be_is_told(containers):
    containers.define("nobody", "true", user="-1")
    task = containers.wait(containers.run("nobody"), "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    reason = task["containers"][0]["reason"]
    assert reason.startswith("CannotStartContainerError: "), reason
    assert "uids and gids must be in range 0-2147483647" in reason


@pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="there are no loop devices")
def test_each_mount_is_as_large_as_the_task_asked_for(containers):
    define(
        containers,
        "wide",
        {
            "name": "web",
            "script": "busybox df -kP / /data | busybox awk '{print $2}'",
            "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
        },
        volumes=[{"name": "data"}],
        ephemeralStorage={"sizeInGiB": 30},
    )
    arn = containers.run("wide")
    containers.wait(arn, "STOPPED")
    sizes = [int(line) / (1 << 20) for line in lines(containers, "wide", "web", arn)[1:]]
    assert len(sizes) == 2 and all(29 < size < 31 for size in sizes), sizes


def helper_of(cloud):
    """The process that everything of a cloud runs below."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if b"spawnd" in words and parent == cloud.process.pid:
            return int(folder.name)
    raise AssertionError("there is no helper")


def test_tasks_end_at_once_with_their_helper(new_cloud):
    containers = Containers(new_cloud())
    containers.ecs.create_cluster()
    containers.push()
    containers.define("lost", "while :; do echo on; busybox sleep 0.1; done")
    arn = containers.run("lost")
    containers.wait(arn, "RUNNING")
    begun = time.monotonic()
    os.kill(helper_of(containers.cloud), signal.SIGKILL)
    task = containers.wait(arn, "STOPPED")
    assert time.monotonic() - begun < 5
    assert task["stopCode"] == "TerminationNotice"
    assert task["stoppedReason"] == "Task stopped because its host failed."
    assert task["containers"][0]["reason"].startswith("HostFailure: ")
    containers.wait(containers.run("lost"), "RUNNING")


def test_a_task_that_ended_while_haar_was_away_says_when(new_cloud, tmp_path):
    cloud = new_cloud(data_dir=tmp_path / "data")
    containers = Containers(cloud)
    containers.ecs.create_cluster()
    containers.push()
    containers.define("away", "echo up; busybox sleep 3; exit 4")
    arn = containers.run("away")
    containers.wait(arn, "RUNNING")
    cloud.kill()
    time.sleep(7)
    back = datetime.now(UTC)
    cloud.listen = f"127.0.0.1:{cloud.port}"
    cloud.start()
    task = containers.wait(arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 4
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["executionStoppedAt"] == task["stoppedAt"]
    assert 2.5 < (task["stoppedAt"] - task["startedAt"]).total_seconds() < 6
    assert (back - task["stoppedAt"]).total_seconds() > 1
    assert containers.lines("away", arn) == ["up"]
