"""The graph of a step: hidden groups, and which parameter reaches which neurons of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import brainstate

from .hidden_groups import Group, find_groups
from .keys import GroupPosition, LeafPosition, StateId
from .linearity import (
    blaming_backward_passes,
    check_linear,
    check_weight_functions,
    is_bent_by_parameters,
)
from .pure_step import Differentiable, trace_step
from .reach import Reach, find_entered_groups, find_group_reach
from .refusals import (
    check_closures,
    check_direct_use,
    check_hidden_paths,
    check_lateral,
    check_reached,
    check_unmixed,
    find_remembering,
)
from .step_dependence import StepDependence, find_step_dependence

__all__ = ["StepGraph", "find_step_graph"]


@dataclasses.dataclass(frozen=True, eq=False)
class StepGraph(StepDependence):
    """The hidden groups of a step, what reaches them, and what must pass or be stopped.

    Attributes
    ----------
    step, dependence, inputs, outputs, uses, closures
        As of `StepDependence`.
    groups : list of Group
        The hidden groups (TRACE-1).
    reach : dict from the identity of a parameter to a list of Reach
        Of each parameter with a trace, by group that its y enters.
    new : dict from the identity of a parameter to masks
        Where the operation's input is new, made in the same step (chapter 10), as `Differentiable`
        has it; absent: nowhere.
    has_plain_inputs : bool
        Whether a plain parameter reaches an operation's input.
    entering : list of State
        The plain parameters that reach more than the step's result: what is kept of them goes on.
    remembering : set of the identities of states
        Those which are not hidden and carry a derivative from step to step, but to no result.
    is_bent_by_parameters : bool
        Whether what comes back to a parameter past its operation is to be taken step by step: a
        backward pass of the model's own is not linear there.
    """

    groups: list[Group]
    reach: dict[StateId, list[Reach]]
    new: Differentiable
    has_plain_inputs: bool
    entering: list[brainstate.State]
    remembering: set[StateId]
    is_bent_by_parameters: bool

    def at(self, function: Callable[..., Any], args: tuple[Any, ...]) -> StepGraph | None:
        """Put the same graph around a step that is traced anew, in the environment of now.

        None: the step is another program there than the one whose graph this is.
        """
        step = trace_step(function, args, self.name_of)
        return dataclasses.replace(self, step=step) if step.is_like(self.step) else None

    def find_entered_groups(self, positions: Iterable[LeafPosition]) -> set[GroupPosition]:
        """Find the groups that these outputs of operations enter."""
        return find_entered_groups(self, self.groups, positions)

    def states_of_layer(self, key: StateId) -> list[brainstate.State]:
        """Find the states of a parameter's layer: of the groups that it reaches, and made of them.

        That of a parameter which reaches groups through other operations alone is theirs.
        """
        outputs = self.find_y_positions()
        keys, feeds = {key}, _find_feeds(self)
        while not (groups := self.find_entered_groups(i for k in keys for i in outputs[k])):
            keys = set().union(*(feeds[k] for k in keys))
        leaves = [self.inputs["hidden"][i] for g in groups for i in self.groups[g].leaves]
        entering = [
            i for y in outputs.values() for i in y if self.find_entered_groups([i]) & groups
        ]
        masks = self.dependence.reached([*leaves, *entering])
        others = self.leaves_of(self.step.other, self.outputs["other"].start)
        return [state for g in groups for state in self.groups[g].states] + [
            state
            for state, results in zip(self.step.other, others, strict=True)
            if any(masks[i].any() for i in results)
        ]


def find_step_graph(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    name_of: Callable[[Any], str],
    expected: Iterable[Any],
) -> StepGraph:
    """Trace a step, and find what reaches what in it.

    Parameters
    ----------
    function, args, name_of
        As for `trace_step`.
    expected : iterable of ETraceParam
        The parameters with traces that the model has.

    Raises
    ------
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
        LEARN-14 to LEARN-17.
    OperationError
        A backward pass that is no linear function, and as of `trace_step`.
    StructureError, ShapeError
        As of `trace_step`.
    """
    step = trace_step(function, args, name_of)
    paths = find_step_dependence(step, args)
    with blaming_backward_passes(step, args):
        check_hidden_paths(paths)
        check_direct_use(paths)
        groups = find_groups(paths)
        for group in groups:
            check_lateral(paths, group)
        reach = _find_reach(paths, groups)
        check_reached(paths, expected, _find_reaching(paths, groups))
        check_closures(paths)
    check_linear(step, args)
    check_weight_functions(step)
    return StepGraph(
        step=paths.step,
        dependence=paths.dependence,
        inputs=paths.inputs,
        outputs=paths.outputs,
        uses=paths.uses,
        closures=paths.closures,
        groups=groups,
        reach=reach,
        new=_find_new_inputs(paths),
        has_plain_inputs=paths.is_reached(paths.inputs["plain"], paths.outputs["x"]),
        entering=_find_entering(paths),
        remembering=find_remembering(paths),
        is_bent_by_parameters=is_bent_by_parameters(step, args),
    )


def _find_reach(paths: StepDependence, groups: list[Group]) -> dict[StateId, list[Reach]]:
    """Find which neurons each parameter with a trace reaches by its y, and refuse what mixes."""
    reach_of: dict[StateId, list[Reach]] = {}
    for key, y in paths.find_y_positions().items():
        if key not in paths.step.params:
            continue
        reach_of[key] = []
        for g in sorted(find_entered_groups(paths, groups, y)):
            reach = find_group_reach(paths.dependence, y, g, groups[g])
            check_unmixed(paths, key, groups[g], reach)
            assert reach is not None  # What is mixed has been refused.
            reach_of[key].append(reach)
    return reach_of


def _find_entering(paths: StepDependence) -> list[brainstate.State]:
    """Find the plain parameters that reach operations' inputs, or states."""
    within = [i for what in ("x", "hidden", "other") for i in paths.outputs[what]]
    leaves = paths.leaves_of(paths.step.plain, paths.inputs["plain"].start)
    pairs = zip(paths.step.plain, leaves, strict=True)
    return [state for state, positions in pairs if paths.is_reached(positions, within)]


def _find_reaching(paths: StepDependence, groups: list[Group]) -> set[StateId]:
    """Find the operations that reach hidden states by y, or through other operations' inputs."""
    outputs, feeds = paths.find_y_positions(), _find_feeds(paths)
    reaching = {key for key, y in outputs.items() if find_entered_groups(paths, groups, y)}
    while more := {k for k, fed in feeds.items() if k not in reaching and fed & reaching}:
        reaching |= more
    return reaching


def _find_feeds(paths: StepDependence) -> dict[StateId, set[StateId]]:
    """Find the operations into whose inputs each one's y goes in the same step."""
    feeds, inputs = {}, paths.find_x_positions()
    for key, y in paths.find_y_positions().items():
        masks = paths.dependence.reached(y)
        feeds[key] = {k for k, x in inputs.items() if any(masks[i].any() for i in x)}
    return feeds


def _find_new_inputs(paths: StepDependence) -> Differentiable:
    """Find where what operations take is made of what operations put out in the same step."""
    reached = paths.dependence.reached(paths.inputs["y"])
    new: dict[StateId, Any] = {}
    for key, x in paths.find_x_positions().items():
        masks = [reached[i] for i in x]
        if any(mask.any() for mask in masks):
            new[key] = True if all(mask.all() for mask in masks) else masks
    return new
