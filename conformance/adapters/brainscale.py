"""The adapter of the `brainscale` package.

`implementation` compiles every operation; `eager` runs the same operations one by one.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from conformance.adapters.brainscale_cable import BrainscaleCable
from conformance.adapters.brainscale_learning import BrainscaleLearning
from conformance.adapters.brainscale_sensitivity import BrainscaleSensitivity
from conformance.adapters.brainscale_trials import BrainscaleTrials
from conformance.adapters.brainunit_values import argument, native, neutral
from conformance.protocol.implementation import CAPABILITIES, Value

_KINDS = {
    "single": brainscale.ETraceState,
    "group": brainscale.ETraceGroupState,
    "tree": brainscale.ETraceTreeState,
}
_FORMS = {"states": brainscale.nn.GIF, "tree": brainscale.nn.GIFTree}
_PARAMETERS = (
    *("tau", "R", "V_rest", "V_reset", "V_th_inf", "V_th_reset"),
    *("k1", "k2", "R1", "R2", "A1", "A2", "a", "b"),
)
_VARIABLES = ("I1", "I2", "V", "V_th")


def implementation(precision: int) -> Brainscale:
    """`brainscale`, every operation compiled."""
    return Brainscale(precision)


def eager(precision: int) -> Brainscale:
    """`brainscale`, nothing compiled but what it compiles itself."""
    return Brainscale(precision, compiled=False)


class Brainscale(BrainscaleCable, BrainscaleLearning, BrainscaleSensitivity, BrainscaleTrials):
    """`brainscale` as the suite sees it."""

    version = brainscale.__version__
    capabilities = frozenset(CAPABILITIES)

    def __init__(self, precision: int, compiled: bool = True):
        jax.config.update("jax_enable_x64", precision == 64)
        # Models multiply matrices as JAX is told to, and accelerators with fewer bits unless it is.
        jax.config.update("jax_default_matmul_precision", "highest")
        brainstate.environ.set(precision=precision)
        self.name = "brainscale" if compiled else "brainscale-eager"
        self.precision = precision
        self._compiled = compiled
        self._compiles: dict[Any, int] = {}

    def _jit(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """The operation, compiled unless this adapter is eager."""
        return brainstate.transform.jit(operation) if self._compiled else operation

    def _run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        return self._jit(operation)(*arguments)

    def _once(self, signature: Any, operation: Callable[[], Any]) -> Any:
        """An operation on a state, compiled until its signature was met: once, or twice if refused.

        Its numbers must be known to be refused, so a program serves no others: to compile each
        would be most of the time that judging takes.
        """
        compilations = self._compiles.setdefault(signature, 2)
        if compilations == 0 or not self._compiled:
            return operation()
        self._compiles[signature] = compilations - 1
        result = self._jit(operation)()
        self._compiles[signature] = 0
        return result

    # States

    def make(
        self,
        kind: str,
        value: Any,
        *,
        state_name: str | None = None,
        names: Sequence[str] | None = None,
        history: int = 0,
    ) -> brainscale.ETraceState:
        options = {} if names is None else {"names": names}
        return _KINDS[kind](native(value), name=state_name, history=history, **options)

    def kinds(self, state: Any) -> set[str]:
        return {kind for kind, of_kind in _KINDS.items() if isinstance(state, of_kind)}

    def num_state(self, state: Any) -> int:
        return state.num_state

    def varshape(self, state: Any) -> tuple[int, ...]:
        return state.varshape

    def read(self, state: Any) -> Any:
        # Not compiled: a jit sorts the keys of the dicts it returns.
        return neutral(state.value)

    def write(self, state: Any, value: Any) -> None:
        value = native(value)

        def operation() -> None:
            state.value = value

        self._once(("write", type(state), _outline(value)), operation)

    def get(self, state: Any, address: Any) -> Any:
        signature = ("get", type(state), _outline(address))
        value = self._once(signature, lambda: state.get_value(address))
        # A jit sorts the keys of the dicts it returns.
        is_leaf = not isinstance(value, (dict, list, tuple))
        return neutral(value if is_leaf else state.get_value(address))

    def set(self, state: Any, updates: Any) -> None:
        if isinstance(updates, Mapping):
            updates = {address: native(value) for address, value in updates.items()}
        else:
            updates = native(updates)
        signature = ("set", type(state), _outline(updates))
        self._once(signature, lambda: state.set_value(updates))

    def add_leaf(self, state: Any, path: Any, value: Any) -> None:
        state.add_leaf(path, native(value))

    def copy(self, state: Any, how: str) -> Any:
        if how == "pickle":
            return pickle.loads(pickle.dumps(state))
        return {"copy": copy.copy, "deepcopy": copy.deepcopy}[how](state)

    # History

    def history(self, state: Any) -> Any:
        return neutral(state.history)

    def write_all(self, state: Any, values: Sequence[Any]) -> None:
        def operation(value: Any) -> None:
            state.value = value

        natives = [native(value) for value in values]
        if not self._compiled:
            for value in natives:
                operation(value)
            return
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *natives)
        brainstate.transform.jit(lambda stacked: brainstate.transform.for_loop(operation, stacked))(
            stacked
        )

    # GIF

    def gif_defaults(self) -> dict[str, Any]:
        neuron = brainscale.nn.GIF(1)
        return {name: neutral(getattr(neuron, name)) for name in _PARAMETERS}

    def gif_initial(
        self, size: tuple[int, ...], batch: int | None, parameters: Mapping[str, Any], form: str
    ) -> dict[str, Value]:
        neuron = self._neuron(form, size, parameters)
        neuron.init_state(batch)
        return neutral(_variables(neuron))

    def gif_step(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        current: Any,
        dt: Any,
        *,
        method: str = "exact",
        form: str = "states",
    ) -> tuple[dict[str, Value], np.ndarray]:
        neuron = self._neuron(form, size, parameters, method=method)
        _put(neuron, size, native(dict(state)))
        current = argument(current)
        checkable = (
            current if isinstance(current, u.Quantity) and _passes(current.mantissa) else None
        )
        with brainstate.environ.context(dt=native(dt)):
            if checkable is None:
                spikes = self._run(lambda: neuron(current))
            else:
                spikes = self._run(lambda I: neuron(I), checkable)
        return neutral(_variables(neuron)), np.asarray(spikes) != 0

    def gif_run(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        *,
        method: str = "exact",
        form: str = "states",
    ) -> tuple[dict[str, Value], np.ndarray]:
        neuron = self._neuron(form, size, parameters, method=method)
        _put(neuron, size, native(dict(state)))

        def operation(I: Any) -> tuple[Any, Any]:
            spikes = neuron(I)
            return _variables(neuron), spikes

        with brainstate.environ.context(dt=native(dt)):
            if self._compiled:
                trajectory, spikes = brainstate.transform.for_loop(operation, argument(currents))
            else:
                steps = [operation(I) for I in argument(currents)]
                trajectory, spikes = jax.tree.map(lambda *xs: jnp.stack(xs), *steps)
        return neutral(trajectory), np.asarray(spikes) != 0

    def gif_jacobian(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        current: Value,
        dt: Value,
        *,
        alpha: float = 0.3,
        width: float = 1.0,
        scale: Value | None = None,
        detach_reset: bool = False,
    ) -> dict[str, np.ndarray]:
        options = {} if scale is None else {"spk_scale": native(scale)}
        neuron = self._neuron(
            "states",
            size,
            parameters,
            spk_fun=braintools.surrogate.ReluGrad(alpha, width),
            detach_reset=detach_reset,
            **options,
        )
        before = {variable: argument(value) for variable, value in state.items()}
        _put(neuron, size, before)
        numbers = [_number(before[v], unit) for v, unit in zip(_VARIABLES, _UNITS, strict=True)]
        native_current = argument(current)

        def operation(*numbers: jax.Array) -> tuple[jax.Array, ...]:
            for variable, number, unit in zip(_VARIABLES, numbers[:4], _UNITS, strict=True):
                getattr(neuron, variable).value = number * unit
            spikes = neuron(numbers[4] * u.nA)
            return (*(u.get_mantissa(x) for x in _variables(neuron).values()), spikes)

        def derivative(column: int) -> list[jax.Array]:
            # Neurons do not mix, so one tangent serves them all.
            tangents = [jnp.full_like(x, i == column) for i, x in enumerate(numbers)]
            return brainstate.transform.jvp(operation, tuple(numbers), tuple(tangents))[1]

        with brainstate.environ.context(dt=native(dt)):
            neuron(native_current)  # raises what a step raises; numbers alone would not
            numbers.append(jnp.broadcast_to(_number(native_current, u.nA), numbers[2].shape))
            columns = np.stack([np.stack(derivative(i), -1) for i in range(5)], -1)
        return {
            "state": columns[..., :4, :4],
            "current": columns[..., :4, 4],
            "spike_state": columns[..., 4, :4],
            "spike_current": columns[..., 4, 4],
        }

    def _neuron(
        self, form: str, size: tuple[int, ...], parameters: Mapping[str, Any], **options: Any
    ) -> Any:
        native_parameters = {name: native(value) for name, value in parameters.items()}
        return _FORMS[form](size, **native_parameters, **options)


def _outline(argument: Any) -> Any:
    """What an operation's program is made by: containers, kinds of addresses and units."""
    if isinstance(argument, Mapping):
        return tuple((_outline(key), _outline(entry)) for key, entry in argument.items())
    if isinstance(argument, (list, tuple)):
        return type(argument), tuple(map(_outline, argument))
    if isinstance(argument, u.Quantity):
        return str(argument.unit)
    return type(argument)


