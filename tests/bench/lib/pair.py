"""The pairs: a proxy beside the caller (a), one beside the called (b), mutual TLS and HTTP/2 between.

Decides what is fair: both proxies on one core with one worker each, the same certificates, TLS 1.3
only, a rule by principal at b. The CPU and memory of a pair are those of both. What stands in front
of a pair to get a user into it (edge, application) is on the core of the load and not counted.
"""

import base64
import http.client
import json
import re
import socket
import ssl
import sys
import time
from pathlib import Path

from .authority import TRUST_DOMAIN, Authority, spiffe_id
from .competitors import BODY, Competitor, Envoy, Portcullis
from .process import BenchError, Cpu, Daemon, free_port

HOST = "b"


class Both:
    """Two processes counted as one."""

    def __init__(self, daemons):
        self.daemons = daemons

    def cpu(self):
        used = [daemon.cpu() for daemon in self.daemons.values()]
        return Cpu(sum(c.user for c in used), sum(c.kernel for c in used))

    def memory(self):
        sizes = self.each_memory().values()
        return {key: sum(size[key] for size in sizes) for key in ("rss", "pss")}

    def each_memory(self):
        """By member."""
        return {name: daemon.memory() for name, daemon in self.daemons.items()}


class Side(Competitor):
    """One process of a pair: its configuration has certificates and a peer."""

    def __init__(self, pair, role, core=None, **more):
        super().__init__(pair.site, f"{pair.name}.{role}", pair.logs)
        self.role = role
        self.core = pair.site.proxy_core if core is None else core
        self.more = {
            "own": pair.authority.of(role),
            "user_ca": pair.authority.user_ca,
            "trust_domain": TRUST_DOMAIN,
            **{f"id_{member}": spiffe_id(member) for member in ("a", "b", "edge")},
            **more,
        }

    @property
    def template(self):
        return f"pair/{self.kind}-{self.role}.yaml"

    @property
    def config_name(self):
        return f"{self.role}.yaml"

    def values(self, folder):
        return {**super().values(folder), **self.more}

    def ports(self):
        """Where it takes connections."""
        return {"a": [self.port], "b": [self.tls_port], "edge": [self.tls_port]}[self.role]

    def ask_admin(self, path):
        """A page of its admin listener."""
        ask = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            ask.request("GET", path)
            return ask.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{self.name} does not answer {path}: {error}") from error
        finally:
            ask.close()


class EnvoySide(Side, Envoy):
    kind = "envoy"

    def command(self, config, folder):
        return [self.site.tools.envoy, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "warn"]

    def handshakes(self):
        """TLS handshakes it has ended with success as a server."""
        return _number(self.ask_admin("/stats?filter=^listener%5C.inbound%5C.ssl%5C.handshake$"), r": (\d+)")


class PortcullisSide(Side, Portcullis):
    kind = "portcullis"

    def command(self, config, folder):
        mode = "edge" if self.role == "edge" else "sidecar"
        return [self.site.tools.portcullis, mode, "--config", config]

    def handshakes(self):
        """Connections it has taken: nothing is resumed, so each is a handshake."""
        return _number(self.ask_admin("/metrics"), r"(?m)^portcullis_connections_accepted_total (\d+)$")


def _number(text, pattern):
    found = re.search(pattern, text)
    if not found:
        raise BenchError(f"no count of handshakes in: {text[:500]!r}")
    return int(found.group(1))


