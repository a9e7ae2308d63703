"""One step with the derivatives of all that it changes by every parameter (SPEC.md, RTRL, OSTL).

A *direction* is one entry of one parameter; there are P of them. The derivatives of a state in all
directions, its *sensitivity*, go forward in time with the state.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from .keys import StateId, id_of
from .leaves import conjugate, floats, with_floats
from .linearity import NOT_TRANSPOSED, check_pull_back, make_transpose_error
from .pure_function import CAPTURED, PureFunction, Values, values_of
from .second_derivatives import check_loop, watch_past
from .single_step import fill_zeros, find_trace_reads, make_cotangent
from .step_refusals import check_distinct, check_not_empty, check_parameters_kept
from .surroundings import Surroundings, spoil
from .watches import check_begin, check_inputs, name_inputs, watch_derivatives

__all__ = ["SensitiveStep", "Sensitivities", "trace_sensitive_step"]

Sensitivities = dict[str, list[jax.Array]]
"""By the name of a state, for each of its floating-point leaves (P, *leaf)."""


class SensitiveResult(NamedTuple):
    """What a step leaves."""

    out: Any
    after: Values
    sensitivities: Sensitivities
    """Those of the states that it writes."""
    of_out: list[jax.Array]
    """Those of the floating-point leaves of its result, (P, *leaf)."""
    pull_back: Callable
    """From cotangents of the leaves of result and states to those of parameters, states, arguments
    and what is around."""


@dataclasses.dataclass(frozen=True, eq=False)
class SensitiveStep:
    """One step of a model as a pure function, with what it writes and what it may be trained by.

    Attributes
    ----------
    function : PureFunction
        From the step's arguments to its result.
    params, written_states : list of State
        The parameters that it reads or that others of its kind do, and the states that it writes.
    carrying_states : list of State
        Those which have sensitivities: that it writes, and of those that it only reads the hidden
        ones and what other steps have written.
    around_states : list of State
        The others, which it only reads.
    param_names, names : list of str
        Those of the parameters and of the carrying states, as they were when it was traced.
    around_names : dict from identities to str
        Those of the states around.
    sizes : list of int
        How many directions each parameter has.
    layers : dict from names of parameters to names of states, optional
        The states by which the sensitivities of a parameter go on; of a parameter that is not
        named, none. By default all do.
    """

    function: PureFunction
    params: list[brainstate.State]
    written_states: list[brainstate.State]
    carrying_states: list[brainstate.State]
    around_states: list[brainstate.State]
    param_names: list[str]
    names: list[str]
    around_names: dict[StateId, str]
    sizes: list[int]
    layers: dict[str, set[str]] | None = None

    def values(self) -> Values:
        """Read what the states hold now, and what the step takes from the traces around it."""
        return values_of(self.params) | self.function.values()

    def make_zeros(self) -> Sensitivities:
        """Make sensitivities of zero."""
        P = sum(self.sizes)
        return {
            name: [jnp.zeros((P, *leaf.shape), leaf.dtype) for leaf in floats(s.value)]
            for name, s in zip(self.names, self.carrying_states, strict=True)
        }

    def make(
        self, values: Values, args: tuple[Any, ...], sensitivities: Sensitivities
    ) -> SensitiveResult:
        """Make a step from these values, the states having these sensitivities."""
        trees = {
            "params": [values[id_of(s)] for s in self.params],
            "carrying": [values[id_of(s)] for s in self.carrying_states],
            "args": args,
            "around": self.read_around(values),
        }

        def step(*leaves: list[Any]) -> Any:
            new = {name: with_floats(trees[name], x) for name, x in zip(trees, leaves, strict=True)}
            now = dict(values)
            for name, states in (("params", self.params), ("carrying", self.carrying_states)):
                now |= {id_of(s): v for s, v in zip(states, new[name], strict=True)}
            now |= new["around"]
            out, results = self.function(now, new["args"])
            after = {id_of(s): v for s, v in zip(self.function.states, results, strict=True)}
            of_states = floats([after[id_of(s)] for s in self.carrying_states])
            return (floats(out), of_states), (out, after)

        point = [floats(tree) for tree in trees.values()]
        results, pull_back, (out, after) = jax.vjp(step, *point, has_aux=True)
        check_pull_back(pull_back, results)
        before = [leaf for name in self.names for leaf in sensitivities[name]]
        still = [[jnp.zeros_like(leaf) for leaf in leaves] for leaves in point[2:]]
        tangents = self._make_directions(point[0]), before
        of_out, of_states = _push_forward(pull_back, results, tangents, still)
        next_leaves = iter(of_states)
        new = {name: [next(next_leaves) for _ in sensitivities[name]] for name in self.names}
        return SensitiveResult(out, values | after, new, of_out, pull_back)

    def find_remembering(self, args: tuple[Any, ...]) -> set[StateId]:
        """Find the states that are not hidden and in which derivatives of earlier steps live on.

        They are told by what derivatives there may be, whatever the numbers are.
        """
        values, remembering = self.values(), set[StateId]()
        kept = {id_of(s) for s in self.params}
        kept |= {id_of(s) for s in self.carrying_states if isinstance(s, brainstate.HiddenState)}
        while True:
            more = self._find_reached(values, args, kept | remembering)
            if more == remembering:
                return remembering
            remembering = more

    def _find_reached(
        self, values: Values, args: tuple[Any, ...], sources: set[StateId]
    ) -> set[StateId]:
        """Find the states, none of them hidden, that have derivatives by what these held before."""
        reached: set[StateId] = set()
        others = [s for s in self.written_states if not isinstance(s, brainstate.HiddenState)]
        source_values = {key: values[key] for key in sources}

        def note(*is_reached: bool) -> None:
            pairs = zip(others, is_reached, strict=True)
            reached.update(id_of(state) for state, is_it in pairs if is_it)

        def advance(leaves: list[Any]) -> jax.Array:
            _, results = self.function(values | with_floats(source_values, leaves), args)
            after = {id_of(s): v for s, v in zip(self.function.states, results, strict=True)}
            watch_derivatives(note, *(after[id_of(state)] for state in others))
            return jnp.zeros(())

        jax.eval_shape(lambda: jax.vjp(advance, floats(source_values))[0])
        return reached

    def _make_directions(self, leaves: list[jax.Array]) -> list[jax.Array]:
        """Make the P tangents of each leaf of the parameters: (P, *leaf)."""
        P, first, tangents = sum(self.sizes), 0, []
        for leaf in leaves:
            one = np.zeros((P, leaf.size), leaf.dtype)
            one[first : first + leaf.size] = np.eye(leaf.size)
            tangents.append(jnp.asarray(one.reshape(P, *leaf.shape)))
            first += leaf.size
        return tangents

    def as_params(self, along: jax.Array, params: list[Any]) -> list[Any]:
        """Make trees like the parameters' of derivatives in each direction, (P, ...)."""
        leaves, first = [], 0
        for leaf in floats(params):
            by_leaf = along[first : first + leaf.size]
            leaves.append(by_leaf.reshape(*leaf.shape, *along.shape[1:]).astype(leaf.dtype))
            first += leaf.size
        return conjugate(with_floats(params, leaves))

    def make_differentiable(
        self,
        values: Values,
        args: tuple[Any, ...],
        sensitivities: Sensitivities,
        count: Any,
        surroundings: Surroundings,
    ) -> tuple[Any, list[Any], Sensitivities]:
        """Make a step's result, what carrying states hold after it, and their sensitivities.

        Derivatives by the parameters of what is made of the first two go back in time, through the
        sensitivities; those by the arguments are of this step.
        """
        weights = [values[id_of(s)] for s in self.params]
        around = self.read_around(values)
        made = {k: values[k] for k in map(id_of, self.written_states) if k in surroundings.made}
        known = {*around, *made, *(id_of(s) for s in self.params)}
        rest = {k: v for k, v in values.items() if k not in known}

        fixed_values = self._read_fixed(values, surroundings)
        check_begin(fixed_values, sensitivities, is_first=surroundings.is_first)
        check_inputs(name_inputs(args, around, self.around_names), fixed_values)

        @jax.custom_vjp
        def run(*primals: Any) -> Any:
            return advance(*primals[:-1])[0]

        def advance(
            weights: Any, args: Any, around: Any, made: Values, rest: Any, before: Sensitivities
        ) -> Any:
            values = rest | around | made
            values |= {id_of(s): v for s, v in zip(self.params, weights, strict=True)}
            result = self.make(values, args, before)
            changed = [result.after[id_of(s)] for s in self.carrying_states]
            of_states = [x for leaves in result.sensitivities.values() for x in leaves]
            residuals = [*result.of_out, *of_states], result.pull_back
            return (result.out, changed, result.sensitivities), residuals

        def forward(*primals: Any) -> Any:
            check_loop(surroundings)
            *values_now, count = jax.tree.map(lambda primal: primal.value, primals)
            values_now[0] = watch_past(values_now[0], values_now[-1], count, surroundings)
            results, residuals = advance(*values_now)
            return results, (*residuals, values_now)

        def backward(residuals: Any, cotangents: Any) -> Any:
            tangents, pull_back, (weights, args, around, made, _, before) = residuals
            is_cut = find_trace_reads(cotangents[2], surroundings)
            cotangents = fill_zeros(cotangents)
            of_results = (floats(conjugate(cotangents[0])), floats(conjugate(cotangents[1])))
            pairs = zip([*of_results[0], *of_results[1]], tangents, strict=True)
            by_direction = (_meet_directions(tangent, ct) for ct, tangent in pairs)
            along = functools.reduce(jnp.add, by_direction)
            _, by_states, by_args, by_around = pull_back(of_results)
            of_rest = make_cotangent(args, by_args), make_cotangent(around, by_around)
            of_rest = *of_rest, self._take_cotangents(made, before, by_states)
            return *spoil((self.as_params(along, weights), *of_rest), is_cut), None, None, None

        run.defvjp(forward, backward, symbolic_zeros=True)
        return run(weights, args, around, made, rest, sensitivities, count)

    def _read_fixed(self, values: Values, surroundings: Surroundings) -> dict[str, Any]:
        """Read what states hold that no derivative is by, by name."""
        return {
            name: values[id_of(s)]
            for name, s in zip(self.names, self.carrying_states, strict=True)
            if isinstance(s, brainstate.HiddenState) or id_of(s) in surroundings.earlier
        }

    def _take_cotangents(
        self, made: Values, sensitivities: Sensitivities, by_states: list[jax.Array]
    ) -> Values:
        """Take the cotangents of some states of those of the leaves of all that carry."""
        rest, of_made = iter(by_states), {}
        for name, state in zip(self.names, self.carrying_states, strict=True):
            leaves = [next(rest) for _ in sensitivities[name]]
            if id_of(state) in made:
                of_made[id_of(state)] = make_cotangent(made[id_of(state)], leaves)
        return of_made

    def read_around(self, values: Values) -> Values:
        """Read what the step takes from around it and leaves as it is, parameters apart."""
        return {key: values[key] for key in (CAPTURED, *(id_of(s) for s in self.around_states))}


