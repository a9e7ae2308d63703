"""Adapters at fault: what chapter 14 of SPEC.md does not have."""

from __future__ import annotations

from typing import ClassVar

from .gif_bases import Gif
from .learning_bases import LearningAdapter
from .wrong import Wrong


class SpikesAsNumbers(Gif):
    """Its spikes are 0.0 and 1.0, where the protocol has booleans."""

    def gif_step(self, *arguments, **options):
        state, spikes = super().gif_step(*arguments, **options)
        return state, spikes.astype(float)


class KindOfItsOwn(LearningAdapter):
    claims: ClassVar = {"kinds": {"LIF", "LSTM"}}


WRONG_ADAPTERS = [
    Wrong("spikes_as_numbers", SpikesAsNumbers, ("CONF-3", "GIF", "NUM")),
    Wrong("kind_of_its_own", KindOfItsOwn, ("CONF-1",)),
]
