"""portcullis with a limit that several processes share, and without.

Decides the limits: high enough that nobody is refused, counted in a Redis on the core of the load. A measure in which
the store was not asked, or did not answer and `on_failure` decided, would be one of another kind of work and does not
count.
"""

import re
import socket
from dataclasses import dataclass, replace

from . import ask
from .competitors import BODY, Portcullis
from .process import BenchError, Daemon, free_port

# How often the store may fail to answer, as a share of requests: a few times are the machine, more are other work.
MOST_FAILED = 0.001


class Store:
    """A Redis that keeps nothing on disk."""

    def __init__(self, site):
        self.site = site
        self.port = free_port()
        self.daemon = None

    def start(self):
        folder = self.site.work / "redis"
        folder.mkdir(exist_ok=True)
        command = [self.site.tools.redis, "--port", self.port, "--bind", "127.0.0.1", "--dir", folder]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self.daemon = Daemon("redis", command, self.site.load_core, folder / "log")
        self.daemon.wait_for_port(self.port)
        return self

    def stop(self):
        if self.daemon:
            self.daemon.stop()

    def scripts(self):
        """How often it was asked to decide something."""
        return sum(int(n) for n in re.findall(r"cmdstat_(?:evalsha|eval|fcall):calls=(\d+)", self._stats()))

    def _stats(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
                link.sendall(b"INFO commandstats\r\n")
                answer = link.makefile("rb")
                return answer.read(int(answer.readline()[1:])).decode()
        except (OSError, ValueError) as error:
            raise BenchError(f"redis does not tell what it was asked: {error}") from error


@dataclass(frozen=True)
class Limit:
    """What a configuration says about it."""

    rate: str
    burst: int
    sharing: str
    timeout: str = "20ms"
    on_failure: str = "allow"


class Unlimited(Portcullis):
    """What the others are compared with."""

    group = "limit"
    template = "limit/none.yaml"
    config_name = "portcullis.yaml"

    def ports(self):
        return [self.port]

    def url(self):
        """Where the load goes."""
        return f"http://127.0.0.1:{self.port}/"


class Limited(Unlimited):
    """One limit on everything, in the store of the site."""

    also = ("redis",)
    template = "limit/global.yaml"
    limit = None
    # How many requests the store must have been asked for, as a share.
    least_asked = 0.0

    def __init__(self, site, name, logs, limit=None, prefix=None):
        super().__init__(site, name, logs)
        self.limit = limit or self.limit
        self.prefix = prefix or name

    @property
    def beside(self):
        """What serves it on the core of the load."""
        return [self.site.store.daemon]

    def values(self, folder):
        limit = self.limit
        own = {"redis_port": self.site.store.port, "prefix": self.prefix, "rate": limit.rate, "burst": limit.burst}
        own |= {"sharing": limit.sharing, "timeout": limit.timeout, "on_failure": limit.on_failure}
        return {**super().values(folder), **own}

    def said(self):
        """Answers of its limit so far by verdict, and as `error` how often the store gave none."""
        found, page = {}, ask.admin(self.admin_port, "/metrics")
        for family, labels, count in re.findall(r"(?m)^portcullis_limit(_store)?_total\{(.*)\} (\d+)$", page):
            # Of the store there are events of other kinds too.
            label = re.search(r'event="(error)"' if family else r'verdict="(\w+)"', labels)
            if label:
                found[label.group(1)] = found.get(label.group(1), 0) + int(count)
        return found

    def begin(self):
        return self.said(), self.site.store.scripts()

    def since(self, begun, requests):
        said, scripts = self.said(), self.site.store.scripts() - begun[1]
        said = {word: count - begun[0].get(word, 0) for word, count in said.items()}
        failed, errors = said.get("error", 0), {}
        if failed > MOST_FAILED * requests:
            errors["store did not answer"] = failed
        if said.get("admitted", 0) < (1 - MOST_FAILED) * requests:
            errors["limit admitted only"] = said.get("admitted", 0)
        if scripts < max(1, self.least_asked * requests):
            errors["store was asked only"] = scripts
        return {"store_asked": scripts, "store_failed": failed}, errors


class Probed(Limited):
    """Shows first, in another process, that the very same would refuse."""

    # So many in an hour, of which a few may be kept back and none is too many.
    FEW, ASKED = 40, 80

    def start(self):
        super().start()
        few = replace(self.limit, rate=f"{self.FEW}/h", burst=self.FEW)
        probe = Limited(self.site, f"{self.name}.probe", self.logs, few)
        try:
            probe.start()
            # The first one may come before the connection to the store.
            ask.status_within(200, probe.port)
            seen = ask.statuses(probe.port, self.ASKED)
            if not self.FEW / 2 <= seen.count(200) <= self.FEW or set(seen) != {200, 429}:
                raise BenchError(f"{self.name} with {self.FEW} requests an hour answers {seen}")
            _, body = ask.get(self.port)
            if body != BODY:
                raise BenchError(f"{self.name} answers {body[:200]!r}")
        except BenchError:
            self.stop()
            raise
        finally:
            probe.stop()
        return self


class Leased(Probed):
    limit = Limit("100000/s", 100_000, "leased")


class Exact(Probed):
    limit = Limit("100000/s", 100_000, "exact")
    least_asked = 0.99


# name: (class, tool, writes access logs even without --logs, title), as the competitors
LIMITED = {
    "limit-none": (Unlimited, "portcullis", False, "no limit"),
    "limit-leased": (Leased, "portcullis", False, "leased limit"),
    "limit-exact": (Exact, "portcullis", False, "exact limit"),
}
