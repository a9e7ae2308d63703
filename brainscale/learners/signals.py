"""The learning signals that a learner's step has, for those who ask for them (SPEC.md, LEARN-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax

from ..checks.arguments import check_function
from ..checks.requests import split_loss
from ..engine.inputs import as_arrays, check_finite, is_wrapped, length_of
from ..engine.known_inputs import check_rows
from ..engine.learning_signals import find_learning_signals
from ..engine.step_graph import find_step_graph
from ..errors import StructureError
from ..parameters import ETraceParam

if TYPE_CHECKING:
    from .base import ETraceAlgorithm

__all__ = ["find_signals"]


def find_signals(
    learner: ETraceAlgorithm, sequences: tuple[Any, ...], step_fn: Callable[..., Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Find the learning signals of each step of a sequence; `ETraceAlgorithm` has the parameters.

    Neither states nor traces are written.
    """
    if step_fn is None and sequences:
        *sequences, step_fn = sequences
    check_function(step_fn, "step_fn, which returns a step's loss,", len(sequences))
    if is_wrapped(sequences):
        raise StructureError("learning_signals takes bare sequences, with a leading axis of steps")
    sequences = tuple(as_arrays(tuple(sequences), "a sequence", allow_likes=False))
    length_of(sequences)
    check_finite(sequences)
    learner._refuse_uncompiled()
    learner._refuse_changed()

    def step(*items: Any) -> tuple[Any, Any]:
        learner._was_called = False
        loss = step_fn(*items)
        if not learner._was_called:
            raise StructureError("step_fn does not call the learner: it is to do so once")
        return split_loss(loss, has_aux=False)

    example = jax.tree.map(lambda leaf: leaf[0], sequences)
    params = list(learner.model.states(ETraceParam).values())
    graph = find_step_graph(step, example, learner._name_of, params)
    learner._refuse_foreign(graph.step.params.values())
    check_rows(graph.step, sequences, over_steps=True)
    differentiable = {} if learner.rule.local else graph.new
    return find_learning_signals(graph, graph.step.values(), sequences, differentiable)
