"""Full real-time recurrent learning: nothing is left out (SPEC.md, RTRL)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..engine.forward_sensitivity import SensitiveStep, Sensitivities, trace_sensitive_step
from ..engine.inputs import as_arrays, check_finite, is_wrapped, shapes_of
from ..engine.leaves import is_complex, join_derivatives
from ..engine.rule import Rule
from ..engine.step_graph import StepGraph, find_step_graph
from ..errors import StateNameError, StructureError
from ..parameters import ETraceParam, execute, intercepting, is_intercepted
from .base import EligibilityTrace, ETraceAlgorithm
from .gradient_scope import refuse_used_before
from .multi_step import first_step

__all__ = ["RTRL"]


class RTRL(ETraceAlgorithm):
    """A learner by real-time recurrent learning in full (RTRL-1), always exact, for small models.

    The derivatives of all states by every entry of every parameter go forward in time (Williams
    and Zipser 1989, Neural Computation 1:270): P times the memory of the states, and P times the
    time of a step. No path is refused, and plain parameters are learned through time, too.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    **former
        As for `ETraceAlgorithm`.
    """

    __module__ = "brainscale"

    can_be_placed = False

    def __init__(self, model: brainstate.nn.Module, **former: Any):
        super().__init__(model, Rule(), **former)

    def compile_graph(self, *args: Any) -> None:
        """Find the states and the parameters of a step, and make sensitivities that are zero.

        Parameters
        ----------
        *args
            Inputs of one step, or their likes; `MultiStepData`: their first step.
        """
        args = first_step(args)
        step = self._found(args)
        self._compiled_for(step, args)
        self.etraces = {name: EligibilityTrace(None) for name in step.param_names}
        self.reset_traces()

    def _found(self, args: tuple[Any, ...]) -> SensitiveStep:
        with self._first_trace(args):
            return trace_sensitive_step(self.make_step, args, self._name_of)

    def _is_of_these_parameters(self, structure: SensitiveStep | None) -> bool:
        if structure is None:
            return False
        return [self._name_of(s) for s in structure.params] == structure.param_names

    def _refuse_other_traces(self, structure: SensitiveStep) -> None:
        self._carried(structure)

    def _begin_traces(self) -> dict[str, Any]:
        step = self.structure
        likes = jax.eval_shape(step.make_zeros)
        # Zeros of JAX would have a program compiled for each shape.
        return {
            name: jax.tree.map(
                lambda like, size=size: jax.device_put(
                    np.zeros((size, *like.shape[1:]), like.dtype)
                ),
                likes,
            )
            for name, size in zip(step.param_names, step.sizes, strict=True)
        }

    def _without(self, trace: Any, names: list[str]) -> Any:
        return {
            name: jax.tree.map(jnp.zeros_like, own) if name in names else own
            for name, own in trace.items()
        }

    def get_etrace_of(self, param: Any) -> Any:
        """The derivatives of the states by a parameter.

        Parameters
        ----------
        param : ParamState, str or tuple
            The parameter, its name, or its path.

        Returns
        -------
        dict from the names of states
            An entry is like the state's value, with trees like the parameter's in the place of its
            leaves: each leaf has the axes of the parameter, then those of the state, at last, where
            it is complex, one of its two parts. In the state's unit over the parameter's.

        Raises
        ------
        NotCompiledError, StateNameError
            Before `compile_graph`; for what is no parameter.
        """
        self._refuse_uncompiled()
        name = self._name_of(param)
        names = self.structure.param_names
        if name not in names:
            raise StateNameError(f"{name} is no parameter of a step; those are {names}")
        value = self.structure.params[names.index(name)].value

        def read(trace: dict[str, Any]) -> Any:
            found = {}
            for state, own in zip(self.structure.written_states, self.structure.names, strict=True):
                left = iter(trace[own])
                found[own] = jax.tree.map(
                    lambda leaf, left=left: _by_leaf(_parts(left, leaf), leaf, value),
                    state.value,
                    is_leaf=lambda leaf: isinstance(leaf, u.Quantity),
                )
            return found

        return self._read(name, read)

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """Nothing: all gradients are true."""
        return ""

    def _paths_of(self) -> StepGraph:
        params = list(self.model.states(ETraceParam).values())
        return find_step_graph(self.make_step, self._example, self._name_of, params)

    def update(self, *args: Any) -> Any:
        """Make a step, and advance the sensitivities.

        Inside `brainstate.transform.grad`, derivatives by the parameters of what is made of its
        result and of the new states are those of all steps since the sensitivities were zero.

        Raises
        ------
        NotCompiledError, ShapeError, InputError
            Before `compile_graph`; LEARN-18.
        """
        if is_wrapped(args):
            return self(*args)
        if is_intercepted():
            return self._made_within(args)
        refuse_used_before(self._named_hidden())
        self.count.refuse_outside_writes()
        args = as_arrays(args, allow_likes=False)
        self._compiled(args)
        step = trace_sensitive_step(self.make_step, args, self._name_of)
        count = self.count.number + 1
        out, changed, carried = step.make_differentiable(step.values(), args, self._carried(step))
        for state, value in zip(step.written_states, changed, strict=True):
            state.value = value
        self._write_carried(step, self._kept(step, carried))
        self.count.value = count
        self._note_step()
        return out

    def _learned(
        self, stepped: Callable, sequences: tuple[Any, ...], chunk: int
    ) -> tuple[dict[int, Any], jax.Array, Any]:
        example = jax.tree.map(lambda leaf: leaf[0], sequences)

        def within(*items: Any) -> Any:
            with intercepting(traced=execute):
                return stepped(*items)

        step = trace_sensitive_step(within, example, self._name_of)
        values = step.values()
        written = {id(s) for s in step.written_states}
        constant = {k: v for k, v in values.items() if k not in written}

        def advance(carry: Any, args: Any) -> Any:
            changing, carried, gradient = carry
            made = step.make(constant | changing, args, carried)
            changing = {k: made.after[k] for k in changing}
            gradient = gradient + made.of_out[0]
            return (changing, self._kept(step, made.sensitivities), gradient), made.out

        changing = {k: v for k, v in values.items() if k in written}
        zero = jnp.zeros(sum(step.sizes), brainstate.environ.dftype())
        begin = changing, self._carried(step), zero
        (changing, carried, gradient), (losses, aux) = jax.lax.scan(advance, begin, sequences)
        for state in step.written_states:
            state.value = changing[id(state)]
        self._write_carried(step, carried)
        self.count.value = self.count.number + len(losses)
        self._note_step()
        trees = step.as_params(gradient, [values[id(s)] for s in step.params])
        return {id(s): tree for s, tree in zip(step.params, trees, strict=True)}, losses, aux

    def check_inputs(self, *sequences: Any) -> None:
        """Refuse inputs of steps to come that are NaN or infinite.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            Inputs of the model's steps.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        InputError
            LEARN-18.
        """
        self._refuse_uncompiled()
        check_finite(as_arrays(sequences, "a sequence", allow_likes=False))

    def _kept(self, step: SensitiveStep, carried: Sensitivities) -> Sensitivities:
        """What of the sensitivities goes on to the next step: all."""
        return carried

    def _carried(self, step: SensitiveStep) -> Sensitivities:
        """The sensitivities that are kept, and zeros for states that have none yet."""
        found = step.make_zeros()
        first = 0
        for name, size in zip(step.param_names, step.sizes, strict=True):
            kept = self.etraces[name].value if name in self.etraces else {}
            for state, leaves in kept.items():
                if state in found:
                    rows = slice(first, first + size)
                    self._refuse_other(name, state, leaves, [a[rows] for a in found[state]])
                    pairs = zip(found[state], leaves, strict=True)
                    found[state] = [all_.at[rows].set(own) for all_, own in pairs]
            first += size
        return found

    def _refuse_other(self, name: str, state: str, leaves: Any, like: Any) -> None:
        if shapes_of(leaves) != shapes_of(like):
            raise StructureError(
                f"the sensitivity of {state} by {name} does not fit, as one of them is another "
                "than at compile_graph: call it again",
                got=shapes_of(leaves),
                needs=shapes_of(like),
            )

    def _write_carried(self, step: SensitiveStep, carried: Sensitivities) -> None:
        first = 0
        for name, size in zip(step.param_names, step.sizes, strict=True):
            own = {k: [x[first : first + size] for x in leaves] for k, leaves in carried.items()}
            if name in self.etraces:
                self.etraces[name].value = own
            first += size


def _parts(left: Iterator[jax.Array], leaf: Any) -> jax.Array:
    """The next sensitivity, or that of both parts of a complex leaf."""
    return jnp.stack([next(left), next(left)], -1) if is_complex(leaf) else next(left)


def _by_leaf(along: jax.Array, leaf: Any, value: Any) -> Any:
    """The sensitivity of a state's leaf, (P, *leaf), as a tree like the parameter's value."""
    first, found = 0, []
    leaves, tree = jax.tree.flatten(value, is_leaf=lambda x: isinstance(x, u.Quantity))
    for w in leaves:
        shape, size = u.math.shape(w), int(np.prod(u.math.shape(w)))
        parts = []
        for _ in range(1 + is_complex(w)):
            parts.append(along[first : first + size].reshape(*shape, *along.shape[1:]))
            first += size
        own = join_derivatives(parts)
        found.append(u.Quantity(own, unit=u.get_unit(leaf) / u.get_unit(w)))
    return jax.tree.unflatten(tree, found)
