"""Everything that can be measured, by name: single proxies and pairs."""

from .competitors import COMPETITORS
from .pair import PAIRS

ALL = {**COMPETITORS, **PAIRS}


def make(site, name):
    """A competitor that is not started yet."""
    kind, _, always_logs, _ = ALL[name]
    return kind(site, name, always_logs or site.logs)
