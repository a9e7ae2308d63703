"""Wrong refusals: messages that leave something out, in every chapter (ERR-2)."""

from __future__ import annotations

from conformance.protocol.implementation import PROTOCOLS, methods_of
from reference.errors import BrainscaleError

from .cable_bases import CableAdapter, MorphologyAdapter
from .gif_bases import Gif
from .learning_bases import LearningAdapter
from .state_bases import Histories
from .wrong import Wrong

METHODS = {method for capability in PROTOCOLS for method in methods_of(capability)}


def retold(base, change):
    """Make an adapter of another one, whose errors are told otherwise."""

    def attribute(self, name):
        value = base.__getattribute__(self, name)
        return telling(value, change) if name in METHODS else value

    return type("Retold", (base,), {"__getattribute__": attribute})


def telling(call, change):
    """Make a call whose errors have another subject, or another word on what was got or needed."""

    def called(*arguments, **options):
        try:
            return call(*arguments, **options)
        except BrainscaleError as error:
            caught = error
        raise type(caught)(*change(caught))

    return called


def without_subject(error):
    return "something", error.got, error.needs


def without_got(error):
    return error.subject.partition(", address")[0], "something else", error.needs


def without_needs(error):
    return error.subject, error.got, "something else"


ADAPTERS = {
    "state": (Histories, ("STATE-12", "TREE-3", "TREE-7", "ERR-1")),
    "gif": (Gif, ("GIF-18", "GIF-19", "GIF-20")),
    "morphology": (MorphologyAdapter, tuple(f"MORPH-{i}" for i in range(8, 12))),
    "cable": (CableAdapter, ("CABLE-10", "ERR-1")),
    "learning": (LearningAdapter, ("TRACE", "LEARN", "ERR-1")),
}
"""By what refuses: the adapter, and the clauses that say more of a message."""

LEFT_OUT = {
    "without_subject": without_subject,
    "without_what_they_got": without_got,
    "without_what_they_need": without_needs,
}

WRONG_REFUSALS = [
    Wrong(f"{name}_errors_{part}", retold(base, change), ("ERR-2", *more))
    for name, (base, more) in ADAPTERS.items()
    for part, change in LEFT_OUT.items()
    if (name, part) not in {("learning", "without_what_they_need")}
]
