"""The row of memory of pairs: resident size of each of the two processes, fresh, at a low rate, after full load.

At the low rate the largest of several samples counts, taken while the load runs.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from .process import BenchError
from .registry import make
from .traffic import in_turn

RATE = 1000
STATES = ("idle", "at_rate", "loaded")


def run(site, names, loader, options, say):
    """Every round starts every pair anew."""
    measures = []
    for number in range(options.memory_rounds):
        for name in in_turn(names, number):
            result = {"competitor": name, "round": number, "rate": RATE}
            try:
                result.update(_measure(site, name, loader, options))
            except (BenchError, OSError) as error:
                result["errors"] = {"failed": str(error)[:500]}
            measures.append(result)
            say(f"round {number + 1} pair-memory {name:15} {_brief(result)}")
    return measures


def _measure(site, name, loader, options):
    pair = make(site, name)
    try:
        pair.start()
        time.sleep(1)
        found = {"idle": pair.daemon.each_memory()}
        pair.prepare(options.seconds)
        found["at_rate"], seen = _while_loaded(pair, loader, options.seconds)
        pair.prepare(options.seconds)
        load = loader.wrk(pair.url(), options.seconds, fields=pair.fields)
        time.sleep(1)
        found["loaded"] = pair.daemon.each_memory()
        return {**found, "errors": {**load.errors, **({"pace": seen["errors"]} if seen["errors"] else {})}}
    finally:
        pair.stop()


def _while_loaded(pair, loader, seconds):
    """The largest sizes of each process during the load, and what the load saw."""
    with ThreadPoolExecutor(1) as other:
        load = other.submit(loader.pace, pair.port, RATE, seconds, fields=pair.fields)
        time.sleep(0.5)
        most = pair.daemon.each_memory()
        while not load.done():
            now = pair.daemon.each_memory()
            most = {side: {key: max(most[side][key], now[side][key]) for key in now[side]} for side in now}
            time.sleep(0.2)
        return most, load.result()


def _brief(result):
    if result.get("errors"):
        return f"FAILED: {result['errors']}"
    sizes = ((state, *(result[state][side]["rss"] / 1e6 for side in "ab")) for state in STATES)
    return ", ".join(f"{state} {a:.1f} + {b:.1f} MB" for state, a, b in sizes)
