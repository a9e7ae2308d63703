"""Models of the layers of `brainscale.nn`, each with the inputs of operations that are new."""

from __future__ import annotations

import brainevent
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from odd_models import K, M, Model, N, array, everything

import brainscale.nn as nn


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


class Linears(Model):
    """Dense layers of all makes before a leaky readout."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(4)
        signs = np.where(np.arange(K)[:, None] % 2, 1, -1)
        self.signed = nn.SignedWLinear(K, N, w_sign=signs)
        self.scaled = nn.ScaledWSLinear(K, N)
        self.low = nn.LoRA(K, 2, N, A_init=array(9, 2, N))
        self.sparse = nn.SparseLinear(
            brainevent.CSR.fromdense(array(3, K, N) * (array(4, K, N) > 0))
        )
        self.readout = nn.LeakyRateReadout(N, M)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, N)))

    def update(self, x):
        y = self.signed(x) + self.scaled(x) + self.low(x) + self.sparse(x)
        self.h.value = 0.8 * jnp.tanh(self.h.value) + y
        return self.readout(self.h.value)

    def new(self):
        return {self.readout.linear.weight: everything}


class Convolutions(Model):
    """Two convolutional layers of neurons of different kinds, pooled, and a spiking readout."""

    def __init__(self):
        super().__init__()
        brainstate.random.seed(5)
        self.first = nn.Conv2d((4, 4, 1), 2, 3, stride=(1, 2))
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

LAYERS = (
    of_cell(nn.VanillaRNNCell),
    of_cell(nn.GRUCell, ("Wh", gated)),
    of_cell(nn.MGUCell, ("Wh", gated)),
    of_cell(nn.LSTMCell),
    of_cell(nn.CFNCell),
    of_cell(nn.MinimalRNNCell, ("Wu", lambda x: first_part_fixed(N)(x[..., ::-1])[..., ::-1])),
    of_cell(nn.LRUCell),
    *(Linears, Convolutions, Embedded),
)
