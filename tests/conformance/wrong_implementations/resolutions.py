"""Chips that state a wrong resolution (NUM-9)."""

from __future__ import annotations

from .coarse import HonestChip
from .wrong import Wrong


class ResolutionOfNoPower(HonestChip):
    resolution = 1e-4


class ResolutionOfAnything(HonestChip):
    resolution = 2.0**-3


class ResolutionFinerThanItIs(HonestChip):
    """It has nine bits and claims sixteen."""

    bits = 9


WRONG_RESOLUTIONS = [
    Wrong("resolution_of_no_power_of_two", ResolutionOfNoPower, ("NUM-9", "GIF", "NUM")),
    Wrong("resolution_of_three_bits", ResolutionOfAnything, ("NUM-9", "GIF", "NUM")),
    Wrong("resolution_finer_than_it_is", ResolutionFinerThanItIs, ("NUM-1", "GIF", "NUM")),
]
