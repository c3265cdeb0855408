"""The competitors: how each is configured and started, made as alike as they allow.

Decides what is fair: one worker or thread, pooled upstream connections, the same key and
certificate, TLS 1.3 only, the same number of tickets, logs on in all or off in all.
Knows nothing about load or figures.
"""

import http.client
import os
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import BenchError, Daemon, free_port

BODY = "portcullis benchmark: sixty-six bytes of an answer, neither more n"
assert len(BODY) == 66
CONFIGS = Path(__file__).resolve().parent.parent / "configs"


@dataclass
class Site:
    """What all competitors share."""

    work: Path
    tools: object
    proxy_core: int
    load_core: int
    logs: bool
    backend_port: int = 0
    status_port: int = 0
    # Who gives tokens to users, and where limits are counted that are shared; only when somebody needs them.
    issuer: object = None
    store: object = None

    @property
    def cert(self):
        return self.work / "server.crt"

    @property
    def key(self):
        return self.work / "server.key"

    @property
    def pem(self):
        return self.work / "server.pem"

    def make_certificate(self):
        """A self-signed ECDSA P-256 certificate, the same for all."""
        command = [self.tools.openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command += ["-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext"]
        command += ["subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.key, "-out", self.cert]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise BenchError(f"openssl made no certificate: {done.stderr}")
        self.pem.write_text(self.cert.read_text() + self.key.read_text())


class Competitor:
    """One proxy: ports, configuration file, process. Made anew for every start."""

    # Whom it is compared with: who does the same work. A pair is two proxies, one beside the caller and one beside
    # the called.
    group = "single"
    # Tools it needs beside its own.
    also = ()
    # Header fields its load must send.
    fields = ()
    # Processes on the core of the load that serve it.
    beside = ()

    def __init__(self, site, name, logs):
        self.site = site
        self.name = name
        self.logs = logs
        self.core = site.proxy_core
        self.port = free_port()
        self.tls_port = free_port()
        self.admin_port = free_port()
        self.daemon = None

    def start(self):
        folder = self.site.work / self.name
        folder.mkdir(exist_ok=True)
        config = folder / self.config_name
        config.write_text(self.render(folder))
        self.daemon = Daemon(
            self.name, self.command(config, folder), self.core, folder / "log", self.logs_to_stdout
        )
        self.wait_ready()
        return self

    def stop(self):
        if self.daemon:
            self.daemon.stop()

    def prepare(self, seconds):
        """Before a load that takes so long."""

    def handshakes(self):
        """TLS handshakes between the two proxies so far; None when there is no such thing."""

    def begin(self):
        """Before a measure: what `since` compares with."""

    def since(self, begun, requests):
        """After it: what else belongs in its result, and why it does not count."""
        return {}, {}

    logs_to_stdout = False
    template = None

    @property
    def config_name(self):
        return self.template

    def render(self, folder):
        """The template of configs/ with this run's ports and files."""
        text = (CONFIGS / self.template).read_text()
        return string.Template(text).substitute(self.values(folder))

    def values(self, folder):
        """What a template may name."""
        return {
            "port": self.port,
            "tls_port": self.tls_port,
            "admin_port": self.admin_port,
            "backend_port": self.site.backend_port,
            "status_port": self.site.status_port,
            "cert": self.site.cert,
            "key": self.site.key,
            "pem": self.site.pem,
            "folder": folder,
            "body": BODY,
            # A worker that gave up root could not write below the work folder.
            "user": "user root;" if os.geteuid() == 0 else "",
            **self.log_values(),
        }

    def log_values(self):
        return {}

    def ports(self):
        """Where it takes connections."""
        return [self.port, self.tls_port]

    def wait_ready(self):
        for port in self.ports():
            self.daemon.wait_for_port(port)


class Nginx(Competitor):
    template = "nginx.conf"

    def log_values(self):
        return {"access_log": "/dev/null combined buffer=64k flush=1s" if self.logs else "off"}

    def command(self, config, folder):
        return [self.site.tools.nginx, "-p", folder, "-c", config, "-e", folder / "log", "-g", "daemon off;"]


class Backend(Nginx):
    """The static service behind all of them: nginx again, on the core of the load."""

    template = "backend.conf"

    def start(self):
        self.site.backend_port, self.site.status_port = self.port, self.tls_port
        self.core = self.site.load_core
        return super().start()

    def connections(self):
        """Connections taken so far, this question left out."""
        answer = http.client.HTTPConnection("127.0.0.1", self.site.status_port, timeout=5)
        answer.request("GET", "/status")
        accepted = int(answer.getresponse().read().split(b"\n")[2].split()[0])
        answer.close()
        self.asked = getattr(self, "asked", 0) + 1
        return accepted - self.asked


class HaProxy(Competitor):
    template = "haproxy.cfg"
    # Its log goes to stdout; nobody reads it.
    logs_to_stdout = True
    log_format = "httplog"

    def log_values(self):
        if not self.logs:
            return {"log": "", "log_format": ""}
        return {"log": "log stdout format raw local0", "log_format": f"option {self.log_format}"}

    def command(self, config, folder):
        return [self.site.tools.haproxy, "-db", "-f", config]


class Relay(HaProxy):
    """HAProxy that copies bytes: the floor of anything that is a proxy on TCP."""

    template = "relay.cfg"
    log_format = "tcplog"

    def ports(self):
        return [self.port]


class Envoy(Competitor):
    template = "envoy.yaml"

    def log_values(self):
        log = (
            "access_log: [{ name: envoy.access_loggers.file, typed_config: { "
            '"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null } }]'
        )
        return {"access_log": log if self.logs else "access_log: []"}

    def command(self, config, folder):
        return [self.site.tools.envoy, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warn"]


class Portcullis(Competitor):
    template = "portcullis.yaml"

    def log_values(self):
        return {"access_log": "file:/dev/null" if self.logs else "off"}

    def command(self, config, folder):
        return [self.site.tools.portcullis, "edge", "--config", config]

    def wait_ready(self):
        self.daemon.wait_until(self.is_ready, "GET /ready does not answer 200")
        super().wait_ready()

    def is_ready(self):
        ask = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=1)
        try:
            ask.request("GET", "/ready")
            return ask.getresponse().status == 200
        except OSError:
            return False
        finally:
            ask.close()


# name: (class, tool, writes access logs even without --logs, title)
COMPETITORS = {
    "portcullis": (Portcullis, "portcullis", False, "portcullis"),
    "portcullis+log": (Portcullis, "portcullis", True, "portcullis with access log"),
    "nginx": (Nginx, "nginx", False, "nginx"),
    "haproxy": (HaProxy, "haproxy", False, "HAProxy"),
    "envoy": (Envoy, "envoy", False, "Envoy"),
    "relay": (Relay, "haproxy", False, "TCP relay (HAProxy mode tcp)"),
}
