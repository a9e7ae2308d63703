"""Wrong GIF neurons: derivatives that break a clause of SPEC.md, GIF-14 to GIF-17 or NUM-4."""

from __future__ import annotations

import numpy as np

from .gif_bases import I1, V_TH, Gif, V, of
from .wrong import Wrong


class Transposed(Gif):
    def gif_jacobian(self, *arguments, **options):
        got = super().gif_jacobian(*arguments, **options)
        return got | {"state": np.swapaxes(got["state"], -1, -2)}


class WithoutTheInput(Gif):
    def gif_jacobian(self, *arguments, **options):
        got = super().gif_jacobian(*arguments, **options)
        return got | {"current": 0 * got["current"]}


class RowsInAnotherOrder(Gif):
    def gif_jacobian(self, *arguments, **options):
        got = super().gif_jacobian(*arguments, **options)
        order = [V, V_TH, 0, 1]
        return got | {"state": got["state"][..., order, :], "current": got["current"][..., order]}


class Jacobians:
    """A derivative of which the propagator's or the result's entries are changed."""

    def jacobian(self, propagator, state, current, **options):
        step = super().step(propagator, state, current)
        return self.change(super().jacobian(propagator, state, current, **options), step, options)


class ThresholdDoesNotFollowV(Jacobians):
    """What a threshold taken as constant within a step has."""

    def change(self, jacobian, step, options):
        rows = jacobian.step.copy()
        rows[V_TH, I1] = 0.0
        return jacobian._replace(step=rows)


class WithoutSurrogate:
    def surrogate(self, x, alpha, width):
        return np.zeros_like(x)


class SurrogateOfTheOtherSign:
    def surrogate(self, x, alpha, width):
        return -super().surrogate(x, alpha, width)


class SurrogateIsABox:
    def surrogate(self, x, alpha, width):
        return alpha * (np.abs(x) < width)


class SurrogateOfWidthOne:
    def surrogate(self, x, alpha, width):
        return super().surrogate(x, alpha, 1.0)


class SurrogateOfDefaultAlpha:
    def surrogate(self, x, alpha, width):
        return super().surrogate(x, 0.3, width)


class IgnoresTheScale:
    def jacobian(self, *arguments, scale=20.0, **options):
        return super().jacobian(*arguments, scale=20.0, **options)


class ForgetsToDivideByTheScale:
    def jacobian(self, *arguments, scale=20.0, **options):
        jacobian = super().jacobian(*arguments, scale=scale, **options)
        return jacobian._replace(spike=scale * jacobian.spike)


class DetachedByDefault:
    def jacobian(self, *arguments, detach_reset=False, **options):
        return super().jacobian(*arguments, detach_reset=True, **options)


class NeverDetached:
    def jacobian(self, *arguments, detach_reset=False, **options):
        return super().jacobian(*arguments, **options)


class DetachesTheSpikeToo:
    def jacobian(self, *arguments, detach_reset=False, **options):
        jacobian = super().jacobian(*arguments, detach_reset=detach_reset, **options)
        return jacobian._replace(spike=jacobian.spike * (not detach_reset))


class DetachesTheCurrentsToo(Jacobians):
    """The whole reset map as a constant."""

    def change(self, jacobian, step, options):
        if options.get("detach_reset"):
            rows = np.where(step.spikes & (np.arange(4) < 2)[:, *[None] * (jacobian.step.ndim - 1)],
                            0.0, jacobian.step)  # fmt: skip
            jacobian = jacobian._replace(step=rows)
        return jacobian


class ResetIsTheIdentity(Jacobians):
    """P = 1: the derivative of the values that the reset replaces."""

    def change(self, jacobian, step, options):
        D = self.propagators and next(iter(self.propagators.values()))
        rows = jacobian.step.copy()
        batch = [None] * (step.spikes.ndim - len(self.size))
        E_V = np.concatenate([D.E[V], D.e_c[V][None]])[:, *batch]
        rows[V] = rows[V] + step.spikes * E_V
        return jacobian._replace(step=rows)


class ThresholdAlwaysFlows(ResetIsTheIdentity):
    """P of V_th is 1, clamped or not."""

    def change(self, jacobian, step, options):
        D = next(iter(self.propagators.values()))
        rows = jacobian.step.copy()
        batch = [None] * (step.spikes.ndim - len(self.size))
        row = np.concatenate([D.E[V_TH], D.e_c[V_TH][None]])[:, *batch]
        clamped = step.integrated[V_TH] <= self.parameters.V_th_reset
        rows[V_TH] = rows[V_TH] + (step.spikes & clamped) * row
        return jacobian._replace(step=rows)


class SingleDerivatives(Gif):
    def gif_jacobian(self, *arguments, **options):
        got = super().gif_jacobian(*arguments, **options)
        return {name: array.astype(np.float32) for name, array in got.items()}


NUMERIC = ("GIF-16", "GIF-17", "NUM-4")

WRONG_GIF_DERIVATIVES = [
    Wrong("jacobian_transposed", Transposed, ("GIF-14", *NUMERIC)),
    Wrong("jacobian_without_the_input", WithoutTheInput, ("GIF-14", *NUMERIC)),
    Wrong("rows_in_another_order", RowsInAnotherOrder, ("GIF-14", *NUMERIC)),
    Wrong("threshold_taken_as_constant", of(ThresholdDoesNotFollowV), ("GIF-14", *NUMERIC)),
    Wrong("without_surrogate", of(WithoutSurrogate), ("GIF-15", "GIF-16", "NUM-4")),
    Wrong("surrogate_of_other_sign", of(SurrogateOfTheOtherSign), ("GIF-15", "GIF-16", "NUM-4")),
    Wrong("surrogate_is_a_box", of(SurrogateIsABox), ("GIF-15", "GIF-16", "NUM-4")),
    Wrong("surrogate_of_width_one", of(SurrogateOfWidthOne), ("GIF-15", "GIF-16")),
    Wrong("surrogate_of_default_alpha", of(SurrogateOfDefaultAlpha), ("GIF-15", "GIF-16")),
    Wrong("scale_is_ignored", of(IgnoresTheScale), ("GIF-15", "GIF-16")),
    Wrong("not_divided_by_the_scale", of(ForgetsToDivideByTheScale), ("GIF-15", "NUM-4")),
    Wrong("reset_is_the_identity", of(ResetIsTheIdentity), NUMERIC),
    Wrong("clamped_threshold_flows", of(ThresholdAlwaysFlows), NUMERIC),
    Wrong("detached_by_default", of(DetachedByDefault), ("GIF-16", "NUM-4")),
    Wrong("never_detached", of(NeverDetached), ("GIF-17", "NUM-4")),
    Wrong("spike_is_detached_too", of(DetachesTheSpikeToo), ("GIF-15", "NUM-4")),
    Wrong("currents_are_detached_too", of(DetachesTheCurrentsToo), ("GIF-17", "NUM-4")),
    Wrong(
        "single_precision_derivatives",
        SingleDerivatives,
        ("NUM-4", "GIF-14", "GIF-15", "GIF-16", "GIF-17"),
    ),
]
