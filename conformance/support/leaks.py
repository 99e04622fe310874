"""What a machine holds because of haar: to be the same before and after."""

import ctypes
import os
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Orphans of this process's children become its own, so that they can be counted."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def processes():
    """All live descendants of this process, each by id and command."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        fields = stat.rsplit(")", 1)[1].split()
        if fields[0] == "Z":
            continue
        parents[int(entry.name)] = int(fields[1])
        names[int(entry.name)] = command or stat.split(" ", 2)[1]
    mine = {os.getpid()}
    grown = True
    while grown:
        born = {pid for pid, parent in parents.items() if parent in mine} - mine
        mine |= born
        grown = bool(born)
    return {f"process {pid}: {names[pid]}" for pid in mine - {os.getpid()} if pid in names}


def reap():
    """Collects the orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def mounts():
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {f"mount {line.split()[4]}" for line in lines if "haar" in line}


def cgroups():
    found = set()
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        found |= {f"cgroup {root}/{name}" for name in folders if name.startswith("haar")}
    return found


def named_networks():
    try:
        return {f"network {name}" for name in os.listdir("/run/netns")}
    except FileNotFoundError:
        return set()


def folders(under):
    """haar's own, in the folder for temporary files."""
    return {
        f"folder {path}"
        for path in Path(under).glob("haar*")
        if path.is_dir() and not path.name.startswith("haar-conformance")
    }


def held(under):
    return processes() | mounts() | cgroups() | named_networks() | folders(under)
