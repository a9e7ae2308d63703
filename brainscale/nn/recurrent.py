"""Recurrent cells, each gate an operation of its own on the input and the last state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import braintools
import jax
import jax.numpy as jnp

from ..parameters import ElemWiseParam
from ..states import ETraceState
from .linear import KAIMING, ZERO, Linear, initial

__all__ = ["CFNCell", "GRUCell", "LRUCell", "LSTMCell", "MGUCell", "MinimalRNNCell"]
__all__ += ["ValinaRNNCell", "VanillaRNNCell"]

XAVIER = braintools.init.XavierNormal()


class _Cell(brainstate.nn.Module):
    """A cell whose state is h, (..., out_size)."""

    __module__ = "brainscale.nn"

    hidden: tuple[str, ...] = ("h",)

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        state_init: Callable | Any = ZERO,
        w_init: Callable | Any = XAVIER,
        b_init: Callable | Any = ZERO,
        activation: Callable = jnp.tanh,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.in_size, self.out_size = in_size, out_size
        self.state_init, self.activation = state_init, activation
        self._options = {"w_init": w_init, "b_init": b_init}

    def _gate(self, of_state: bool = True) -> Linear:
        """An operation on the input, and on the last state if that is asked for."""
        size = self.in_size[-1] + (self.out_size[-1] if of_state else 0)
        return Linear(size, self.out_size[-1], **self._options)

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """The states, behind a batch axis if there is a batch size."""
        for name in self.hidden:
            setattr(self, name, ETraceState(self._initial(batch_size), name=name))

    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """The states as they began."""
        for name in self.hidden:
            getattr(self, name).value = self._initial(batch_size)

    def _initial(self, batch_size: int | None) -> Any:
        shape = tuple(self.out_size[-1:])
        return initial(self.state_init, shape if batch_size is None else (batch_size, *shape))


class VanillaRNNCell(_Cell):
    """h' = f(W [x, h] + b)."""

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        self.W = self._gate()

    def update(self, x: Any) -> Any:
        """h after a step."""
        self.h.value = self.activation(self.W(_joined(x, self.h.value)))
        return self.h.value


ValinaRNNCell = VanillaRNNCell
"""The name in brainscale 0.0.x."""


class GRUCell(_Cell):
    """h' = (1 − z) h + z f(W_h [x, r h]), z and r sigmoid gates (Cho et al. 2014)."""

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        self.Wz, self.Wr, self.Wh = self._gate(), self._gate(), self._gate()

    def update(self, x: Any) -> Any:
        """h after a step."""
        h = self.h.value
        z, r = (jax.nn.sigmoid(W(_joined(x, h))) for W in (self.Wz, self.Wr))
        self.h.value = (1 - z) * h + z * self.activation(self.Wh(_joined(x, r * h)))
        return self.h.value


class MGUCell(_Cell):
    """h' = (1 − f) h + f g(W_h [x, f h]), f a sigmoid gate (Zhou et al. 2016)."""

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        self.Wf, self.Wh = self._gate(), self._gate()

    def update(self, x: Any) -> Any:
        """h after a step."""
        h = self.h.value
        f = jax.nn.sigmoid(self.Wf(_joined(x, h)))
        self.h.value = (1 - f) * h + f * self.activation(self.Wh(_joined(x, f * h)))
        return self.h.value


class LSTMCell(_Cell):
    """c' = f c + i g, h' = o tanh(c'), with sigmoid gates (Hochreiter, Schmidhuber 1997).

    1 is added to what opens the gate f, so that it begins open.
    """

    hidden = ("h", "c")

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        self.Wi, self.Wg, self.Wf, self.Wo = (self._gate() for _ in range(4))

    def update(self, x: Any) -> Any:
        """h after a step."""
        both = _joined(x, self.h.value)
        i, g, f, o = (W(both) for W in (self.Wi, self.Wg, self.Wf, self.Wo))
        c = jax.nn.sigmoid(f + 1) * self.c.value + jax.nn.sigmoid(i) * self.activation(g)
        self.c.value = c
        self.h.value = jax.nn.sigmoid(o) * self.activation(c)
        return self.h.value


