"""A model's states begun anew within compiled code."""

from __future__ import annotations

from typing import Any

import brainstate

from ..errors import ShapeError, StructureError
from ..inputs import shapes_of
from ..learner import ETraceAlgorithm

__all__ = ["renew"]


def renew(learner: ETraceAlgorithm, batch_size: int) -> None:
    """Initialise a model's states again, and make traces zero; the states stay the same objects.

    Most models make new states when they are initialised, of which a compiled function would know
    nothing. Here the new values are written to the states there were.

    Raises
    ------
    ShapeError
        The states come to other shapes.
    StructureError
        A model that cannot be given back the states it had.
    """
    model = learner.model
    before = model.states()
    attributes = [(node, dict(vars(node))) for node in brainstate.graph.nodes(model).values()]
    try:
        brainstate.nn.init_all_states(model, batch_size=batch_size)
        fresh = dict(model.states())
    finally:
        for node, had in attributes:
            vars(node).clear()
            vars(node).update(had)
    after = model.states()
    if set(after) != set(before) or any(after[path] is not before[path] for path in before):
        raise StructureError("init_state must make the same states, as attributes or in new lists")
    for path, state in before.items():
        new = fresh.get(path)
        name = ".".join(map(str, path))
        if new is None:
            raise StructureError(f"{name} is no state of the model that is initialised again")
        if shapes_of(new.value) != shapes_of(state.value):
            raise ShapeError(
                f"{name} has come to {shapes_of(new.value)} for a batch of {batch_size}, where it "
                f"was {shapes_of(state.value)}: compile the learner for this batch",
                got=shapes_of(new.value),
                needs=shapes_of(state.value),
            )
        if new is not state:
            _overwrite(state, new)
    learner.reset_traces()


def _overwrite(state: brainstate.State, new: Any) -> None:
    """Give a state another's value, and its history."""
    state.value = new.value
    if getattr(state, "_history", None) is not None:
        state.history_state.value = new.history_state.value
