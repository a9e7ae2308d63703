"""The generalized integrate-and-fire neuron: `GIF` and `GIFTree` (SPEC.md, chapter 6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Generic, Literal, Self, TypeVar, overload

import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from braintools.surrogate import Surrogate

from ..checks.arguments import check_flag, check_text
from ..checks.hints import QuantityInitializer, QuantityLike
from ..errors import ParameterError
from ..states import ETraceState, ETraceTreeState
from .firing_patterns import firing_pattern
from .gif_dynamics import (
    METHODS,
    RANGES,
    Parameters,
    State,
    make_learned_propagator,
    make_propagator,
    spike,
    step,
)
from .layer import check_surrogate, needs_initialised
from .neuron_parameters import Learnable, LearnableNumber, is_learnable, read_in_step, read_now
from .quantities import (
    as_mV,
    as_positive,
    check_broadcasts,
    check_size,
    make_initial_potential,
    read_batch_axes,
    read_input_current,
    read_time_step,
)

__all__ = ["GIF", "GIFTree"]

_T = TypeVar("_T")
_STATE_UNITS = State(u.nA, u.nA, u.mV, u.mV)


class _Parameter(Generic[_T]):
    """A parameter of the population: read as a quantity, fixed when the population is made.

    One that is learned lies in the neuron's own dictionary, where brainstate finds it by this name.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, neuron: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, neuron: _GIFNeuron, owner: type | None = None) -> _T: ...
    def __get__(self, neuron: Any, owner: type | None = None) -> Any:
        if neuron is None:
            return self
        unit = RANGES[self.name].unit
        learned = vars(neuron).get(self.name)
        known = getattr(neuron._numbers, self.name)
        number = known if learned is None else read_now(learned, unit)
        return number if unit.is_unitless else u.Quantity(number, unit=unit)

    def __set__(self, neuron: Any, value: Any) -> None:
        raise AttributeError(f"{self.name} is fixed when the population is made")


