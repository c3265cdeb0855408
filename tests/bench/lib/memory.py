"""The row of memory: resident size of a fresh process, after load, and per idle connection.

Decides what an idle connection is: it has asked once, got its answer, and stays open.
The slope over several counts leaves out what a process takes once. Memory of sockets in the
kernel is in nobody's figure.
"""

import socket
import ssl
import time

from .competitors import BODY
from .process import BenchError
from .registry import make
from .traffic import ROWS, in_turn

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MOST_CONNECTIONS = 2000


def run(site, names, loader, options, say):
    """Every round starts every competitor three times: for load, plain connections, TLS connections."""
    measures = []
    for number in range(options.memory_rounds):
        for name in in_turn([n for n in names if n != "relay"], number):
            result = {"competitor": name, "round": number}
            try:
                result.update(_around_load(site, name, loader, options))
                result["per_plain"], result["plain"] = _slope(site, name, False, options.steps)
                result["per_tls"], result["tls"] = _slope(site, name, True, options.steps)
            except (BenchError, OSError) as error:
                result["errors"] = {"failed": str(error)[:500]}
            measures.append(result)
            say(f"round {number + 1} memory    {name:14} {_brief(result)}")
    return measures


def _around_load(site, name, loader, options):
    competitor = make(site, name)
    try:
        competitor.start()
        time.sleep(1)
        idle = competitor.daemon.memory()
        for row in ROWS[:3]:
            if getattr(site.tools, row.needs):
                row.drive(loader, competitor, options.seconds)
        time.sleep(1)
        return {"idle": idle, "loaded": competitor.daemon.memory()}
    finally:
        competitor.stop()


def _slope(site, name, encrypted, steps):
    """Bytes per connection (least squares), and the points."""
    competitor, clients = make(site, name), []
    tls = _tls_context(site) if encrypted else None
    try:
        competitor.start()
        # What the first connection makes the process allocate once is not part of the slope.
        for _ in range(8):
            _client(competitor, tls).close()
        time.sleep(0.5)
        points = [(0, competitor.daemon.memory()["rss"])]
        for step in range(1, steps + 1):
            while len(clients) < MOST_CONNECTIONS * step // steps:
                clients.append(_client(competitor, tls))
            time.sleep(0.5)
            points.append((len(clients), competitor.daemon.memory()["rss"]))
        return least_squares(points), points
    finally:
        for client in clients:
            client.close()
        competitor.stop()


def _tls_context(site):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(site.cert)
    return context


def _client(competitor, tls):
    """A connection that has had one answer."""
    client = socket.create_connection(("127.0.0.1", competitor.tls_port if tls else competitor.port), timeout=10)
    if tls:
        client = tls.wrap_socket(client, server_hostname="localhost")
    client.sendall(REQUEST)
    answer = b""
    while not answer.endswith(BODY.encode()):
        piece = client.recv(4096)
        if not piece:
            raise BenchError(f"{competitor.name} closed an idle connection: {answer[:200]!r}")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200"):
        raise BenchError(f"{competitor.name} answered {answer[:200]!r}")
    return client


def least_squares(points):
    """Slope of a line through the points."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def _brief(result):
    if "errors" in result:
        return f"FAILED: {result['errors']}"
    idle, loaded = result["idle"]["rss"] / 1e6, result["loaded"]["rss"] / 1e6
    slopes = f"{result['per_plain'] / 1024:.1f} KiB plain, {result['per_tls'] / 1024:.1f} KiB TLS"
    return f"{idle:.1f} MB idle, {loaded:.1f} MB after load, per connection {slopes}"
