"""Wrong GIF neurons that step as they should: their runs and their derivatives do not."""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference import to_reference
from conformance.protocol.implementation import Value
from reference.gif import UNITS, names_of

from .gif_bases import V_TH, Gif
from .wrong import Wrong


class RunsAreExact(Gif):
    def gif_run(self, *arguments, method="exact", form="states"):
        return super().gif_run(*arguments, form=form)


class RunsInNanoampere(Gif):
    def gif_run(self, size, parameters, state, currents, dt, **options):
        currents = Value(currents.array, "nA")
        return super().gif_run(size, parameters, state, currents, dt, **options)


class RunsInMilliseconds(Gif):
    def gif_run(self, size, parameters, state, currents, dt, **options):
        dt = Value(dt.array, "ms")
        return super().gif_run(size, parameters, state, currents, dt, **options)


class RunsOfABatchStartAlike(Gif):
    def gif_run(self, size, parameters, state, currents, dt, **options):
        if np.ndim(state["V"].array) > len(size):
            first = {n: np.broadcast_to(x.array[:1], x.array.shape) for n, x in state.items()}
            state = {name: Value(first[name], x.unit) for name, x in state.items()}
        return super().gif_run(size, parameters, state, currents, dt, **options)


class ParametersOfTheFirstRow(Gif):
    """A parameter that is not given for each neuron is the first one's."""

    def replace_parameters(self, size, parameters):
        return {
            name: Value(np.broadcast_to(x.array.flat[0], size), x.unit)
            if isinstance(x, Value) and 0 < x.array.size < np.prod(size) and x.array.ndim
            else x
            for name, x in parameters.items()
        }


class TreeTakesBareParameters(Gif):
    def gif_initial(self, size, batch, parameters, form):
        if form == "tree":
            names = names_of(2)
            parameters = {
                name: Value(x.array, x.unit or UNITS[names[name]]) for name, x in parameters.items()
            }
        return super().gif_initial(size, batch, parameters, form)


class TinyStepsAreNone(Gif):
    def gif_step(self, size, parameters, state, current, dt, **options):
        step = super().gif_step(size, parameters, state, current, dt, **options)
        return (dict(state), step[1]) if 0 < to_reference(dt).array < 1e-5 else step


class DividesByDifferencesOfRates(Gif):
    """As a formula for the step does, in its derivative."""

    def gif_jacobian(self, size, parameters, *others, **options):
        jacobian = super().gif_jacobian(size, parameters, *others, **options)
        p = self.model(size, parameters).dynamics.parameters
        rates = [*p.k, 1 / p.tau, p.b]
        meet = np.zeros(size, bool)
        for i, rate in enumerate(rates):
            for other in rates[:i]:
                meet |= rate == other
        return jacobian | {"state": np.where(meet[..., None, None], np.nan, jacobian["state"])}


class HalfOfTheBound(Gif):
    """At V_th = V_th,reset half of the derivative flows, as that of a maximum may."""

    def gif_jacobian(self, size, parameters, state, current, dt, **options):
        jacobian = super().gif_jacobian(size, parameters, state, current, dt, **options)
        model = self.model_in(state, size, parameters)
        before, propagator, I = model._read(to_reference(current), to_reference(dt))
        step = model.dynamics.step(propagator, before, I)
        bound = model.dynamics.parameters.V_th_reset
        half = np.where(step.spikes & (step.integrated[V_TH] == bound), 0.5, 0.0)
        row = jacobian["state"][..., V_TH, :] + half[..., None] * np.moveaxis(
            propagator.E[V_TH], 0, -1
        )
        after = jacobian["state"].copy()
        after[..., V_TH, :] = row
        return jacobian | {"state": after}


class ScaleInMillivolt(Gif):
    def gif_jacobian(self, *arguments, scale=None, **options):
        scale = scale and Value(scale.array, "mV")
        return super().gif_jacobian(*arguments, scale=scale, **options)


class DerivativesInNanoampere(Gif):
    def gif_jacobian(self, size, parameters, state, current, dt, **options):
        current = Value(current.array, "nA")
        return super().gif_jacobian(size, parameters, state, current, dt, **options)


WRONG_GIF_CORNERS = [
    Wrong("runs_are_exact", RunsAreExact, ("GIF-11", "GIF-9")),
    Wrong("runs_in_nanoampere", RunsInNanoampere, ("GIF-20", "GIF-19")),
    Wrong("runs_in_milliseconds", RunsInMilliseconds, ("GIF-19", "GIF-20")),
    Wrong("runs_of_a_batch_start_alike", RunsOfABatchStartAlike, ("GIF-10",)),
    Wrong("parameters_of_the_first_row", ParametersOfTheFirstRow, ("GIF-18", "ERR-1", "ERR-2")),
    Wrong("tree_takes_bare_parameters", TreeTakesBareParameters, ("GIF-18",)),
    Wrong("tiny_steps_are_none", TinyStepsAreNone, ("GIF-5",)),
    Wrong("derivative_divides_by_rates", DividesByDifferencesOfRates, ("GIF-14", "GIF-6")),
    Wrong("half_of_the_bound", HalfOfTheBound, ("GIF-16",)),
    Wrong("scale_in_millivolt", ScaleInMillivolt, ("GIF-15", "GIF-16")),
    Wrong("derivatives_in_nanoampere", DerivativesInNanoampere, ("GIF-16", "GIF-20")),
]
"""The first clause is the one that is broken; the others fail with it."""
