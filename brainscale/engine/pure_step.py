"""The tapped step: pure functions made of one step of a brainstate model (SPEC.md, chapter 9).

A `Tap` stands between the trainable operations and what they compute: it marks what goes in and
out in the program of the step, which is traced once. Where the operations' outputs are `given`, the
program is a function of them: what is left between h(t-1) and h(t) is the neurons' own dynamics.
Derivatives pass through the operations that are `opened`, and through no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import brainstate
import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state

from ..errors import OperationError, ParameterUseError, StructureError
from ..parameters import ETraceParam, FakeETraceParam, intercepting
from .inputs import as_arrays, refuse_empty, refuse_written_parameters
from .marks import Mark, MarkedProgram, find_unfollowed, is_of_debugging, mark
from .pure_function import PureFunction, Values

__all__ = [
    "Step",
    "Use",
    "Values",
    "conjugate",
    "floats",
    "is_complex",
    "is_float",
    "join_derivatives",
    "of_one_dtype",
    "with_all",
    "with_floats",
    "with_leaves",
]


def is_float(leaf: Any) -> bool:
    """Whether an array is a floating-point or a complex one."""
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def is_complex(leaf: Any) -> bool:
    """Whether an array is a complex one."""
    return jnp.issubdtype(leaf.dtype, jnp.complexfloating)


def floats(value: Any) -> list[Any]:
    """The floating-point leaves of a tree, without units; a complex leaf is its two parts."""
    leaves = [leaf for leaf in jax.tree.leaves(as_arrays(value)) if is_float(leaf)]
    return [x for leaf in leaves for x in ((leaf.real, leaf.imag) if is_complex(leaf) else (leaf,))]


def of_one_dtype(arrays: Any) -> Any:
    """A tree of arrays in the dtype to which theirs are promoted: a group may have several."""
    dtype = jnp.result_type(*jax.tree.leaves(arrays))
    return jax.tree.map(lambda leaf: leaf.astype(dtype), arrays)


def with_floats(value: Any, leaves: list[Any]) -> Any:
    """A tree like this one, with other floating-point leaves."""
    value = as_arrays(value)
    return with_all(value, leaves, [x for x in jax.tree.leaves(value) if not is_float(x)])


def with_all(value: Any, leaves: list[Any], others: list[Any]) -> Any:
    """A tree like this one, with other floating-point leaves and other leaves of other kinds."""
    rest, left = iter(others), iter(leaves)

    def take(leaf: Any) -> Any:
        if is_complex(leaf):
            return jax.lax.complex(next(left), next(left))
        return next(left if is_float(leaf) else rest)

    return jax.tree.map(take, value)


def conjugate(tree: Any) -> Any:
    """A tree with its complex leaves conjugated.

    JAX's derivative by z = x + iy is d/dx - i d/dy: the conjugate of what `with_floats` makes of
    the derivatives by the parts.
    """
    return jax.tree.map(lambda leaf: leaf.conj() if is_complex(leaf) else leaf, tree)


def join_derivatives(parts: list[jax.Array]) -> jax.Array:
    """The derivative by an array, from those by its `floats`."""
    return parts[0] if len(parts) == 1 else jax.lax.complex(parts[0], -parts[1])


def with_leaves(value: Any, leaves: list[Any]) -> Any:
    """A tree like this one, with other leaves."""
    return jax.tree.unflatten(jax.tree.structure(value), leaves)


_ALONE = (
    "an operation is a function of its input and its weight alone: what else it is to take, let "
    "the step multiply what goes in or comes out by it"
)


class Use(NamedTuple):
    """What went into an operation, and what came out."""

    x: Any
    y: Any


class Tap:
    """What stands between trainable operations and what they compute: it marks what they take."""

    def __init__(self, name_of: Callable[[Any], str]):
        self.name_of = name_of
        self.uses: dict[int, Use] = {}
        self.operations: dict[int, ETraceParam | FakeETraceParam] = {}
        self.trace = get_opaque_trace_state(convention="brainscale")

    def execute(self, param: ETraceParam | FakeETraceParam, x: Any) -> Any:
        key = id(param)
        if key in self.uses:
            raise ParameterUseError(f"{self.name_of(param)} is used a second time within a step")
        if get_opaque_trace_state(convention="brainscale") != self.trace:
            raise ParameterUseError(
                f"{self.name_of(param)} is used inside a transformation or control flow within "
                "the step (jit, vmap, scan, cond, ...), where it cannot be followed: use it outside"
            )
        number = len(self.uses)
        x, weight = mark(x, number, "x"), mark(param.value, number, "w")
        with brainstate.StateTraceStack() as inside:
            y = mark(param.op(x, weight), number, "y")
        self._refuse_states(param, inside.states)
        self.uses[key] = Use(x, y)
        self.operations[key] = param
        return y

    def _refuse_states(
        self, param: ETraceParam | FakeETraceParam, states: Iterable[brainstate.State]
    ) -> None:
        """Refuse an operation that reads states: only its input and its weight are followed."""
        for state in states:
            is_learned = isinstance(state, (brainstate.HiddenState, brainstate.ParamState))
            if is_learned or isinstance(param, ETraceParam):
                raise OperationError(
                    f"{self.name_of(param)}: {_ALONE} (it reads {self.name_of(state)})",
                    got=state,
                )


def _passing(leaf: jax.Array, masks: list[Any]) -> jax.Array:
    """A leaf, with derivatives where the masks of its `floats` let them pass."""
    passed = [
        jnp.where(m, part, jax.lax.stop_gradient(part))
        for m, part in zip(masks, floats(leaf), strict=True)
    ]
    return with_floats(leaf, passed)


class Step:
    """One step of a model as pure functions of the values of its states.

    Parameters
    ----------
    function : callable
        Makes one step of a model.
    args : tuple
        Its arguments, or their likes: only shapes, dtypes and units are used.
    name_of : callable
        From a parameter to its name.

    Attributes
    ----------
    operations : dict of ETraceParam and FakeETraceParam
        Those that the step uses, by their identity.
    params : dict of ETraceParam
        Those of them that have traces.
    hidden, plain, other : list of State
        The hidden states, the plain parameters, and all other states.
    written : list of State
        Those that the step writes.
    """

    def __init__(
        self,
        function: Callable,
        args: tuple[Any, ...],
        name_of: Callable[[Any], str],
    ):
        self.function = function
        self.name_of = name_of
        self._traced: dict[Any, Any] = {}
        self._programs: dict[Any, MarkedProgram] = {}
        self.recorded = PureFunction(self._stepped, (args,))
        _refuse_ordered(self.recorded.program)
        self.operations = self._tap.operations
        self._refuse_unfollowed()
        uses = self.recorded.result[1]
        self._inputs = [jax.tree.leaves(uses[key].x) for key in self.operations]
        self.params: dict[int, ETraceParam] = {
            key: p for key, p in self.operations.items() if isinstance(p, ETraceParam)
        }
        self.states = states = self.recorded.states
        for key, param in self.params.items():
            if all(key != id(state) for state in states):
                raise StructureError(
                    f"{name_of(param)} is made within a step: make it before, as an attribute of "
                    "the model",
                    got=param,
                )
        written = self.recorded.written
        self.hidden = [s for s in states if _is_hidden(s)]
        refuse_empty(self.hidden, name_of)
        self.plain = [
            s for s in states if isinstance(s, brainstate.ParamState) and id(s) not in self.params
        ]
        taken = {id(s) for s in [*self.hidden, *self.plain]} | set(self.params)
        self.other = [s for s in states if id(s) not in taken]
        self.written = [s for s in states if id(s) in written]
        refuse_written_parameters(self.written, name_of)
        self.names = [
            [name_of(s) for s in found]
            for found in (self.params.values(), self.hidden, self.written)
        ]

    def _refuse_unfollowed(self) -> None:
        """Refuse operations that take values of the step but their inputs, as a closure does."""
        found = find_unfollowed(self.recorded.program)
        for number, param in enumerate(self.operations.values()):
            if number in found and isinstance(param, ETraceParam):
                raise OperationError(
                    f"{self.name_of(param)}: {_ALONE} (what it puts out depends on another value "
                    "of the step, or of a function around it)",
                    got=param,
                )

    def _stepped(self, args: tuple[Any, ...]) -> Any:
        """The step, its operations tapped: its result and their uses."""
        self._tap = Tap(self.name_of)
        with intercepting(traced=self._tap.execute):
            out = self.function(*args)
        return out, self._tap.uses

    @property
    def changing(self) -> set[int]:
        """The identities of the hidden states, and of all others that a step writes."""
        return {id(s) for s in [*self.hidden, *self.written]}

    def values(self) -> Values:
        """What the states hold now, and what the step takes from the traces around it."""
        return self.recorded.values()

    @staticmethod
    def by_identity(states: list[Any], trees: list[Any], leaves: list[Any]) -> Values:
        """These trees with other floating-point leaves, by the identity of their states."""
        new = with_floats(trees, leaves)
        return {id(s): tree for s, tree in zip(states, new, strict=True)}

    def record(self, values: Values, args: tuple[Any, ...]) -> tuple[Any, Values, dict[int, Use]]:
        """The step itself: its result, all states' values after it, and the uses of operations."""
        (out, uses), new = self.recorded(values, (args,))
        after = {**values, **{id(s): v for s, v in zip(self.states, new, strict=True)}}
        return out, after, {k: Use(*use) for k, use in uses.items()}

    def given(
        self, values: Values, args: tuple[Any, ...], ys: Values, opened: Mapping[int, Any]
    ) -> tuple[Any, Values, dict[int, Use]]:
        """The step when the operations put out `ys`; derivatives pass where `opened`."""
        program, structure = self._program(values, args, frozenset(opened))
        masks = [opened.get(key) for key in self.operations]
        outputs = [jax.tree.leaves(ys[key]) for key in self.operations]

        def at_mark(at: Mark, value: Any) -> Any:
            mask = masks[at.operation]
            if at.what == "y":
                y = outputs[at.operation][at.leaf]
                return y if mask is None else y + (value - jax.lax.stop_gradient(value))
            if mask is None or (at.what == "x" and mask is True):
                return value
            if at.what == "w" or not is_float(value):
                return jax.lax.stop_gradient(value)
            return _passing(value, self._masks_of_leaf(at, mask))

        results = program.evaluate(jax.tree.leaves((values, args)), at_mark)
        out, after, uses = jax.tree.unflatten(structure, results)
        return out, after, {k: Use(*use) for k, use in uses.items()}

    def _program(
        self, values: Values, args: tuple[Any, ...], opened: frozenset[int]
    ) -> tuple[MarkedProgram, Any]:
        """The step as a program of values and arguments like these, and the tree it returns."""
        leaves, structure = jax.tree.flatten((values, args))
        like = structure, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        if like not in self._traced:
            self._traced[like] = jax.make_jaxpr(self.record, return_shape=True)(values, args)
        program, out = self._traced[like]
        if (like, opened) not in self._programs:
            is_opened = [key in opened for key in self.operations]
            self._programs[like, opened] = MarkedProgram(
                program, lambda at: at.what == "y" and not is_opened[at.operation]
            )
        return self._programs[like, opened], jax.tree.structure(out)

    def _masks_of_leaf(self, at: Mark, masks: list[Any]) -> list[Any]:
        """The masks of the `floats` of one leaf of an operation's input."""
        x = self._inputs[at.operation]
        first = len(floats(x[: at.leaf]))
        return masks[first : first + len(floats(x[at.leaf]))]


def _refuse_ordered(program: Any) -> None:
    """Refuse effects that are to come in the order of steps: steps are differentiated at once."""
    for effect in program.effects:
        # Those of debugging are the step's own: programs of derivatives are made without them.
        if "Ordered" in type(effect).__name__ and not is_of_debugging(effect):
            raise StructureError(
                f"a step has an effect that is kept in order ({type(effect).__name__}), such as an "
                "ordered io_callback, and the derivatives of several steps are made at once: make "
                "it a callback that is not ordered, or jax.debug.callback",
                got=effect,
            )


def _is_hidden(state: brainstate.State) -> bool:
    """Whether a state is hidden: one of the state classes, floating-point or complex."""
    return isinstance(state, brainstate.HiddenState) and all(
        is_float(leaf) for leaf in jax.tree.leaves(state.value)
    )