class CFNCell(_Cell):
    """h' = f g(h) + i g(W x), f and i sigmoid gates (Laurent and von Brecht 2016)."""

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        self.Wf, self.Wi, self.Wh = self._gate(), self._gate(), self._gate(of_state=False)

    def update(self, x: Any) -> Any:
        """h after a step."""
        h = self.h.value
        f, i = (jax.nn.sigmoid(W(_joined(x, h))) for W in (self.Wf, self.Wi))
        self.h.value = f * self.activation(h) + i * self.activation(self.Wh(x))
        return self.h.value


class MinimalRNNCell(_Cell):
    """h' = u h + (1 − u) z, z = f(W x), u a sigmoid gate of [z, h] (Chen 2017)."""

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        self.W = self._gate(of_state=False)
        self.Wu = Linear(2 * self.out_size[-1], self.out_size[-1], **self._options)

    def update(self, x: Any) -> Any:
        """h after a step."""
        z = self.activation(self.W(x))
        gate = jax.nn.sigmoid(self.Wu(_joined(z, self.h.value)))
        self.h.value = gate * self.h.value + (1 - gate) * z
        return self.h.value


class LRUCell(brainstate.nn.Module):
    """A linear recurrent unit: complex, diagonal, element by element (Orvieto et al. 2023).

    s' = λ s + γ B x with λ = exp(−exp(ν) + i exp(θ)), γ² = 1 − |λ|², y = Re(C s') + D x. The state
    is held as its real and imaginary part; D-RTRL is exact for its recurrence.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        Of x and of y, which is as long.
    d_hidden : int
        Of s.
    r_min, r_max : float
        Between which |λ| begins.
    max_phase : float
        Below which the phase of λ begins.
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        d_hidden: int,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 6.28,
        w_init: Callable | Any = XAVIER,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.in_size = self.out_size = in_size
        self.d_hidden = d_hidden
        K = self.in_size[-1]
        radius = brainstate.random.uniform(r_min**2, r_max**2, (d_hidden,)) ** 0.5
        phase = max_phase * brainstate.random.uniform(1e-3, 1.0, (d_hidden,))
        self.nu = ElemWiseParam(jnp.log(-jnp.log(radius)))
        self.theta = ElemWiseParam(jnp.log(phase))
        self.B_re, self.B_im = (Linear(K, d_hidden, w_init, None) for _ in range(2))
        self.C_re, self.C_im = (
            brainstate.ParamState(initial(w_init, (d_hidden, K))) for _ in range(2)
        )
        self.D = brainstate.ParamState(initial(KAIMING, (K, K)))

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """The two parts of s, zero."""
        shape = (self.d_hidden,) if batch_size is None else (batch_size, self.d_hidden)
        zero = jnp.zeros(shape, brainstate.environ.dftype())
        self.re, self.im = ETraceState(zero, name="re"), ETraceState(zero, name="im")

    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """The two parts of s as they began."""
        self.re.value, self.im.value = jnp.zeros_like(self.re.value), jnp.zeros_like(self.im.value)

    def update(self, x: Any) -> Any:
        """y of a step, like x."""
        radius = jnp.exp(-jnp.exp(self.nu.execute()))
        phase = jnp.exp(self.theta.execute())
        gamma = jnp.sqrt(1 - radius**2)
        cos, sin, re, im = jnp.cos(phase), jnp.sin(phase), self.re.value, self.im.value
        self.re.value = radius * (cos * re - sin * im) + gamma * self.B_re(x)
        self.im.value = radius * (sin * re + cos * im) + gamma * self.B_im(x)
        read = self.re.value @ self.C_re.value - self.im.value @ self.C_im.value
        return read + x @ self.D.value


def _joined(x: Any, h: Any) -> Any:
    return jnp.concatenate([x, h], -1)