class _GIFNeuron(brainpy.state.Neuron):
    """What the two forms of the GIF neuron share: everything but where the variables are kept."""

    varshape: tuple[int, ...]  # To brainstate, it may be a number.
    spk_fun: Surrogate
    _numbers: Parameters

    tau = _Parameter[u.Quantity]()
    R = _Parameter[u.Quantity]()
    V_rest = _Parameter[u.Quantity]()
    V_reset = _Parameter[u.Quantity]()
    V_th_inf = _Parameter[u.Quantity]()
    V_th_reset = _Parameter[u.Quantity]()
    k1 = _Parameter[u.Quantity]()
    k2 = _Parameter[u.Quantity]()
    R1 = _Parameter[np.ndarray]()
    R2 = _Parameter[np.ndarray]()
    A1 = _Parameter[u.Quantity]()
    A2 = _Parameter[u.Quantity]()
    a = _Parameter[u.Quantity]()
    b = _Parameter[u.Quantity]()

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        tau: Learnable = 20.0 * u.ms,
        R: Learnable = 100.0 * u.ohm,
        V_rest: Learnable = -70.0 * u.mV,
        V_reset: Learnable = -80.0 * u.mV,
        V_th_inf: Learnable = -50.0 * u.mV,
        V_th_reset: Learnable = -60.0 * u.mV,
        k1: Learnable = 0.1 / u.ms,
        k2: Learnable = 0.05 / u.ms,
        R1: LearnableNumber = 0.9,
        R2: LearnableNumber = 0.8,
        A1: Learnable = 10.0 * u.nA,
        A2: Learnable = 5.0 * u.nA,
        a: Learnable = 0.1 / u.ms,
        b: Learnable = 0.02 / u.ms,
        method: Literal["exact", "exp_euler"] = "exact",
        V_initializer: QuantityInitializer | None = None,
        V_th_initializer: QuantityInitializer | None = None,
        spk_fun: Surrogate = braintools.surrogate.ReluGrad(),  # noqa: B008
        spk_scale: QuantityLike = 20.0 * u.mV,
        detach_reset: bool = False,
        name: str | None = None,
    ):
        super().__init__(
            check_size(size),
            spk_fun=check_surrogate(spk_fun),
            spk_reset="hard",
            name=check_text(name, "name"),
        )
        quantities = {
            "tau": tau, "R": R, "V_rest": V_rest, "V_reset": V_reset,
            "V_th_inf": V_th_inf, "V_th_reset": V_th_reset,
            "k1": k1, "k2": k2, "R1": R1, "R2": R2, "A1": A1, "A2": A2, "a": a, "b": b,
        }  # fmt: skip
        self._numbers = Parameters.from_quantities(self.varshape, **quantities)
        vars(self).update({name: x for name, x in quantities.items() if is_learnable(x)})
        if not isinstance(method, str) or method not in METHODS:
            raise ParameterError(f"method must be one of {METHODS}, got {method!r}", got=method)
        self._scale = as_positive(spk_scale, u.mV, "spk_scale", self.varshape)
        self.method = method
        self.detach_reset = check_flag(detach_reset, "detach_reset")
        # One that is learned is read when the states are made.
        if V_initializer is None and not is_learnable(V_rest):
            V_initializer = self.V_rest
        if V_th_initializer is None and not is_learnable(V_th_inf):
            V_th_initializer = self.V_th_inf
        self.V_initializer, self.V_th_initializer = V_initializer, V_th_initializer

    @classmethod
    def pattern(cls, name: str, size: int | Sequence[int] = 1, **others: Any) -> Self:
        """Make a population that fires in one of the twenty published patterns.

        Its input is ``brainscale.nn.firing_pattern(name).current(dt)``.

        Parameters
        ----------
        name : str
            Such as ``"tonic bursting"``; the names are the keys of
            `brainscale.nn.FIRING_PATTERNS`.
        size : int or tuple of int
            The population's shape.
        **others
            Parameters to differ from the pattern's.

        Raises
        ------
        ParameterError
            For an unknown name.
        """
        return cls(size, **{**firing_pattern(name).parameters, **others})

    def _make_initial(self, shape: tuple[int, ...]) -> State:
        """Make the variables of a new population (GIF-2)."""
        current = u.Quantity(jnp.zeros(shape, brainstate.environ.dftype()), unit=u.nA)
        V = self.V_rest if self.V_initializer is None else self.V_initializer
        V_th = self.V_th_inf if self.V_th_initializer is None else self.V_th_initializer
        potentials = (make_initial_potential(initial, shape) for initial in (V, V_th))
        return State(current, current, *potentials)

    def _find_shape(self, batch_size: int | tuple[int, ...] | None) -> tuple[int, ...]:
        return (*read_batch_axes(batch_size), *self.varshape)

    @needs_initialised()
    def reset_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Write the initial values into the states there are.

        Parameters
        ----------
        batch_size : int or tuple of int, optional
            That of the states; by default, the one they have.

        Raises
        ------
        ShapeError
            For another batch size: make the states anew with `init_state`.
        """
        shape = self._read().V.shape if batch_size is None else self._find_shape(batch_size)
        self._write(self._make_initial(shape))

    @needs_initialised()
    def get_spike(
        self, V: QuantityLike | None = None, V_th: QuantityLike | None = None
    ) -> jax.Array:
        """Give 1 where V > V_th, with the surrogate's derivative (GIF-7, GIF-15).

        Parameters
        ----------
        V, V_th : Quantity, mV
            By default the population's own.
        """
        state = self._read()
        potential = as_mV(state.V if V is None else V)
        threshold = as_mV(state.V_th if V_th is None else V_th)
        check_broadcasts(threshold.shape, potential.shape, "V_th")
        check_broadcasts(self._scale.shape, potential.shape, "spk_scale")
        scale = jnp.asarray(self._scale, potential.dtype)
        return spike(self.spk_fun, scale, potential, threshold)

    @needs_initialised()
    def update(self, I: QuantityLike = 0.0 * u.nA) -> jax.Array:
        """Make one step of length `brainstate.environ` dt under a constant input current.

        Current inputs of projections are added to `I`, their delta inputs to V before the step.

        Parameters
        ----------
        I : Quantity, a current; shape that broadcasts to the states'
            Held constant over the step.

        Returns
        -------
        array, shape of the states
            The spikes, 0 or 1 in the dtype of V. The states are those after the reset.

        Raises
        ------
        UnitError, ShapeError
            For an input that is not a current or does not fit (GIF-20), or a dt that is no time.
        InputError
            For an input that is NaN or infinite, outside compiled code (GIF-21).
        ParameterError
            For a dt that is not positive and finite (GIF-19).
        """
        dt = read_time_step()
        state = self._read()
        V = self.sum_delta_inputs(state.V)
        current = read_input_current(self.sum_current_inputs(I, V), V.shape)
        numbers = State(*map(u.get_mantissa, state._replace(V=V)))
        parameters = self._read_parameters(V.dtype)
        is_known = parameters is self._numbers
        make = make_propagator if is_known else make_learned_propagator
        new_numbers, z = step(
            make(parameters, dt, self.method),
            parameters,
            numbers,
            current,
            surrogate=self.spk_fun,
            scale=self._scale,
            detach_reset=self.detach_reset,
        )
        self._write(State(*map(u.Quantity, new_numbers, _STATE_UNITS)))
        return z

    def _read_parameters(self, dtype: Any) -> Parameters:
        """Give the parameters of a step; those that are learned are applied."""
        learned = {name: vars(self)[name] for name in RANGES if name in vars(self)}
        if not learned:
            return self._numbers
        numbers = read_in_step(learned, RANGES, dict.fromkeys(learned, self.varshape), dtype)
        return dataclasses.replace(self._numbers, **numbers)

    def _read(self) -> State:
        raise NotImplementedError

    def _write(self, state: State) -> None:
        raise NotImplementedError


_PARAMETERS = """
    Parameters
    ----------
    size : int or tuple of int
        Shape of the population.
    tau, R, V_rest, V_reset, V_th_inf, V_th_reset, k1, k2, R1, R2, A1, A2, a, b : Quantity
        As in the table of SPEC.md, chapter 6, in any scale of its unit; R1 and R2 are plain
        numbers. Each of a shape that broadcasts to the population's. An `ElemWiseParam` that gives
        such a quantity is learned, by its name here; out of its range it makes its neurons NaN. A
        spike's derivative is its surrogate's (GIF-15), and V_th_reset has one where it is in force.
    method : {"exact", "exp_euler"}
        How a step integrates (GIF-3, GIF-11).
    V_initializer, V_th_initializer : Quantity, mV, or callable
        Initial potential and threshold, by default V_rest and V_th_inf. A callable gets the shape.
    spk_fun : braintools.surrogate.Surrogate
        Gives the derivative of the spike with respect to (V − V_th)/spk_scale (GIF-15).
    spk_scale : Quantity, mV
        The scale s of that derivative.
    detach_reset : bool
        Whether the reset is cut from the gradient (GIF-17).
    name : str, optional
        Of the module.

    Raises
    ------
    ParameterError, UnitError, ShapeError
        GIF-18.

    References
    ----------
    S. Mihalas and E. Niebur, Neural Computation 21:704 (2009).
    """


class GIF(_GIFNeuron):
    __doc__ = f"""Generalized integrate-and-fire neurons, with a state for each variable.

    The variables are the `ETraceState`s ``I1`` and ``I2`` (internal currents, nA), ``V`` (membrane
    potential, mV) and ``V_th`` (threshold, mV), each of shape (batch..., size...). ``neuron(I)``
    makes one step of length dt, taken from `brainstate.environ`, and returns the spikes.
{_PARAMETERS}
    Examples
    --------
    >>> import brainscale, brainstate, brainunit as u
    >>> brainstate.environ.set(dt=0.1 * u.ms)
    >>> neuron = brainscale.nn.GIF.pattern("tonic spiking")
    >>> neuron.init_state()
    >>> I = brainscale.nn.firing_pattern("tonic spiking").current(0.1 * u.ms)
    >>> int(brainstate.transform.for_loop(neuron, I).sum())
    9
    """

    def init_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Make the four states (GIF-2), behind a batch axis if there is a batch size."""
        state = self._make_initial(self._find_shape(batch_size))
        self.I1, self.I2, self.V, self.V_th = (
            ETraceState(value, name=name) for name, value in state._asdict().items()
        )

    def _read(self) -> State:
        return State(self.I1.value, self.I2.value, self.V.value, self.V_th.value)

    def _write(self, state: State) -> None:
        self.I1.value, self.I2.value, self.V.value, self.V_th.value = state


