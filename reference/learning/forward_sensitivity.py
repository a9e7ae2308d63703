"""RTRL, OSTL, and the true gradient, which online learning approximates, for tiny networks.

Real-time recurrent learning in full (Williams and Zipser 1989, Neural Computation 1:270): the
derivatives of all states, emissions and outputs by every entry of every parameter go forward in
time. They share with `learner` the forward step, with its D, F, S, q. What a cut leaves out goes
forward no more; OSTL is such a cut (Bohnstingl et al. 2020, arXiv:2007.12723).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..networks import LayerStep, Model, Network, pull_back
from ..values import read_positive
from .learner import Learner
from .rules import Rule

#: What is left out: nothing; what goes through dense recurrences; what goes from one step to a
#: later one through states of another layer than the parameter's, which is what OSTL leaves out;
#: all that goes from one step's states to a later step's through a trainable operation, which is
#: what D-RTRL leaves out.
CUTS = ("nothing", "recurrences", "layers", "operations")
CUT_OF = {"RTRL": "nothing", "OSTL": "layers"}


class Sensitivity(NamedTuple):
    """Derivatives of a layer by the P entries of one parameter."""

    h: np.ndarray  #: (B, N, d, P), of h(t)
    s: np.ndarray  #: (B, N, P), of s(t), as the next step has it
    seen: np.ndarray  #: (B, N, P), of s(t) or r(t), as upper layers or the readout have it


class FullLearner(Learner):
    """A model and the derivatives of all that it has by all its parameters.

    Parameters
    ----------
    model : Model
    rule : Rule
        RTRL or OSTL.
    cut : str, optional
        One of `CUTS`, in place of the rule's.
    """

    def __init__(self, model: Model, rule: Rule, cut: str | None = None):
        self.cut = CUT_OF[rule.name] if cut is None else cut
        super().__init__(model, rule)

    def make_traces(self) -> None:
        """Derivatives of zero; traces there are none."""
        self.traces, self.now, self.of_out = {}, {}, {}
        for name, w in self.model.parameters.items():
            self.now[name] = [at_rest(h, w.size) for h in self.model.h]
            self.of_out[name] = np.zeros((*self.model.out.shape, w.size))

    def follow(self, steps: list[LayerStep], error: np.ndarray | None) -> None:
        """The derivatives of a step and, with ∂L/∂out, its gradient."""
        for name, w in self.model.parameters.items():
            self.now[name] = self.next_sensitivities(name, steps)
            self.of_out[name] = self.next_of_out(name, steps)
            if error is not None:
                found = np.einsum("bm,bmp->p", error, self.of_out[name])
                self.gradients[name] += found.reshape(w.shape)

    def taken(self) -> dict[str, np.ndarray]:
        """The gradients since they were last cleared: those of the parameters themselves."""
        return dict(self.gradients)

    def next_sensitivities(self, name: str, steps: list[LayerStep]) -> list[Sensitivity]:
        """Those of all layers after a step, by one parameter."""
        model, before, after = self.model, self.now[name], []
        for l, (step, layer) in enumerate(zip(steps, model.network.layers, strict=True)):
            y = direct(model, steps, l, name)
            # What v carries is in D and S.
            if layer.recurrent is not None and not layer.is_element_wise and self.recurs(l, name):
                y = y + through(before[l].s, model.weight(l, "recurrent"))
            if layer.lateral is not None:
                y = y + through(before[l].s, layer.lateral)
            seen = y
            if l > 0:
                seen = y + through(after[-1].seen, model.weight(l, "weight"))
            kept = y if self.cut == "operations" else seen
            after.append(self.next_of_layer(l, step, before[l], kept, seen))
        if self.cut == "layers":
            return [
                x if name.startswith(f"{l}.") else x._replace(h=0 * x.h, s=0 * x.s)
                for l, x in enumerate(after)
            ]
        return after

    def next_of_layer(
        self, l: int, step: LayerStep, before: Sensitivity, kept: np.ndarray, seen: np.ndarray
    ) -> Sensitivity:
        """Those of a layer, from those of its y, (B, N, P): kept in time, and seen at once."""
        neurons, q = step.neurons, step.neurons.q[..., np.newaxis]
        is_last = l == len(self.model.neurons) - 1
        of_seen = self.model.seen(neurons)[1] if is_last else neurons.S
        h = np.einsum("bnij,bnjp->bnip", neurons.D, before.h)
        return Sensitivity(
            h=h + neurons.F[..., np.newaxis] * kept[:, :, np.newaxis],
            s=np.einsum("bnj,bnjp->bnp", neurons.S, before.h) + q * kept,
            seen=np.einsum("bnj,bnjp->bnp", of_seen, before.h) + q * seen,
        )

    def recurs(self, l: int, name: str) -> bool:
        """Whether a parameter's derivatives pass the dense recurrence of layer l."""
        return self.cut == "nothing" or (self.cut == "layers" and name.startswith(f"{l}."))

    def next_of_out(self, name: str, steps: list[LayerStep]) -> np.ndarray:
        """∂out(t)/∂w of one parameter, (B, M, P)."""
        model, (B, M) = self.model, self.model.out.shape
        found = through(self.now[name][-1].seen, model.parameters["readout.weight"])
        found = found + (model.network.output_decay or 0.0) * self.of_out[name]
        given = {
            "readout.weight": model.seen(steps[-1].neurons)[0],
            "readout.bias": np.ones((B, 1)),
            "skip": steps[0].x,
        }
        return found + of_dense(given[name], M) if name in given else found


def full_gradient(
    network: Network, inputs: Any, targets: Any, weights: Any, dt: Any, cut: str = "nothing"
) -> dict[str, np.ndarray]:
    """The derivative of Σ_t L(t) with respect to every parameter.

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
    return learner.taken()


def at_rest(h: np.ndarray, P: int) -> Sensitivity:
    """That of what does not depend on a parameter of P entries."""
    none = np.zeros((*h.shape[:2], P))
    return Sensitivity(np.zeros((*h.shape, P)), none, none)


def through(derivatives: np.ndarray, W: np.ndarray) -> np.ndarray:
    """∂(s W)/∂w, (B, M, P), from ∂s/∂w, (B, N, P)."""
    return np.einsum("bnp,nm->bmp", derivatives, W)


def of_dense(x: np.ndarray, N: int) -> np.ndarray:
    """∂(x W)/∂W with x, (B, K), held fixed: (B, N, K N)."""
    return np.einsum("bk,nm->bnkm", x, np.eye(N)).reshape((len(x), N, x.shape[1] * N))


def direct(model: Model, steps: list[LayerStep], l: int, name: str) -> np.ndarray:
    """∂y_l/∂w by the operation of a parameter w itself, its input held fixed, (B, N, P)."""
    step, w, layers = steps[l], model.parameters[name], model.network.layers
    owner, _, operation = name.partition(".")
    found = np.zeros((*step.old.shape, w.size))
    if owner == str(l) or (model.network.tied and l == 1 and name == "0.weight"):
        entries, (z, share) = model.entries[name], model.operands(step, l, operation)
        factors = entries.at(z)
        for e, (n, p) in enumerate(zip(entries.neuron, entries.weight, strict=True)):
            found[:, n, p] += factors[:, e] * share[:, n]
        found *= pull_back(layers[int(owner)], operation, w, np.ones(w.shape)).ravel()
    return found
