"""The gateways that know users: a bearer token, a limit per user that never refuses, the user to the service.

Decides what is fair: the same token, key file and claims to check (signature, issuer, audience, expiry), the token not
passed on, a limit that counts each user by itself. Every one of them must prove that it does all that before it is
measured: who only passes requests on does another kind of work.
"""

from . import ask
from .competitors import BODY, Competitor, Envoy, HaProxy, Portcullis
from .issuer import AUDIENCE, ISSUER, spoiled
from .process import BenchError

USER, OTHER = "alice", "bob"
# Requests of a user in a second: nobody comes near it, and the other one is passed at once.
NEVER, SOON = 1_000_000, 3
# So many one after another take less than a second.
ENOUGH = 40


class Guarded(Competitor):
    """What these have in common; takes TLS only."""

    group = "auth"

    def __init__(self, site, name, logs, limit=NEVER):
        super().__init__(site, name, logs)
        self.limit = limit
        self.fields = bearer(site.issuer.token(USER))

    @property
    def config_name(self):
        return self.template.rpartition("/")[2]

    def values(self, folder):
        issuer = self.site.issuer
        own = {"limit": self.limit, "issuer": ISSUER, "audience": AUDIENCE}
        return {**super().values(folder), **own, "jwks": issuer.jwks, "public_key": issuer.public_key}

    def ports(self):
        return [self.tls_port]

    def url(self):
        """Where the load goes."""
        return f"https://localhost:{self.tls_port}/"

    def start(self):
        super().start()
        if self.limit == NEVER:
            try:
                self.check()
            except BenchError:
                self.stop()
                raise
        return self

    def check(self):
        """It knows who asks, tells it, and would refuse one too many."""
        issuer, token = self.site.issuer, self.site.issuer.token(USER)
        self.expect(200, bearer(token))
        told = self.expect(200, [*bearer(token), "X-Auth-User: mallory"], "/who")
        if told != f"user={USER} token=":
            raise BenchError(f"{self.name} tells the service {told!r}")
        strangers = {
            "no token": (),
            "a signature that does not hold": bearer(spoiled(token)),
            "another issuer": bearer(issuer.token(USER, iss="https://other.example/")),
            "another audience": bearer(issuer.token(USER, aud="other")),
            "an expired token": bearer(issuer.token(USER, exp=1_700_000_000)),
        }
        for words, fields in strangers.items():
            # Envoy answers 403 to who has a good token for another audience.
            self.expect((401, 403) if words == "another audience" else 401, fields, words=words)
        self.check_limit()

    def check_limit(self):
        """The same with a limit that is soon passed: it is there, and of each user."""
        probe = type(self)(self.site, f"{self.name}.probe", self.logs, limit=SOON)
        try:
            probe.start()
            seen = ask.statuses(probe.tls_port, ENOUGH, probe.fields, self.site.cert)
            if seen[0] != 200 or not set(seen) == {200, 429}:
                raise BenchError(f"{self.name} with {SOON} requests a second answers {seen}")
            probe.expect(200, bearer(self.site.issuer.token(OTHER)), words="another user")
        finally:
            probe.stop()

    def expect(self, status, fields, path="/", words="a good token"):
        """One request; the body of its answer."""
        seen, body = ask.get(self.tls_port, path, fields, self.site.cert)
        wanted = status if isinstance(status, tuple) else (status,)
        if seen not in wanted or (seen == 200 and path == "/" and body != BODY):
            raise BenchError(f"{self.name} answers {words} with {seen} {body[:200]!r} instead of {wanted}")
        return body


def bearer(token):
    """Header fields with a token."""
    return (f"Authorization: Bearer {token}",)


class GuardedPortcullis(Guarded, Portcullis):
    template = "auth/portcullis.yaml"


class GuardedEnvoy(Guarded, Envoy):
    template = "auth/envoy.yaml"


class GuardedHaProxy(Guarded, HaProxy):
    template = "auth/haproxy.cfg"


# name: (class, tool, writes access logs even without --logs, title), as the competitors
GUARDED = {
    "auth-portcullis": (GuardedPortcullis, "portcullis", False, "portcullis"),
    "auth-envoy": (GuardedEnvoy, "envoy", False, "Envoy (token cache)"),
    "auth-haproxy": (GuardedHaProxy, "haproxy", False, "HAProxy (no token cache)"),
}
