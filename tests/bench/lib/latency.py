"""The rows of added latency: the same open-loop load straight to the backend and through a proxy.

Decides the rate: half of what the slowest competitor did in row h1 (of pairs: row pair), when that row was run; of
limits a low one, so that what is seen is the question to the store and not a queue.
The difference is taken within a round, so that drift of the machine cancels.
"""

from dataclasses import dataclass

from .process import BenchError
from .traffic import in_turn

# The load shares its core with the backend: above this it would measure itself.
HIGHEST_RATE = 10_000


@dataclass(frozen=True)
class Row:
    """One kind of work."""

    key: str
    # Its place in the results.
    kept: str
    # Requests per second when the row of traffic that says it was not run.
    usual_rate: int
    rate_of: str | None = None
    group: str = "single"
    # Who is left out.
    without: tuple = ()
    # What the others are compared with.
    base: str = "direct"
    needs: str = "pace"

    def takes(self, competitor, name):
        """Whether this competitor, or this class of it, can be measured."""
        return self.group == competitor.group and name not in self.without

    def rate(self, measures, wanted=None):
        """Requests per second."""
        if wanted:
            return wanted
        rates = [m["rps"] for m in measures if m["row"] == self.rate_of and m.get("rps") and not m["errors"]]
        return int(min(HIGHEST_RATE, min(rates) / 2)) if rates else self.usual_rate


ROWS = [
    Row("latency", "latency", 5000, "h1"),
    Row("pair-latency", "pair_latency", 5000, "pair", "pair"),
    Row("limit-exact-latency", "limit_latency", 1000, None, "limit", ("limit-leased",), "limit-none"),
    Row("isolation", "isolation", 2000, None, "isolation", (), "isolation-alone"),
]


def run(row, competitors, loader, backend, rate, options, say):
    """Every round: direct first or last, every competitor once."""
    measures = []
    for number in range(options.rounds):
        for target in in_turn([backend, *competitors], number):
            name = "direct" if target is backend else target.name
            result = {"competitor": name, "round": number, "rate": rate, **_measure(target, loader, rate, options)}
            measures.append(result)
            say(f"round {number + 1}/{options.rounds} {row.key:12} {name:15} {_brief(result)}")
    return measures


def _measure(target, loader, rate, options):
    try:
        target.prepare(options.seconds + options.warm_up)
        loader.pace(target.port, rate, options.warm_up, fields=target.fields)
        before, begun = target.daemon.cpu(), target.begin()
        seen = loader.pace(target.port, rate, options.seconds, fields=target.fields)
        spent = target.daemon.cpu() - before
        more, errors = target.since(begun, seen["requests"])
    except BenchError as error:
        return {"errors": {"failed": str(error)[:500]}}
    if not seen["requests"]:
        return {"errors": {"failed": "no request was answered"}}
    return {
        "requests": seen["requests"],
        "achieved": seen["requests"] / seen["seconds"],
        "cpu_us": spent.total / seen["requests"] * 1e6,
        "p50_us": seen["p50"],
        "p90_us": seen["p90"],
        "p99_us": seen["p99"],
        "p999_us": seen["p999"],
        "errors": {**({"failed": seen["errors"]} if seen["errors"] else {}), **errors},
        **more,
    }


def _brief(result):
    if "p50_us" not in result:
        return f"FAILED: {result['errors']}"
    return f"p50 {result['p50_us']:7.0f} µs, p99 {result['p99_us']:7.0f} µs at {result['achieved']:.0f}/s"
