"""Wrong derivatives with respect to parameters of GIF neurons: GIF-25 to GIF-31, NUM-10."""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference import Reference
from reference.gif import LearnedDynamics
from reference.gif.gradients import sum_to
from reference.gif.slopes import Slopes, chain

from .wrong import Wrong


class Sensitive(Reference):
    """The reference as an implementation of derivatives with respect to parameters alone."""

    capabilities = frozenset({"gif", "gif_sensitivity"})


def of(mixin):
    """The adapter of populations that have the methods of a mixin."""
    dynamics = type(mixin.__name__, (mixin, LearnedDynamics), {})
    return type(mixin.__name__, (Sensitive,), {"learned_dynamics": dynamics})


def with_slopes(change):
    """The adapter of populations whose derivatives of the propagator a function changes.

    The function is given them by parameter, the population and dt.
    """

    class Changed:
        def slopes(self, dt):
            return change(super().slopes(dt), self, dt)

    return of(Changed)


def with_entries(name, change):
    """The adapter in which a function changes the derivatives with respect to one parameter."""

    def change_one(slopes, neurons, dt):
        return slopes | {name: Slopes(change(slopes[name].D.copy()), slopes[name].size)}

    return with_slopes(change_one)


def without_drive(slopes, neurons, dt):
    """τ is in the exponents, not in the factor of R."""
    D, g = slopes["tau"].D.copy(), 1 / neurons.parameters.tau
    rates = {0: neurons.parameters.k[0], 1: neurons.parameters.k[1], 4: np.zeros_like(g)}
    for j, k in rates.items():
        D[2, j] += g**2 * neurons.parameters.R / 1e6 * chain(dt, k, g)
    return slopes | {"tau": Slopes(D, slopes["tau"].size)}


def without_exponents(slopes, neurons, dt):
    """τ is in the factor of R, not in the exponents."""
    D, g = slopes["tau"].D.copy(), 1 / neurons.parameters.tau
    rates = {0: neurons.parameters.k[0], 1: neurons.parameters.k[1], 4: np.zeros_like(g)}
    for j, k in rates.items():
        D[2, j] -= g**3 * neurons.parameters.R / 1e6 * chain(dt, k, g, g)
    return slopes | {"tau": Slopes(D, slopes["tau"].size)}


def divided_where_rates_meet(slopes, neurons, dt):
    """⟨k k g⟩ by its definition where k is near g, too."""
    D, g, k = slopes["k1"].D.copy(), 1 / neurons.parameters.tau, neurons.parameters.k[0]
    with np.errstate(all="ignore"):
        double = (chain(dt, k, g) - chain(dt, k, k)) / (k - g)
    near = np.abs(k - g) < 1e-3 * g
    D[2, 0] = np.where(near, -neurons.parameters.R / 1e6 * g * double, D[2, 0])
    return slopes | {"k1": Slopes(D, slopes["k1"].size)}


def of_the_other_method(slopes, neurons, dt):
    """The exact method's derivatives, whatever the method."""
    exact = type(neurons).__new__(type(neurons))
    exact.__dict__.update(neurons.__dict__, method="exact")
    return LearnedDynamics.slopes(exact, dt)


class StateAtRest:
    """V_rest moves as the potential does: u is fixed, not h."""

    def integrated_slope(self, name, propagator, *rest):
        G, size = super().integrated_slope(name, propagator, *rest)
        if name == "V_rest":
            G = np.zeros_like(G)
            G[2] = 1.0
        return G, size


class ThresholdAtRestIsFixed:
    def integrated_slope(self, name, *rest):
        G, size = super().integrated_slope(name, *rest)
        return (0 * G if name == "V_th_inf" else G), size


class SurrogateOfVAlone:
    """The spike's derivative does not see that the threshold has parameters."""

    def step_slope(self, name, integrated, step, **options):
        slope, factors = (
            super().step_slope(name, integrated, step, **options),
            self.find_factors(step, **options),
        )
        wrong = factors.psi * integrated[0][-2]
        return slope._replace(state=slope.state + factors.jump * (wrong - slope.spike), spike=wrong)


