"""The true gradient, which online learning approximates (LEARN-8), for tiny networks.

Real-time recurrent learning in full (Williams and Zipser 1989, Neural Computation 1:270): the
derivatives of all states and emissions with respect to every single weight go forward in time, and
nothing is cut. They share with `learning` the forward step of the neurons and its D, F, S, q.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .gif_parameters import read_positive
from .network_step import LayerStep, Model
from .networks import Network, pulled_back
from .point_neurons import Step

#: What is left out: nothing; what goes through dense recurrences; all that goes from one step's
#: states to a later step's through a trainable operation, which is what D-RTRL leaves out.
CUTS = ("nothing", "recurrences", "operations")


class Sensitivity(NamedTuple):
    """Derivatives of a layer with respect to the P entries of one effective weight."""

    h: np.ndarray  #: (B, N, d, P), of h(t)
    s: np.ndarray  #: (B, N, P), of s(t), as the next step has it
    seen: np.ndarray  #: (B, N, P), of s(t), as upper layers and the readout have it


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
    T, B, _ = np.shape(inputs)
    model = Model(network, read_positive(dt, "ms", "dt"), B)
    presented = model.read_inputs(inputs)
    parameters, layers = model.parameters, network.layers
    traced = [(l, p, f"{l}.{p}") for l, p in model.traced()]
    found = {name: np.zeros(w.shape) for name, w in parameters.items()}
    now = {name: [at_rest(h, parameters[name].size) for h in model.h] for _, _, name in traced}
    for t in range(T):
        x, steps, given = presented[t], [], []
        for l in range(len(layers)):
            y, recurrent = drive(model, l, x), model.weight(l, "recurrent")
            steps.append(model.neurons[l].step(model.h[l], y + through(model.s[l], recurrent)))
            given.append(LayerStep(x, model.s[l], steps[l]))
            x = steps[l].s
        error = weights[t] * (x @ parameters["readout.weight"] - targets[t])
        error = error + weights[t] * parameters.get("readout.bias", 0.0)
        found["readout.weight"] += x.T @ error
        if "readout.bias" in found:
            found["readout.bias"] += error.sum(axis=0)
        for l, p, name in traced:
            own = direct(model, given[l], l, p)
            now[name] = next_sensitivities(model, steps, now[name], l, own, cut)
            of_out = np.einsum("bnp,nm->bmp", now[name][-1].seen, parameters["readout.weight"])
            found[name] += np.einsum("bm,bmp->p", error, of_out).reshape(found[name].shape)
        model.h, model.s = [step.h for step in steps], [step.s for step in steps]
    for l, p, name in traced:
        found[name] = pulled_back(layers[l], p, parameters[name], found[name])
    return found


def at_rest(h: np.ndarray, P: int) -> Sensitivity:
    """That of what does not depend on any weight."""
    none = np.zeros((*h.shape[:2], P))
    return Sensitivity(np.zeros((*h.shape, P)), none, none)


def drive(model: Model, l: int, x: np.ndarray) -> np.ndarray:
    """x W + β of a layer."""
    return x @ model.weight(l, "weight") + model.weight(l, "bias")


def through(s: np.ndarray, recurrent: np.ndarray | float) -> np.ndarray:
    """s U or v ∘ s, s being (B, N)."""
    return s @ recurrent if np.ndim(recurrent) == 2 else s * recurrent


def direct(model: Model, given: LayerStep, l: int, p: str) -> np.ndarray:
    """∂y/∂W with the input of the operation held fixed, (B, N, P)."""
    entries = model.entries[f"{l}.{p}"]
    z, share = model.operands(given, l, p)
    found, factors = np.zeros((*share.shape, entries.sizes[0])), entries.at(z)
    for e, (n, w) in enumerate(zip(entries.neuron, entries.weight, strict=True)):
        found[:, n, w] += factors[:, e] * share[:, n]
    return found


def next_sensitivities(
    model: Model,
    steps: list[Step],
    before: list[Sensitivity],
    owner: int,
    own: np.ndarray,
    cut: str,
) -> list[Sensitivity]:
    """Those of all layers after a step, with respect to a weight of layer `owner`.

    Parameters
    ----------
    model : Model
    steps : list of Step
        Of the neurons, with y held fixed.
    before : list of Sensitivity
    owner : int
    own : (B, N, P) array
        What `direct` gives.
    cut : str

    Returns
    -------
    list of Sensitivity
    """
    after: list[Sensitivity] = []
    for l, step in enumerate(steps):
        kept = own if l == owner else np.zeros_like(before[l].s)
        recurrent = model.weight(l, "recurrent")
        if np.ndim(recurrent) == 1:
            kept = kept + recurrent[:, np.newaxis] * before[l].s
        elif np.ndim(recurrent) == 2 and cut == "nothing":
            kept = kept + np.einsum("bmp,mn->bnp", before[l].s, recurrent)
        seen = kept
        if l > 0:
            seen = kept + np.einsum("bkp,kn->bnp", after[l - 1].seen, model.weight(l, "weight"))
        if cut != "operations":
            kept = seen
        h = np.einsum("bnij,bnjp->bnip", step.D, before[l].h)
        h = h + step.F[..., np.newaxis] * kept[:, :, np.newaxis]
        old = np.einsum("bnj,bnjp->bnp", step.S, before[l].h)
        q = step.q[..., np.newaxis]
        after.append(Sensitivity(h, old + q * kept, old + q * seen))
    return after
