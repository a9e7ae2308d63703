"""What the wrong GIF neurons are made of: the reference, with some methods replaced."""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference import Reference
from conformance.protocol.implementation import Value
from reference import Dynamics
from reference.gif import Run

I1, I2, V, V_TH = range(4)

NUMBERS = ("NUM-1", "NUM-2", "NUM-3")
RESET = ("GIF-11", "GIF-12", "GIF-16", *NUMBERS, "NUM-4")
"""What is judged by values after a spike."""
INTEGRATED = (
    *("GIF-4", "GIF-5", "GIF-6", "GIF-7", "GIF-8", "GIF-12", "GIF-14", "GIF-15", "GIF-16"),
    *("GIF-17", *NUMBERS, "NUM-4"),
)
"""What is judged by integrated values."""


class Remembered:
    """Keeps the propagator, which nothing in a run changes."""

    def propagator(self, dt):
        known = self.__dict__.setdefault("propagators", {})
        if dt not in known:
            known[dt] = super().propagator(dt)
        return known[dt]


class Stepwise(Remembered):
    """Runs step by step: the compiled loop of the reference knows nothing of what is wrong."""

    def run(self, propagator, state, currents):
        steps = []
        for current in currents:
            steps.append(self.step(propagator, state, current))
            state = steps[-1].state
        names = ("state", "spikes", "integrated", "size")
        return Run(*(np.array([getattr(step, name) for step in steps]) for name in names))


class Quick(Remembered, Dynamics):
    """The reference's population."""


class Gif(Reference):
    """The reference as an implementation of the neuron alone. What it is given can be changed."""

    capabilities = frozenset({"gif"})
    dynamics = Quick

    def replace_parameters(self, size, parameters):
        return parameters

    def input(self, state, current):
        return current

    def length(self, dt):
        return dt

    def model(self, size, parameters, *options, **named):
        return super().model(size, self.replace_parameters(size, parameters), *options, **named)

    def gif_step(self, size, parameters, state, current, dt, **options):
        current = self.input(state, current)
        return super().gif_step(size, parameters, state, current, self.length(dt), **options)


def of(mixin):
    """The adapter of populations that have the methods of a mixin."""
    dynamics = type(mixin.__name__, (Stepwise, mixin, Dynamics), {})
    return type(mixin.__name__, (Gif,), {"dynamics": dynamics})


def number(value):
    """The number or numbers of a parameter or an input."""
    return np.asarray(value.array if isinstance(value, Value) else value)
