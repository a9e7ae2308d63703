"""Claims of an adapter: its capabilities, and levels of the networks of chapters 9 and 10.

An adapter may have an attribute `claims`, a dict with some of the keys "kinds", "operations",
"recurrences", "weights" and "rules", each with a set of names. A key that it lacks stands for all
that its capabilities allow. What is not claimed is not applicable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from conformance.protocol.implementation import CAPABILITIES, methods_of

__all__ = [
    "KINDS",
    "LEVELS",
    "OPERATIONS",
    "RECURRENCES",
    "RULES",
    "SPIKING",
    "WEIGHTS",
    "Claims",
    "claims_of",
    "misclaimed",
]

KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("leaky", "LIF", "ALIF", "synapse_LIF", "LRU"), ()),
    **dict.fromkeys(("GIF", "GIFTree"), ("gif",)),
    "cable": ("cable",),
}
"""The kinds of neurons of chapter 10, and the capability without which one is claimed by name."""

SPIKING = ("LIF", "ALIF", "synapse_LIF", "GIF", "GIFTree")
"""The kinds that emit spikes."""

RECURRENCES = ("none", "dense", "element-wise")

WEIGHTS: dict[str, tuple[str, ...]] = {"own": (), "shared": ("operations",)}
"""By whether biases and element-wise weights are of one neuron or shared by all (OP-14), the
capability that it needs."""

OPERATIONS: dict[str, tuple[str, ...]] = {
    "dense": (),
    **dict.fromkeys(("sparse", "convolution", "low-rank", "embedding", "grouped"), ("operations",)),
}
"""By the kind of an operation, the capability that it needs."""

RULES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("D-RTRL", "ES-D-RTRL"), ("traces", "learning", "trials")),
    "hybrid": ("hybrid",),
    "e-prop": ("eprop",),
    "RTRL": ("rtrl",),
    "OSTL": ("ostl",),
    "three-factor": ("three_factor",),
}
"""By a rule, the capabilities of which one is needed."""

NETWORKS = ("traces", "learning", "hybrid", "eprop", "rtrl", "ostl", "three_factor", "trials")
"""The capabilities that have networks."""


@dataclasses.dataclass(frozen=True)
class Claims:
    """The claims of an adapter, each a set of names.

    Attributes
    ----------
    capabilities : frozenset of str
    methods : frozenset of str
        Those of the capabilities.
    kinds, operations, recurrences, weights, rules : frozenset of str
        The levels of problems of chapters 9 and 10.
    """

    capabilities: frozenset[str]
    methods: frozenset[str]
    kinds: frozenset[str]
    operations: frozenset[str]
    recurrences: frozenset[str]
    weights: frozenset[str]
    rules: frozenset[str]

    def cover(self, **levels: Iterable[str]) -> bool:
        """Whether all of these names are claimed."""
        return all(set(names) <= getattr(self, field) for field, names in levels.items())

    def meet(self, **levels: Iterable[str]) -> bool:
        """Whether in each field one of these names is claimed."""
        return all(not getattr(self, field).isdisjoint(names) for field, names in levels.items())

    def __str__(self) -> str:
        """All claims in the words of a verdict."""
        networks = [name for name in NETWORKS if name in self.capabilities]
        narrowings = [
            f"{field} {', '.join(name for name in names if name in getattr(self, field))}"
            for field, names in LEVELS.items()
            if not set(_names_of(field, self.capabilities)) <= getattr(self, field)
        ]
        if not narrowings and self.capabilities >= set(CAPABILITIES):
            return "all of SPEC.md"
        others = [c for c in CAPABILITIES if c in self.capabilities and c not in networks]
        text = ", ".join([*others, *networks]) or "nothing"
        return f"{text} ({'; '.join(narrowings)})" if networks and narrowings else text


def claims_of(adapter: Any) -> Claims:
    """The claims of an adapter; unknown names are left out (`misclaimed` has them)."""
    if isinstance(getattr(adapter, "claims", None), Claims):
        return adapter.claims
    capabilities = frozenset(adapter.capabilities) & frozenset(CAPABILITIES)
    methods = {method for capability in capabilities for method in methods_of(capability)}
    narrowings = _narrowings(adapter)
    levels = {
        field: frozenset(_names_of(field, capabilities)) & frozenset(narrowings.get(field, names))
        for field, names in _ranges(capabilities).items()
    }
    levels["weights"] |= {"own"}  # which every network has
    return Claims(capabilities, frozenset(methods), **levels)


def misclaimed(adapter: Any) -> list[str]:
    """Describe the claims of an adapter that no adapter can make (CONF-1)."""
    capabilities = set(adapter.capabilities)
    faults = [f"the capability {name!r}, which is none" for name in capabilities - {*CAPABILITIES}]
    for field, own_names in _narrowings(adapter).items():
        names = LEVELS.get(field)
        if names is None:
            faults.append(f"{field!r}, which is none of {', '.join(LEVELS)}")
            continue
        if isinstance(own_names, str):
            faults.append(f"{own_names!r} as {field}, which is text and no set of names")
            continue
        for name in set(own_names) - set(_names_of(field, capabilities)):
            if name in names:
                capability = " or ".join(names[name])
                faults.append(f"{name!r} of {field} without the capability {capability}")
            else:
                faults.append(f"{name!r} of {field}, which has {', '.join(names)}")
    return sorted(faults)


def _narrowings(adapter: Any) -> Mapping[str, Iterable[str]]:
    return getattr(adapter, "claims", {})


LEVELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "kinds": KINDS,
    "operations": OPERATIONS,
    "recurrences": dict.fromkeys(RECURRENCES, ()),
    "weights": WEIGHTS,
    "rules": RULES,
}
"""By field of `Claims`, the names there are, and the capabilities of which each needs one."""


def _ranges(capabilities: Iterable[str]) -> dict[str, list[str]]:
    """By field, the names that are claimed where an adapter does not say."""
    return {
        field: [name for name, needs in names.items() if not needs or {*needs} & {*capabilities}]
        for field, names in LEVELS.items()
    }


def _names_of(field: str, capabilities: Iterable[str]) -> Iterable[str]:
    """The names that may be claimed in a field; networks may have kinds that no method has."""
    return KINDS if field == "kinds" else _ranges(capabilities)[field]
