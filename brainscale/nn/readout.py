"""Readouts that remember: a leaky sum of what they are given, or its spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import brainpy.state
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from braintools.surrogate import Surrogate

from ..checks.hints import ArrayLike, Initializer, QuantityInitializer, QuantityLike
from ..errors import DtypeError, ParameterError
from ..parameters import ETraceParam, NonTempParam
from ..states import ETraceState
from .layer import Layer, ParamType, check_surrogate, make_initial_state, needs_initialised
from .linear import KAIMING, ZERO, Linear, add
from .quantities import as_finite, as_positive, check_unit, make_initial_potential, read_time_step

__all__ = ["FilteredReadout", "LeakyRateReadout", "LeakySpikeReadout"]


class _Leaky(Layer):
    """A layer that remembers its input, r, with a time constant."""

    tau: QuantityLike
    r: ETraceState

    def _remember(self, x: Any, what: str) -> Any:
        """Add an input to r, and give r after it."""
        r = self.r.value
        tau = as_positive(self.tau, u.ms, "tau", self._find_shape())
        decay = jnp.asarray(np.exp(-read_time_step() / tau), r.dtype)
        new = add(decay * r, x, what)
        if jnp.iscomplexobj(u.get_mantissa(new)) and not jnp.iscomplexobj(u.get_mantissa(r)):
            raise DtypeError(
                f"r of {type(self).__name__} has dtype {r.dtype}, which cannot hold {what} of "
                f"{new.dtype}: give it a complex first value, or a real input",
                got=new.dtype,
                needs=r.dtype,
            )
        self.r.value = new.astype(r.dtype)
        return self.r.value

    def _find_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _make_initial(self, batch_size: int | None) -> Any:
        raise NotImplementedError

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Make r, behind a batch axis if there is a batch size."""
        self.r = ETraceState(self._make_initial(batch_size), name="r")

    @needs_initialised()
    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Write r as it began."""
        self.r.value = self._make_initial(batch_size)


class LeakyRateReadout(_Leaky):
    """r(t) = exp(−dt/tau) r(t−1) + x(t) W.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        K and N.
    tau : Quantity, time
    w_init : callable or array, (K, N)
    r_init : callable or array, (N,)
    param_type : type, default ETraceParam
        As for `Linear`.

    Examples
    --------
    >>> readout = brainscale.nn.LeakyRateReadout(100, 2, tau=20 * u.ms)
    >>> readout.init_state(batch_size=16)
    >>> readout(jnp.ones((16, 100))).shape
    (16, 2)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        tau: QuantityLike = 5.0 * u.ms,
        w_init: Initializer = KAIMING,
        r_init: Initializer = braintools.init.ZeroInit(),  # noqa: B008
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        super().__init__(in_size, out_size, name)
        self.linear = Linear(in_size, out_size, w_init, None, param_type=param_type)
        self.tau, self.r_init = tau, r_init
        as_positive(tau, u.ms, "tau", self._find_shape())

    def _find_shape(self) -> tuple[int, ...]:
        return self.out_size[-1:]

    def _make_initial(self, batch_size: int | None) -> Any:
        return make_initial_state(self.r_init, self._find_shape(), batch_size, "r_init")

    @needs_initialised()
    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Make a step, and give r after it, (..., N)."""
        return self._remember(self.linear(x), "the weighted input")


class FilteredReadout(_Leaky):
    """A plain readout of filtered emissions: r(t) = exp(−dt/tau) r(t−1) + x(t), y = r(t) W + b.

    A leaky readout in which each neuron that is read keeps its own r, so that r is one of the
    neuron's variables and what is learned through it is exact (Bellec et al. 2020, where the trace
    of r is the filtered eligibility trace; NET-3).

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        K and N.
    tau : Quantity, time
    w_init, b_init : callable or array
        Of the weight, (K, N), and the bias, (N,); None: no bias.

    Examples
    --------
    >>> readout = brainscale.nn.FilteredReadout(100, 2, tau=20 * u.ms)
    >>> readout.init_state(batch_size=16)
    >>> readout(jnp.ones((16, 100))).shape, readout.r.value.shape
    ((16, 2), (16, 100))
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        tau: QuantityLike = 20.0 * u.ms,
        w_init: Initializer = KAIMING,
        b_init: Initializer | None = ZERO,
        name: str | None = None,
    ):
        super().__init__(in_size, out_size, name)
        self.linear = Linear(in_size, out_size, w_init, b_init, param_type=NonTempParam)
        self.tau = tau
        as_positive(tau, u.ms, "tau", self._find_shape())

    def _find_shape(self) -> tuple[int, ...]:
        return self.in_size

    def _make_initial(self, batch_size: int | None) -> Any:
        return make_initial_state(ZERO, self._find_shape(), batch_size, "r")

    @needs_initialised()
    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Make a step, and give its y, (..., N)."""
        return self.linear(self._remember(x, "the input"))


class LeakySpikeReadout(Layer):
    """A layer of leaky integrate-and-fire neurons behind a dense operation.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        K and N.
    tau, V_th, R, V_reset, V_rest, V_initializer, spk_fun, spk_reset
        As for `brainpy.state.LIF`.
    w_init : callable or array, (K, N), mA
    param_type : type, default ETraceParam
        As for `Linear`.

    Examples
    --------
    >>> readout = brainscale.nn.LeakySpikeReadout(100, 10, tau=5 * u.ms)
    >>> _ = brainstate.nn.init_all_states(readout, batch_size=16)
    >>> readout(jnp.ones((16, 100))).shape, readout.neurons.V.value.unit
    ((16, 10), Unit("mV"))
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        tau: QuantityLike = 5.0 * u.ms,
        V_th: QuantityLike = 1.0 * u.mV,
        w_init: Initializer = braintools.init.KaimingNormal(unit=u.mA),  # noqa: B008
        name: str | None = None,
        param_type: ParamType = ETraceParam,
        *,
        R: QuantityLike = 1.0 * u.ohm,
        V_reset: QuantityLike = 0.0 * u.mV,
        V_rest: QuantityLike = 0.0 * u.mV,
        V_initializer: QuantityInitializer = 0.0 * u.mV,
        spk_fun: Surrogate = braintools.surrogate.ReluGrad(),  # noqa: B008
        spk_reset: Literal["soft", "hard"] = "soft",
    ):
        super().__init__(in_size, out_size, name)
        self.linear = Linear(in_size, out_size, w_init, None, param_type=param_type)
        as_positive(tau, u.ms, "tau", self.out_size)
        as_finite(R, u.ohm, "R", self.out_size)
        potentials = {"V_th": V_th, "V_reset": V_reset, "V_rest": V_rest}
        for what, potential in potentials.items():
            as_finite(potential, u.mV, what, self.out_size)
        if not isinstance(spk_reset, str) or spk_reset not in ("soft", "hard"):
            raise ParameterError(f"spk_reset must be 'soft' or 'hard', got {spk_reset!r}")
        # brainpy's annotations know no units.
        quantities: dict[str, Any] = {"tau": tau, "R": R, **potentials}
        self.neurons = brainpy.state.LIF(
            self.out_size,
            **quantities,
            V_initializer=lambda shape: make_initial_potential(V_initializer, shape),
            spk_fun=check_surrogate(spk_fun),
            spk_reset=spk_reset,
        )

    @needs_initialised()
    def update(self, x: ArrayLike) -> jax.Array:
        """Make a step, and give its spikes, (..., N)."""
        read_time_step()
        current = self.linear(x)
        check_unit(current, u.mA, "the weighted input")
        return self.neurons(current)
