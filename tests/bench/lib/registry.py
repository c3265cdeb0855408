"""Everything that can be measured, by name: single proxies, pairs, gateways that know users, shared limits,
services that are looked after."""

from .auth import GUARDED
from .competitors import COMPETITORS
from .limit import LIMITED
from .pair import PAIRS
from .resilience import LOOKED_AFTER

ALL = {**COMPETITORS, **PAIRS, **GUARDED, **LIMITED, **LOOKED_AFTER}


def make(site, name):
    """A competitor that is not started yet."""
    kind, _, always_logs, _ = ALL[name]
    return kind(site, name, always_logs or site.logs)
