"""What is refused of a single step, before anything is known of what reaches what in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..errors import OperationError, ParameterUseError, ShapeError, StructureError
from ..parameters import ETraceParam, FakeETraceParam
from .backward_programs import list_equations
from .keys import StateId, id_of
from .marks import find_unfollowed, is_of_debugging

__all__ = [
    "check_callbacks",
    "check_distinct",
    "check_effects",
    "check_followed",
    "check_made_before",
    "check_not_empty",
    "check_parameters_kept",
    "check_states_read",
    "make_nesting_error",
]

NameOf = Callable[[Any], str]

_ALONE = (
    "an operation is a function of its input and its weight alone: what else it is to take, let "
    "the step multiply what goes in or comes out by it"
)


def check_effects(program: Any) -> None:
    """Refuse effects that are to come once, or in the order of steps.

    A step is made again for its derivatives, which are those of several steps at once: a callback
    is called again, and its values may be others then.
    """
    for effect in program.effects:
        kind = type(effect).__name__
        # Those of debugging are the step's own: programs of derivatives are made without them.
        if ("Ordered" in kind or kind == "IOEffect") and not is_of_debugging(effect):
            raise StructureError(
                f"a step has an effect ({kind}), such as that of an io_callback, and is made again "
                "for its derivatives, several steps at once: let a callback that only looks be "
                "jax.debug.callback, give the step what is read from outside as an input, draw by "
                "brainstate.random, or learn by RTRL",
                got=effect,
            )


def check_callbacks(program: Any) -> None:
    """Refuse callbacks that say nothing of several steps at once, of which derivatives are made."""
    for equation in list_equations(program.jaxpr):
        is_callback = equation.primitive.name == "pure_callback"
        if is_callback and equation.params["vmap_method"] is None:
            raise StructureError(
                "a step has a pure_callback without vmap_method, and derivatives are made of "
                'several steps at once: give it one, such as vmap_method="sequential", or learn by '
                "RTRL",
                got=equation.params["callback"],
            )


def check_followed(program: Any, operations: Mapping[StateId, Any], name_of: NameOf) -> None:
    """Refuse operations that take values of the step but their inputs, as a closure does."""
    unfollowed = find_unfollowed(program)
    for number, param in enumerate(operations.values()):
        if number in unfollowed and isinstance(param, ETraceParam):
            raise OperationError(
                f"{name_of(param)}: {_ALONE} (what it puts out depends on another value "
                "of the step, or of a function around it)",
                got=param,
            )


def check_states_read(
    param: ETraceParam | FakeETraceParam, states: Iterable[brainstate.State], name_of: NameOf
) -> None:
    """Refuse an operation that reads these states: only its input and its weight are followed."""
    for state in states:
        is_learned = isinstance(state, (brainstate.HiddenState, brainstate.ParamState))
        if is_learned or isinstance(param, ETraceParam):
            raise OperationError(
                f"{name_of(param)}: {_ALONE} (it reads {name_of(state)})",
                got=state,
            )


def make_nesting_error(inner: str, outer: str) -> OperationError:
    """Make the error for an operation that is used within another one."""
    return OperationError(
        f"{outer}: {_ALONE} (it uses {inner}): let the step use one after the other"
    )


def check_distinct(names: Sequence[str]) -> None:
    """Refuse states that have one name."""
    for name in names:
        if names.count(name) > 1:
            raise StructureError(
                f"a step uses several states named {name}, which are not told apart: make them "
                "attributes of the model, or give them names",
                got=names,
            )


def check_made_before(
    params: Mapping[StateId, ETraceParam], states: Sequence[brainstate.State], name_of: NameOf
) -> None:
    """Refuse parameters that are not among a step's states, as they are made within it."""
    for key, param in params.items():
        if all(key != id_of(state) for state in states):
            raise StructureError(
                f"{name_of(param)} is made within a step: make it before, as an attribute of "
                "the model",
                got=param,
            )


def check_not_empty(states: Iterable[brainstate.State], name_of: NameOf) -> None:
    """Refuse hidden states without an element: of no neuron, or no entry of the batch (NET-4)."""
    for state in states:
        if any(jnp.size(leaf) == 0 for leaf in jax.tree.leaves(state.value)):
            got = jax.tree.map(jnp.shape, state.value)
            raise ShapeError(
                f"{name_of(state)} has no element, its shape is {got}: a step needs at least one "
                "neuron and one entry of the batch",
                got=got,
            )


def check_parameters_kept(states: Iterable[brainstate.State], name_of: NameOf) -> None:
    """Refuse parameters among the states that a step writes: during a step they are fixed."""
    for state in states:
        if isinstance(state, brainstate.ParamState):
            raise ParameterUseError(
                f"{name_of(state)} is a parameter that a step writes, and a step's gradient is for "
                "parameters that it leaves alone: write it between steps, or make it a state "
                "(ETraceState, or ShortTermState if no derivative is to pass)",
                got=state,
            )
