"""Certificates of the pairs: the same P-256 leafs and intermediate for every competitor.

Decides names and files. `portcullis ca` makes what the mesh shows; openssl makes alice, who is no
member of the mesh. Knows nothing about proxies.
"""

import shutil
import subprocess

from .process import BenchError

TRUST_DOMAIN = "bench.example"
MEMBERS = {"a": "svc/a", "b": "svc/b", "edge": "edge"}


def spiffe_id(member):
    """What a member is called."""
    return f"spiffe://{TRUST_DOMAIN}/{MEMBERS[member]}"


class Authority:
    """A fresh authority in the work folder, and what it has given out."""

    def __init__(self, tools, work):
        self.tools = tools
        self.folder = work / "authority"
        self.user_ca = self.folder / "users.crt"
        self.user = self.folder / "alice.pem"

    def make(self):
        """Everything anew: certificates live a day."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self._ca("init", TRUST_DOMAIN)
        for member, name in MEMBERS.items():
            self._ca("entry", "create", name)
            self._ca("issue", name, "--out", self.of(member))
        self._make_user()

    def of(self, member):
        """Folder with svid.pem (leaf and intermediate), svid.key and bundle.pem of a member."""
        return self.folder / member

    def _ca(self, *arguments):
        _run([self.tools.portcullis, "ca", "--dir", self.folder / "ca", *arguments])

    def _make_user(self):
        ca_key, cert, key = (self.folder / name for name in ("users.key", "alice.crt", "alice.key"))
        new = [self.tools.openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        new += ["-nodes", "-days", "30"]
        _run([*new, "-subj", "/CN=users", "-keyout", ca_key, "-out", self.user_ca])
        leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth"]
        signed = ["-CA", self.user_ca, "-CAkey", ca_key, "-keyout", key, "-out", cert]
        _run([*new, "-subj", "/CN=alice", *leaf, *signed])
        self.user.write_text(cert.read_text() + key.read_text())


def _run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise BenchError(f"no certificates: `{' '.join(str(c) for c in command[1:4])}`: {done.stdout}{done.stderr}")
