"""NIR's nodes by loops of NumPy, from the equations in docs/nir.md, and small graphs of them."""

from __future__ import annotations

import itertools

import brainstate
import brainunit as u
import jax.numpy as jnp
import nir
import numpy as np

DT = 1e-3
DEFAULTS = {
    "integrator": "euler",
    "reset": "v_reset",
    "reset_step": "same",
    "current": "new",
    "input_of_if": "per_second",
}


def graph_of(*nodes, shape, out):
    """A chain of nodes, named n0, n1, ..., between an Input and an Output."""
    named = {"in": nir.Input(np.array(shape)), "out": nir.Output(np.array(out))}
    named |= {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["in", *(f"n{i}" for i in range(len(nodes))), "out"]
    return nir.NIRGraph(named, [*itertools.pairwise(names)], type_check=False)


def neurons(kind, shape, seed=0, v_reset=True):
    """Neurons of random numbers, some of which spike."""
    rng = np.random.default_rng(seed)
    numbers = {
        "tau": rng.uniform(2, 9, shape) * DT,
        "tau_mem": rng.uniform(2, 9, shape) * DT,
        "tau_syn": rng.uniform(1, 6, shape) * DT,
        "r": rng.uniform(1, 3, shape),
        "v_leak": rng.uniform(-0.1, 0.1, shape),
        "v_threshold": rng.uniform(0.2, 0.4, shape),
        "v_reset": rng.uniform(-0.1, 0.1, shape) if v_reset else np.zeros(shape),
        "w_in": rng.uniform(1, 2, shape),
    }
    fields = {
        "LIF": "tau r v_leak v_threshold v_reset",
        "CubaLIF": "tau_syn tau_mem r v_leak v_threshold v_reset w_in",
        "IF": "r v_threshold v_reset",
        "LI": "tau r v_leak",
        "CubaLI": "tau_syn tau_mem r v_leak w_in",
        "I": "r",
    }[kind].split()
    if kind in ("IF", "I"):
        numbers["r"] = numbers["r"] / (5 * DT)
    return getattr(nir, kind)(**{field: numbers[field] for field in fields})


class ByHand:
    """The neurons of a node, a step at a time."""

    def __init__(self, node, **options):
        self.node, self.options = node, {**DEFAULTS, **options}
        self.V = getattr(node, "v_leak", getattr(node, "v_reset", np.zeros(node.r.shape)))
        self.I, self.z = np.zeros(node.r.shape), np.zeros(node.r.shape)

    def advance(self, x, rest, drive, tau):
        if self.options["integrator"] == "euler":
            return x + DT / tau * (rest - x + drive)
        if self.options["integrator"] == "exponential":
            return rest + drive + (x - rest - drive) * np.exp(-DT / tau)
        return rest + (x - rest) * np.exp(-DT / tau) + DT / tau * drive

    def reset(self, V, z):
        if self.options["reset"] == "subtract":
            return V - z * self.node.v_threshold
        return np.where(z > 0, self.node.v_reset, V)

    def step(self, x):
        node = self.node
        # Of a batch from its first input on.
        self.V, self.I, self.z = (np.broadcast_to(a, x.shape) for a in (self.V, self.I, self.z))
        if hasattr(node, "w_in"):
            before = self.I
            self.I = self.advance(self.I, 0, node.w_in * x, node.tau_syn)
            x = self.I if self.options["current"] == "new" else before
        if hasattr(node, "v_leak"):
            tau = node.tau_mem if hasattr(node, "tau_mem") else node.tau
            V = self.advance(self.V, node.v_leak, node.r * x, tau)
        else:
            V = self.V + node.r * x * (DT if self.options["input_of_if"] == "per_second" else 1)
        if not hasattr(node, "v_threshold"):
            self.V = V
            return V
        if self.options["reset_step"] == "next":
            V = self.reset(V, self.z)
            self.z = 1.0 * (V > node.v_threshold)
            self.V = V
        else:
            self.z = 1.0 * (V > node.v_threshold)
            self.V = self.reset(V, self.z)
        return self.z


def run(model, xs):
    """What a model puts out in each step, of a batch where there is one, in one program."""
    xs = jnp.asarray(xs)
    shape = model.node[model.inputs[0]].out_shape
    batch = xs.shape[1 : xs.ndim - len(shape)]
    brainstate.nn.init_all_states(model, batch_size=batch[0] if batch else None)
    return np.asarray(
        brainstate.transform.jit(lambda xs: brainstate.transform.for_loop(model, xs))(xs)
    )


STEP = DT * u.second
