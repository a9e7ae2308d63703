"""RTRL, OSTL, and the true gradient, which online learning approximates, for tiny networks.

Real-time recurrent learning in full (Williams and Zipser 1989, Neural Computation 1:270): the
derivatives of all states, emissions and outputs by every entry of every parameter go forward in
time. They share with `learner` the forward step, with its D, F, S, q. A cut leaves some of these
derivatives out; OSTL is such a cut (Bohnstingl et al. 2020, arXiv:2007.12723).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..networks import LayerStep, Model, Network, pull_back
from ..values import read_positive
from .learner import Learner
from .rules import Rule

#: The derivatives that are left out: none; those through dense recurrences; those from one step to
#: a later one through states of another layer than the parameter's, as in OSTL; all those from one
#: step's states to a later step's through a trainable operation, as in D-RTRL.
CUTS = ("nothing", "recurrences", "layers", "operations")
CUTS_BY_RULE = {"RTRL": "nothing", "OSTL": "layers"}


class Sensitivity(NamedTuple):
    """Derivatives of a layer by the P entries of one parameter."""

    h: np.ndarray  #: (B, N, d, P), of h(t)
    s: np.ndarray  #: (B, N, P), of s(t), as the next step has it
    upward: np.ndarray  #: (B, N, P), of s(t) or r(t), as upper layers or the readout have it


class FullLearner(Learner):
    """A model, with the derivatives of all it has by its parameters (RTRL-1, OSTL-1).

    Parameters
    ----------
    model : Model
    rule : Rule
        RTRL or OSTL.
    cut : str, optional
        One of `CUTS`, in place of the rule's.
    """

    def __init__(self, model: Model, rule: Rule, cut: str | None = None):
        self.cut = CUTS_BY_RULE[rule.name] if cut is None else cut
        super().__init__(model, rule)

    def make_traces(self) -> None:
        """Set all derivatives to zero; there are no traces."""
        self.traces, self.sensitivities, self.output_sensitivities = {}, {}, {}
        for name, w in self.model.parameters.items():
            self.sensitivities[name] = [make_zero_sensitivity(h, w.size) for h in self.model.h]
            self.output_sensitivities[name] = np.zeros((*self.model.out.shape, w.size))

    def follow(self, steps: list[LayerStep], error: np.ndarray | None) -> None:
        """Advance the derivatives by a step and, with ∂L/∂out, (B, M), add its gradient."""
        for name, w in self.model.parameters.items():
            self.sensitivities[name] = self.next_sensitivities(name, steps)
            self.output_sensitivities[name] = self.next_output_sensitivity(name, steps)
            if error is not None:
                gradient = np.einsum("bm,bmp->p", error, self.output_sensitivities[name])
                self.gradients[name] += gradient.reshape(w.shape)

    def collect_gradients(self) -> dict[str, np.ndarray]:
        """The gradients of the parameters since they were last cleared."""
        return dict(self.gradients)

    def next_sensitivities(self, name: str, steps: list[LayerStep]) -> list[Sensitivity]:
        """The sensitivities of all layers to one parameter, after a step (RTRL-1, OSTL-1).

        What OSTL leaves out is nothing in the last layer (OSTL-2), and without dense recurrences
        what D-RTRL leaves out (OSTL-3).
        """
        model, before, after = self.model, self.sensitivities[name], []
        for l, (step, layer) in enumerate(zip(steps, model.network.layers, strict=True)):
            y = differentiate_operation(model, steps, l, name)
            # What v carries is in D and S.
            is_dense = layer.recurrent is not None and not layer.is_element_wise
            if is_dense and self.crosses_recurrence(l, name):
                y = y + propagate(before[l].s, model.weight(l, "recurrent"))
            if layer.lateral is not None:
                y = y + propagate(before[l].s, layer.lateral)
            y_now = y
            if l > 0:
                y_now = y + propagate(after[-1].upward, model.weight(l, "weight"))
            y_later = y if self.cut == "operations" else y_now
            after.append(self.next_layer_sensitivity(l, step, before[l], y_later, y_now))
        if self.cut == "layers":
            return [
                x if name.startswith(f"{l}.") else x._replace(h=0 * x.h, s=0 * x.s)
                for l, x in enumerate(after)
            ]
        return after

    def next_layer_sensitivity(
        self, l: int, step: LayerStep, before: Sensitivity, y_later: np.ndarray, y_now: np.ndarray
    ) -> Sensitivity:
        """The sensitivity of a layer, from ∂y/∂w, (B, N, P), for later steps and upper layers."""
        neurons, q = step.neurons, step.neurons.q[..., np.newaxis]
        is_last = l == len(self.model.neurons) - 1
        S_out = self.model.find_readout_input(neurons)[1] if is_last else neurons.S
        h = np.einsum("bnij,bnjp->bnip", neurons.D, before.h)
        return Sensitivity(
            h=h + neurons.F[..., np.newaxis] * y_later[:, :, np.newaxis],
            s=np.einsum("bnj,bnjp->bnp", neurons.S, before.h) + q * y_later,
            upward=np.einsum("bnj,bnjp->bnp", S_out, before.h) + q * y_now,
        )

    def crosses_recurrence(self, l: int, name: str) -> bool:
        """Whether a parameter's derivatives pass the dense recurrence of layer l (OSTL-1)."""
        return self.cut == "nothing" or (self.cut == "layers" and name.startswith(f"{l}."))

    def next_output_sensitivity(self, name: str, steps: list[LayerStep]) -> np.ndarray:
        """∂out(t)/∂w of one parameter, (B, M, P)."""
        model, (B, M) = self.model, self.model.out.shape
        upward, W_out = self.sensitivities[name][-1].upward, model.parameters["readout.weight"]
        decay = model.network.output_decay or 0.0
        derivatives = propagate(upward, W_out) + decay * self.output_sensitivities[name]
        inputs = {
            "readout.weight": model.find_readout_input(steps[-1].neurons)[0],
            "readout.bias": np.ones((B, 1)),
            "skip": steps[0].x,
        }
        return derivatives + differentiate_dense(inputs[name], M) if name in inputs else derivatives


