"""The learning signals of the steps of a sequence, by name and with units (SPEC.md, LEARN-1)."""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax

from .chunks import record_steps, sum_losses
from .hidden_groups import join_variables, name_variables
from .pure_step import Differentiable, Values
from .step_derivatives import find_gradients
from .step_graph import StepGraph

__all__ = ["find_learning_signals"]


def find_learning_signals(
    graph: StepGraph, values: Values, steps: Any, differentiable: Differentiable
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the steps of a sequence, and find the learning signals of each within itself.

    Parameters
    ----------
    graph : StepGraph
        Its step returns its loss first.
    values : dict
        What the states hold before the sequence.
    steps : tree of arrays, shape (T, ...)
        The step's arguments.
    differentiable : Differentiable
        Where signals pass through operations.

    Returns
    -------
    c : dict from the names of parameters with traces
        (T, *y), in the loss's unit over that of y.
    lambda : dict from the names of hidden states
        Like the state's value before each step, (T, ...), in the loss's unit over the state's;
        that of a complex leaf has at last an axis of its real and its imaginary part.
    """
    changing = {k: v for k, v in values.items() if k in graph.step.changing}
    constant = {k: v for k, v in values.items() if k not in changing}
    _, record, out = record_steps(graph, constant, changing, steps)
    gradients = find_gradients(graph, record, sum_losses, differentiable)
    unit = u.get_unit(out[0])

    def join(leaf: Any, shape: tuple[int, ...], variables: list[jax.Array]) -> u.Quantity:
        return u.Quantity(join_variables(shape, variables), unit=unit / u.get_unit(leaf))

    by_output = {
        graph.name_of(param): u.Quantity(
            gradients.c[key], unit=unit / u.get_unit(graph.uses[key].y)
        )
        for key, param in graph.step.params.items()
    }
    by_state: dict[str, Any] = {}
    for group in graph.groups:
        by_state |= name_variables(group, group.variables(gradients.hidden), join)
    return by_output, by_state
