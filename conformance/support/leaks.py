"""What a machine holds because of the suite's own clouds: nothing, once they have ended.

A cloud is known by its helper, `haar spawnd STATE_DIR INSTANCE`: the instance names its cgroups.
Clouds of others on the same machine are none of the suite's business.
"""

import ctypes
import os
import threading
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Orphans of this process's children become its own, so that they can be counted."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants():
    """The command of each live descendant of this process, as words, by process id."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        fields = stat.rsplit(")", 1)[1].split()
        if fields[0] == "Z":
            continue
        parents[int(entry.name)] = int(fields[1])
        name = stat.split(" ", 2)[1]
        commands[int(entry.name)] = command.rstrip("\0").split("\0") if command else [name]
    mine = {os.getpid()}
    grown = True
    while grown:
        born = {pid for pid, parent in parents.items() if parent in mine} - mine
        mine |= born
        grown = bool(born)
    return {pid: commands[pid] for pid in mine - {os.getpid()} if pid in commands}


def is_helper(command):
    return len(command) == 4 and command[1] == "spawnd"


class Instances:
    """Remembers the clouds that this process and its children have started."""

    def __init__(self):
        self.seen = set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.ended.wait(0.5):
            self.look()

    def look(self):
        helpers = {command[3] for command in descendants().values() if is_helper(command)}
        self.seen |= helpers
        return helpers

    def stop(self):
        self.ended.set()
        self.thread.join()


def processes():
    return {f"process {pid}: {' '.join(command)}" for pid, command in descendants().items()}


def reap():
    """Collects the orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def mounts(under):
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {f"mount {line.split()[4]}" for line in lines if str(under) in line}


def cgroups(instances):
    wanted = {f"haar-{instance}" for instance in instances}
    found = set()
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        found |= {f"cgroup {root}/{name}" for name in folders if name in wanted}
    return found


def networks(instances):
    """Named network namespaces."""
    try:
        names = os.listdir("/run/netns")
    except FileNotFoundError:
        return set()
    return {f"network {name}" for name in names if any(instance in name for instance in instances)}


def folders(under):
    """haar's own, in the folder for temporary files."""
    return {
        f"folder {path}"
        for path in Path(under).glob("haar*")
        if path.is_dir() and not path.name.startswith("haar-conformance")
    }


def held(under, instances):
    seen = instances.seen
    return processes() | mounts(under) | cgroups(seen) | networks(seen) | folders(under)
