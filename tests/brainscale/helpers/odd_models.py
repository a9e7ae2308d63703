"""Models that learning must get right, each with the inputs of operations that are new."""

from __future__ import annotations

import brainpy.state
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from brainscale import ElemWiseParam, ETraceParam, FakeElemWiseParam, FakeETraceParam, MatMulOp

K, N, M = 4, 5, 3


def everything(x):
    return x


def array(seed, *shape, scale=1.0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(scale * rng.normal(size=shape) / np.sqrt(shape[0]))


def dense(seed, k, n, unit=u.UNITLESS, scale=1.0, **options):
    value = array(seed, k, n, scale=scale)
    return ETraceParam(value if unit is u.UNITLESS else value * unit, MatMulOp(**options))


def batched(batch_size, *shape):
    return jnp.zeros(shape if batch_size is None else (batch_size, *shape))


class Model(brainstate.nn.Module):
    """A model that says which of its operations have new inputs, and whether it has a batch."""

    batch = 2

    def new(self):
        return {}


class ThreeLayers(Model):
    """Neurons of three kinds, each layer recurrent, with a mask and a bias."""

    def __init__(self):
        super().__init__()
        self.neurons = [
            brainpy.state.LIF(N),
            brainpy.state.ALIF(N + 1),
            brainscale.nn.GIF(N - 1, R=90 * u.Mohm, tau=6 * u.ms),
        ]
        sizes, units = [K, N, N + 1, N - 1], [u.mA, u.mA, u.nA]
        self.forward, self.back = [], []
        for l, unit in enumerate(units):
            k, n = sizes[l : l + 2]
            value = {"weight": 6 * array(l, k, n) * unit, "bias": 2 * abs(array(l + 5, n)) * unit}
            self.forward.append(ETraceParam(value, MatMulOp()))
            mask = 1 - np.eye(n)
            self.back.append(dense(l + 10, n, n, unit, 4.0, weight_mask=mask))
        self.readout = brainstate.ParamState(array(20, N - 1, M))

    def init_state(self, batch_size=None, **kwargs):
        self.emitted = [
            brainstate.ShortTermState(batched(batch_size, *neurons.varshape))
            for neurons in self.neurons
        ]

    def update(self, x):
        for neurons, forward, back, emitted in zip(
            self.neurons, self.forward, self.back, self.emitted, strict=True
        ):
            x = neurons(forward.execute(x) + back.execute(emitted.value))
            emitted.value = x
        return x @ self.readout.value

    def new(self):
        return dict.fromkeys(self.forward[1:], everything)


class TwoPopulations(Model):
    """A is given B's last spikes, and B what A emits in the same step; they share a readout."""

    def __init__(self):
        super().__init__()
        self.A, self.B = brainpy.state.ALIF(N), brainpy.state.LIF(N + 2)
        self.into_A, self.B_to_A = dense(0, K, N, u.mA, 6.0), dense(1, N + 2, N, u.mA, 4.0)
        self.A_to_B = dense(2, N, N + 2, u.mA, 8.0)
        self.readout = brainstate.ParamState(array(3, 2 * N + 2, M))

    def update(self, x):
        last = self.B.get_spike()
        a = self.A(self.into_A.execute(x) + self.B_to_A.execute(last))
        b = self.B(self.A_to_B.execute(a))
        return jnp.concatenate([a, b], -1) @ self.readout.value

    def new(self):
        return {self.A_to_B: everything}


class Frozen(Model):
    """Fixed weights between the neurons of a layer, between layers, and of each neuron."""

    def __init__(self):
        super().__init__()
        self.lower, self.upper = brainpy.state.LIF(N), brainpy.state.ALIF(N + 1)
        self.into, self.back = dense(0, K, N, u.mA, 6.0), dense(1, N + 1, N + 1, u.mA, 4.0)
        self.lateral = FakeETraceParam(4 * array(2, N, N) * u.mA, MatMulOp())
        self.between = FakeETraceParam(8 * array(3, N, N + 1) * u.mA, MatMulOp())
        self.scale = FakeElemWiseParam(array(4, N + 1), jnp.exp)
        self.readout = brainstate.ParamState(array(5, N + 1, M))

    def update(self, x):
        a = self.lower(self.into.execute(x) + self.lateral.execute(self.lower.get_spike()))
        back = self.back.execute(self.upper.get_spike())
        b = self.upper(self.scale.execute() * (self.between.execute(a) + back))
        return b @ self.readout.value

    def new(self):
        return {self.between: everything}


class ThroughFrozen(Model):
    """What is learned reaches neurons through a fixed operation alone."""

    def __init__(self):
        super().__init__()
        self.w, self.fixed = dense(0, K, N), FakeETraceParam(array(1, N, N), MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(batched(batch_size, N))

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.fixed.execute(jnp.tanh(self.w.execute(x)))
        return self.h.value

    def new(self):
        return {self.fixed: everything}


class Gates(Model):
    """Two recurrent layers of gates cut from one output, whose input is new beside old."""

    def __init__(self):
        super().__init__()
        self.first, self.second = dense(0, K + N, 2 * N), dense(1, 2 * N, 2 * N)
        self.readout = brainstate.ParamState(array(2, N, M))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))
        self.k = brainscale.ETraceState(batched(batch_size, N))

    @staticmethod
    def step(y, h):
        gate, candidate = jnp.split(y, 2, -1)
        gate = jax.nn.sigmoid(gate)
        return gate * h + (1 - gate) * jnp.tanh(candidate)

    def update(self, x):
        h = self.step(self.first.execute(jnp.concatenate([x, self.h.value], -1)), self.h.value)
        self.h.value = h
        both = jnp.concatenate([self.k.value, h], -1)
        self.k.value = self.step(self.second.execute(both), self.k.value)
        return self.k.value @ self.readout.value

    def new(self):
        def newer_half(x):
            return jnp.concatenate([jax.lax.stop_gradient(x[..., :N]), x[..., N:]], -1)

        return {self.second: newer_half}


