"""Wrong GIF neurons: steps and runs that break a clause of SPEC.md, chapters 6 and 9."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value
from reference import Dynamics, GIFTree, gif

from .gif_bases import INTEGRATED, NUMBERS, RESET, V_TH, Gif, Stepwise, V, number, of
from .gif_derivatives import WRONG_GIF_DERIVATIVES
from .gif_integrations import WRONG_GIF_INTEGRATIONS
from .gif_refusals import WRONG_GIF_REFUSALS
from .wrong import Wrong

# Parameters and the first state


class ThresholdResetsToV_reset(Gif):
    def replace_parameters(self, size, parameters):
        V_reset = parameters.get("V_reset", Value(np.float64(-80.0), "mV"))
        return {"V_th_reset": V_reset} | parameters

    def gif_defaults(self):
        return super().gif_defaults() | {"V_th_reset": Value(np.float64(-80.0), "mV")}


class DefaultsFromThePaper(Gif):
    def gif_defaults(self):
        return super().gif_defaults() | {"k1": Value(np.float64(0.2), "ms^-1")}


class ResistanceInKiloohm:
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.parameters = self.parameters._replace(R=1e-3 * self.parameters.R)


class StartsAtZero(Gif):
    def gif_initial(self, *arguments):
        state = super().gif_initial(*arguments)
        return state | {"V": Value(np.zeros_like(state["V"].array), "mV")}


class StartsAtTheThresholdReset:
    def initial(self, batch=()):
        state = super().initial(batch)
        state[V_TH] = self.parameters.V_th_reset
        return state


class BatchBehindThePopulation(Gif):
    def gif_initial(self, size, batch, *others):
        state = super().gif_initial(size, batch, *others)
        if batch is None:
            return state
        return {name: Value(np.moveaxis(x.array, 0, -1), x.unit) for name, x in state.items()}


# Comparison, reset, emission


class SpikesAtEquality:
    def compare(self, V, V_th):
        return V >= V_th


class SpikesAMicrovoltLate:
    def compare(self, V, V_th):
        return V > V_th + 1e-3


class ComparesBeforeTheStep:
    def integrate(self, propagator, state, current):
        self.before = state
        return super().integrate(propagator, state, current)

    def compare(self, V, V_th):
        return self.before[2] > self.before[3]


class ComparesWithTheOldThreshold(ComparesBeforeTheStep):
    def compare(self, V, V_th):
        return self.before[3] < V


class ResetsTheStateBefore(ComparesBeforeTheStep):
    def compare(self, V, V_th):
        return V > V_th

    def reset(self, integrated):
        return super().reset(self.before)


class FactorsAndIncrementsSwapped:
    def reset(self, integrated):
        p = self.parameters
        return gif.reset(p.A, p.R_j, p.V_reset, p.V_th_reset, integrated)


class IncrementsAreScaled:
    def reset(self, integrated):
        p = self.parameters
        return gif.reset(p.R_j, p.R_j * p.A, p.V_reset, p.V_th_reset, integrated)


class Resets:
    """A reset of which one variable is another."""

    def reset(self, integrated):
        result = super().reset(integrated)
        self.change(result, integrated, self.parameters)
        return result


class CurrentsAreSet(Resets):
    def change(self, result, integrated, p):
        result[:2] = p.A.reshape(2, *[1] * (result.ndim - p.A.ndim), *p.A.shape[1:])


class ThresholdIsNotClamped(Resets):
    def change(self, result, integrated, p):
        result[V_TH] = integrated[V_TH]


class ThresholdIsClampedFromAbove(Resets):
    def change(self, result, integrated, p):
        result[V_TH] = np.minimum(p.V_th_reset, integrated[V_TH])


class ThresholdIsSet(Resets):
    def change(self, result, integrated, p):
        result[V_TH] = p.V_th_reset


class ResetsToRest(Resets):
    def change(self, result, integrated, p):
        result[V] = p.V_rest


class SoftReset(Resets):
    def change(self, result, integrated, p):
        result[V] = integrated[V] - (integrated[V_TH] - p.V_reset)


class EmitsAStepLate:
    def step(self, *arguments):
        step = super().step(*arguments)
        late, self.spikes = getattr(self, "spikes", np.zeros_like(step.spikes)), step.spikes
        return step._replace(spikes=late)


class ResetsAStepLate:
    def step(self, propagator, state, current):
        spiked = getattr(self, "spiked", np.zeros(state.shape[1:], bool))
        step = super().step(propagator, np.where(spiked, self.reset(state), state), current)
        self.spiked = step.spikes
        return step._replace(state=step.integrated)


class Refractory:
    def compare(self, V, V_th):
        self.spikes = (V > V_th) & ~getattr(self, "spikes", np.zeros(V.shape, bool))
        return self.spikes


class ResetsWithoutEmission:
    """What is too close to tell is reset, and no spike is emitted."""

    def step(self, *arguments):
        step = super().step(*arguments)
        distance = np.abs(step.integrated[V] - step.integrated[V_TH])
        return step._replace(spikes=step.spikes & (distance > 1e-13 * step.size[V]))


class InputsOfABatchMixed(Gif):
    def input(self, state, current):
        array, shape = number(current), np.shape(state["V"].array)
        whole = array.ndim > 1 and array.shape == shape
        return Value(array[::-1], current.unit) if whole else current


class NeuronsShareTau:
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        tau = self.parameters.tau
        self.parameters = self.parameters._replace(tau=np.full_like(tau, tau.flat[0]))


class RunsEndEarly(Gif):
    """A buffer of 4096 steps."""

    def gif_run(self, *arguments, **options):
        states, spikes = super().gif_run(*arguments, **options)
        spikes[4096:] = False
        return states, spikes


class RunsSeeTheNextInput(Gif):
    def gif_run(self, size, parameters, state, currents, *others, **options):
        currents = Value(np.roll(currents.array, -1, axis=0), currents.unit)
        return super().gif_run(size, parameters, state, currents, *others, **options)


class TreeWithoutClamp(Gif):
    class Dynamics(Stepwise, ThresholdIsNotClamped, Dynamics):
        pass

    def model(self, size, parameters, form="states", *options, **named):
        model = super().model(size, parameters, form, *options, **named)
        if form == "tree":
            model.dynamics.__class__ = self.Dynamics
        return model


class TreeWithLeavesSwapped(Gif):
    class tree_form(GIFTree):
        @property
        def variables(self):
            values = super().variables
            return values | {"I1": values["I2"], "I2": values["I1"]}

        @variables.setter
        def variables(self, values):
            GIFTree.variables.fset(self, values)


WRONG_GIFS = [
    Wrong("threshold_resets_to_V_reset", ThresholdResetsToV_reset, ("GIF-1",)),
    Wrong("another_default", DefaultsFromThePaper, ("GIF-1",)),
    Wrong(
        "resistance_in_kiloohm", of(ResistanceInKiloohm), ("GIF-3", "GIF-9", *INTEGRATED, "GIF-11")
    ),
    Wrong("starts_at_zero", StartsAtZero, ("GIF-2",)),
    Wrong("starts_at_the_threshold_reset", of(StartsAtTheThresholdReset), ("GIF-2",)),
    Wrong("batch_behind_the_population", BatchBehindThePopulation, ("GIF-2",)),
    Wrong("spikes_at_equality", of(SpikesAtEquality), ("GIF-7",)),
    Wrong("spikes_a_microvolt_late", of(SpikesAMicrovoltLate), ("GIF-7", "GIF-12", *NUMBERS)),
    Wrong(
        "compares_before_the_step",
        of(ComparesBeforeTheStep),
        ("GIF-7", "GIF-3", "GIF-4", "GIF-9", *RESET),
    ),
    Wrong(
        "compares_with_the_old_threshold",
        of(ComparesWithTheOldThreshold),
        ("GIF-7", "GIF-3", "GIF-4", *RESET),
    ),
    Wrong("resets_the_state_before", of(ResetsTheStateBefore), ("GIF-8", *RESET)),
    Wrong("factors_and_increments_swapped", of(FactorsAndIncrementsSwapped), ("GIF-8", *RESET)),
    Wrong("increments_are_scaled", of(IncrementsAreScaled), ("GIF-8", *RESET)),
    Wrong("currents_are_set", of(CurrentsAreSet), ("GIF-8", *RESET)),
    Wrong("threshold_is_not_clamped", of(ThresholdIsNotClamped), ("GIF-8", *RESET)),
    Wrong("threshold_is_clamped_from_above", of(ThresholdIsClampedFromAbove), ("GIF-8", *RESET)),
    Wrong("threshold_is_set", of(ThresholdIsSet), ("GIF-8", *RESET)),
    Wrong("resets_to_rest", of(ResetsToRest), ("GIF-8", "GIF-9", *RESET)),
    Wrong("soft_reset", of(SoftReset), ("GIF-8", "GIF-9", *RESET)),
    Wrong(
        "emits_a_step_late",
        of(EmitsAStepLate),
        ("GIF-9", "GIF-7", "GIF-8", "GIF-10", *RESET, "GIF-17"),
    ),
    Wrong("resets_a_step_late", of(ResetsAStepLate), ("GIF-9", "GIF-8", "GIF-10", *RESET)),
    Wrong("refractory", of(Refractory), ("GIF-9", *NUMBERS)),
    Wrong("inputs_of_a_batch_mixed", InputsOfABatchMixed, ("GIF-10", "GIF-14", "GIF-20", *NUMBERS)),
    Wrong("neurons_share_tau", of(NeuronsShareTau), ("GIF-10", "GIF-3", *INTEGRATED, "GIF-11")),
    Wrong("runs_end_early", RunsEndEarly, ("GIF-12",)),
    Wrong("tree_without_clamp", TreeWithoutClamp, ("GIF-13",)),
    Wrong("tree_with_leaves_swapped", TreeWithLeavesSwapped, ("GIF-13", "GIF-11")),
    Wrong(
        "resets_without_emission",
        of(ResetsWithoutEmission),
        ("NUM-2", "GIF-24", "GIF-9", "GIF-7", "NUM-1"),
    ),
    Wrong(
        "runs_see_the_next_input",
        RunsSeeTheNextInput,
        ("NUM-3", "GIF-9", "GIF-10", "GIF-11", "GIF-12"),
    ),
    *WRONG_GIF_INTEGRATIONS,
    *WRONG_GIF_DERIVATIVES,
    *WRONG_GIF_REFUSALS,
]