def trace_sensitive_step(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    name_of: Callable[[Any], str],
    others: Iterable[brainstate.ParamState] = (),
    carriers: Iterable[brainstate.State] = (),
) -> SensitiveStep:
    """Trace one step of a model, of which nothing is refused but what has no derivative.

    Parameters
    ----------
    function : callable
        Makes one step of a model.
    args : tuple
        Its arguments, or their likes.
    name_of : callable
        From a state to its name.
    others : iterable of ParamState
        Parameters that other steps may use: states depend on them in this step, too.
    carriers : iterable of State
        States that have sensitivities of the steps before.

    Raises
    ------
    ShapeError, ParameterUseError, StructureError
        No neuron; a parameter that the step writes; states of one name.
    """
    pure = PureFunction(function, args)
    hidden = [s for s in pure.states if isinstance(s, brainstate.HiddenState)]
    check_not_empty(hidden, name_of)
    used = [s for s in pure.states if isinstance(s, brainstate.ParamState)]
    more = [s for s in others if all(s is not param for param in used)]
    params: list[brainstate.State] = [*used, *more]
    written_states = [s for s in pure.states if id_of(s) in pure.written_ids]
    check_parameters_kept(written_states, name_of)
    ids = {id_of(s) for s in (*written_states, *hidden, *carriers)}
    carrying = [s for s in pure.states if id_of(s) in ids]
    ids |= {id_of(s) for s in params}
    around = [s for s in pure.states if id_of(s) not in ids]
    names = [name_of(s) for s in carrying]
    param_names = [name_of(s) for s in params]
    check_distinct(names)
    check_distinct(param_names)
    sizes = [sum(leaf.size for leaf in floats(s.value)) for s in params]
    around_names = {id_of(s): name_of(s) for s in around}
    states = params, written_states, carrying, around
    return SensitiveStep(pure, *states, param_names, names, around_names, sizes)


def _push_forward(pull_back: Callable, results: Any, tangents: Any, still: Any) -> Any:
    """Push tangents of parameters and states, (P, *leaf), forward to those of a step's results.

    Parameters
    ----------
    pull_back : callable
        From cotangents like the results to those of parameters, states, arguments and what is
        around.
    results : tree of arrays
    tangents : tuple of lists of arrays
    still : list of lists of arrays
        The tangents of arguments and of what is around, which are zero.
    """
    # The transpose of the pull-back: surrogate gradients have no forward mode of their own.
    push = jax.linear_transpose(pull_back, results)

    def push_one(direction: Any) -> Any:
        by_param, by_state = direction
        try:
            return push((by_param, by_state, *still))[0]
        except NOT_TRANSPOSED as error:
            raise make_transpose_error(error) from error

    if tangents[0]:
        return jax.vmap(push_one)(tangents)
    # JAX maps over no direction of none.
    return jax.tree.map(lambda y: jnp.zeros((0, *y.shape), y.dtype), results)


def _meet_directions(tangent: jax.Array, ct: jax.Array) -> jax.Array:
    """Sum a cotangent against each direction's tangent, (P, *leaf): (P,)."""
    return tangent.reshape(len(tangent), ct.size) @ ct.reshape(-1)
