"""Single requests of checks, before anything is measured. Knows nothing about what is right."""

import http.client
import ssl
import time

from .process import BenchError


def get(port, path="/", fields=(), authority=None):
    """Status and text of one request; over TLS when there is a file of who is to be believed."""
    with _Link(port, authority) as ask:
        return ask.get(path, fields)


def statuses(port, count, fields=(), authority=None):
    """Statuses of so many requests one after another, on one connection."""
    with _Link(port, authority) as ask:
        return [ask.get("/", fields)[0] for _ in range(count)]


def status_within(wanted, port, seconds=5):
    """Asks until that is the status; some need a moment to find what they depend on."""
    end = time.monotonic() + seconds
    while (seen := get(port))[0] != wanted:
        if time.monotonic() > end:
            raise BenchError(f"it answers {seen} instead of {wanted}")
        time.sleep(0.1)


class _Link:
    """A connection; what goes wrong on it ends the run with a sentence."""

    def __init__(self, port, authority):
        if authority:
            context = ssl.create_default_context(cafile=str(authority))
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            self.connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
        else:
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, _, error, __):
        self.connection.close()
        if isinstance(error, (OSError, http.client.HTTPException)):
            raise BenchError(f"no answer to a check: {error!r}") from error

    def get(self, path, fields):
        self.connection.request("GET", path, headers=dict(field.split(": ", 1) for field in fields))
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def admin(port, path):
    """A page of an admin listener."""
    try:
        status, text = get(port, path)
    except BenchError as error:
        raise BenchError(f"the admin listener does not answer {path}: {error}") from error
    if status != 200:
        raise BenchError(f"the admin listener answers {path} with {status}")
    return text