class SpikeOfAnotherWidth:
    def step_slope(self, name, integrated, step, **options):
        slope = super().step_slope(name, integrated, step, **options)
        other = super().step_slope(name, integrated, step, **options | {"width": 1.0})
        return slope._replace(spike=other.spike)


class ResetIsNoPath:
    """What the reset map itself has of parameters is forgotten."""

    def reset_slope(self, name, step):
        d_reset, size = super().reset_slope(name, step)
        return 0 * d_reset, size


class FactorsAreIgnored:
    """The derivatives with respect to R_j are forgotten."""

    def reset_slope(self, name, step):
        d_reset, size = super().reset_slope(name, step)
        return (0 * d_reset if name in ("R1", "R2") else d_reset), size


class BoundAlwaysCounts:
    """V_th,reset is learned where it is not in force, too."""

    def reset_slope(self, name, step):
        d_reset, size = super().reset_slope(name, step)
        if name == "V_th_reset":
            d_reset[-1] = 1.0
        return d_reset, size


class JumpIsNoPath:
    """The parameters move no spike."""

    def step_slope(self, name, integrated, step, **options):
        return super().step_slope(name, integrated, step, **options | {"detach_reset": True})


class NeverDetachedByParameters:
    def step_slope(self, name, integrated, step, **options):
        return super().step_slope(name, integrated, step, **options | {"detach_reset": False})


class ResetKeepsWhatItReplaces:
    """P = 1: the derivative of the integrated values stays where the neuron spikes."""

    def find_factors(self, *arguments, **options):
        factors = super().find_factors(*arguments, **options)
        return factors._replace(P=np.ones_like(factors.P))


class NothingIsCarried:
    """Each step's derivative alone."""

    def carry(self, S, N, jacobian, sizes, slope):
        return super().carry(0 * S, N, jacobian, sizes, slope)


class CarriedThroughNoReset:
    """D of the integrated values, also where the neuron spikes."""

    def follow(self, dt, *arguments, **options):
        self.E = self.propagator(dt).E
        return super().follow(dt, *arguments, **options)

    def carry(self, S, N, jacobian, sizes, slope):
        batch = [None] * (S.ndim - 1 - len(self.size))
        step = jacobian.step.copy()
        step[:, :-1] = self.E[:, :, *batch]
        return super().carry(S, N, jacobian._replace(step=step), sizes, slope)


class SpikesCarryNothing:
    def carry(self, S, N, jacobian, sizes, slope):
        state, size, _, size_spike = super().carry(S, N, jacobian, sizes, slope)
        return state, size, slope.spike, size_spike


class FromTheInitialState(Sensitive):
    """The state before a run is taken as V_rest, which is a function of it."""

    def gif_sensitivity(self, *arguments, **options):
        got = super().gif_sensitivity(*arguments, **options)
        if "V_rest" in got["state"]:
            got["state"]["V_rest"][0, ..., 2] += 1.0
        return got


def with_gradients(change):
    """The adapter of which a function changes each gradient, given its terms: states, spikes."""

    def gif_gradient(self, size, parameters, *arguments):
        got = Sensitive.gif_gradient(self, size, parameters, *arguments)
        *rest, state_weights, spike_weights = arguments
        derivatives = Sensitive.gif_sensitivity(self, size, parameters, *rest)
        return {
            name: np.asarray(change(
                gradient,
                (state_weights * derivatives["state"][name]).sum(-1),
                spike_weights * derivatives["spike"][name],
            ))
            for name, gradient in got.items()
        }  # fmt: skip

    return type("OfGradients", (Sensitive,), {"gif_gradient": gif_gradient})


def mean_of_neurons(gradient, of_states, of_spikes):
    return gradient * gradient.size / of_spikes[0].size


