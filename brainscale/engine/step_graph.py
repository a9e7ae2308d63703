"""Hidden groups, and which parameter reaches which neurons (SPEC.md, TRACE-1, LEARN-14 to 17)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from typing import Any

import brainstate
import jax
import numpy as np

from ..errors import (
    HiddenPathError,
    LateralPathError,
    ParameterUseError,
    UnreachedError,
)
from ..states import ETraceGroupState
from .dependence import Dependence
from .hidden_groups import Group
from .inputs import as_arrays
from .pure_function import CAPTURED
from .pure_step import Step, floats, is_float, with_all
from .reach import Reach, find_reach

__all__ = ["Group", "Structure"]


_GROUPED = (ETraceGroupState, brainstate.HiddenGroupState)
"""States whose last axis is that of a neuron's variables."""


class Structure:
    """The hidden groups of a step, what reaches them, and what must pass or be stopped.

    Parameters
    ----------
    function, args, name_of
        As for `Step`.
    expected : list of ETraceParam
        The parameters with traces that the model has.

    Attributes
    ----------
    step : Step
    groups : list of Group
    reach : dict from the identity of a parameter to a list of Reach
    new : dict from the identity of a parameter to masks
        For each leaf of the operation's input which elements are new (chapter 10); absent: none.
    encoded : bool
        Whether a plain parameter reaches an operation's input.
    """

    def __init__(self, function: Any, args: tuple[Any, ...], name_of: Any, expected: list[Any]):
        self.name_of = name_of
        self.step = Step(function, args, name_of)
        self._depend(args)
        self._refuse_hidden_paths()
        self._refuse_direct_use()
        self.groups = self._groups()
        self.reach = self._reach()
        reaching = self._reaching()
        for param in expected:
            if id(param) not in reaching:
                raise UnreachedError(
                    f"{name_of(param)} reaches no hidden state in a step, or the step does not "
                    "use it: use it, or make it a plain parameter (NonTempParam)"
                )
        self._find_new()

    def at(self, function: Any, args: tuple[Any, ...]) -> Structure | None:
        """The same structure around a step traced anew, in the environment of now.

        None: the step is another program there than the one whose structure this is.
        """
        new = copy.copy(self)
        new.step = Step(function, args, self.name_of)
        is_same = new.step.names == self.step.names
        is_same = is_same and list(new.step.operations) == list(self.step.operations)
        return new if is_same and new.step.recorded.is_like(self.step.recorded) else None

    def _depend(self, args: tuple[Any, ...]) -> None:
        """How each result of the step depends on each of its arguments, and where these are."""
        step = self.step
        values, args = jax.tree.map(_zeros, (step.values(), args))
        uses = jax.tree.map(_zeros, jax.eval_shape(lambda: step.record(values, args)[2]))
        kinds = {"hidden": step.hidden, "plain": step.plain, "other": step.other}
        inputs = {name: [values[id(s)] for s in states] for name, states in kinds.items()}
        inputs |= {"y": [uses[key].y for key in step.operations], "args": args}
        inputs |= {"captured": values[CAPTURED]}
        inputs |= {"weights": [values[key] for key in step.params]}
        likes = {name: floats(tree) for name, tree in inputs.items()}
        self.inputs = _positions(likes)
        first = [leaf for found in likes.values() for leaf in found]
        rest = [leaf for leaf in jax.tree.leaves([*inputs.values()]) if not is_float(leaf)]

        def function(leaves: list[Any], others: list[Any]) -> list[Any]:
            trees = dict(zip(inputs, with_all([*inputs.values()], leaves, others), strict=True))
            held = dict(values)
            for name, states in kinds.items():
                held |= {id(s): v for s, v in zip(states, trees[name], strict=True)}
            held |= dict(zip(step.params, trees["weights"], strict=True))
            held |= {CAPTURED: trees["captured"]}
            ys = dict(zip(step.operations, trees["y"], strict=True))
            out, after, uses = step.given(held, trees["args"], ys, {})
            results = {
                "hidden": floats([after[id(s)] for s in step.hidden]),
                "other": floats([after[id(s)] for s in step.other]),
                "out": floats(out),
                "x": floats([uses[key].x for key in step.operations]),
            }
            self.outputs = _positions(results)
            return [leaf for found in results.values() for leaf in found]

        self.dependence = Dependence(function, first, rest)
        self.uses = uses

    def leaves_of(self, states: list[brainstate.State], first: int = 0) -> list[range]:
        """The positions of the floating-point leaves of each state."""
        found = []
        for state in states:
            count = len(floats(state.value))
            found.append(range(first, first + count))
            first += count
        return found

    def _refuse_hidden_paths(self) -> None:
        old = self.leaves_of(self.step.other, self.inputs["other"].start)
        new = self.leaves_of(self.step.other, self.outputs["other"].start)
        carried: set[int] = set()
        while True:
            sources = [*self.inputs["y"], *self.inputs["hidden"], *self.inputs["weights"]]
            sources += [i for k in carried for i in old[k]]
            seen = self.dependence.reached(sources)
            found = {k for k, leaves in enumerate(new) if any(seen[i].any() for i in leaves)}
            if found == carried:
                break
            carried = found
        for k in carried:
            seen = self.dependence.reached(old[k])
            if any(seen[i].any() for i in [*self.outputs["hidden"], *self.outputs["out"]]):
                raise HiddenPathError(
                    f"{self.name_of(self.step.other[k])} carries a derivative from step to step "
                    "and is no hidden state: make it one (ETraceState), and what mixes neurons "
                    "into it an ETraceParam, or stop its gradient, or learn by RTRL (of a delay: "
                    "a hidden state of the model whose last axis is that of the steps)"
                    + self._doubt(old[k], [*self.outputs["hidden"], *self.outputs["out"]])
                )

    def _refuse_direct_use(self) -> None:
        """A parameter with a trace reaches hidden states through its operation alone."""
        params = list(self.step.params.values())
        entered = {"hidden states": "hidden", "the input of an operation": "x"}
        for param, leaves in zip(
            params, self.leaves_of(params, self.inputs["weights"].start), strict=True
        ):
            seen = self.dependence.reached(leaves)
            for what, name in entered.items():
                if any(seen[i].any() for i in self.outputs[name]):
                    raise ParameterUseError(
                        f"{self.name_of(param)} reaches {what} by its value, too, and not by its "
                        "own operation alone: use execute, or, for a second use, another parameter "
                        "or RTRL" + self._doubt(leaves, self.outputs[name])
                    )

    def _groups(self) -> list[Group]:
        states = self.step.hidden
        leaves = self.leaves_of(states)
        group_of = list(range(len(states)))
        for i, own in enumerate(leaves):
            seen = self.dependence.reached(own)
            for j, found in enumerate(leaves):
                if any(seen[k].any() for k in found):
                    group_of = [group_of[i] if g == group_of[j] else g for g in group_of]
        groups = []
        for g in dict.fromkeys(group_of):
            members = [i for i, other in enumerate(group_of) if other == g]
            group = self._group([states[i] for i in members], [leaves[i] for i in members])
            self._refuse_lateral(group)
            groups.append(group)
        return groups

    def _group(self, states: list[brainstate.State], leaves: list[range]) -> Group:
        found = [leaf.shape for state in states for leaf in floats(state.value)]
        own = [s.value.shape[:-1] for s in states if isinstance(s, _GROUPED)]
        shape = min([*found, *own], key=len)
        group = Group(
            tuple(states),
            tuple(self.name_of(state) for state in states),
            tuple(i for positions in leaves for i in positions),
            shape,
            tuple(leaf[len(shape) :] for leaf in found),
        )
        if any(leaf[: len(shape)] != shape for leaf in found):
            raise self._lateral(group)
        return group

    def _lateral(self, group: Group, doubt: str = "") -> LateralPathError:
        return LateralPathError(
            f"neurons of {', '.join(group.names)} influence each other without a trainable "
            f"operation (shape of the neurons: {group.shape}{self._plain_into(group)}): let the "
            "path go through an ETraceParam, or through a FakeETraceParam if it is fixed, stop its "
            "gradient (of what is normalised, that of the statistics: jax.lax.stop_gradient), or "
            "learn by RTRL. Several numbers of one neuron, such as the steps of a delay, are to be "
            f"the last axes of its state, or, where they mix, an ETraceGroupState{doubt}"
        )

    def _mixed(self, key: int, group: Group, doubt: str) -> LateralPathError:
        name, y = self.name_of(self.step.params[key]), self.uses[key].y
        return LateralPathError(
            f"what {name} puts out, of shape {y.shape}, is mixed before it enters "
            f"{', '.join(group.names)} (shape of the neurons: {group.shape}): an element of it "
            "enters several neurons, and these are entered by several. Of what is normalised, stop "
            "the statistics' gradient (jax.lax.stop_gradient); let a fixed connection go through a "
            f"FakeETraceParam; or learn by RTRL{doubt}"
        )

    def _plain_into(self, group: Group) -> str:
        """The plain parameters that reach a group, by which neurons may influence each other."""
        leaves = self.leaves_of(self.step.plain, self.inputs["plain"].start)
        found = [
            self.name_of(state)
            for state, own in zip(self.step.plain, leaves, strict=True)
            if any(self.dependence.reached(own)[index].any() for index in group.leaves)
        ]
        return f"; plain parameters that reach them: {', '.join(found)}" if found else ""

    def _doubt(self, arguments: Iterable[int], results: Iterable[int]) -> str:
        """What to say where what is refused may be more than what is there."""
        found = self.dependence.coarse(arguments, results)
        if not found:
            return ""
        return (
            f". If it does not: what passes {', '.join(found)} is not told apart element by "
            "element (docs/dependence.md): write it element by element, or with indices and "
            "matrices that are constants (NumPy arrays, Python integers)"
        )

    def _refuse_lateral(self, group: Group) -> None:
        depth = len(group.shape)
        for old, new in itertools.product(group.leaves, group.leaves):
            if not self.dependence.is_within(old, new, depth):
                raise self._lateral(group, doubt=self._doubt([old], [new]))

    def _reach(self) -> dict[int, list[Reach]]:
        """What each parameter reaches."""
        found: dict[int, list[Reach]] = {}
        for key, positions in self.of_y().items():
            if key not in self.step.params:
                continue
            found[key] = []
            for g in sorted(self.entered(positions)):
                group = self.groups[g]
                reach = find_reach(self.dependence, positions, g, group)
                if reach is None:
                    raise self._mixed(key, group, self._doubt(positions, group.leaves))
                found[key].append(reach)
        return found

    def entered(self, positions: Iterable[int]) -> set[int]:
        """The groups that these outputs of operations enter."""
        seen = self.dependence.reached(positions)
        groups = enumerate(self.groups)
        return {g for g, group in groups if any(seen[index].any() for index in group.leaves)}

    def _feeds(self) -> dict[int, set[int]]:
        """The operations into which each one's y goes in the same step."""
        feeds = {}
        for key, positions in self.of_y().items():
            seen = self.dependence.reached(positions)
            feeds[key] = {k for k, own in self.of_x().items() if any(seen[i].any() for i in own)}
        return feeds

    def _reaching(self) -> set[int]:
        """Operations that reach hidden states by their y, or through other operations' inputs."""
        found = {key for key, positions in self.of_y().items() if self.entered(positions)}
        feeds = self._feeds()
        while more := {key for key, fed in feeds.items() if key not in found and fed & found}:
            found |= more
        return found

    def states_of_layer(self, key: int) -> list[brainstate.State]:
        """The states of the layer of a parameter: of the groups that it reaches, and made of them.

        That of a parameter which reaches groups through other operations alone is theirs.
        """
        outputs = self.of_y()
        keys, feeds = {key}, self._feeds()
        while not (groups := self.entered(i for k in keys for i in outputs[k])):
            keys = set().union(*(feeds[k] for k in keys))
        leaves = [self.inputs["hidden"][i] for g in groups for i in self.groups[g].leaves]
        entering = [i for own in outputs.values() for i in own if self.entered([i]) & groups]
        seen = self.dependence.reached([*leaves, *entering])
        others = self.leaves_of(self.step.other, self.outputs["other"].start)
        found = [state for g in groups for state in self.groups[g].states]
        return found + [
            state
            for state, own in zip(self.step.other, others, strict=True)
            if any(seen[i].any() for i in own)
        ]

    def of_x(self) -> dict[int, range]:
        """The positions of the leaves of each operation's input."""
        inputs = [self.uses[key].x for key in self.step.operations]
        return self._by_operation(inputs, self.outputs["x"].start)

    def of_y(self) -> dict[int, range]:
        """The positions of what each operation puts out, two where it is complex."""
        outputs = [self.uses[key].y for key in self.step.operations]
        return self._by_operation(outputs, self.inputs["y"].start)

    def _by_operation(self, trees: list[Any], first: int) -> dict[int, range]:
        found = {}
        for key, tree in zip(self.step.operations, trees, strict=True):
            found[key] = range(first, first + len(floats(tree)))
            first = found[key].stop
        return found

    def _find_new(self) -> None:
        seen = self.dependence.reached(self.inputs["y"])
        reached = self.dependence.reached(self.inputs["plain"])
        self.encoded = any(reached[i].any() for i in self.outputs["x"])
        self.new: dict[int, Any] = {}
        for key, own in self.of_x().items():
            masks = [seen[i] for i in own]
            if any(mask.any() for mask in masks):
                self.new[key] = True if all(mask.all() for mask in masks) else masks


def _positions(trees: dict[str, list[Any]]) -> dict[str, range]:
    """Where the leaves of each lie when all are put in one list."""
    found, first = {}, 0
    for name, leaves in trees.items():
        found[name] = range(first, first + len(leaves))
        first += len(leaves)
    return found


def _zeros(leaf: Any) -> Any:
    leaf = as_arrays(leaf)
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), leaf.shape)
    return np.zeros(leaf.shape, leaf.dtype)