def refuses_strangers(side):
    """Who shows no certificate gets not one byte of HTTP/2: without that it would be another kind of work."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is asked whether it believes us, not we whether to believe it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(("127.0.0.1", side.tls_port), timeout=5) as plain:
            with context.wrap_socket(plain) as client:
                seen = client.recv(100)
    except (ssl.SSLError, ConnectionError):
        return
    except OSError as error:
        raise BenchError(f"{side.name} neither takes nor refuses who shows no certificate: {error}") from error
    if seen:
        raise BenchError(f"{side.name} takes connections without a certificate")


class Pair:
    """Two proxies, used as one competitor."""

    group = "pair"
    # Its certificates are made by portcullis.
    also = ("portcullis",)
    beside = ()
    user = "optional"

    def __init__(self, site, name, logs):
        self.site, self.name, self.logs = site, name, logs
        self.authority = Authority(site.tools, site.work)
        self.fields = (f"Host: {HOST}",)
        self.started = []
        self.b = self.side(self, "b", user_rule=self.user)
        self.a = self.side(self, "a", peer_port=self.b.tls_port, app_port=site.backend_port)
        self.port = self.a.port
        self.daemon = None

    def start(self):
        for side in (self.b, self.a):
            self.started.append(side)
            side.start()
        refuses_strangers(self.b)
        # That was a connection too, and waiting for the port another one.
        self.earlier = self.b.handshakes()
        self.daemon = Both({"a": self.a.daemon, "b": self.b.daemon})
        self.check()
        return self

    def stop(self):
        for started in reversed(self.started):
            started.stop()

    def check(self):
        """What is going to be measured works."""
        self.expect(200, self.fields)

    def url(self):
        """Where the load goes."""
        return f"http://127.0.0.1:{self.port}/"

    def prepare(self, seconds):
        """Before a load that takes so long."""

    def handshakes(self):
        """TLS handshakes at b since it is ready."""
        return self.b.handshakes() - self.earlier

    def begin(self):
        """Before a measure: what `since` compares with."""

    def since(self, begun, requests):
        """After it: what else belongs in its result, and why it does not count."""
        return {}, {}

    def expect(self, status, fields):
        """One request through the pair, for a moment tried again: a starts without knowing whether b is there."""
        end = time.monotonic() + 5
        while (seen := self._ask(fields))[0] != status and time.monotonic() < end:
            time.sleep(0.1)
        if seen[0] != status or (status == 200 and seen[1] != BODY):
            logs = "".join(f"\n{side.name}: {side.daemon.log_tail()[-600:]}" for side in (self.a, self.b))
            raise BenchError(f"{self.name} answered {seen} instead of {status}:{logs}")

    def _ask(self, fields):
        ask = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            ask.request("GET", "/", headers=dict(field.split(": ", 1) for field in fields))
            answer = ask.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            ask.close()


class EnvoyPair(Pair):
    side = EnvoySide


class PortcullisPair(Pair):
    side = PortcullisSide


class UserPair(PortcullisPair):
    """b demands a user. Passport and stamps are real: a request of alice's is open at a's application meanwhile."""

    user = "required"

    def __init__(self, site, name, logs):
        super().__init__(site, name, logs)
        self.hold_port = free_port()
        self.a.more["app_port"] = self.hold_port
        self.edge = PortcullisSide(self, "edge", core=site.load_core, peer_port=self.a.tls_port)
        self.plain = self.fields
        self.held = None

    def start(self):
        app = Path(__file__).with_name("hold.py")
        command = [sys.executable, app, self.hold_port]
        hold = Daemon("hold", command, self.site.load_core, self.site.work / "hold.log")
        self.started.append(hold)
        hold.wait_for_port(self.hold_port)
        # Before the pair: its check goes through it.
        self.started.append(self.edge)
        self.edge.start()
        return super().start()

    def stop(self):
        self._release()
        super().stop()

    def check(self):
        self.expect(403, self.plain)
        self.prepare(5)
        super().check()

    def prepare(self, seconds):
        """A passport that lives longer than the load, in flight at a."""
        self._release()
        self.held = self._open()
        token = self._read_token()
        left = _expiry(token) - time.time()
        if left < seconds + 2:
            raise BenchError(f"the passport lives {left:.0f} s more; the load takes {seconds} s")
        self.fields = (*self.plain, f"Txn-Token: {token}")

    def _open(self):
        context = ssl.create_default_context(cafile=str(self.site.cert))
        context.load_cert_chain(self.authority.user)
        plain = socket.create_connection(("127.0.0.1", self.edge.tls_port), timeout=10)
        return context.wrap_socket(plain, server_hostname="localhost")

    def _read_token(self):
        """The answer's first line; the rest of it does not come before the passport is over."""
        seen = b""
        try:
            self.held.sendall(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not (found := re.search(rb"([\w-]+\.[\w-]+\.[\w-]+)\n", seen)):
                piece = self.held.recv(4096)
                if not piece:
                    raise BenchError(f"no passport reached the application: {seen[-300:]!r}")
                seen += piece
        except OSError as error:
            raise BenchError(f"no passport reached the application: {error}: {seen[-600:]!r}") from error
        return found.group(1).decode()

    def _release(self):
        if self.held:
            self.held.close()
        self.held = None


def _expiry(token):
    """When a passport ends, Unix seconds."""
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]


# name: (class, tool, writes access logs even without --logs, title), as the competitors
PAIRS = {
    "pair-portcullis": (PortcullisPair, "portcullis", False, "portcullis pair"),
    "pair-user": (UserPair, "portcullis", False, "portcullis pair with a user"),
    "pair-envoy": (EnvoyPair, "envoy", False, "Envoy pair"),
}
