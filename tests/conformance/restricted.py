"""The reference, which claims less: ``--implementation=restricted:NAME`` judges one.

Names are capabilities, joined by "__", or one of `NARROWED`.
"""

from __future__ import annotations

from typing import Any

from conformance.adapters.reference import Reference
from conformance.protocol.implementation import CAPABILITIES

#: By name: capabilities, and what is claimed of networks.
NARROWED: dict[str, tuple[tuple[str, ...], dict[str, set[str]]]] = {
    "lif_learner": (
        ("traces", "learning"),
        {"kinds": {"LIF"}, "recurrences": {"none"}, "rules": {"D-RTRL"}},
    ),
    "es_learner": (("learning",), {"rules": {"ES-D-RTRL"}}),
    "sparse_learner": (
        ("traces", "learning", "operations"),
        {"operations": {"dense", "sparse"}, "rules": {"D-RTRL"}},
    ),
}

#: That README.md and docs/ name together.
PAIRS = (("states", "history"), ("traces", "learning"), ("morphology", "cable"))

NAMES = (*CAPABILITIES, *map("__".join, PAIRS), *NARROWED)


def __getattr__(name: str) -> Any:
    """The adapter of that name."""
    capabilities, claims = NARROWED.get(name, (tuple(name.split("__")), {}))
    if not {*capabilities} <= {*CAPABILITIES}:
        raise AttributeError(name)
    fields = {"name": name, "capabilities": frozenset(capabilities), "claims": claims}
    return type("Restricted", (Reference,), fields)()
