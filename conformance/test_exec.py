"""ECS Exec: commands in containers that run, over AWS's data channel and by `haar exec`."""

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pytest

from support.cloud import BINARY, until
from support.containers import Containers
from support.data_channel import FLAG, DataChannel, pack
from support.policies import allow, refusal

SLEEP = "trap 'exit 0' TERM; while true; do busybox sleep 0.1; done"


class Shells(Containers):
    """A task whose containers commands may be executed in."""

    def __init__(self, cloud):
        super().__init__(cloud)
        self.ecs.create_cluster()
        self.push()
        self.define("shell", SLEEP, user="1000", environment=[{"name": "COLOR", "value": "red"}])
        self.task_arn = self.run("shell", enableExecuteCommand=True)
        self.wait(self.task_arn, "RUNNING")

    def offer(self, command="/bin/sh", **more):
        return self.ecs.execute_command(
            **{"task": self.task_arn, "command": command, "interactive": True, **more}
        )

    def open(self, command="/bin/sh", **more):
        return DataChannel(self.offer(command)["session"], **more)

    def processes(self):
        """All that runs in the container."""
        with self.open("busybox ps") as channel:
            return channel.begin(columns=300).end().screen.decode()


@pytest.fixture(scope="module")
def shells(cloud):
    made = Shells(cloud)
    yield made
    made.ecs.stop_task(task=made.task_arn)
    made.wait(made.task_arn, "STOPPED")


@pytest.fixture
def haar(cloud, shells):
    """`haar exec` in the task."""

    def run(*command, task=shells.task_arn, options=(), **more):
        return subprocess.run(
            [BINARY, "exec", "--endpoint", cloud.endpoint, *options, task, *command],
            capture_output=True, timeout=60, **more,
        )

    return run


def test_a_session_is_offered_and_the_agent_is_shown(shells, cloud):
    offered = shells.offer()
    task = shells.task(shells.task_arn)
    container = task["containers"][0]
    agent = container["managedAgents"][0]
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    assert agent["lastStartedAt"]
    assert offered["taskArn"] == shells.task_arn and offered["clusterArn"] == task["clusterArn"]
    assert offered["containerArn"] == container["containerArn"]
    assert (offered["containerName"], offered["interactive"]) == ("web", True)
    session = offered["session"]
    assert session["sessionId"].startswith("ecs-execute-command-")
    place = f"ws://127.0.0.1:{cloud.port}/v1/data-channel/{session['sessionId']}"
    assert session["streamUrl"] == f"{place}?role=publish_subscribe"
    assert len(session["tokenValue"]) >= 32


def test_a_shell_echoes_knows_its_window_and_is_interrupted(shells):
    with shells.open() as channel:
        channel.begin(columns=97, rows=31)
        channel.type("busybox stty size; busybox id -u; echo $COLOR-$TERM\r")
        channel.shows("31 97\r\n0\r\nred-xterm-256color\r\n")
        channel.size(120, 40)
        channel.type("busybox stty size\r")
        channel.shows("40 120\r\n")
        channel.type("busybox sleep 1000; echo after-$?\r")
        channel.shows("sleep 1000")
        until(lambda: "sleep 1000" in shells.processes())
        channel.type("\x03")
        channel.type("echo still-$((40+2))\r")
        channel.shows("still-42")
        channel.type("exit\r")
        channel.end()
        assert channel.closed["SessionId"] == channel.session["sessionId"]
        assert channel.closed["Output"] == ""
        assert channel.closed["MessageType"] == "channel_closed"
        assert channel.acknowledged == set(range(channel.sent))
        assert channel.seen[0] == ("start_publication", 0, 17)
        # what AWS's client would print is not sent to it
        assert {seen[2] for seen in channel.seen if seen[0] == "output_stream_data"} == {1, 5, 7}
    assert "sleep 1000" not in shells.processes()


def test_a_command_is_split_into_words_and_its_output_is_whole(shells):
    with shells.open("""busybox printf '%s|' 'a b' "c\\"d" e\\ f""") as channel:
        assert channel.begin().end().screen == b"""a b|c"d|e f|"""
    with shells.open("busybox seq 1 20000") as channel:
        lines = channel.begin().end().screen.decode().split()
        assert lines == [str(number) for number in range(1, 20001)]


