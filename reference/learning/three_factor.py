"""Learning from a reward in place of a gradient: three-factor learning of SPEC.md, chapter 10.

Frémaux and Gerstner 2016, Frontiers in Neural Circuits 9:85; Gerstner et al. 2018, Frontiers in
Neural Circuits 12:53.
"""

from __future__ import annotations

import numba
import numpy as np

from ..errors import ParameterError
from ..networks import LayerStep, Model, read_filter
from ..traces import sum_by_weight
from .learner import Learner
from .rules import Rule


@numba.njit
def emission_by_weight(x, q, S, neuron, trace):
    """e(t), the derivative of what each neuron emits, by entry (THREE-1), (B, E).

    Parameters
    ----------
    x : (B, E) array
        a z of each entry.
    q : (B, N) array
        ∂s(t)/∂y(t) of the operation's y.
    S : (B, N, d) array
        ∂s(t)/∂h(t−1).
    neuron : (E,) array
    trace : (B, E, d) array
        ε(t−1) of D-RTRL.
    """
    B, E, d = trace.shape
    result = np.empty((B, E))
    for b in range(B):
        for e in range(E):
            n = neuron[e]
            total = q[b, n] * x[b, e]
            for i in range(d):
                total += S[b, n, i] * trace[b, e, i]
            result[b, e] = total
    return result


class ThreeFactor(Learner):
    """A model, the filtered traces ē of its parameters, and their gradients by rewards.

    Parameters
    ----------
    model : Model
    rule : Rule
        Three-factor with κ.

    Raises
    ------
    ParameterError
        κ is none (THREE-5).
    """

    def __init__(self, model: Model, rule: Rule):
        if rule.name != "three-factor":
            raise ParameterError("rule", repr(rule.name), "'three-factor' to learn from rewards")
        self.decay = read_filter(rule.decay_or_rank, "decay")
        super().__init__(model, rule)

    def make_traces(self) -> None:
        """Set ε, ē and the filtered emissions r to zero."""
        super().make_traces()
        self.filtered_traces = {
            name: np.zeros(t.trace.shape[:-1]) for name, t in self.traces.items()
        }
        self.filtered_emissions = [np.zeros(s.shape) for s in self.model.s]

    def clear(self) -> None:
        """Set gradients to zero; only parameters with a trace have one (THREE-3)."""
        names = [f"{l}.{operation}" for l, operation in self.model.list_operations()]
        self.gradients = {name: np.zeros(self.model.parameters[name].shape) for name in names}

    def step_with_reward(self, x: np.ndarray, reward: np.ndarray) -> float:
        """Make one step with its reward, and return its loss.

        Parameters
        ----------
        x : (B, K) array
        reward : (B,) array
            M(t).

        Returns
        -------
        float
            −Σ_b M(t)[b] Σ_l Σ_n r_l(t)[b,n].
        """
        self.step(x)  # filters e(t), from the traces of t − 1, before they advance
        for name, trace in self.filtered_traces.items():
            gradient = sum_by_weight(self.model.entries[name], -reward @ trace)
            self.gradients[name] += gradient.reshape(self.gradients[name].shape)
        return float(-sum(np.sum(reward[:, np.newaxis] * r) for r in self.filtered_emissions))

    def follow(self, steps: list[LayerStep], error: np.ndarray | None) -> None:
        """Set ē(t) = κ ē(t−1) + e(t) and r(t) = κ r(t−1) + s(t), and advance ε to t."""
        for l, operation in self.model.list_operations():
            name, neurons = f"{l}.{operation}", steps[l].neurons
            z, share = self.model.operands(steps[l], l, operation)
            entries, trace = self.model.entries[name], self.traces[name].trace
            of_y = entries.at(z), neurons.q * share, neurons.S, entries.neuron
            emission = emission_by_weight(*of_y, trace)
            self.filtered_traces[name] = self.decay * self.filtered_traces[name] + emission
        for l, step in enumerate(steps):
            self.filtered_emissions[l] = self.decay * self.filtered_emissions[l] + step.neurons.s
        self.advance(steps)
