"""Whether an exact limit is exact: three portcullis that share it, and more requests than it lets in.

Decides what is promised. Not a matter of time: figures of a machine that is not quiet hold just as well, as long as
the load was what it had to be. The store refuses when it does not answer (503), so that nothing is let in unseen.
"""

import http.client
import socket
import threading
import time
from collections import Counter

from .limit import Limit, Limited
from .process import BenchError

PROCESSES = 3
# The first check: so many at once, each on its own connection.
AT_ONCE, IN_AN_HOUR = 1000, 100
# The second: evenly, on a few connections of each process.
RATE, ADMITTED_RATE, SECONDS, QUICK_SECONDS = 500, 100, 60, 10
# A bucket of 1 would lose what refills while no request is due: those come every 2 ms, and late at times. One of 10
# never fills up unless all requests stay away for 0.1 s, and adds 10 to the 6,000.
BURST = 10
TOLERANCE = 0.02
CONNECTIONS = 30
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def run(site, options, say):
    """Both checks; the first one every round."""
    measures = []
    for number in range(options.rounds):
        limit = Limit(f"{IN_AN_HOUR}/h", IN_AN_HOUR, "exact", "1s", "deny")
        measures.append(_check(site, "at once", limit, number, _at_once))
        say(_brief(measures[-1]))
    seconds = QUICK_SECONDS if options.quick else SECONDS
    limit = Limit(f"{ADMITTED_RATE}/s", BURST, "exact", "1s", "deny")
    measures.append(_check(site, "constant", limit, 0, lambda ports: _constant(ports, seconds)))
    say(_brief(measures[-1]))
    return measures


def _check(site, check, limit, number, load):
    """Three fresh processes and a count that nobody has touched."""
    found = {"check": check, "competitor": f"{PROCESSES} portcullis", "round": number}
    found |= {"limit": f"{limit.rate}, burst {limit.burst}"}
    prefix = f"admission-{check.replace(' ', '-')}-{number}"
    edges = [Limited(site, f"{prefix}.{index}", False, limit, prefix) for index in range(PROCESSES)]
    try:
        for edge in edges:
            edge.start()
        found |= load([edge.port for edge in edges])
        found["said"] = dict(sum((Counter(edge.said()) for edge in edges), Counter()))
    except (BenchError, OSError) as error:
        return found | {"errors": {"failed": str(error)[:500]}}
    finally:
        for edge in edges:
            edge.stop()
    errors = {}
    if not found["least"] <= found["admitted"] <= found["most"]:
        errors["admitted"] = found["admitted"]
    if others := {status: n for status, n in found["statuses"].items() if status not in (200, 429)}:
        errors["other answers"] = others
    if found["late"]:
        errors["load came late, seconds"] = found["late"]
    return found | {"errors": errors}


def _at_once(ports):
    """Every request is sent before any answer is read."""
    links = []
    try:
        for index in range(AT_ONCE):
            links.append(socket.create_connection(("127.0.0.1", ports[index % len(ports)]), timeout=30))
        start = time.monotonic()
        for link in links:
            link.sendall(HEAD)
        statuses = Counter(_status(link) for link in links)
        # An hour's bucket of a hundred gets another one after 36 s.
        seconds = time.monotonic() - start
    finally:
        for link in links:
            link.close()
    late = round(seconds, 1) if seconds >= 3600 / IN_AN_HOUR else 0
    promised = {"promised": IN_AN_HOUR, "least": IN_AN_HOUR, "most": IN_AN_HOUR}
    return {**promised, **_counted(statuses, seconds), "late": late}


def _status(link):
    answer = http.client.HTTPResponse(link)
    try:
        answer.begin()
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        answer.close()


def _constant(ports, seconds):
    """An open loop: a request is sent when it is due, or at once when that has passed."""
    start, seen = time.monotonic() + 0.5, [Counter() for _ in range(CONNECTIONS)]
    threads = [
        threading.Thread(target=_drive, args=(ports[index % len(ports)], start, index, seconds, seen[index]))
        for index in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - start
    expected = ADMITTED_RATE * seconds
    return {
        "promised": expected + BURST,
        "least": round(expected * (1 - TOLERANCE)),
        "most": round(expected * (1 + TOLERANCE)),
        **_counted(sum(seen, Counter()), took),
        "late": round(took - seconds, 1) if took > seconds * (1 + TOLERANCE / 4) else 0,
    }


def _drive(port, start, index, seconds, seen):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for number in range(index, RATE * seconds, CONNECTIONS):
        wait = start + number / RATE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        try:
            link.request("GET", "/")
            answer = link.getresponse()
            answer.read()
            seen[answer.status] += 1
        except (OSError, http.client.HTTPException) as error:
            seen[type(error).__name__] += 1
            # The next request opens another one.
            link.close()
    link.close()


def _counted(statuses, seconds):
    requests = sum(statuses.values())
    return {"requests": requests, "admitted": statuses[200], "statuses": dict(statuses), "seconds": round(seconds, 2)}


def _brief(measure):
    words = f"admission {measure['check']:9}"
    if "admitted" not in measure:
        return f"{words} FAILED: {measure['errors']}"
    wrong = f" WRONG: {measure['errors']}" if measure["errors"] else ""
    return f"{words} {measure['admitted']} of {measure['requests']}, promised {measure['promised']}{wrong}"
