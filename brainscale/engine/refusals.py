"""What is refused of a step by what reaches what in it (SPEC.md, LEARN-14 to LEARN-17)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import brainstate
import jax

from ..errors import (
    HiddenPathError,
    LateralPathError,
    OperationError,
    ParameterUseError,
    UnreachedError,
)
from .hidden_groups import Group
from .inputs import as_arrays
from .keys import LeafPosition, StateId, id_of
from .leaves import floats
from .reach import Reach
from .step_dependence import StepDependence

__all__ = [
    "check_closures",
    "check_direct_use",
    "check_hidden_paths",
    "check_lateral",
    "check_reached",
    "check_unmixed",
    "find_remembering",
]


def check_hidden_paths(paths: StepDependence) -> None:
    """Refuse states that carry a derivative from step to step and are not hidden (LEARN-17).

    Raises
    ------
    HiddenPathError
    """
    states = paths.step.other
    before = paths.leaves_of(states, paths.inputs["other"].start)
    results = [*paths.outputs["hidden"], *paths.outputs["out"]]
    for k in sorted(_find_carrying(paths)):
        if paths.is_reached(before[k], results):
            if isinstance(states[k], brainstate.HiddenState):
                kinds = [leaf.dtype.name for leaf in jax.tree.leaves(as_arrays(states[k].value))]
                raise HiddenPathError(
                    f"{paths.name_of(states[k])} carries a derivative from step to step and has "
                    f"leaves of {', '.join(kinds)}: a hidden state has floating-point or complex "
                    "ones alone; keep the others in a state of their own (ShortTermState)"
                )
            raise HiddenPathError(
                f"{paths.name_of(states[k])} carries a derivative from step to step "
                "and is no hidden state: make it one (ETraceState), and what mixes neurons "
                "into it an ETraceParam, or stop its gradient, or learn by RTRL. A delay is "
                "brainscale.nn.Delay, in the place of brainstate.nn.Delay"
                + _explain_doubt(paths, before[k], results)
            )


def find_remembering(paths: StepDependence) -> set[StateId]:
    """Find the states, none of them hidden, in which a derivative of earlier steps lives on."""
    states = paths.step.other
    before = paths.leaves_of(states, paths.inputs["other"].start)
    after = paths.leaves_of(states, paths.outputs["other"].start)
    past = [i for k in _find_carrying(paths) for i in before[k]]
    return {
        id_of(state)
        for state, leaves in zip(states, after, strict=True)
        if paths.is_reached(past, leaves)
    }


def _find_carrying(paths: StepDependence) -> set[int]:
    """Find the states, none of them hidden, that keep what operations or hidden states give."""
    states = paths.step.other
    before = paths.leaves_of(states, paths.inputs["other"].start)
    after = paths.leaves_of(states, paths.outputs["other"].start)
    carrying: set[int] = set()
    while True:
        sources = [*paths.inputs["y"], *paths.inputs["hidden"], *paths.inputs["weights"]]
        sources += [i for k in carrying for i in before[k]]
        masks = paths.dependence.reached(sources)
        more = {k for k, leaves in enumerate(after) if any(masks[i].any() for i in leaves)}
        if more == carrying:
            return carrying
        carrying = more


def check_direct_use(paths: StepDependence) -> None:
    """Refuse parameters with traces that reach hidden states past their operation (LEARN-16).

    Raises
    ------
    ParameterUseError
    """
    params = list(paths.step.params.values())
    entries = {"hidden states": "hidden", "the input of an operation": "x"}
    for param, leaves in zip(
        params, paths.leaves_of(params, paths.inputs["weights"].start), strict=True
    ):
        masks = paths.dependence.reached(leaves)
        for what, name in entries.items():
            if any(masks[i].any() for i in paths.outputs[name]):
                raise ParameterUseError(
                    f"{paths.name_of(param)} reaches {what} by its value, too, and not by its "
                    "own operation alone: use execute, or, for a second use, another parameter "
                    "or RTRL" + _explain_doubt(paths, leaves, paths.outputs[name])
                )


def check_lateral(paths: StepDependence, group: Group) -> None:
    """Refuse neurons of a group that influence each other past an operation (LEARN-14).

    Raises
    ------
    LateralPathError
    """
    depth = len(group.shape)
    leaves = [leaf.shape for state in group.states for leaf in floats(state.value)]
    if any(shape[:depth] != group.shape for shape in leaves):
        raise _make_lateral_error(paths, group)
    for old, new in itertools.product(group.leaves, group.leaves):
        if not paths.dependence.is_within(old, new, depth):
            raise _make_lateral_error(paths, group, _explain_doubt(paths, [old], [new]))


def check_unmixed(paths: StepDependence, key: StateId, group: Group, reach: Reach | None) -> None:
    """Refuse an operation whose y is mixed before it enters a group (LEARN-14).

    Parameters
    ----------
    paths : StepDependence
    key : StateId
        Of the operation.
    group : Group
    reach : Reach or None
        What `find_group_reach` says of the two: None, where it is mixed.

    Raises
    ------
    LateralPathError
    """
    if reach is not None:
        return
    name, y = paths.name_of(paths.step.params[key]), paths.uses[key].y
    raise LateralPathError(
        f"what {name} puts out, of shape {y.shape}, is mixed before it enters "
        f"{', '.join(group.names)} (shape of the neurons: {group.shape}): an element of it "
        "enters several neurons, and these are entered by several. Of what is normalised, stop "
        "the statistics' gradient (jax.lax.stop_gradient); let a fixed connection go through a "
        "FakeETraceParam; or learn by RTRL"
        + _explain_doubt(paths, paths.find_y_positions()[key], group.leaves)
    )


def check_reached(paths: StepDependence, expected: Iterable[Any], reaching: set[StateId]) -> None:
    """Refuse parameters with traces that reach no hidden state (LEARN-15).

    Parameters
    ----------
    paths : StepDependence
    expected : iterable of ETraceParam
        The parameters with traces that the model has.
    reaching : set of StateId
        The operations of the step that reach hidden states.

    Raises
    ------
    UnreachedError
    """
    for param in expected:
        if id_of(param) not in reaching:
            raise UnreachedError(
                f"{paths.name_of(param)} reaches no hidden state in a step, or the step does not "
                "use it: use it, or make it a plain parameter (NonTempParam)"
            )


def check_closures(paths: StepDependence) -> None:
    """Refuse frozen operations with a derivative by more than their input.

    Raises
    ------
    OperationError
    """
    if not paths.closures:
        return
    before = paths.leaves_of(paths.step.other, paths.inputs["other"].start)
    sources = [i for what in ("hidden", "plain", "y", "weights") for i in paths.inputs[what]]
    sources += [i for k in _find_carrying(paths) for i in before[k]]
    for number, positions in paths.find_closure_positions().items():
        if paths.is_reached(sources, positions):
            param = paths.step.operations[number]
            raise OperationError(
                f"{paths.name_of(param)}: the operation of what is frozen has a derivative by its "
                "input alone, and what it puts out depends by more, its weight or a value that it "
                "closes over, on what is learned or on hidden states: set its weight between "
                "steps, let the step multiply what goes in or comes out, stop the gradient of what "
                "else it takes (jax.lax.stop_gradient), or learn by RTRL"
                + _explain_doubt(paths, sources, positions),
                got=param,
            )


def _make_lateral_error(paths: StepDependence, group: Group, doubt: str = "") -> LateralPathError:
    return LateralPathError(
        f"neurons of {', '.join(group.names)} influence each other without a trainable "
        f"operation (shape of the neurons: {group.shape}{_name_plain_into(paths, group)}): let the "
        "path go through an ETraceParam, or through a FakeETraceParam if it is fixed, stop its "
        "gradient (of what is normalised, that of the statistics: jax.lax.stop_gradient), or "
        "learn by RTRL. Several numbers of one neuron are to be the last axes of its state, or, "
        f"where they mix, an ETraceGroupState; a delay is brainscale.nn.Delay{doubt}"
    )


def _name_plain_into(paths: StepDependence, group: Group) -> str:
    """Name the plain parameters that reach a group: by them neurons may influence each other."""
    plain = paths.step.plain
    leaves = paths.leaves_of(plain, paths.inputs["plain"].start)
    names = [
        paths.name_of(state)
        for state, sources in zip(plain, leaves, strict=True)
        if paths.is_reached(sources, group.leaves)
    ]
    return f"; plain parameters that reach them: {', '.join(names)}" if names else ""


def _explain_doubt(
    paths: StepDependence, arguments: Iterable[LeafPosition], results: Iterable[LeafPosition]
) -> str:
    """Say so where what is refused may be more than what is there."""
    coarse = paths.dependence.coarse(arguments, results)
    if not coarse:
        return ""
    return (
        f". If it does not: what passes {', '.join(coarse)} is not told apart element by "
        "element (docs/dependence.md): write it element by element, or with indices and "
        "matrices that are constants (NumPy arrays, Python integers)"
    )
