"""What the wrong state classes are made of: the reference, with some methods replaced."""

from __future__ import annotations

from conformance.adapters.reference import Reference
from reference import ETraceGroupState, ETraceState, ETraceTreeState


class States(Reference):
    """The reference, as far as states go."""

    capabilities = frozenset({"states"})


class Histories(Reference):
    """The reference, as far as states and their history go."""

    capabilities = frozenset({"states", "history"})


class Plain:
    """Adds nothing."""


def of(mixin, base=States):
    """An adapter whose states of every kind have the methods of a mixin."""
    kinds = {"single": ETraceState, "group": ETraceGroupState, "tree": ETraceTreeState}
    return type(mixin.__name__, (base,), {k: _derived(kinds[k], mixin) for k in kinds})


def _derived(kind, mixin, methods=()):
    """A class of states that pickle finds by its name."""
    name = f"{kind.__name__}{len(globals())}"
    globals()[name] = type(name, (mixin, kind), {**dict(methods), "__module__": __name__})
    return globals()[name]


def group(**methods):
    """An adapter whose group state differs in some methods."""
    return type("Groups", (States,), {"group": _derived(ETraceGroupState, Plain, methods)})


def tree(**methods):
    """An adapter whose tree state differs in some methods."""
    return type("Trees", (States,), {"tree": _derived(ETraceTreeState, Plain, methods)})


def history(mixin):
    """An adapter whose states of every kind record their history otherwise."""
    return of(mixin, Histories)


READING = (
    *("UNIT-1", "UNIT-4", "UNIT-5"),
    *(f"STATE-{i}" for i in (3, 6, 7, 8, 10, 11, 12)),
    *("GROUP-3", "GROUP-4", "GROUP-6", "GROUP-7"),
    *(f"TREE-{i}" for i in (1, 2, 5, 6, 7, 8, 9, 10, 11, 13, 14)),
    *("ERR-1", "ERR-2"),
)
"""What fails where what is read is not what was written."""

HISTORY = tuple(f"HIST-{i}" for i in range(1, 9))
"""What fails where a history is not right."""
