"""Models of the layers of `brainscale.nn`, each with the inputs of operations that are new."""

from __future__ import annotations

import brainevent
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale.nn as nn
from brainscale import FakeETraceParam, NonTempParam
from odd_models import K, M, Model, N, array, batched, everything


def first_part_fixed(size):
    """Inputs whose first entries are old."""
    return lambda x: jnp.concatenate([jax.lax.stop_gradient(x[..., :size]), x[..., size:]], -1)


class OfCell(Model):
    """A recurrent cell and a plain readout."""

    kind, new_parts = nn.VanillaRNNCell, ()

    def __init__(self):
        super().__init__()
        brainstate.random.seed(3)
        self.cell = self.kind(K, N)
        self.readout = brainstate.ParamState(array(2, self.cell.out_size[-1], M))

    def update(self, x):
        return self.cell(x) @ self.readout.value

    def new(self):
        return {getattr(self.cell, name).weight: f for name, f in self.new_parts}


def of_cell(kind, *new_parts):
    """A model class."""
    return type(kind.__name__, (OfCell,), {"kind": kind, "new_parts": new_parts})


def sparse_matrix():
    return brainevent.CSR.fromdense(array(3, K, N) * (array(4, K, N) > 0))


class Linears(Model):
    """Dense layers of all makes before a leaky readout; what the low-rank one adapts is frozen."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(4)
        signs = np.where(np.arange(K)[:, None] % 2, 1, -1)
        mask = (np.arange(K)[:, None] + np.arange(N)) % 3 > 0
        self.masked = nn.Linear((2, K), (3, N), w_mask=mask, b_init=array(7, N))
        self.signed = nn.SignedWLinear(K, N, w_sign=signs)
        self.scaled = nn.ScaledWSLinear(K, N, w_mask=mask)
        base = nn.Linear(K, N, param_type=FakeETraceParam)
        self.low = nn.LoRA(K, 2, N, base_module=base, A_init=array(9, 2, N))
        self.sparse = nn.SparseLinear(sparse_matrix(), array(8, N))
        self.readout = nn.LeakyRateReadout(N, M)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x):
        layers = (self.masked, self.signed, self.scaled, self.low, self.sparse)
        self.h.value = 0.8 * jnp.tanh(self.h.value) + sum(layer(x) for layer in layers)
        return self.readout(self.h.value)

    def new(self):
        return {self.readout.linear.weight: everything}


class OneOfABatch(Linears):
    """The same without a batch."""

    batch = None


class PlainLayers(Model):
    """Layers of all makes that have no traces, behind a layer that has one."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(4)
        self.into = nn.Linear(K, N * 4)
        plain = {"param_type": NonTempParam}
        self.layers = [
            nn.Linear(4 * N, M, **plain),
            nn.SignedWLinear(4 * N, M, **plain),
            nn.ScaledWSLinear(4 * N, M, **plain),
            nn.SparseLinear(
                brainevent.CSC.fromdense(array(3, 4 * N, M) * (array(4, 4 * N, M) > 0)),
                array(5, M),
                **plain,
            ),
            nn.LoRA(4 * N, 2, M, A_init=array(6, 2, M), **plain),
        ]
        self.images = [
            nn.Conv1d((N, 4), M, N, padding="VALID", **plain),
            nn.Conv2d((N, 2, 2), M, (N, 2), padding="VALID", b_init=array(7, M), **plain),
            nn.Conv3d((N, 2, 2, 1), M, (N, 2, 2), padding="VALID", **plain),
        ]
        self.table = nn.Embedding(2, M, **plain)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, 4 * N))

    def update(self, x):
        self.h.value = 0.8 * jnp.tanh(self.h.value) + self.into(x)
        out = sum(layer(self.h.value) for layer in self.layers)
        for layer in self.images:
            image = self.h.value.reshape(*x.shape[:-1], *layer.in_size)
            out = out + layer(image).reshape(*x.shape[:-1], M)
        return out * self.table((x[..., 0] > 0).astype(int))


