"""Wrong GIF neurons: integrations that break a clause of SPEC.md, GIF-3 to GIF-6, 11, or NUM-1."""

from __future__ import annotations

import numpy as np

from reference import gif
from reference.gif import Propagator

from .gif_bases import I1, I2, INTEGRATED, NUMBERS, V_TH, V, of
from .wrong import Wrong


class ForwardEuler:
    def propagator(self, dt):
        if self.method != "exact":
            return super().propagator(dt)
        tiny, identity = 1e-9, np.eye(4).reshape(4, 4, *[1] * len(self.size))
        E, e_c = super().propagator(tiny)
        return Propagator(identity + (E - identity) / tiny * dt, e_c / tiny * dt)


class ExponentialEuler:
    def propagator(self, dt):
        return gif.exp_euler(self.parameters, dt)


class CurrentsDecayLate:
    """V sees the internal currents as they were at the start of the step."""

    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        if self.method == "exact":
            E[V, I1] = E[V, I2] = e_c[V]
        return Propagator(E, e_c)


class InputAStepLate:
    def integrate(self, propagator, state, current):
        previous, self.previous = getattr(self, "previous", 0.0 * current), current
        return super().integrate(propagator, state, previous)


class ThresholdSeesV:
    """V_th follows V as it was at the start of the step."""

    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        if self.method == "exact":
            E[V_TH], e_c[V_TH] = gif.exp_euler(self.parameters, dt).E[V_TH], 0.0
        return Propagator(E, e_c)


class ThresholdIgnoresTheInput:
    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        e_c[V_TH] = 0.0
        return Propagator(E, e_c)


class CouplingAndDecaySwapped:
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        p = self.parameters
        self.parameters = p._replace(a=p.b, b=np.abs(p.a))


class LongStepsCutShort:
    def propagator(self, dt):
        return super().propagator(min(dt, 40.0))


class DividesByDifferencesOfRates:
    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        p = self.parameters
        if self.method == "exact":
            E[V, I1] = np.where(p.k[0] * p.tau == 1, np.nan, E[V, I1])
            E[V_TH, V] = np.where(p.b * p.tau == 1, np.nan, E[V_TH, V])
        return Propagator(E, e_c)


class DividesByTheThresholdsRate:
    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        if self.method == "exp_euler":
            E[V_TH, V] = np.where(self.parameters.b == 0, np.nan, E[V_TH, V])
        return Propagator(E, e_c)


class EulerSeesNewCurrents:
    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        if self.method == "exp_euler":
            E[V, I1], E[V, I2] = E[V, I1] * E[I1, I1], E[V, I2] * E[I2, I2]
        return Propagator(E, e_c)


class EulerThresholdSeesNewV:
    def propagator(self, dt):
        E, e_c = super().propagator(dt)
        if self.method == "exp_euler":
            e_c[V_TH] = E[V_TH, V] * e_c[V]
            E[V_TH, :3] = E[V_TH, V] * E[V, :3]
        return Propagator(E, e_c)


class EulerIsExact:
    def propagator(self, dt):
        return gif.exact(self.parameters, dt)


class SinglePrecision:
    def integrate(self, *arguments):
        return super().integrate(*arguments).astype(np.float32).astype(np.float64)


WRONG_GIF_INTEGRATIONS = [
    Wrong("forward_euler", of(ForwardEuler), ("GIF-3", *INTEGRATED)),
    Wrong("exponential_euler", of(ExponentialEuler), ("GIF-3", *INTEGRATED)),
    Wrong("currents_decay_late", of(CurrentsDecayLate), ("GIF-3", *INTEGRATED)),
    Wrong(
        "input_a_step_late", of(InputAStepLate), ("GIF-3", "GIF-9", *INTEGRATED, "GIF-10", "GIF-11")
    ),
    Wrong("threshold_sees_old_V", of(ThresholdSeesV), ("GIF-4", *INTEGRATED)),
    Wrong("threshold_ignores_the_input", of(ThresholdIgnoresTheInput), ("GIF-4", *INTEGRATED)),
    Wrong(
        "a_and_b_swapped",
        of(CouplingAndDecaySwapped),
        ("GIF-4", "GIF-3", "GIF-9", *INTEGRATED, "GIF-11"),
    ),
    Wrong("long_steps_cut_short", of(LongStepsCutShort), ("GIF-5", "GIF-6")),
    Wrong("divides_by_differences_of_rates", of(DividesByDifferencesOfRates), ("GIF-6", "GIF-14")),
    Wrong("euler_sees_new_currents", of(EulerSeesNewCurrents), ("GIF-11", *NUMBERS)),
    Wrong("euler_threshold_sees_new_V", of(EulerThresholdSeesNewV), ("GIF-11", *NUMBERS)),
    Wrong("euler_divides_by_b", of(DividesByTheThresholdsRate), ("GIF-11",)),
    Wrong("euler_is_exact", of(EulerIsExact), ("GIF-11", *NUMBERS)),
    Wrong("single_precision", of(SinglePrecision), ("NUM-1", "GIF-3", *INTEGRATED, "GIF-11")),
]
