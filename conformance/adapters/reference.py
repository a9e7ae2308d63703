"""The adapter of `reference`. Wrong implementations for the tests of the suite subclass it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import reference
from conformance import __version__ as suite_version
from conformance.adapters.reference_cable import ReferenceCable
from conformance.adapters.reference_learning import ReferenceLearning
from conformance.adapters.reference_sensitivity import ReferenceSensitivity
from conformance.protocol.implementation import CAPABILITIES, Value
from conformance.translation.values import from_reference, to_reference
from reference import Dynamics
from reference.gif import make_defaults


def implementation(precision: int = 64) -> Reference:
    """The reference, which computes with 64 bits whatever is asked."""
    return Reference()


class Reference(ReferenceCable, ReferenceLearning, ReferenceSensitivity):
    """`Implementation` and all capabilities of `conformance.protocol.implementation`.

    The class attributes below are what the methods use; a subclass may replace them.
    """

    name = "reference"
    version = suite_version
    precision = 64
    capabilities = frozenset(CAPABILITIES)

    #: Classes of states.
    single = reference.ETraceState
    group = reference.ETraceGroupState
    tree = reference.ETraceTreeState

    #: The equations of the neuron, and the models that hold its state.
    dynamics = Dynamics
    states_form = reference.GIF
    tree_form = reference.GIFTree

    # States

    def make(
        self,
        kind: str,
        value: Any,
        *,
        state_name: str | None = None,
        names: Sequence[str] | None = None,
        history: int = 0,
    ) -> reference.ETraceState:
        options = {"name": state_name, "history": history}
        if names is not None:
            options["names"] = names
        kinds = {"single": self.single, "group": self.group, "tree": self.tree}
        return kinds[kind](to_reference(value), **options)

    def kinds(self, state: reference.ETraceState) -> set[str]:
        kinds = {
            "single": reference.ETraceState,
            "group": reference.ETraceGroupState,
            "tree": reference.ETraceTreeState,
        }
        return {kind for kind, cls in kinds.items() if isinstance(state, cls)}

    def num_state(self, state: reference.ETraceState) -> int:
        return state.num_state

    def varshape(self, state: reference.ETraceState) -> tuple[int, ...]:
        return state.varshape

    def read(self, state: reference.ETraceState) -> Any:
        return from_reference(state.value)

    def write(self, state: reference.ETraceState, value: Any) -> None:
        state.value = to_reference(value)

    def get(self, state: reference.ETraceState, address: Any) -> Any:
        return from_reference(state.get_value(address))

    def set(self, state: reference.ETraceState, updates: Any) -> None:
        state.set_value(to_reference(updates))

    def add_leaf(self, state: reference.ETraceState, path: Any, value: Any) -> None:
        state.add_leaf(path, to_reference(value))

    def copy(self, state: reference.ETraceState, how: str) -> reference.ETraceState:
        if how == "pickle":
            return pickle.loads(pickle.dumps(state))
        return {"copy": copy.copy, "deepcopy": copy.deepcopy}[how](state)

    # History

    def history(self, state: reference.ETraceState) -> Any:
        return from_reference(state.history)

    def write_all(self, state: reference.ETraceState, values: Sequence[Any]) -> None:
        for value in values:
            self.write(state, value)

    # GIF

    def model(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        form: str = "states",
        method: str = "exact",
        batch: tuple[int, ...] = (),
    ) -> reference.GIF:
        """A new model."""
        forms = {"states": self.states_form, "tree": self.tree_form}
        dynamics = self.dynamics(size, to_reference(dict(parameters)), method=method)
        return forms[form](dynamics, batch=batch)

    def model_in(
        self, state: Mapping[str, Value], size: tuple[int, ...], *options: Any
    ) -> reference.GIF:
        """A model in a given state."""
        shape = np.shape(state["V"].array)
        model = self.model(size, *options, batch=shape[: len(shape) - len(size)])
        model.variables = to_reference(dict(state))
        return model

    def gif_defaults(self) -> dict[str, Value | float]:
        defaults = make_defaults()
        return {k: v if isinstance(v, float) else from_reference(v) for k, v in defaults.items()}

    def gif_initial(
        self, size: tuple[int, ...], batch: int | None, parameters: Mapping[str, Any], form: str
    ) -> dict[str, Value]:
        model = self.model(size, parameters, form, batch=() if batch is None else (batch,))
        return from_reference(model.variables)

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
        model = self.model_in(state, size, parameters, form, method)
        spikes = model.update(to_reference(current), to_reference(dt))
        return from_reference(model.variables), spikes

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
        model = self.model_in(state, size, parameters, form, method)
        states, spikes = model.run(to_reference(currents), to_reference(dt))
        return from_reference(states), spikes

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
        model = self.model_in(state, size, parameters)
        options = {"alpha": alpha, "width": width, "detach_reset": detach_reset}
        if scale is not None:
            options["scale"] = to_reference(scale)
        jacobian = model.jacobian(to_reference(current), to_reference(dt), **options)
        step = np.moveaxis(jacobian.step, (0, 1), (-2, -1))
        spike = np.moveaxis(jacobian.spike, 0, -1)
        return {
            "state": step[..., :-1],
            "current": step[..., -1],
            "spike_state": spike[..., :-1],
            "spike_current": spike[..., -1],
        }
