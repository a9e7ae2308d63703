"""Adapters at fault: ``--implementation=broken_adapters:NAME`` judges one."""

from __future__ import annotations

import warnings
from typing import ClassVar

from conformance.adapters.reference import Reference


class NoSpikes(Reference):
    """Forgets to return what a step emitted."""

    name = "no spikes"
    capabilities = frozenset({"gif"})

    def gif_step(self, *arguments, **options):
        state, _ = super().gif_step(*arguments, **options)
        return state


class NoHistory(Reference):
    """Says that it keeps none."""

    name = "no-history"
    capabilities = frozenset({"history"})

    def history(self, state):
        raise NotImplementedError("later")


class Loud(Reference):
    """Warns at every read; is neither hashable nor comparable; claims in lists."""

    name = "loud"
    capabilities: ClassVar = ["morphology"]
    __hash__ = None

    def __eq__(self, other):
        raise AssertionError("compared")

    def site(self, sections, site):
        warnings.warn("a site", stacklevel=1)
        return super().site(sections, site)


no_spikes, no_history, loud = NoSpikes(), NoHistory(), Loud()
