"""The linear recurrent unit: its recurrence is diagonal, so that D-RTRL learns it exactly."""

from __future__ import annotations

from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp

from ..checks.arguments import check_integer
from ..checks.hints import Initializer
from ..checks.requests import check_batch
from ..errors import ParameterError
from ..parameters import ElemWiseParam, NonTempParam
from ..states import ETraceState
from .layer import Layer, check_input, needs_initialised
from .linear import Linear
from .quantities import as_finite, as_positive, read_batch_axes
from .recurrent import XAVIER

__all__ = ["LRUCell"]


class LRUCell(Layer):
    """A linear recurrent unit: complex, diagonal, element by element (Orvieto et al. 2023).

    s' = λ s + γ B x with λ = exp(−exp(ν) + i exp(θ)), y = Re(C s') + D x (arXiv:2303.06349); first
    γ² = 1 − |λ|². The state is held as its real and imaginary part; D-RTRL is exact for its
    recurrence.

    Parameters
    ----------
    d_model : int
        Of x and of y, which is as long.
    d_hidden : int
        Of s.
    r_min, r_max : float
        Between which |λ| begins.
    max_phase : float
        Below which the phase of λ begins.
    w_init : callable or array
        Of B and C, each real and imaginary.

    Examples
    --------
    >>> cell = brainscale.nn.LRUCell(4, 32, r_min=0.9, r_max=0.999)
    >>> cell.init_state(batch_size=16)
    >>> cell(jnp.ones((16, 4))).shape
    (16, 4)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        d_model: int,
        d_hidden: int,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 6.28,
        w_init: Initializer = XAVIER,
        name: str | None = None,
    ):
        d_model = check_integer(d_model, "d_model")
        super().__init__(d_model, d_model, name)
        self.d_hidden = d_hidden = check_integer(d_hidden, "d_hidden")
        r_min, r_max = _check_radii(r_min, r_max)
        max_phase = as_positive(max_phase, u.UNITLESS, "max_phase").item()
        radius = brainstate.random.uniform(r_min**2, r_max**2, (d_hidden,)) ** 0.5
        phase = max_phase * brainstate.random.uniform(1e-3, 1.0, (d_hidden,))
        self.nu_log = ElemWiseParam(jnp.log(-jnp.log(radius)))
        self.theta_log = ElemWiseParam(jnp.log(phase))
        self.gamma_log = ElemWiseParam(jnp.log1p(-(radius**2)) / 2)
        self.B_re, self.B_im = (Linear(d_model, d_hidden, w_init, None) for _ in range(2))
        self.C_re, self.C_im = (
            Linear(d_hidden, d_model, w_init, None, param_type=NonTempParam) for _ in range(2)
        )
        self.D = brainstate.ParamState(brainstate.random.normal(size=(d_model,)))

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Make the two parts of s, zero."""
        zero = jnp.zeros((*read_batch_axes(batch_size), self.d_hidden), brainstate.environ.dftype())
        self.re, self.im = ETraceState(zero, name="re"), ETraceState(zero, name="im")

    @needs_initialised()
    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Write the two parts of s as they began."""
        check_batch(batch_size)
        self.re.value, self.im.value = jnp.zeros_like(self.re.value), jnp.zeros_like(self.im.value)

    @needs_initialised()
    def update(self, x: jax.typing.ArrayLike) -> jax.Array:
        """Make a step, and give its y, like x."""
        check_input(x, (*self.re.value.shape[:-1], *self.in_size))
        radius = jnp.exp(-jnp.exp(self.nu_log.execute()))
        phase, gamma = jnp.exp(self.theta_log.execute()), jnp.exp(self.gamma_log.execute())
        cos, sin, re, im = jnp.cos(phase), jnp.sin(phase), self.re.value, self.im.value
        self.re.value = radius * (cos * re - sin * im) + gamma * self.B_re(x)
        self.im.value = radius * (sin * re + cos * im) + gamma * self.B_im(x)
        return self.C_re(self.re.value) - self.C_im(self.im.value) + self.D.value * x


def _check_radii(r_min: Any, r_max: Any) -> tuple[float, float]:
    """Check between which absolute values begin: not 0 or 1 for sure, whose logarithms are none."""
    low, high = (
        as_finite(r, u.UNITLESS, name).item() for name, r in (("r_min", r_min), ("r_max", r_max))
    )
    if not (0 <= low <= high <= 1 and low < 1 and high > 0):
        raise ParameterError(
            f"r_min and r_max must be from 0 to 1 and in this order, got {r_min} and {r_max}",
            got=(r_min, r_max),
        )
    return low, high
