"""Who gives users their tokens: ES256, made with the standard library and openssl, the same for every competitor.

Decides names, claims and files. Knows nothing about proxies.
"""

import base64
import json
import subprocess
import time

from .process import BenchError

ISSUER = "https://id.bench.example/"
AUDIENCE = "bench"
KEY_ID = "one"
LIFE = 24 * 3600
# An uncompressed point of P-256 at the end of the key in DER: 4, x, y.
COORDINATE = 32


class Issuer:
    """A fresh key in the work folder, and what is published of it."""

    def __init__(self, openssl, work):
        self.openssl = openssl
        self.folder = work / "issuer"
        self.key = self.folder / "issuer.key"
        self.public_key = self.folder / "issuer.pub"
        self.jwks = self.folder / "jwks.json"

    def make(self):
        """Everything anew."""
        self.folder.mkdir(exist_ok=True)
        make = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key]
        self._run(make)
        self._run(["pkey", "-in", self.key, "-pubout", "-out", self.public_key])
        point = self._run(["pkey", "-in", self.key, "-pubout", "-outform", "DER"])[-2 * COORDINATE :]
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID}
        key |= {"x": base64url(point[:COORDINATE]), "y": base64url(point[COORDINATE:])}
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, user, **other):
        """A token of this user, with claims that differ from the usual ones."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + LIFE, **other}
        head = {"alg": "ES256", "typ": "JWT", "kid": KEY_ID}
        signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        der = self._run(["dgst", "-sha256", "-sign", self.key], signed.encode())
        return f"{signed}.{base64url(raw_signature(der))}"

    def _run(self, arguments, given=None):
        command = [str(part) for part in (self.openssl, *arguments)]
        done = subprocess.run(command, input=given, capture_output=True, timeout=30)
        if done.returncode != 0:
            raise BenchError(f"no token: `openssl {arguments[0]}`: {done.stderr.decode(errors='replace')}")
        return done.stdout


def spoiled(token):
    """The same with a signature that does not hold."""
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def raw_signature(der):
    """r and s as JWS has them, of the two numbers in DER: 30 length (02 length number) twice, all lengths one byte."""
    numbers, rest = [], der[2:]
    for _ in range(2):
        length = rest[1]
        numbers.append(int.from_bytes(rest[2 : 2 + length], "big"))
        rest = rest[2 + length :]
    return b"".join(number.to_bytes(COORDINATE, "big") for number in numbers)


def base64url(data):
    """Without padding, as JOSE wants it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
