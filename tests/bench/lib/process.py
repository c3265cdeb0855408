"""Starts, pins, measures and ends processes.

Decides how CPU time and memory of a competitor are counted: the process and all its
descendants, read from /proc. Knows nothing about proxies or load tools.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
PR_SET_TIMERSLACK = 29
LIBC = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something that ends the run, with a sentence for the person who started it."""


@dataclass(frozen=True)
class Cpu:
    """CPU time in seconds."""

    user: float
    kernel: float

    @property
    def total(self):
        return self.user + self.kernel

    def __sub__(self, other):
        return Cpu(self.user - other.user, self.kernel - other.kernel)


def free_port():
    """A port nobody listens on now. It is bound again at once, so a clash is unlikely."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pinned(core):
    """For `preexec_fn`: run on one core only, and die when the benchmark dies."""

    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, {core})

    return prepare


class Daemon:
    """A long-running process, its descendants counted in."""

    def __init__(self, name, command, core, log_path, discard_stdout=False):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if discard_stdout else log,
                stderr=log,
                preexec_fn=pinned(core),
            )

    def pids(self):
        """The process and all its descendants that live now."""
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    queue.extend(int(p) for p in children.read_text().split())
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return found

    def cpu(self):
        """User and system time so far, all threads, all processes."""
        user = kernel = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            user += int(fields[11])
            kernel += int(fields[12])
        return Cpu(user / TICK, kernel / TICK)

    def memory(self):
        """Resident memory in bytes: `rss` as ps shows it, `pss` with shared pages divided."""
        rss = pss = 0
        for pid in self.pids():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            sizes = {line.split(":")[0]: line.split() for line in lines[1:]}
            rss += int(sizes["Rss"][1]) * 1024
            pss += int(sizes["Pss"][1]) * 1024
        return {"rss": rss, "pss": pss}

    def wait_for_port(self, port, seconds=15):
        """Returns when the port takes connections."""

        def takes_connections():
            with socket.socket() as s:
                s.settimeout(1)
                return s.connect_ex(("127.0.0.1", port)) == 0

        self.wait_until(takes_connections, f"port {port} takes no connections", seconds)

    def wait_until(self, condition, complaint, seconds=15):
        """Polls a condition; fails with the end of the log when it never holds."""
        end = time.monotonic() + seconds
        while not condition():
            if self.child.poll() is not None:
                raise BenchError(f"{self.name} ended with {self.child.returncode}:\n{self.log_tail()}")
            if time.monotonic() > end:
                raise BenchError(f"{self.name}: {complaint} after {seconds} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self):
        return Path(self.log_path).read_text(errors="replace")[-2000:]

    def stop(self):
        """Ends this process and what it started: asks first, then insists. Only by their ids."""
        if self.child.poll() is not None:
            return
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            # Not reaped yet, so its id cannot have been given to another process.
            for pid in self.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.child.wait(5)


def run_pinned(command, core, timeout, env=None):
    """Runs a load tool to its end on one core, its sleeps exact; returns its output."""

    def prepare():
        pinned(core)()
        LIBC.prctl(PR_SET_TIMERSLACK, 1)

    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            preexec_fn=prepare,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{name} did not end within {timeout} s") from error
    if done.returncode != 0:
        raise BenchError(f"{name} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr
