"""How the results of a step depend on its arguments, leaf by leaf."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ShapeError
from .dependence import Dependence
from .inputs import as_arrays, shapes_of
from .keys import LeafPosition, StateId, id_of
from .leaves import floats, is_float, with_all
from .marks import find_unfollowed
from .pure_function import CAPTURED, Values
from .pure_step import Step, Use

__all__ = ["StepDependence", "find_step_dependence"]


@dataclasses.dataclass(frozen=True, eq=False)
class StepDependence:
    """How each result of a step depends on each of its arguments, and where these lie.

    The step is taken as a function of what its operations put out, y, among the rest.

    Attributes
    ----------
    step : Step
    dependence : Dependence
        Of the floating-point leaves of all results on those of all arguments.
    inputs : dict of range
        The positions of the arguments: the states "hidden", "plain" and "other", then "y", "args",
        "captured" and "weights".
    outputs : dict of range
        Those of the results: the states "hidden" and "other", then "out", "x", the operations'
        inputs, and "closures".
    uses : dict from the identity of a parameter to its Use
        Zeros like what goes into its operation and comes out of it.
    closures : list of the identities of frozen parameters
        Those whose operation takes more than its input and constants: what it puts out of that is
        a result.
    """

    step: Step
    dependence: Dependence
    inputs: dict[str, range]
    outputs: dict[str, range]
    uses: dict[StateId, Use]
    closures: list[StateId]

    def name_of(self, state: Any) -> str:
        """The name of a state."""
        return self.step.name_of(state)

    def leaves_of(self, states: Iterable[brainstate.State], first: int = 0) -> list[range]:
        """Number the floating-point leaves of each state, from `first` on."""
        return _count_up([len(floats(state.value)) for state in states], first)

    def find_x_positions(self) -> dict[StateId, range]:
        """Find the positions of the leaves of each operation's input, among the results."""
        inputs = [floats(self.uses[key].x) for key in self.step.operations]
        positions = _count_up(map(len, inputs), self.outputs["x"].start)
        return dict(zip(self.step.operations, positions, strict=True))

    def find_y_positions(self) -> dict[StateId, range]:
        """Find the positions of what each operation puts out, two where it is complex."""
        outputs = [floats(self.uses[key].y) for key in self.step.operations]
        positions = _count_up(map(len, outputs), self.inputs["y"].start)
        return dict(zip(self.step.operations, positions, strict=True))

    def find_closure_positions(self) -> dict[StateId, range]:
        """Find the positions of what frozen operations put out of all but their inputs."""
        made = [floats(self.uses[key].y) for key in self.closures]
        positions = _count_up(map(len, made), self.outputs["closures"].start)
        return dict(zip(self.closures, positions, strict=True))

    def is_reached(self, sources: Iterable[LeafPosition], results: Iterable[LeafPosition]) -> bool:
        """Whether any of these results may depend on any of these arguments."""
        masks = self.dependence.reached(sources)
        return any(masks[i].any() for i in results)


def find_step_dependence(step: Step, args: tuple[Any, ...]) -> StepDependence:
    """Find how each result of a step depends on each of its arguments.

    Parameters
    ----------
    step : Step
    args : tuple
        The step's arguments, or their likes.

    Raises
    ------
    ShapeError
        Hidden states of another shape, dtype or unit after the step.
    """
    values, args = jax.tree.map(_zeros, (step.values(), args))
    after, uses = jax.eval_shape(lambda: step.record(values, args)[1:])
    _check_kept(step, values, after)
    uses = jax.tree.map(_zeros, uses)
    states = {"hidden": step.hidden, "plain": step.plain, "other": step.other}
    trees: dict[str, Any] = {k: [values[id_of(s)] for s in kind] for k, kind in states.items()}
    trees |= {"y": [uses[key].y for key in step.operations], "args": args}
    trees |= {"captured": values[CAPTURED], "weights": [values[key] for key in step.params]}
    likes = {name: floats(tree) for name, tree in trees.items()}
    others = [leaf for leaf in jax.tree.leaves([*trees.values()]) if not is_float(leaf)]
    outputs: dict[str, range] = {}
    unfollowed = find_unfollowed(step.function.program, ("x",))
    closures = [
        key for n, key in enumerate(step.operations) if n in unfollowed and key not in step.params
    ]

    def run(leaves: list[Any], others: list[Any]) -> list[Any]:
        new = dict(zip(trees, with_all([*trees.values()], leaves, others), strict=True))
        now: Values = dict(values)
        for name, kind in states.items():
            now |= {id_of(s): v for s, v in zip(kind, new[name], strict=True)}
        now |= dict(zip(step.params, new["weights"], strict=True))
        now |= {CAPTURED: new["captured"]}
        ys = dict(zip(step.operations, new["y"], strict=True))
        results = _list_results(step, *step.record_with_outputs(now, new["args"], ys, {}))
        if closures:
            made = step.find_closures(now, new["args"], ys, closures)
            results["closures"] = floats([made[key] for key in closures])
        outputs.update(_find_positions(results))
        return [leaf for leaves in results.values() for leaf in leaves]

    dependence = Dependence(run, [leaf for leaves in likes.values() for leaf in leaves], others)
    return StepDependence(step, dependence, _find_positions(likes), outputs, uses, closures)


def _check_kept(step: Step, before: Values, after: Values) -> None:
    """Refuse hidden states that do not keep their shapes, dtypes and units in a step."""
    for state in step.hidden:
        needs, got = shapes_of(before[id_of(state)]), shapes_of(after[id_of(state)])
        if got != needs:
            raise ShapeError(
                f"{step.name_of(state)} is {needs} before a step, and {got} after it: begin with "
                "what a step leaves, or cast what the step writes",
                got=got,
                needs=needs,
            )


def _list_results(
    step: Step, out: Any, after: Values, uses: dict[StateId, Use]
) -> dict[str, list[Any]]:
    """List the floating-point leaves of what a step makes, by kind."""
    return {
        "hidden": floats([after[id_of(s)] for s in step.hidden]),
        "other": floats([after[id_of(s)] for s in step.other]),
        "out": floats(out),
        "x": floats([uses[key].x for key in step.operations]),
    }


def _find_positions(leaves: dict[str, list[Any]]) -> dict[str, range]:
    """Find where the leaves of each kind lie when all are put in one list."""
    return dict(zip(leaves, _count_up(map(len, leaves.values()), 0), strict=True))


def _count_up(sizes: Iterable[int], first: int) -> list[range]:
    """Make ranges of these sizes, one after the other."""
    ranges = []
    for size in sizes:
        ranges.append(range(first, first + size))
        first += size
    return ranges


def _zeros(leaf: Any) -> Any:
    leaf = as_arrays(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), leaf.shape)
    return np.zeros(leaf.shape, leaf.dtype)
