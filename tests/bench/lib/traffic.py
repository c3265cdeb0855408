"""The rows that measure CPU per request under full load.

Decides the order of measures (A B C, then C B A, so that drift of the machine meets all alike)
and what one measure is. Knows nothing about how figures are shown.
"""

import resource
import time
from dataclasses import dataclass

from .machine import CoreClock
from .process import BenchError

# Requests per second of row pair-2000.
PAIR_RATE = 2000
# One worker and one peer: the connection is there, or is made once in the warm-up.
MOST_HANDSHAKES = 1


@dataclass(frozen=True)
class Row:
    """One kind of work."""

    key: str
    title: str
    needs: str
    # Who cannot do it.
    without: tuple
    drive: object
    # Whose work it is.
    group: str = "single"

    def takes(self, competitor, name):
        """Whether this competitor, or this class of it, can be measured."""
        return self.group == competitor.group and name not in self.without


# The relay cannot end TLS.
NO_RELAY = ("relay",)
ROWS = [
    Row("h1", "HTTP/1 → HTTP/1", "wrk", (), lambda load, c, s: load.wrk(f"http://127.0.0.1:{c.port}/", s)),
    Row(
        "tls-h1", "TLS 1.3 HTTP/1 → HTTP/1", "wrk", NO_RELAY,
        lambda load, c, s: load.wrk(f"https://localhost:{c.tls_port}/", s),
    ),
    Row(
        "tls-h2", "TLS 1.3 HTTP/2 → HTTP/1", "h2load", NO_RELAY,
        lambda load, c, s: load.h2load(f"https://localhost:{c.tls_port}/", s),
    ),
    Row(
        "handshake", "TLS 1.3, a new connection per request", "new_session", NO_RELAY,
        lambda load, c, s: load.wrk(f"https://localhost:{c.tls_port}/", s, close=True),
    ),
    Row(
        "pair", "pair, 64 connections", "wrk", (),
        lambda load, c, s: load.wrk(c.url(), s, fields=c.fields), group="pair",
    ),
    Row(
        "pair-1", "pair, one connection", "wrk", (),
        lambda load, c, s: load.wrk(c.url(), s, connections=1, fields=c.fields), group="pair",
    ),
    Row(
        "pair-2000", f"pair, {PAIR_RATE:,} requests/s", "pace", (),
        lambda load, c, s: load.paced(c.port, PAIR_RATE, s, fields=c.fields), group="pair",
    ),
    Row(
        "auth", "TLS 1.3 HTTP/1, token (ES256) + limit per user + user header", "wrk", (),
        lambda load, c, s: load.wrk(c.url(), s, fields=c.fields), group="auth",
    ),
    Row(
        # An exact limit waits for the store: what it costs is time (limit-exact-latency).
        "limit-leased", "HTTP/1 → HTTP/1, limit leased from a store", "wrk", ("limit-exact",),
        lambda load, c, s: load.wrk(c.url(), s), group="limit",
    ),
    Row(
        "resilience", "HTTP/1 → HTTP/1, everything on that looks after a service", "wrk", (),
        lambda load, c, s: load.wrk(c.url(), s), group="resilience",
    ),
]  # fmt: skip


def in_turn(items, round_number):
    """The order of a round: forth and back."""
    return list(items) if round_number % 2 == 0 else list(reversed(items))


def measure(row, competitor, loader, backend, seconds, warm_up):
    """One measure of one competitor; a failure is recorded, not raised."""
    try:
        competitor.prepare(seconds + warm_up)
        shaken = competitor.handshakes()
        row.drive(loader, competitor, warm_up)
        connections = backend.connections()
        site, before = competitor.site, competitor.daemon.cpu()
        proxy_clock, load_clock = CoreClock(site.proxy_core), CoreClock(site.load_core)
        load_before, begun = _load_cpu(backend, competitor), competitor.begin()
        load = row.drive(loader, competitor, seconds)
        spent, load_spent = competitor.daemon.cpu() - before, _load_cpu(backend, competitor) - load_before
        (busy, stolen), (load_busy, load_stolen) = proxy_clock.since(), load_clock.since()
        found = _handshakes(competitor, shaken, load)
        more, errors = competitor.since(begun, load.requests)
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
        "errors": {**load.errors, **errors},
        "backend_connections": backend.connections() - connections,
        # What others, or the host of a virtual machine, took of the two cores meanwhile; 1 = a whole core.
        "foreign_proxy_core": max(0.0, busy - spent.total + stolen) / seconds,
        "foreign_load_core": max(0.0, load_busy - load_spent + load_stolen) / seconds,
        "rss": competitor.daemon.memory()["rss"],
        **found,
        **more,
    }


def _handshakes(competitor, before, load):
    """How many there were since `before`, warm-up included; one per request is an error."""
    if before is None:
        return {}
    so_far = competitor.handshakes()
    if so_far - before > MOST_HANDSHAKES:
        load.errors["handshakes"] = so_far - before
    return {"handshakes": so_far - before, "handshakes_so_far": so_far}


def _load_cpu(backend, competitor):
    """CPU time of all that belongs on the load's core: backend, stores, load tools that ended, this process."""
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    serving = sum(daemon.cpu().total for daemon in [backend.daemon, *competitor.beside])
    return serving + sum(use.ru_utime + use.ru_stime for use in ours)


def run(rows, competitors, loader, backend, options, say):
    """All rows of all rounds; a list of measures."""
    measures = []
    for number in range(options.rounds):
        for row in rows:
            able = [c for c in in_turn(competitors, number) if row.takes(c, c.name)]
            for competitor in able:
                start = time.time()
                result = measure(row, competitor, loader, backend, options.seconds, options.warm_up)
                measures.append({"row": row.key, "competitor": competitor.name, "round": number, "at": start, **result})
                say(f"round {number + 1}/{options.rounds} {row.key:12} {competitor.name:15} {_brief(result)}")
    return measures


def _brief(result):
    if "cpu_us" not in result:
        return f"FAILED: {result['errors']}"
    errors = f" errors: {result['errors']}" if result["errors"] else ""
    handshakes = f", {result['handshakes']} handshakes" if "handshakes" in result else ""
    return f"{result['cpu_us']:7.1f} µs/request {result['rps']:9.0f} rps{handshakes}{errors}"
