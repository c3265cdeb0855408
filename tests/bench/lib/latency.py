"""The row of added latency: the same open-loop load straight to the backend and through a proxy.

Decides the rate: half of what the slowest competitor did in row h1 (of pairs: row pair), when that row was run.
The difference is taken within a round, so that drift of the machine cancels.
"""

from .process import BenchError
from .traffic import in_turn

USUAL_RATE = 5000
# The load shares its core with the backend: above this it would measure itself.
HIGHEST_RATE = 10_000


def choose_rate(measures, wanted=None, row="h1"):
    """Requests per second."""
    if wanted:
        return wanted
    rates = [m["rps"] for m in measures if m["row"] == row and m.get("rps") and not m["errors"]]
    return int(min(HIGHEST_RATE, min(rates) / 2)) if rates else USUAL_RATE


def run(competitors, loader, backend, rate, options, say):
    """Every round: direct first or last, every competitor once."""
    measures = []
    for number in range(options.rounds):
        for target in in_turn([backend, *competitors], number):
            name = "direct" if target is backend else target.name
            result = {"competitor": name, "round": number, "rate": rate, **_measure(target, loader, rate, options)}
            measures.append(result)
            say(f"round {number + 1}/{options.rounds} latency   {name:15} {_brief(result)}")
    return measures


def _measure(target, loader, rate, options):
    try:
        target.prepare(options.seconds + options.warm_up)
        loader.pace(target.port, rate, options.warm_up, fields=target.fields)
        before = target.daemon.cpu()
        seen = loader.pace(target.port, rate, options.seconds, fields=target.fields)
        spent = target.daemon.cpu() - before
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
        "errors": {"failed": seen["errors"]} if seen["errors"] else {},
    }


def _brief(result):
    if "p50_us" not in result:
        return f"FAILED: {result['errors']}"
    return f"p50 {result['p50_us']:7.0f} µs, p99 {result['p99_us']:7.0f} µs at {result['achieved']:.0f}/s"
