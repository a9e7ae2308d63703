"""What is refused where derivatives are made: a step that is given what depends on their variables.

Whether it does is known no earlier: a function is traced before it is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from ..errors import HiddenPathError
from .keys import StateId
from .pure_function import CAPTURED, Values

__all__ = ["check_begin", "check_inputs", "is_perturbed", "name_inputs", "watch_derivatives"]


def check_begin(hidden: Mapping[str, Any], traces: Any, *, is_first: bool) -> None:
    """Refuse what states hold before a first step where a gradient is by it.

    A step that was made before, in the same function, leaves traces with derivatives, too. A loop
    asks for derivatives by what there is before it, and then by what a step leaves.

    Parameters
    ----------
    hidden : mapping from the names of states
        What they hold, those that are hidden and others that steps write.
    traces : tree
        The traces before the step.
    is_first : bool
        Whether it is known to be the first.

    Raises
    ------
    HiddenPathError
        When derivatives are made.
    """

    names, has_traces = list(hidden), bool(jax.tree.leaves(traces))

    def check(*is_derived: bool) -> None:
        *of_states, of_traces = is_derived
        if not is_first and (of_traces or not has_traces):
            return
        for name, is_of_state in zip(names, of_states, strict=True):
            if is_of_state:
                raise HiddenPathError(
                    f"what {name} holds before the first step depends on what the gradient is by, "
                    "and a learner has no derivative by what came before its steps: stop its "
                    "gradient (jax.lax.stop_gradient), or learn it by BPTT"
                )

    watch_derivatives(check, *hidden.values(), traces)


def name_inputs(args: Any, around: Values, names: Mapping[StateId, str]) -> dict[str, Any]:
    """Name what a step is given beside hidden states and parameters: arguments, and what is around.

    Parameters
    ----------
    args : tree
    around : dict
        What the step takes from around it: what its code captures, and what states hold.
    names : mapping from the identities of these states
        Theirs.
    """
    named = {f"the state {name}": around[key] for key, name in names.items()}
    return {"an argument": args, "a value that its code captures": around[CAPTURED], **named}


def check_inputs(inputs: Mapping[str, Any], hidden: Mapping[str, Any]) -> None:
    """Refuse inputs of a later step with a derivative: what an earlier one returned may be in them.

    Traces have no path from one step to the next through what is around them. Nor has an encoder in
    front of the learner a derivative by what later steps keep of its inputs.

    Parameters
    ----------
    inputs : mapping from names
        What the step is given.
    hidden : mapping from the names of states
        What they hold before the step. It has a derivative where an earlier step has left it.

    Raises
    ------
    HiddenPathError
        When derivatives are made.
    """

    names = list(inputs)

    def check(*is_derived: bool) -> None:
        *of_inputs, of_hidden = is_derived
        for name, is_of_input in zip(names, of_inputs, strict=True):
            if is_of_input and of_hidden:
                raise HiddenPathError(
                    f"{name} of the learner's step depends on what the gradient is by, in a "
                    "function that makes several steps: no trace has the path from an earlier step "
                    "through it. Let the model's update make it, or step_fn of etrace_grad; or "
                    "stop its gradient (jax.lax.stop_gradient); or take the gradient of one step "
                    "at a time"
                )

    watch_derivatives(check, *inputs.values(), hidden)


def watch_derivatives(tell: Callable[..., None], *values: Any) -> None:
    """Tell, whenever derivatives are made, which of these values depend on what they are by."""

    @jax.custom_vjp
    def look(*values: Any) -> None:
        return None

    def forward(*primals: Any) -> tuple[None, None]:
        tell(*map(is_perturbed, primals))
        return None, None

    count = len(values)
    look.defvjp(forward, lambda *_: (None,) * count, symbolic_zeros=True)
    look(*values)


def is_perturbed(primals: Any) -> bool:
    """Whether derivatives are taken by any of these arguments of a `custom_vjp`."""
    return any(primal.perturbed for primal in jax.tree.leaves(primals))
