"""The adapter of `brainstate`'s own hidden states: a peer.

It hands over what it is given and converts nothing, so that what `brainstate` does differently from
SPEC.md shows as the failure of a clause.
"""

from __future__ import annotations

import copy
import importlib.metadata
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import brainstate
import jax

from conformance.adapters.brainunit_values import native, neutral

_KINDS = {
    "single": brainstate.HiddenState,
    "group": brainstate.HiddenGroupState,
    "tree": brainstate.HiddenTreeState,
}


def implementation(precision: int) -> Brainstate:
    """`brainstate.HiddenState`, `HiddenGroupState` and `HiddenTreeState`."""
    return Brainstate(precision)


class Brainstate:
    """`brainstate` as the suite sees it. Its states keep no history, and it has no GIF neuron."""

    name = "brainstate"
    version = importlib.metadata.version("brainstate")
    url = "https://github.com/chaobrain/brainstate"
    capabilities = frozenset({"states"})

    def __init__(self, precision: int):
        jax.config.update("jax_enable_x64", precision == 64)
        self.precision = precision

    def make(
        self,
        kind: str,
        value: Any,
        *,
        state_name: str | None = None,
        names: Sequence[str] | None = None,
        history: int = 0,
    ) -> brainstate.HiddenState:
        options = {} if names is None else {"names": names}
        return _KINDS[kind](native(value), name=state_name, **options)

    def kinds(self, state: Any) -> set[str]:
        return {kind for kind, of_kind in _KINDS.items() if isinstance(state, of_kind)}

    def num_state(self, state: Any) -> int:
        return state.num_state

    def varshape(self, state: Any) -> tuple[int, ...]:
        return state.varshape

    def read(self, state: Any) -> Any:
        if isinstance(state, brainstate.HiddenTreeState):
            # Its `value` is one array without units; the tree is what `get_value` gives.
            return {name: neutral(state.get_value(name)) for name in state.name2index}
        return neutral(state.value)

    def write(self, state: Any, value: Any) -> None:
        if isinstance(state, brainstate.HiddenTreeState):
            state.set_value(native(value))
        else:
            state.value = native(value)

    def get(self, state: Any, address: Any) -> Any:
        return neutral(state.get_value(address))

    def set(self, state: Any, updates: Any) -> None:
        if isinstance(updates, Mapping):
            state.set_value({address: native(value) for address, value in updates.items()})
        else:
            state.set_value(native(updates))

    def add_leaf(self, state: Any, path: Any, value: Any) -> None:
        raise NotImplementedError("brainstate's tree states have a fixed set of leaves")

    def copy(self, state: Any, how: str) -> Any:
        if how == "pickle":
            return pickle.loads(pickle.dumps(state))
        return {"copy": copy.copy, "deepcopy": copy.deepcopy}[how](state)