def test_what_is_not_acknowledged_is_sent_again(shells):
    with shells.open(acknowledges=False) as channel:
        channel.until(lambda: len(channel.seen) > 1)
        first = [seen for seen in channel.seen if seen[2] == 5]
        channel.until(lambda: channel.seen.count(first[0]) > 2)
        channel.acknowledges = True
        channel.begin()
        # out of turn, twice, and junk: each is typed once and in its turn
        late, early = channel.sent, channel.sent + 1
        text = {late: b"echo one", early: b"-two\r"}
        for number in (early, early, late, late):
            channel.socket.send(pack("input_stream_data", number, 1, text[number]))
        channel.socket.send(b"junk")
        channel.socket.send(pack("input_stream_data", early + 1, 1, b"x")[:-1])
        channel.sent += 2
        channel.shows("\r\none-two\r\n")
        channel.type("exit\r")
        channel.end()


def test_a_client_that_goes_takes_its_command_along(shells):
    with shells.open("busybox sleep 4321") as channel:
        channel.begin()
        until(lambda: "sleep 4321" in shells.processes())
        channel.socket.socket.close()
    until(lambda: "sleep 4321" not in shells.processes())
    with shells.open("busybox sleep 1234") as channel:
        channel.begin()
        channel.say(FLAG, struct.pack(">I", 2))
        assert channel.end().closed["Output"] == ""
    assert "sleep 1234" not in shells.processes()


def test_a_command_that_cannot_start_says_why(shells):
    with shells.open("/bin/bash -l") as channel:
        output = channel.begin().end().closed["Output"]
    assert "Unable to start command: Failed to start pty: fork/exec /bin/bash: " in output
    assert "no such file or directory" in output.lower()
    with shells.open("nothing") as channel:
        output = channel.begin().end().closed["Output"]
    assert 'exec: "nothing": executable file not found in $PATH' in output


def test_a_token_is_good_once_and_only_for_its_session(shells, cloud):
    session, other = shells.offer()["session"], shells.offer()["session"]
    with DataChannel(session, token=other["tokenValue"]) as channel:
        assert not channel.step()
    with DataChannel(session) as channel:
        channel.begin()
        with pytest.raises(Exception, match="404"):
            DataChannel(session)
        channel.type("exit\r")
        channel.end()
    status, _, _ = cloud.http("GET", "/v1/data-channel/ecs-execute-command-0?role=publish_subscribe")
    assert status == 404
    status, _, _ = cloud.http("GET", f"/v1/data-channel/{other['sessionId']}")
    assert status == 400


def test_what_cannot_be_executed_is_refused(shells):
    def refused(**more):
        code, message, _ = refusal(lambda: shells.offer(**more))
        return code, message

    assert refused(interactive=False)[0] == "InvalidParameterException"
    assert refused(command="sh 'open")[0] == "InvalidParameterException"
    code, message = refused(container="other")
    assert code == "InvalidParameterException" and "other" in message
    assert refused(cluster="nowhere")[0] == "ClusterNotFoundException"
    code, message = refused(task="0" * 32)
    assert (code, message) == ("InvalidParameterException", "The referenced task was not found.")
    closed = shells.run("shell")
    shells.wait(closed, "RUNNING")
    assert "managedAgents" not in shells.task(closed)["containers"][0]
    code, message = refused(task=closed)
    assert code == "InvalidParameterException"
    assert message.startswith("The execute command failed because execute command was not enabled")
    shells.ecs.stop_task(task=closed)
    shells.wait(closed, "STOPPED")


def test_a_container_may_have_a_terminal_of_its_own(shells):
    shells.define(
        "tty", "[ -t 0 ] && [ -t 1 ] && busybox stty size; exec busybox cat",
        pseudoTerminal=True, interactive=True, stopTimeout=2,
    )
    arn = shells.run("tty")
    shells.wait(arn, "RUNNING")
    until(lambda: [line.strip() for line in shells.lines("tty", arn)] == ["24 80"])
    assert shells.task(arn)["lastStatus"] == "RUNNING"
    shells.ecs.stop_task(task=arn)
    shells.wait(arn, "STOPPED")