class Slips(Model):
    """What it returns is made of parts before they are stacked, and of the old state."""

    def __init__(self):
        super().__init__()
        self.w, self.leak = dense(0, K, N), ElemWiseParam(array(1, N), jax.nn.sigmoid)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceGroupState(batched(batch_size, N, 2))

    def update(self, x):
        a, b = self.h.value[..., 0], self.h.value[..., 1]
        a = self.leak.execute() * a + self.w.execute(x)
        b = 0.5 * b + jnp.tanh(a) * a
        self.h.value = jnp.stack([a, b], -1)
        return jnp.sin(a) + b * self.h.value[..., 1]


class LateOutput(Model):
    """It returns what it knew before the step."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(batched(batch_size, N))

    def update(self, x):
        out = self.h.value
        self.h.value = 0.9 * jnp.tanh(self.h.value) + self.w.execute(x)
        return out


class Synapses(Model):
    """Current into each compartment of a cell, read at the soma; g' is read by V' at once."""

    def __init__(self):
        super().__init__()
        soma = brainscale.nn.Section("soma", length=20 * u.um, diam=10 * u.um)
        axon = brainscale.nn.Section("axon", 2, length=99 * u.um, diam=1 * u.um, parent="soma")
        self.cell = brainscale.nn.PassiveCable(N, brainscale.nn.Morphology(soma, axon))
        self.w = dense(0, K, 3 * N, u.nA, 0.05)
        self.back = dense(1, N, N, u.nA, 0.01)

    def init_state(self, batch_size=None, **kwargs):
        self.g = brainscale.ETraceGroupState(batched(batch_size, N, 3) * u.nA)

    def update(self, x):
        soma = (self.cell.V.value[..., 0] / u.mV + 70) / 10
        y = self.w.execute(x)
        self.g.value = 0.7 * self.g.value + u.math.reshape(y, (*y.shape[:-1], N, 3))
        current = self.g.value + self.back.execute(soma)[..., None] * np.array([1.0, 0, 0])
        return self.cell(current)[..., 0] / u.mV + 65


class TreeOfShapes(Model):
    """A tree state whose leaves have units and one of them an axis of its own."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N, u.nA)
        self.readout = brainstate.ParamState(array(1, N, M))

    def init_state(self, batch_size=None, **kwargs):
        tree = {"V": batched(batch_size, N) * u.mV, "gates": batched(batch_size, N, 2)}
        self.state = brainscale.ETraceTreeState(tree)

    def update(self, x):
        V, gates = self.state.value["V"], self.state.value["gates"]
        gates = jax.nn.sigmoid(0.3 * gates + (V / u.mV)[..., None] * np.array([1.0, -0.5]))
        V = 0.8 * V * gates[..., 0] + self.w.execute(x) * (1 * u.Mohm) * gates[..., 1]
        self.state.value = {"V": V, "gates": gates}
        return jnp.tanh(V / u.mV) @ self.readout.value


class Encoded(Model):
    """A plain encoder before the operation, and a plain leak within the dynamics."""

    def __init__(self):
        super().__init__()
        self.encoder, self.w = brainstate.ParamState(array(0, K, K)), dense(1, K, N)
        self.leak = brainstate.ParamState(jnp.asarray(0.8))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        y = self.w.execute(jnp.tanh(x @ self.encoder.value))
        self.h.value = self.leak.value * self.h.value + y
        return self.h.value


class Groups(Model):
    """brainstate's own group state, into which a current comes that lacks the batch."""

    def __init__(self):
        super().__init__()
        self.bias, self.w = ElemWiseParam(array(0, N)), dense(1, K, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenGroupState(batched(batch_size, N, 2))

    def update(self, x):
        a, b = self.h.value[..., 0], self.h.value[..., 1]
        a = jnp.tanh(0.5 * a + 0.2 * b + self.w.execute(x) + self.bias.execute())
        self.h.value = jnp.stack([a, 0.9 * b + a], -1)
        return self.h.value.sum(-1)


MODELS = (
    *(ThreeLayers, TwoPopulations, Frozen, ThroughFrozen, Gates, Slips, LateOutput),
    *(Synapses, TreeOfShapes, Encoded, Groups),
)
