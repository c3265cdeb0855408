"""Describes the machine and how quiet it was during a measure.

Knows nothing about proxies. Writes no host name and no path: results are published.
"""

import os
import platform
import re
import subprocess
from pathlib import Path


def describe():
    """What a reader needs to judge the figures."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    hypervisor = re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M) is not None
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": model.group(1).strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": int(memory.group(1)) // 1024 if memory else None,
        "virtual": hypervisor,
        "kernel": platform.release(),
        "system": _os_name(),
        "load_average_at_start": list(os.getloadavg()),
    }


def short_name(description):
    """For the name of the result file: `amd-epyc-2c`."""
    words = re.sub(r"[^a-z0-9]+", "-", description["cpu"].lower()).strip("-")
    return f"{words[:24].strip('-')}-{description['cores']}c"


def version(command, pattern):
    """First match of a pattern in what a tool prints about itself; None when it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else None


def source_state(root):
    """The commit that is measured; `+` when files differ from it."""
    commit = version(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], r"^([0-9a-f]+)\s*$")
    changed = version(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"], r"(\S)")
    return commit and commit + ("+" if changed else "")


class CoreClock:
    """Busy and stolen time of one core, in seconds, since it was made."""

    def __init__(self, core):
        self.core = core
        self.start = self._read()

    def _read(self):
        line = re.search(rf"^cpu{self.core} (.+)$", Path("/proc/stat").read_text(), re.M)
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(f) for f in line.group(1).split()[:8])
        tick = os.sysconf("SC_CLK_TCK")
        return (user + nice + system + irq + softirq) / tick, steal / tick

    def since(self):
        """(busy, stolen) seconds since the start."""
        busy, stolen = self._read()
        return busy - self.start[0], stolen - self.start[1]


def _os_name():
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return platform.system()
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', text, re.M)
    return found.group(1) if found else platform.system()
