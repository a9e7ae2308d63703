"""Readouts that remember: a leaky sum of what they are given, or its spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainpy.state
import brainstate
import braintools
import brainunit as u

from ..parameters import ETraceParam, NonTempParam
from ..states import ETraceState
from .linear import KAIMING, ZERO, Linear, initial

__all__ = ["FilteredReadout", "LeakyRateReadout", "LeakySpikeReadout"]


class LeakyRateReadout(brainstate.nn.Module):
    """r(t) = exp(−dt/tau) r(t−1) + x(t) W.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        K and N.
    tau : Quantity, time
    w_init : callable or array, (K, N)
    r_init : callable or array, (N,)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        tau: Any = 5.0 * u.ms,
        w_init: Callable | Any = KAIMING,
        r_init: Callable | Any = braintools.init.ZeroInit(),  # noqa: B008
        name: str | None = None,
        param_type: type = ETraceParam,
    ):
        super().__init__(name=name)
        self.in_size, self.out_size = in_size, out_size
        self.linear = Linear(in_size, out_size, w_init, None, param_type=param_type)
        self.tau, self.r_init = tau, r_init

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """r, behind a batch axis if there is a batch size."""
        self.r = ETraceState(self._initial(batch_size), name="r")

    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """r as it began."""
        self.r.value = self._initial(batch_size)

    def _initial(self, batch_size: int | None) -> Any:
        shape = self.out_size[-1:]
        shape = tuple(shape) if batch_size is None else (batch_size, *shape)
        return initial(self.r_init, shape)

    def update(self, x: Any) -> Any:
        """r after a step, (..., N)."""
        decay = u.math.exp(-brainstate.environ.get_dt() / self.tau)
        r = decay * self.r.value + self.linear(x)
        self.r.value = r.astype(self.r.value.dtype)
        return self.r.value


class FilteredReadout(brainstate.nn.Module):
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
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        tau: Any = 20.0 * u.ms,
        w_init: Callable | Any = KAIMING,
        b_init: Callable | Any | None = ZERO,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.in_size, self.out_size, self.tau = in_size, out_size, tau
        self.linear = Linear(in_size, out_size, w_init, b_init, param_type=NonTempParam)

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """r, zero, behind a batch axis if there is a batch size."""
        self.r = ETraceState(self._initial(batch_size), name="r")

    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """r as it began."""
        self.r.value = self._initial(batch_size)

    def _initial(self, batch_size: int | None) -> Any:
        shape = tuple(self.in_size)
        return initial(ZERO, shape if batch_size is None else (batch_size, *shape))

    def update(self, x: Any) -> Any:
        """y of a step, (..., N)."""
        decay = u.math.exp(-brainstate.environ.get_dt() / self.tau)
        self.r.value = (decay * self.r.value + x).astype(self.r.value.dtype)
        return self.linear(self.r.value)


class LeakySpikeReadout(brainstate.nn.Module):
    """A layer of leaky integrate-and-fire neurons behind a dense operation.

    Parameters
    ----------
    in_size, out_size : int or tuple of int
        K and N.
    tau, V_th, V_initializer, spk_fun, spk_reset
        As for `brainpy.state.LIF`.
    w_init : callable or array, (K, N), mA
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        in_size: Any,
        out_size: Any,
        tau: Any = 5.0 * u.ms,
        V_th: Any = 1.0 * u.mV,
        w_init: Callable | Any = braintools.init.KaimingNormal(unit=u.mA),  # noqa: B008
        name: str | None = None,
        param_type: type = ETraceParam,
        **options: Any,
    ):
        super().__init__(name=name)
        self.in_size, self.out_size = in_size, out_size
        self.linear = Linear(in_size, out_size, w_init, None, param_type=param_type)
        self.neurons = brainpy.state.LIF(out_size, tau=tau, V_th=V_th, **options)

    def update(self, x: Any) -> Any:
        """The spikes of a step, (..., N)."""
        return self.neurons(self.linear(x))
