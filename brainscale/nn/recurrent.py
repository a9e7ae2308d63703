"""Recurrent cells, each gate an operation of its own on the input and the last state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import braintools
import brainunit as u
import jax
import jax.numpy as jnp

from ..checks.arguments import check_function
from ..checks.hints import Initializer
from ..errors import ParameterError
from ..parameters import ETraceParam
from ..states import ETraceState
from .layer import (
    Layer,
    ParamType,
    apply_element_wise,
    check_input,
    make_initial_state,
    needs_initialised,
    share_sections,
)
from .linear import ZERO, Linear

__all__ = ["CFNCell", "GRUCell", "LSTMCell", "MGUCell", "MinimalRNNCell", "ValinaRNNCell"]
__all__ += ["VanillaRNNCell"]

XAVIER = braintools.init.XavierNormal()
ORTHOGONAL = braintools.init.Orthogonal()


class Cell(Layer):
    """A cell whose state is h, (..., N), N the last entry of `out_size`.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        Of the input and of the state.
    w_init, b_init : callable or array
        Of each gate's weight, (K + N, N) where the gate sees input and state, and bias, (N,).
    state_init : callable or array, (N,)
        Of the state.
    activation : str or callable
        A function of `jax.nn` by its name, or any.
    name : str, optional
    param_type : type, default ETraceParam
        `FakeETraceParam` for a cell that is frozen.
    """

    __module__ = "brainscale.nn"

    h: ETraceState
    hidden: tuple[str, ...] = ("h",)
    gates: tuple[str, ...] = ()
    """Dense operations on the input and the last state."""
    encoders: tuple[str, ...] = ()
    """Dense operations on the input alone."""

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = ORTHOGONAL,
        b_init: Initializer | None = ZERO,
        state_init: Initializer = ZERO,
        activation: str | Callable[[Any], Any] = "tanh",
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, name)
        self.state_init, self.activation = state_init, _find_function(activation)
        self._options = {"w_init": w_init, "b_init": b_init, "param_type": param_type}
        for gate in self.gates:
            setattr(self, gate, self._make_dense(self.in_size[-1] + self.out_size[-1]))
        for encoder in self.encoders:
            setattr(self, encoder, self._make_dense(self.in_size[-1]))

    def _make_dense(self, size: int) -> Linear:
        """Make a dense operation from (..., size) to (..., N)."""
        return Linear(size, self.out_size[-1], **self._options)

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Make the states, behind a batch axis if there is a batch size."""
        for name in self.hidden:
            setattr(self, name, ETraceState(self._make_initial(batch_size), name=name))

    @needs_initialised()
    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Write the states as they began."""
        for name in self.hidden:
            getattr(self, name).value = self._make_initial(batch_size)

    def _make_initial(self, batch_size: int | None) -> Any:
        shape = self.out_size[-1:]
        return make_initial_state(self.state_init, shape, batch_size, "state_init", u.UNITLESS)

    def _activate(self, x: Any) -> Any:
        return apply_element_wise(self.activation, x, "activation")

    def _join(self, x: Any, h: Any) -> Any:
        """Put the last state behind the input, (..., K + N), for a gate that sees both."""
        shape = self.h.value.shape
        x = check_input(x, (*shape[:-1], *self.in_size[-1:]))
        return jnp.concatenate([x, h], -1)


class VanillaRNNCell(Cell):
    """h' = f(W [x, h] + b) (Elman 1990, Cognitive Science 14:179).

    Examples
    --------
    >>> cell = brainscale.nn.VanillaRNNCell(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    W: Linear
    gates = ("W",)

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        state_init: Initializer = ZERO,
        w_init: Initializer = XAVIER,
        b_init: Initializer | None = ZERO,
        activation: str | Callable[[Any], Any] = "relu",
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(
            in_size, out_size, w_init, b_init, state_init, activation, name, param_type
        )

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        self.h.value = self._activate(self.W(self._join(x, self.h.value)))
        return self.h.value


ValinaRNNCell = VanillaRNNCell
"""The name in brainscale 0.0.x and braintrace."""


class GRUCell(Cell):
    """h' = (1 − z) h + z f(W_h [x, r h]), z and r sigmoid (Cho et al. 2014, arXiv:1406.1078).

    Examples
    --------
    >>> cell = brainscale.nn.GRUCell(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    Wz: Linear
    Wr: Linear
    Wh: Linear
    gates = ("Wz", "Wr", "Wh")

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        h = self.h.value
        z, r = (jax.nn.sigmoid(W(self._join(x, h))) for W in (self.Wz, self.Wr))
        self.h.value = (1 - z) * h + z * self._activate(self.Wh(self._join(x, r * h)))
        return self.h.value


class MGUCell(Cell):
    """h' = (1 − f) h + f g(W_h [x, f h]), f a sigmoid gate (Zhou et al. 2016, arXiv:1603.09420).

    Examples
    --------
    >>> cell = brainscale.nn.MGUCell(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    Wf: Linear
    Wh: Linear
    gates = ("Wf", "Wh")

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        h = self.h.value
        f = jax.nn.sigmoid(self.Wf(self._join(x, h)))
        self.h.value = (1 - f) * h + f * self._activate(self.Wh(self._join(x, f * h)))
        return self.h.value


class LSTMCell(Cell):
    """c' = f c + i g, h' = o tanh(c'), with sigmoid gates (Zaremba et al. 2014, arXiv:1409.2329).

    1 is added to what opens the gate f, so that it begins open (Jozefowicz et al. 2015).

    Examples
    --------
    >>> cell = brainscale.nn.LSTMCell(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape, cell.c.value.shape
    ((16, 8), (16, 8))
    """

    c: ETraceState
    Wi: Linear
    Wg: Linear
    Wf: Linear
    Wo: Linear
    hidden = ("h", "c")
    gates = ("Wi", "Wg", "Wf", "Wo")

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = XAVIER,
        b_init: Initializer | None = ZERO,
        state_init: Initializer = ZERO,
        activation: str | Callable[[Any], Any] = "tanh",
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(
            in_size, out_size, w_init, b_init, state_init, activation, name, param_type
        )

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        joint = self._join(x, self.h.value)
        i, g, f, o = (W(joint) for W in (self.Wi, self.Wg, self.Wf, self.Wo))
        c = jax.nn.sigmoid(f + 1) * self.c.value + jax.nn.sigmoid(i) * self._activate(g)
        self.c.value = c
        self.h.value = jax.nn.sigmoid(o) * self._activate(c)
        return self.h.value


class CFNCell(Cell):
    """h' = f g(h) + i g(W x), f and i sigmoid (Laurent and von Brecht 2016, arXiv:1612.06212).

    Examples
    --------
    >>> cell = brainscale.nn.CFNCell(3, 8)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    Wf: Linear
    Wi: Linear
    Wh: Linear
    gates, encoders = ("Wf", "Wi"), ("Wh",)

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        h = self.h.value
        f, i = (jax.nn.sigmoid(W(self._join(x, h))) for W in (self.Wf, self.Wi))
        self.h.value = f * self._activate(h) + i * self._activate(self.Wh(x))
        return self.h.value


class MinimalRNNCell(Cell):
    """h' = u h + (1 − u) z, z = phi(x), u a sigmoid gate of [z, h] (Chen 2017, arXiv:1711.06788).

    phi is f(W x + b) unless given: any function of x as long as h.

    Examples
    --------
    >>> encoder = brainscale.nn.Linear(3, 8, param_type=brainscale.FakeETraceParam)
    >>> cell = brainscale.nn.MinimalRNNCell(3, 8, phi=lambda x: jnp.tanh(encoder(x)))
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 3))).shape
    (16, 8)
    """

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        w_init: Initializer = ORTHOGONAL,
        b_init: Initializer | None = ZERO,
        state_init: Initializer = ZERO,
        phi: Callable[[Any], Any] | None = None,
        name: str | None = None,
        activation: str | Callable[[Any], Any] = "tanh",
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(
            in_size, out_size, w_init, b_init, state_init, activation, name, param_type
        )
        self.W = self._make_dense(self.in_size[-1]) if phi is None else None
        self.phi = None if phi is None else check_function(phi, "phi")
        self.Wu = self._make_dense(2 * self.out_size[-1])

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give h after it."""
        h = self.h.value
        check_input(x, (*h.shape[:-1], *self.in_size[-1:]))
        if self.phi is None:
            assert self.W is not None  # What phi stands in for.
            z = self._activate(self.W(x))
        else:
            z = check_input(self.phi(x), h.shape, "what phi returns")
        gate = jax.nn.sigmoid(self.Wu(jnp.concatenate([z, h], -1)))
        self.h.value = gate * h + (1 - gate) * z
        return self.h.value


share_sections(Cell, VanillaRNNCell, GRUCell, MGUCell, LSTMCell, CFNCell, MinimalRNNCell)


def _find_function(activation: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Find the function that is meant, by its name in `jax.nn` or as such."""
    function = getattr(jax.nn, activation, None) if isinstance(activation, str) else activation
    if not callable(function):
        raise ParameterError(
            f"activation must be a function or the name of one of jax.nn, got {activation!r}",
            got=activation,
        )
    return check_function(function, "activation")