def test_what_was_said_is_in_the_log_that_the_cluster_names(shells):
    shells.logs.create_log_group(logGroupName="/exec/audit")
    exec_configuration = {
        "logging": "OVERRIDE",
        "logConfiguration": {"cloudWatchLogGroupName": "/exec/audit"},
    }
    configuration = {"executeCommandConfiguration": exec_configuration}
    shells.ecs.update_cluster(cluster="default", configuration=configuration)
    shown = shells.ecs.describe_clusters(include=["CONFIGURATIONS"])["clusters"][0]
    assert shown["configuration"] == configuration
    with shells.open("/bin/sh -c 'echo first; echo second'") as channel:
        channel.begin().end()
        name = channel.session["sessionId"]

    def lines():
        found = shells.logs.filter_log_events(logGroupName="/exec/audit", logStreamNames=[name])
        return [event["message"] for event in found["events"]]

    assert until(lines) == ["first", "second"]
    none = {"executeCommandConfiguration": {"logging": "NONE"}}
    shells.ecs.update_cluster(cluster="default", configuration=none)


def test_policies_decide_who_may_execute(closed, root, user):
    dev = user("exec", allow("ecs:DescribeTasks"))
    ecs = closed.client("ecs", **dev)
    wanted = {"task": "0" * 32, "command": "sh", "interactive": True}
    code, message, _ = refusal(lambda: ecs.execute_command(**wanted))
    assert code == "AccessDeniedException"
    assert "ecs:ExecuteCommand" in message and f"task/default/{'0' * 32}" in message


def test_haar_exec_with_pipes_passes_all_on(haar):
    done = haar("/bin/sh", "-c", "busybox cat; echo to-err >&2; exit 7", input=b"in\n" * 100_000)
    assert (done.returncode, done.stderr) == (7, b"to-err\n")
    assert done.stdout == b"in\n" * 100_000
    assert haar("busybox", "printf", "%s|", "a b", "$COLOR", "").stdout == b"a b|$COLOR||"
    assert haar(input=b"echo $((6*7))\n").stdout == b"42\n"
    for order in ({"options": ("-c", "web")}, {"options": ("--cluster", "default")}):
        assert haar("busybox", "echo", "-n", "-c", **order).stdout == b"-c"
    assert haar("--container", "web", "busybox", "echo", "-n", "hello").stdout == b"hello"
    killed = haar("/bin/sh", "-c", "kill -9 $$")
    assert killed.returncode == 137


def test_haar_exec_says_what_is_wrong(haar):
    done = haar("nothing")
    assert done.returncode == 1 and b"executable file not found in $PATH" in done.stderr
    done = haar(task="0" * 32)
    assert done.returncode == 1 and b"The referenced task was not found" in done.stderr
    done = haar(options=("-c", "other"))
    assert done.returncode == 1 and b"The container other is not in the task" in done.stderr


class Terminal:
    """`haar exec` at a terminal of its own."""

    def __init__(self, cloud, *command, columns=91, rows=28):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(BINARY, [BINARY, "exec", "--endpoint", cloud.endpoint, *command])
        self.screen = b""
        self.resize(columns, rows)

    def resize(self, columns, rows):
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def type(self, text):
        os.write(self.master, text.encode())

    def shows(self, text, limit=20):
        end = time.monotonic() + limit
        while text.encode() not in self.screen:
            left = end - time.monotonic()
            assert left > 0, self.screen
            if select.select([self.master], [], [], left)[0] and not self.read():
                break
        assert text.encode() in self.screen, self.screen

    def read(self):
        try:
            data = os.read(self.master, 4096)
        except OSError as error:
            assert error.errno == errno.EIO
            data = b""
        self.screen += data
        return data

    def end(self):
        while self.read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_haar_exec_at_a_terminal_is_a_shell(cloud, shells):
    terminal = Terminal(cloud, shells.task_arn)
    terminal.shows("# ")
    terminal.type("busybox stty size\r")
    terminal.shows("28 91\r\n")
    terminal.resize(133, 44)
    until(lambda: resized(terminal))
    terminal.type("busybox sleep 1000\r")
    terminal.shows("sleep 1000")
    until(lambda: "sleep 1000" in shells.processes())
    terminal.type("\x03")
    terminal.type("echo still-$((40+2)); exit 5\r")
    terminal.shows("still-42")
    assert terminal.end() == 5


def resized(terminal):
    terminal.type("busybox stty size; echo asked\r")
    terminal.screen = b""
    terminal.shows("\nasked")
    return b"44 133\r\n" in terminal.screen


def test_a_terminal_is_as_before_when_its_client_ends(cloud, shells):
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    running = subprocess.Popen(
        [BINARY, "exec", "--endpoint", cloud.endpoint, shells.task_arn, "busybox", "sleep", "1000"],
        stdin=slave, stdout=slave, stderr=slave,
    )
    until(lambda: termios.tcgetattr(slave) != before)
    os.write(master, b"\x03")
    assert running.wait(20) == 130
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
