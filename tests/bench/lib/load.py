"""Runs the load tools and reads what they print: wrk for HTTP/1, h2load for HTTP/2.

Decides what counts as a completed request and as an error. Both tools are told to offer
one cipher suite and one group only, so that every proxy does the same cryptography.
"""

import json
import re
from dataclasses import dataclass, field

from .process import BenchError, run_pinned

SUITE = "TLS_AES_128_GCM_SHA256"
GROUP = "X25519"
CONNECTIONS = 64
# A load at a fixed rate that did not come to this share of it was a load of another kind.
LEAST_OF_RATE = 0.98
H2_CLIENTS, H2_STREAMS = 16, 16

UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000}


@dataclass
class Load:
    """What a load tool saw. Times in microseconds."""

    requests: int
    rps: float
    p50: float | None
    p99: float | None
    errors: dict = field(default_factory=dict)


class Loader:
    """Load tools, pinned to one core."""

    def __init__(self, tools, core, work):
        self.tools = tools
        self.core = core
        self.log = work / "h2load.log"
        self.openssl_conf = work / "openssl-client.cnf"
        self.openssl_conf.write_text(
            "openssl_conf = c\n[c]\nssl_conf = s\n[s]\nsystem_default = d\n"
            f"[d]\nMinProtocol = TLSv1.3\nCiphersuites = {SUITE}\nGroups = {GROUP}\n"
        )

    def wrk(self, url, seconds, close=False, connections=CONNECTIONS, fields=()):
        """wrk, one thread; `close` = a new connection for every request."""
        command = [self.tools.wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
        for header in [*fields, *(["Connection: close"] if close else [])]:
            command += ["-H", header]
        preload = {"LD_PRELOAD": str(self.tools.new_session)} if close and url.startswith("https") else {}
        return parse_wrk(self._run([*command, url], seconds, preload))

    def h2load(self, url, seconds):
        """h2load, 16 connections of 16 streams; percentiles from its log of requests."""
        command = [self.tools.h2load, f"-c{H2_CLIENTS}", f"-m{H2_STREAMS}", "-t1", f"-D{seconds}"]
        tls = [f"--tls13-ciphers={SUITE}", f"--groups={GROUP}"]
        self.log.unlink(missing_ok=True)
        text = self._run([*command, *tls, f"--log-file={self.log}", url], seconds)
        load = parse_h2load(text)
        load.p50, load.p99 = self._log_percentiles()
        return load

    def _log_percentiles(self):
        with open(self.log, encoding="ascii") as lines:
            times = sorted(int(line.rsplit("\t", 1)[1]) for line in lines)
        self.log.unlink()
        return percentile(times, 0.50), percentile(times, 0.99)

    def pace(self, port, rate, seconds, connections=32, fields=()):
        """Plain HTTP/1 at a fixed rate, latency counted from the moment a request was due."""
        command = [self.tools.pace, f"127.0.0.1:{port}", rate, seconds, connections, *fields]
        return json.loads(self._run(command, seconds))

    def paced(self, port, rate, seconds, fields=()):
        """The same, as the load of a row; a rate that was not reached is an error."""
        seen = self.pace(port, rate, seconds, fields=fields)
        errors = {"failed": seen["errors"]} if seen["errors"] else {}
        rps = seen["requests"] / seen["seconds"]
        if not errors and rps < LEAST_OF_RATE * rate:
            errors["rate"] = round(rps)
        return Load(seen["requests"], rps, seen["p50"], seen["p99"], errors)

    def _run(self, command, seconds, env=None):
        return run_pinned(command, self.core, seconds + 30, {"OPENSSL_CONF": str(self.openssl_conf), **(env or {})})


def percentile(sorted_values, share):
    """Nearest rank; None of nothing."""
    if not sorted_values:
        return None
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def parse_wrk(text):
    """Reads the report of `wrk --latency`."""
    requests = _need(r"(\d+) requests in", text, "wrk")
    rps = _need(r"Requests/sec:\s+([\d.]+)", text, "wrk")
    errors = {}
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    if sockets:
        names = ("connect", "read", "write", "timeout")
        errors = {name: int(n) for name, n in zip(names, sockets.groups()) if int(n)}
    status = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if status:
        errors["status"] = int(status.group(1))
    return Load(int(requests), float(rps), _wrk_time(text, "50"), _wrk_time(text, "99"), errors)


def _wrk_time(text, percent):
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M)
    return float(found.group(1)) * UNITS[found.group(2)] if found else None


def parse_h2load(text):
    """Reads the report of `h2load -D`."""
    rps = _need(r"finished in [\d.]+m?s, ([\d.]+) req/s", text, "h2load")
    succeeded = _need(r"(\d+) succeeded", text, "h2load")
    errors = {}
    for name in ("failed", "errored", "timeout"):
        count = int(_need(rf"(\d+) {name}", text, "h2load"))
        if count:
            errors[name] = count
    return Load(int(succeeded), float(rps), None, None, errors)


def _need(pattern, text, tool):
    found = re.search(pattern, text)
    if not found:
        raise BenchError(f"{tool} printed something unexpected:\n{text[-1500:]}")
    return found.group(1)
