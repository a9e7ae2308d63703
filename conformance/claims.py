"""What an adapter claims of the networks of SPEC.md, chapters 9 and 10, beyond its capabilities.

An adapter may have an attribute `claims`, a mapping from some of "kinds", "operations",
"recurrences" and "rules" to sets of names. One that it lacks stands for all that its capabilities
allow. What is not claimed is not applicable.
"""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["KINDS", "OPERATIONS", "RECURRENCES", "RULES", "SPIKING", "Claims", "claims_of"]

KINDS = ("leaky", "LIF", "ALIF", "synapse_LIF", "GIF", "GIFTree", "cable")
"""The kinds of neurons of chapter 10."""

SPIKING = KINDS[1:-1]
"""Those that emit spikes."""

RECURRENCES = ("none", "dense", "element-wise")

OPERATIONS = {
    "dense": (),
    **dict.fromkeys(("sparse", "convolution", "low-rank", "embedding"), ("operations",)),
}
"""By the kind of an operation, the capabilities that it needs."""

RULES = {
    **dict.fromkeys(("D-RTRL", "ES-D-RTRL"), ("traces", "learning")),
    **{name: (name,) for name in ("hybrid",)},
    "e-prop": ("eprop",),
    "RTRL": ("rtrl",),
    "OSTL": ("ostl",),
    "three-factor": ("three_factor",),
}
"""By a rule, the capabilities of which one is needed."""


@dataclasses.dataclass(frozen=True)
class Claims:
    """The levels of problems that an adapter claims."""

    kinds: frozenset[str]
    operations: frozenset[str]
    recurrences: frozenset[str]
    rules: frozenset[str]


def claims_of(adapter: Any) -> Claims:
    """What an adapter claims."""
    capabilities, own = set(adapter.capabilities), getattr(adapter, "claims", {})
    operations = {name for name, needs in OPERATIONS.items() if set(needs) <= capabilities}
    rules = {name for name, needs in RULES.items() if set(needs) & capabilities}

    def narrowed(attribute: str, allowed: Any) -> frozenset[str]:
        return frozenset(allowed) & frozenset(own.get(attribute, allowed))

    return Claims(
        narrowed("kinds", KINDS),
        narrowed("operations", operations),
        narrowed("recurrences", RECURRENCES),
        narrowed("rules", rules),
    )
