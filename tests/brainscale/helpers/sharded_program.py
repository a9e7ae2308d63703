"""Learners on a mesh of eight devices beside learners on one. `test_sharding.py` runs it.

It prints what it finds, as JSON: for each way to learn how far its gradients are from those of one
device, and what does not lie where it should; and into how many parts each state is cut.
"""

from __future__ import annotations

import json
import sys

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from brainscale.nn import GIF, GIFTree, Morphology, PassiveCable, Section
from odd_models import array, batched, dense
from truth import difference

K, N, M, BATCH, T = 3, 8, 2, 8, 8


class Layers(brainstate.nn.Module):
    """Recurrent layers of spiking neurons, with units, and a plain readout."""

    def __init__(self, *kinds):
        super().__init__()
        self.neurons = [kind(N, R=90 * u.Mohm, tau=6 * u.ms) for kind in kinds]
        self.forward = [dense(l, K if l == 0 else N, N, u.nA, 6.0) for l in range(len(kinds))]
        self.back = [dense(l + 10, N, N, u.nA, 4.0) for l in range(len(kinds))]
        self.readout = brainstate.ParamState(array(20, N, M))

    def init_state(self, batch_size=None, **kwargs):
        self.spikes = [brainstate.ShortTermState(batched(batch_size, N)) for _ in self.neurons]

    def update(self, x):
        for neurons, forward, back, spikes in zip(
            self.neurons, self.forward, self.back, self.spikes, strict=True
        ):
            x = neurons(forward.execute(x) + back.execute(spikes.value))
            spikes.value = x
        return x @ self.readout.value


class Cable(brainstate.nn.Module):
    """Cells of three compartments, driven at the soma; it remembers its last input."""

    def __init__(self):
        super().__init__()
        soma = Section("soma", length=20 * u.um, diam=10 * u.um)
        axon = Section("axon", 2, length=99 * u.um, diam=1 * u.um, parent="soma")
        self.cell = PassiveCable(N, Morphology(soma, axon))
        self.w = dense(0, K, N, u.nA, 0.05)
        self.fixed = brainscale.FakeETraceParam(0.05 * array(2, K, N) * u.nA, brainscale.MatMulOp())
        self.readout = brainstate.ParamState(array(1, N, M))

    def init_state(self, batch_size=None, **kwargs):
        self.seen = brainstate.ShortTermState(batched(batch_size, K))

    def update(self, x):
        self.seen.value = x
        V = self.cell({"soma(0.5)": self.w.execute(x) + self.fixed.execute(x)})
        return (V[..., 0] / u.mV + 65) @ self.readout.value


RULES = {"D-RTRL": brainscale.D_RTRL, "ES-D-RTRL": lambda model: brainscale.ES_D_RTRL(model, 0.8)}

MODELS = {
    "GIF": lambda: Layers(GIF),
    "two layers": lambda: Layers(GIF, GIFTree),
    "cable": Cable,
}


def sequences():
    rng = np.random.default_rng(0)
    made = rng.uniform(0, 1, (T, BATCH, K)), rng.normal(size=(T, BATCH, M))
    return tuple(jnp.asarray(x) for x in made)


def learner_of(model, rule, mesh=None):
    """Compiled; sharded before, where there is a mesh."""
    learner = RULES[rule](MODELS[model]())
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
    if mesh is not None:
        brainscale.shard(learner, mesh)
    learner.compile_graph(sequences()[0][0])
    return learner


def trained(learner, sequences, chunk):
    """The gradients of a sequence, by which the parameters are changed; chunk 0: stepwise.

    All in one program, which begins anew.
    """

    def loss(x, y):
        return ((learner(x) - y) ** 2).sum()

    @brainstate.transform.jit
    def train(xs, ys):
        learner.reset_traces()
        if chunk:
            gradients = learner.etrace_grad(xs, ys, loss, chunk=chunk)
        else:
            gradient = brainstate.transform.grad(loss, learner.param_states)
            by_step = brainstate.transform.for_loop(gradient, xs, ys)
            gradients = jax.tree.map(lambda g: g.sum(0), by_step)
        for key, param in learner.param_states.items():
            # By nothing: each way begins with the same parameters.
            param.value = jax.tree.map(lambda w, g: w - 0.0 * g, param.value, gradients[key])
        return gradients

    learner.reset_state(BATCH)
    return train(*sequences)


