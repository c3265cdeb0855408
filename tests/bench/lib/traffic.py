"""The rows that measure CPU per request under full load.

Decides the order of measures (A B C, then C B A, so that drift of the machine meets all alike)
and what one measure is. Knows nothing about how figures are shown.
"""

import resource
import time
from dataclasses import dataclass

from .machine import CoreClock
from .process import BenchError


@dataclass(frozen=True)
class Row:
    """One kind of work."""

    key: str
    title: str
    needs: str
    # The relay cannot end TLS.
    relay: bool
    drive: object


ROWS = [
    Row("h1", "HTTP/1 → HTTP/1", "wrk", True, lambda load, c, s: load.wrk(f"http://127.0.0.1:{c.port}/", s)),
    Row(
        "tls-h1", "TLS 1.3 HTTP/1 → HTTP/1", "wrk", False,
        lambda load, c, s: load.wrk(f"https://localhost:{c.tls_port}/", s),
    ),
    Row(
        "tls-h2", "TLS 1.3 HTTP/2 → HTTP/1", "h2load", False,
        lambda load, c, s: load.h2load(f"https://localhost:{c.tls_port}/", s),
    ),
    Row(
        "handshake", "TLS 1.3, a new connection per request", "new_session", False,
        lambda load, c, s: load.wrk(f"https://localhost:{c.tls_port}/", s, close=True),
    ),
]  # fmt: skip


def in_turn(items, round_number):
    """The order of a round: forth and back."""
    return list(items) if round_number % 2 == 0 else list(reversed(items))


def measure(row, competitor, loader, backend, seconds, warm_up):
    """One measure of one competitor; a failure is recorded, not raised."""
    try:
        row.drive(loader, competitor, warm_up)
        connections = backend.connections()
        site, before = competitor.site, competitor.daemon.cpu()
        proxy_clock, load_clock = CoreClock(site.proxy_core), CoreClock(site.load_core)
        load_before = _load_cpu(backend)
        load = row.drive(loader, competitor, seconds)
        spent, load_spent = competitor.daemon.cpu() - before, _load_cpu(backend) - load_before
        (busy, stolen), (load_busy, load_stolen) = proxy_clock.since(), load_clock.since()
    except BenchError as error:
        return {"errors": {"failed": str(error)[:500]}}
    if load.requests == 0:
        return {"errors": {**load.errors, "failed": "no request was answered"}}
    return {
        "requests": load.requests,
        "rps": load.rps,
        "cpu_us": spent.total / load.requests * 1e6,
        "user_us": spent.user / load.requests * 1e6,
        "kernel_us": spent.kernel / load.requests * 1e6,
        "p50_us": load.p50,
        "p99_us": load.p99,
        "errors": load.errors,
        "backend_connections": backend.connections() - connections,
        # What others, or the host of a virtual machine, took of the two cores meanwhile; 1 = a whole core.
        "foreign_proxy_core": max(0.0, busy - spent.total + stolen) / seconds,
        "foreign_load_core": max(0.0, load_busy - load_spent + load_stolen) / seconds,
        "rss": competitor.daemon.memory()["rss"],
    }


def _load_cpu(backend):
    """CPU time of everything that belongs on the load's core: backend, load tools that ended, this process."""
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return backend.daemon.cpu().total + sum(use.ru_utime + use.ru_stime for use in ours)


def run(rows, competitors, loader, backend, options, say):
    """All rows of all rounds; a list of measures."""
    measures = []
    for number in range(options.rounds):
        for row in rows:
            able = [c for c in in_turn(competitors, number) if row.relay or c.name != "relay"]
            for competitor in able:
                start = time.time()
                result = measure(row, competitor, loader, backend, options.seconds, options.warm_up)
                measures.append({"row": row.key, "competitor": competitor.name, "round": number, "at": start, **result})
                say(f"round {number + 1}/{options.rounds} {row.key:9} {competitor.name:14} {_brief(result)}")
    return measures


def _brief(result):
    if "cpu_us" not in result:
        return f"FAILED: {result['errors']}"
    errors = f" errors: {result['errors']}" if result["errors"] else ""
    return f"{result['cpu_us']:7.1f} µs/request {result['rps']:9.0f} rps{errors}"
