"""portcullis with everything on that looks after a service, and without: the service is well, so this is what it costs
when nothing happens. Decides nothing but the two configurations."""

from . import ask
from .competitors import BODY, Portcullis
from .process import BenchError


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


# name: (class, tool, writes access logs even without --logs, title), as the competitors
LOOKED_AFTER = {
    "resilience-off": (Careless, "portcullis", False, "nothing looks after the service"),
    "resilience-on": (Careful, "portcullis", False, "everything does"),
}