def states_of(learner):
    states = {".".join(map(str, path)): s for path, s in learner.model.states().items()}
    traces = {f"etraces.{name}": etrace for name, etrace in learner.etraces.items()}
    return states | traces | {"count": learner.count}


def misplaced(learner):
    """What does not lie where `shard` has said."""
    lines = []
    for name, state in states_of(learner).items():
        where = jax.tree.leaves(learner.placement.shardings[name])
        for leaf, sharding in zip(jax.tree.leaves(state.value), where, strict=True):
            if not leaf.sharding.is_equivalent_to(sharding, leaf.ndim):
                lines.append(f"{name}: {leaf.sharding}, not {sharding}")
    return lines


def count_parts(learner):
    """Into how many parts each state's leaves are cut."""
    counts = {}
    for name, state in states_of(learner).items():
        leaves = jax.tree.leaves(state.value)
        counts[name] = [len({str(s.index) for s in leaf.addressable_shards}) for leaf in leaves]
        for leaf, count in zip(leaves, counts[name], strict=True):
            assert {s.data.size * count for s in leaf.addressable_shards} == {leaf.size}
            assert len({s.device for s in leaf.addressable_shards}) == 8
    return counts


def case(model, rule, axes, chunks):
    mesh = jax.make_mesh(tuple(axes.values()), tuple(axes))
    one, many = learner_of(model, rule), learner_of(model, rule, mesh)
    wanted = trained(one, sequences(), 4)
    report = {"after compile": misplaced(many), "parts": count_parts(many)}
    on_mesh = jax.device_put(sequences(), brainscale.sequence_sharding(mesh))
    for chunk in chunks:
        got = trained(many, on_mesh, chunk)
        away = jax.tree.map(lambda g, w: jax.device_put(g, w.sharding), dict(got), dict(wanted))
        report[f"chunk {chunk}"] = [difference(away, wanted), misplaced(many)]
    many.reset_state(BATCH)
    report["after reset"] = misplaced(many)
    return report


def after_a_whole_input():
    """What is misplaced by a step whose input is whole on each device."""
    learner = learner_of("cable", "ES-D-RTRL", jax.make_mesh((8,), ("batch",)))
    everywhere = brainscale.sequence_sharding(learner.placement.mesh, "none")
    x = jax.device_put(sequences()[0][0], everywhere)
    brainstate.transform.jit(lambda x: learner(x))(x)
    return misplaced(learner)


def refused():
    """The error for neurons that cannot be cut; on how many devices the state is then."""
    learner = learner_of("cable", "D-RTRL")
    mesh = jax.make_mesh((3,), ("neurons",), devices=jax.devices()[:3])
    try:
        brainscale.shard(learner, mesh)
    except brainscale.errors.ShapeError as error:
        devices = learner.model.cell.V.value.mantissa.sharding.device_set
        return {"error": str(error), "devices": len(devices)}


CASES = {
    "two layers": ("two layers", "D-RTRL", {"batch": 2, "neurons": 4}, (4, 0)),
    "batch alone": ("GIF", "ES-D-RTRL", {"batch": 8}, (1,)),
    "neurons alone": ("cable", "D-RTRL", {"neurons": 8}, (1, 0)),
    "cable": ("cable", "ES-D-RTRL", {"neurons": 2, "batch": 4}, (4, 0)),
}

if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    brainstate.environ.set(dt=1.0 * u.ms, precision=64)
    report = {name: case(*arguments) for name, arguments in CASES.items()}
    report |= {"refused": refused(), "whole input": after_a_whole_input()}
    json.dump(report, sys.stdout)