_UNITS = (u.nA, u.nA, u.mV, u.mV)


def _passes(array: Any) -> bool:
    """Whether JAX takes an array as an argument of a compiled function."""
    return not isinstance(array, np.ma.MaskedArray) and array.dtype.isnative


def _number(quantity: u.Quantity, unit: u.Unit) -> jax.Array:
    return jnp.asarray(quantity.to(unit).mantissa, brainstate.environ.dftype())


def _put(neuron: Any, size: tuple[int, ...], state: Mapping[str, u.Quantity]) -> None:
    """Make the neuron's states and write these values into them."""
    neuron.init_state(state["V"].shape[: state["V"].ndim - len(size)] or None)
    if isinstance(neuron, brainscale.nn.GIF):
        for variable in _VARIABLES:
            getattr(neuron, variable).value = state[variable]
    else:
        neuron.state.value = {
            ("Vth" if variable == "V_th" else variable): state[variable] for variable in _VARIABLES
        }


def _variables(neuron: Any) -> dict[str, Any]:
    if isinstance(neuron, brainscale.nn.GIF):
        return {variable: getattr(neuron, variable).value for variable in _VARIABLES}
    leaves = neuron.state.value
    return {"I1": leaves["I1"], "I2": leaves["I2"], "V": leaves["V"], "V_th": leaves["Vth"]}