def full_gradient(
    network: Network, inputs: Any, targets: Any, weights: Any, dt: Any, cut: str = "nothing"
) -> dict[str, np.ndarray]:
    """The derivative of Σ_t L(t) with respect to every parameter (RTRL-2).

    Parameters
    ----------
    network : Network
    inputs : (T, B, K) array
    targets : (T, B, M) array
    weights : (T,) array
        m(t).
    dt : Quantity, a time
    cut : str
        One of `CUTS`.

    Returns
    -------
    dict of arrays
        By name, of the parameters' shapes.
    """
    model = Model(network, read_positive(dt, "ms", "dt"), np.shape(inputs)[1], any_path=True)
    learner = FullLearner(model, Rule("RTRL"), cut)
    for x, target, m in zip(model.read_inputs(inputs), targets, weights, strict=True):
        learner.step(x, target, m)
    return learner.collect_gradients()


def make_zero_sensitivity(h: np.ndarray, P: int) -> Sensitivity:
    """The sensitivity of a layer that does not depend on a parameter of P entries."""
    zeros = np.zeros((*h.shape[:2], P))
    return Sensitivity(np.zeros((*h.shape, P)), zeros, zeros)


def propagate(derivatives: np.ndarray, W: np.ndarray) -> np.ndarray:
    """∂(s W)/∂w, (B, M, P), from ∂s/∂w, (B, N, P)."""
    return np.einsum("bnp,nm->bmp", derivatives, W)


def differentiate_dense(x: np.ndarray, N: int) -> np.ndarray:
    """∂(x W)/∂W with x, (B, K), held fixed: (B, N, K N)."""
    return np.einsum("bk,nm->bnkm", x, np.eye(N)).reshape((len(x), N, x.shape[1] * N))


def differentiate_operation(model: Model, steps: list[LayerStep], l: int, name: str) -> np.ndarray:
    """∂y_l/∂w, (B, N, P), through the operation of the parameter w alone, its input held fixed."""
    step, w, layers = steps[l], model.parameters[name], model.network.layers
    owner, _, operation = name.partition(".")
    derivatives = np.zeros((*step.s_before.shape, w.size))
    if owner == str(l) or (model.network.tied and l == 1 and name == "0.weight"):
        entries, (z, share) = model.entries[name], model.operands(step, l, operation)
        factors = entries.at(z)
        for e, (n, p) in enumerate(zip(entries.neuron, entries.weight, strict=True)):
            derivatives[:, n, p] += factors[:, e] * share[:, n]
        derivatives *= pull_back(layers[int(owner)], operation, w, np.ones(w.shape)).ravel()
    return derivatives
