"""Wrong GIF neurons: right numbers of wrong types (GIF-22)."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value

from .gif_bases import Gif
from .wrong import Wrong


class Typed(Gif):
    """What a step or a run gives is handed over otherwise."""

    def gif_step(self, *arguments, **options):
        state, spikes = super().gif_step(*arguments, **options)
        return self.variables(state), self.spikes(spikes)

    def gif_run(self, *arguments, **options):
        states, spikes = super().gif_run(*arguments, **options)
        return self.variables(states), self.spikes(spikes)

    def variables(self, state):
        return state

    def spikes(self, spikes):
        return spikes


class SpikesAreFloats(Typed):
    def spikes(self, spikes):
        return np.asarray(spikes, float)


class SpikesAreIntegers(Typed):
    def spikes(self, spikes):
        return np.asarray(spikes, np.int8)


class SpikesAreLists(Typed):
    def spikes(self, spikes):
        return spikes.tolist()


class VariablesAreBare(Typed):
    def variables(self, state):
        return {name: value.array for name, value in state.items()}


class VariablesAreLists(Typed):
    def variables(self, state):
        return {name: Value(value.array.tolist(), value.unit) for name, value in state.items()}


class VariablesHaveNoUnit(Typed):
    def variables(self, state):
        return {name: Value(value.array) for name, value in state.items()}


ALL = ("GIF-22", "GIF", "NUM")

WRONG_GIF_TYPES = [
    Wrong("spikes_are_floats", SpikesAreFloats, ALL),
    Wrong("spikes_are_integers", SpikesAreIntegers, ALL),
    Wrong("spikes_are_lists", SpikesAreLists, ALL),
    Wrong("variables_are_bare_arrays", VariablesAreBare, ALL),
    Wrong("variables_are_lists", VariablesAreLists, ALL),
    Wrong("variables_have_no_unit", VariablesHaveNoUnit, ALL),
]
