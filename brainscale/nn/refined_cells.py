"""Recurrent cells with fewer gates, or with refined ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import brainstate
import jax

from ..checks.hints import Initializer
from ..parameters import ElemWiseParam, ETraceParam
from ..states import ETraceState
from .layer import ParamType, needs_initialised, share_sections
from .linear import ZERO, Linear
from .recurrent import ORTHOGONAL, XAVIER, Cell

__all__ = ["MiniGRU", "MiniLSTM", "URLSTMCell"]


class _CellWithoutActivation(Cell):
    """A cell whose candidate is an operation on the input alone, as it is."""

    Wx: Linear
    encoders = ("Wx",)

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = ORTHOGONAL,
        b_init: Initializer | None = ZERO,
        state_init: Initializer = ZERO,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(
            in_size, out_size, w_init, b_init, state_init, name=name, param_type=param_type
        )


class MiniGRU(_CellWithoutActivation):
    """h' = (1 − z) h + z W_x x, z a sigmoid gate of [x, h].

    Without h in its gate it would be the minGRU of Feng et al. 2024 (arXiv:2410.01201).

    Examples
    --------
    >>> cell = brainscale.nn.MiniGRU(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    Wz: Linear
    gates = ("Wz",)

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        h = self.h.value
        z = jax.nn.sigmoid(self.Wz(self._join(x, h)))
        self.h.value = (1 - z) * h + z * self.Wx(x)
        return self.h.value


class MiniLSTM(_CellWithoutActivation):
    """h' = f h + i W_x x, f and i sigmoid gates of [x, h].

    Without h in its gates it would be the minLSTM of Feng et al. 2024 (arXiv:2410.01201).

    Examples
    --------
    >>> cell = brainscale.nn.MiniLSTM(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    Wf: Linear
    Wi: Linear
    gates = ("Wf", "Wi")

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        h = self.h.value
        f, i = (jax.nn.sigmoid(W(self._join(x, h))) for W in (self.Wf, self.Wi))
        self.h.value = f * h + i * self.Wx(x)
        return self.h.value


class URLSTMCell(Cell):
    """c' = g c + (1 − g) f(W_u [x, h]), h' = o f(c'), g a refined gate (Gu et al. 2020).

    g = 2 r s + (1 − 2 r) s², s = sigmoid(W_f [x, h] + b), r = sigmoid(W_r [x, h] − b)
    (arXiv:1910.09890); b, (N,), is one parameter, which begins as the logit of a number drawn
    uniformly between 1 / N and 1 − 1 / N.

    Examples
    --------
    >>> cell = brainscale.nn.URLSTMCell(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    c: ETraceState
    Wu: Linear
    Wf: Linear
    Wr: Linear
    Wo: Linear
    hidden = ("h", "c")
    gates = ("Wu", "Wf", "Wr", "Wo")

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = XAVIER,
        state_init: Initializer = ZERO,
        activation: str | Callable[[Any], Any] = "tanh",
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, w_init, None, state_init, activation, name, param_type)
        N = self.out_size[-1]
        low = min(1 / N, 0.5)  # Of one neuron there is nothing between 1 / N and 1 − 1 / N.
        drawn = brainstate.random.uniform(low, 1 - low, (N,))
        self.bias = ElemWiseParam(jax.scipy.special.logit(drawn))

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        joint, b = self._join(x, self.h.value), self.bias.execute()
        candidate, f, r, o = (W(joint) for W in (self.Wu, self.Wf, self.Wr, self.Wo))
        s, r = jax.nn.sigmoid(f + b), jax.nn.sigmoid(r - b)
        g = 2 * r * s + (1 - 2 * r) * s**2
        c = g * self.c.value + (1 - g) * self._activate(candidate)
        self.c.value = c
        self.h.value = jax.nn.sigmoid(o) * self._activate(c)
        return self.h.value


share_sections(Cell, MiniGRU, MiniLSTM, URLSTMCell)