class GIFTree(_GIFNeuron):
    __doc__ = f"""Generalized integrate-and-fire neurons, with one tree of states.

    ``state`` is an `ETraceTreeState` with the leaves ``I1``, ``I2`` (nA), ``V`` and ``Vth`` (mV),
    each of shape (batch..., size...). It is the same neuron as `GIF` (GIF-13).
{_PARAMETERS}
    Examples
    --------
    >>> neurons = brainscale.nn.GIFTree(100, tau=15 * u.ms)
    >>> neurons.init_state(batch_size=16)
    >>> spikes = neurons(0.2 * u.nA)
    >>> neurons.state.get_value("Vth")[0, 0]
    Quantity(-50., "mV")
    """

    def init_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Make the tree state (GIF-2), behind a batch axis if there is a batch size."""
        state = self._make_initial(self._find_shape(batch_size))
        self.state = ETraceTreeState(_make_tree(state), name="state")

    def _read(self) -> State:
        tree = self.state.value
        return State(tree["I1"], tree["I2"], tree["V"], tree["Vth"])

    def _write(self, state: State) -> None:
        self.state.value = _make_tree(state)


def _make_tree(state: State) -> dict[str, Any]:
    return {"I1": state.I1, "I2": state.I2, "V": state.V, "Vth": state.V_th}