class Grouped(Model):
    """Two layers of grouped operations, of the input, of the past, masked, and of new states."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(4)
        self.into = nn.GroupedLinear(K, 2 * K, groups=2, b_init=array(7, 2 * K))
        mask = np.arange(4 * K).reshape(K, 2, 2) % 3 > 0
        self.back = nn.GroupedLinear(2 * K, 2 * K, groups=K, b_init=None, w_mask=mask)
        self.up = nn.GroupedLinear(2 * K, 6, groups=2, b_init=array(8, 6))
        self.readout = brainstate.ParamState(array(2, 6, M))

    def init_state(self, batch_size=None, **kwargs):
        self.low = brainstate.HiddenState(batched(batch_size, 2 * K))
        self.high = brainstate.HiddenState(batched(batch_size, 6))

    def update(self, x):
        y = self.into(x) + self.back(self.low.value)
        self.low.value = 0.8 * jnp.tanh(self.low.value) + y
        self.high.value = 0.7 * jnp.tanh(self.high.value) + self.up(self.low.value)
        return self.high.value @ self.readout.value

    def new(self):
        return {self.up.weight: everything}


class Convolutions(Model):
    """Two convolutional layers of neurons of different kinds, pooled, and a spiking readout."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(5)
        self.first = nn.Conv2d((4, 4, 1), 2, 3, stride=(1, 2), b_init=array(2, 2))
        self.second = nn.Conv2d((2, 2, 2), 4, 2, groups=2, padding="VALID")
        self.readout = nn.LeakySpikeReadout(4, M, w_init=3 * array(1, 4, M) * u.mA)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, 4, 2, 2)))
        self.k = brainstate.HiddenState(jnp.zeros((batch_size, 1, 1, 4)))

    def update(self, x):
        image = jnp.tile(x, 4).reshape(-1, 4, 4, 1)
        self.h.value = 0.9 * jnp.tanh(self.h.value) + self.first(image)
        pooled = (self.h.value[:, ::2] + self.h.value[:, 1::2]) / 2
        self.k.value = 0.7 * self.k.value + self.second(jnp.sin(pooled))
        return self.readout(5 * self.k.value.reshape(-1, 4))

    def new(self):
        return dict.fromkeys((self.second.weight, self.readout.linear.weight), everything)


class OtherConvolutions(Model):
    """Convolutions of one and three dimensions, spaced, masked, grouped, with units."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(7)
        mask = np.arange(2 * 2 * 4).reshape(2, 2, 4) % 3 > 0
        self.line = nn.Conv1d((4, 2), 4, 2, 1, (0, 1), 2, 2, 1, w_mask=mask, b_init=array(1, 4))
        kernel = array(2, 2, 1, 2, 2, 2) * u.mA
        self.space = nn.Conv3d((4, 2, 2, 2), 2, (2, 1, 2), padding="VALID", w_init=kernel)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, *self.line.out_size))
        self.k = brainstate.HiddenState(batched(batch_size, *self.space.out_size) * u.mA)

    def update(self, x):
        self.h.value = 0.8 * jnp.tanh(self.h.value) + self.line(jnp.stack([x, x**2], -1))
        cube = jnp.stack([jnp.cos(k * x) for k in range(8)], -1).reshape(-1, 4, 2, 2, 2)
        self.k.value = 0.7 * self.k.value + self.space(cube)
        flat = [u.math.reshape(s.value, (len(x), -1))[:, :4] for s in (self.h, self.k)]
        return jnp.tanh(flat[0]) + flat[1] / u.mA


class Embedded(Model):
    """A table, looked up."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(6)
        self.table = nn.Embedding(3, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, N)))

    def update(self, x):
        chosen = (x[..., 0] > 0).astype(int) + (x[..., 1] > 0)
        self.h.value = 0.8 * jnp.tanh(self.h.value) + self.table(chosen)
        return self.h.value


gated = first_part_fixed(K)


def last_part_fixed(size):
    return lambda x: first_part_fixed(size)(x[..., ::-1])[..., ::-1]


class GivenPhi(OfCell):
    """A cell whose encoding of the input is given, and its activation by its name."""

    def __init__(self):
        super().__init__()
        self.cell = nn.MinimalRNNCell(K, K, phi=jnp.sin, activation="sigmoid")
        self.readout = brainstate.ParamState(array(2, K, M))


LAYERS = (
    of_cell(nn.VanillaRNNCell),
    of_cell(nn.GRUCell, ("Wh", gated)),
    of_cell(nn.MGUCell, ("Wh", gated)),
    of_cell(nn.LSTMCell),
    of_cell(nn.CFNCell),
    of_cell(nn.MiniGRU),
    of_cell(nn.MiniLSTM),
    of_cell(nn.URLSTMCell),
    of_cell(nn.MinimalRNNCell, ("Wu", last_part_fixed(N))),
    of_cell(nn.LRUCell),
    *(GivenPhi, Linears, OneOfABatch, PlainLayers, Convolutions, OtherConvolutions, Grouped),
    Embedded,
)
