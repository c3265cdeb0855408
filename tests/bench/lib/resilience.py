"""portcullis with everything on that looks after a service, and without: the service is well, so this is what it costs
when nothing happens. And portcullis while nobody, or many, wait for another service that is slow. Decides nothing but the
configurations."""

import re
import sys
from pathlib import Path

from . import ask
from .competitors import BODY, Portcullis
from .process import BenchError, Daemon, free_port

# Who wait for the slow service at once.
WAITING = 500


class Careless(Portcullis):
    """What the other is compared with."""

    group = "resilience"
    template = "resilience/none.yaml"
    config_name = "portcullis.yaml"

    def ports(self):
        return [self.port]

    def url(self):
        """Where the load goes."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self):
        super().start()
        _, body = ask.get(self.port)
        if body != BODY:
            self.stop()
            raise BenchError(f"{self.name} answers {body[:200]!r}")
        return self


class Careful(Careless):
    """Retries, bulkhead, breaker, ejection, health checks, slow start, peak EWMA."""

    template = "resilience/all.yaml"

    def since(self, begun, requests):
        page = ask.admin(self.admin_port, "/metrics")
        errors = {} if 'portcullis_breaker_state{upstream_cluster="backend"} 0' in page else {"breaker": "is not there"}
        return {}, errors


class Alone(Careless):
    """Nobody asks for the slow service."""

    group = "isolation"
    template = "resilience/two.yaml"

    def __init__(self, site, name, logs):
        super().__init__(site, name, logs)
        self.slow_port = free_port()

    def values(self, folder):
        return {**super().values(folder), "slow_port": self.slow_port}


class Crowded(Alone):
    """Many wait for it."""

    waiting = None

    @property
    def beside(self):
        """Serves and asks on the core of the load."""
        return [self.waiting] if self.waiting else []

    def start(self):
        super().start()
        command = [sys.executable, Path(__file__).with_name("slow.py"), self.slow_port, self.port, WAITING]
        self.waiting = Daemon("slow", command, self.site.load_core, self.site.work / self.name / "slow.log")
        self.waiting.wait_for_port(self.slow_port)
        return self

    def stop(self):
        if self.waiting:
            self.waiting.stop()
        super().stop()

    def since(self, begun, requests):
        page = ask.admin(self.admin_port, "/metrics")
        inside = re.search(r'portcullis_bulkhead_exchanges\{upstream_cluster="slow",state="inside"\} (\d+)', page)
        waits = int(inside.group(1)) if inside else 0
        return {"waiting": waits}, {} if waits > WAITING / 2 else {"nobody waits": waits}


# name: (class, tool, writes access logs even without --logs, title), as the competitors
LOOKED_AFTER = {
    "resilience-off": (Careless, "portcullis", False, "nothing looks after the service"),
    "resilience-on": (Careful, "portcullis", False, "everything does"),
    "isolation-alone": (Alone, "portcullis", False, "nobody waits for another service"),
    "isolation-crowded": (Crowded, "portcullis", False, f"{WAITING} wait for another service"),
}