def of_the_first_trial(gradient, of_states, of_spikes):
    terms = (of_states + of_spikes).sum(0)
    return sum_to(terms[:1] if terms.ndim > 2 else terms, gradient.shape)


def of_the_last_step(gradient, of_states, of_spikes):
    return sum_to((of_states + of_spikes)[-1], gradient.shape)


def of_states_alone(gradient, of_states, of_spikes):
    return sum_to(of_states.sum(0), gradient.shape)


def with_sign(D):
    return -D


class SinglePrecision(Sensitive):
    def gif_sensitivity(self, *arguments, **options):
        got = super().gif_sensitivity(*arguments, **options)
        return {
            what: {name: array.astype(np.float32) for name, array in of_what.items()}
            for what, of_what in got.items()
        }


RUN = ("GIF-30", "GIF-31", "NUM-10")
INTEGRATED = ("GIF-25", "GIF-26", "GIF-27", "GIF-28", "GIF-29", *RUN)

WRONG_GIF_SENSITIVITIES = [
    Wrong("sensitivity_without_b", with_entries("b", np.zeros_like), INTEGRATED),
    Wrong("sensitivity_of_other_sign", with_entries("k2", with_sign), INTEGRATED),
    Wrong("tau_in_exponents_alone", with_slopes(without_drive), INTEGRATED),
    Wrong("tau_in_the_drive_alone", with_slopes(without_exponents), INTEGRATED),
    Wrong("sensitivity_divides_by_zero", with_slopes(divided_where_rates_meet), ("GIF-27",)),
    Wrong(
        "sensitivity_of_the_exact_method",
        with_slopes(of_the_other_method),
        ("GIF-26", "GIF-28", "GIF-29", "GIF-30", "NUM-10"),
    ),
    Wrong("potential_moves_with_its_rest", of(StateAtRest), INTEGRATED),
    Wrong("threshold_at_rest_is_fixed", of(ThresholdAtRestIsFixed), INTEGRATED),
    Wrong("surrogate_of_v_alone", of(SurrogateOfVAlone), ("GIF-28", "GIF-29", *RUN)),
    Wrong("sensitive_spike_of_width_one", of(SpikeOfAnotherWidth), ("GIF-28", "GIF-30", "NUM-10")),
    Wrong("reset_without_its_parameters", of(ResetIsNoPath), ("GIF-29", *RUN)),
    Wrong("factors_of_currents_ignored", of(FactorsAreIgnored), ("GIF-29", *RUN)),
    Wrong("bound_of_threshold_always_counts", of(BoundAlwaysCounts), ("GIF-29", *RUN)),
    Wrong("parameters_move_no_spike", of(JumpIsNoPath), ("GIF-29", *RUN)),
    Wrong(
        "parameters_never_detached", of(NeverDetachedByParameters), ("GIF-29", "GIF-30", "NUM-10")
    ),
    Wrong("reset_keeps_sensitivity", of(ResetKeepsWhatItReplaces), ("GIF-29", *RUN)),
    Wrong("sensitivity_is_not_carried", of(NothingIsCarried), RUN),
    Wrong("sensitivity_through_no_reset", of(CarriedThroughNoReset), RUN),
    Wrong("sensitive_spikes_carry_nothing", of(SpikesCarryNothing), RUN),
    Wrong("initial_state_has_parameters", FromTheInitialState, INTEGRATED),
    Wrong("gradient_is_a_mean", with_gradients(mean_of_neurons), ("GIF-31",)),
    Wrong("gradient_of_the_first_trial", with_gradients(of_the_first_trial), ("GIF-31",)),
    Wrong("gradient_of_the_last_step", with_gradients(of_the_last_step), ("GIF-31",)),
    Wrong("gradient_of_states_alone", with_gradients(of_states_alone), ("GIF-31",)),
    Wrong("sensitivity_of_single_precision", SinglePrecision, ("NUM-10", *INTEGRATED)),
]
