"""Learners: a model, a rule, and the three ways to use them (SPEC.md, chapter 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..checks.arguments import check_flag, check_function
from ..checks.requests import check_batch, check_chunk, map_params, split_loss
from ..engine.chunks import Carry, learn_sequence
from ..engine.inputs import as_arrays, check_finite, is_wrapped, length_of
from ..engine.known_inputs import check_rows
from ..engine.leaves import conjugate, floats
from ..engine.rule import Rule
from ..engine.rule_inputs import check_methods, find_weight_gradients, make_inputs_at_rest
from ..engine.single_step import make_online_step
from ..engine.step_graph import StepGraph, find_step_graph
from ..errors import ShapeError, StructureError, ValueTypeError
from ..graph import Shown
from ..parameters import ETraceParam, is_intercepted
from .compiled import Compiled
from .former_names import Renamed, check_keywords
from .gradient_scope import refuse_used_before
from .multi_step import Stepping, first_step
from .outside_writes import StepCount
from .renewal import initialise, renew
from .signals import find_signals
from .traces import EligibilityTrace, Placement, Traces

__all__ = ["ETraceAlgorithm", "EligibilityTrace"]


class ETraceAlgorithm(Compiled, Traces, Stepping, Shown, Renamed, brainstate.nn.Module):
    """A model and the rule by which it learns.

    Parameters
    ----------
    model : brainstate.nn.Module
        Its `update` makes a step. Its hidden states are `brainstate.HiddenState` of any kind; its
        parameters with traces, `ETraceParam`; all others are plain.
    rule : Rule
        Such as `ParameterTraces`.
    **former
        What learners of brainscale 0.0.x take: ``vjp_method="single-step"`` and ``mode``, which say
        what is always so here.

    Raises
    ------
    ParameterError
        Another keyword, with what to write instead.

    Notes
    -----
    There are three ways to use it, after `compile_graph`: a step, ``learner(x)``, inside
    `brainstate.transform.grad`; a whole sequence, `etrace_grad`; and inference, ``model(x)``,
    which leaves the traces alone.
    """

    __module__ = "brainscale"

    can_be_placed = True
    """Whether `brainscale.shard` knows what it keeps."""

    def __init__(self, model: brainstate.nn.Module, rule: Rule, **former: Any):
        super().__init__()
        check_keywords(type(self), former)
        if not isinstance(model, brainstate.nn.Module):
            raise ValueTypeError(
                f"a learner needs a brainstate.nn.Module, got {type(model).__name__}", got=model
            )
        if not isinstance(rule, Rule):
            raise ValueTypeError(
                f"a learner needs a rule, such as that of D_RTRL(model), got {type(rule).__name__}",
                got=rule,
            )
        self.model = model
        self.rule = rule
        self.etraces: dict[str, EligibilityTrace] = {}
        self.count = StepCount(jnp.zeros((), jnp.int32))
        self.placement: Placement | None = None

    # Compiling.

    def compile_graph(self, *args: Any) -> None:
        """Find the hidden groups and what reaches them, and make traces that are zero.

        Parameters
        ----------
        *args
            Inputs of one step, or their likes: only shapes, dtypes and units are used. The model's
            states are initialised before, and stay as they are. Of `MultiStepData` it is the first
            step.

        Raises
        ------
        LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
            The model cannot be learned (LEARN-14 to LEARN-17).
        OperationError
            An operation does not define what the rule needs of it.
        """
        args = first_step(args)
        structure = self._found(args)
        check_methods(structure, self.rule.needs)
        self._compiled_for(structure, args)
        self.etraces = {
            self._name_of(param): EligibilityTrace(None)
            for param in self.structure.step.params.values()
        }
        self.reset_traces()

    # The model and its states.

    @property
    def param_states(self) -> dict[Any, brainstate.ParamState]:
        """The model's parameters, by path."""
        return self.model.states(brainstate.ParamState)

    @property
    def rule_states(self) -> dict[str, brainstate.State]:
        """What the rule keeps beside traces, by name, after `compile_graph`."""
        return {}

    @property
    def hidden_states(self) -> dict[Any, brainstate.HiddenState]:
        """The model's hidden states, by path."""
        return self.model.states(brainstate.HiddenState)

    def reset_state(self, batch_size: Any = None) -> None:
        """Initialise the model's states again, and make the traces zero (TRACE-8).

        The states stay the same objects, so that functions which `brainstate.transform.jit` has
        compiled go on with them.

        Parameters
        ----------
        batch_size : int, tuple of int or None
            With which the states are initialised. If it gives them other shapes, `compile_graph`
            comes before learning again.
        """
        check_batch(batch_size)
        if self.structure is None:
            initialise(self.model, batch_size)
            return
        error = renew(self.model, batch_size, keep_new=True)
        if isinstance(error, ShapeError):
            self._structure, self._example = None, None
            self._lost = f"{error}: compile_graph(*example_inputs)"
            return
        self.reset_traces()

    def _placed(self, name: str, value: Any) -> Any:
        """A value where `shard` wants what has this name."""
        return value if self.placement is None else self.placement.put(name, value)

    def check_inputs(self, *sequences: Any) -> None:
        """Refuse inputs of steps to come that are known to be wrong.

        `etrace_grad` does so itself; a loop of single steps cannot, since it is compiled.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            Inputs of the model's steps.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        InputError
            NaN, infinite, or the index of no row (LEARN-18, OP-13).
        """
        self._refuse_uncompiled()
        sequences = as_arrays(sequences, "a sequence", allow_likes=False)
        check_finite(sequences)
        check_rows(self.structure.step, sequences, over_steps=True)

    # Learning.

    def make_step(self, *args: Any) -> Any:
        """One step of the model, as the rule has it."""
        return self.model(*args)

    def update(self, *args: Any) -> Any:
        """Make a step, and advance the traces.

        Inside `brainstate.transform.grad`, derivatives of what is made of its result and of the
        model's new states are this rule's gradients (LEARN-2, LEARN-3), exact within the step for
        plain parameters and for the arguments (LEARN-6). None go back in time.

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
        structure = self._structure_of(args)
        check_rows(structure.step, args, over_steps=False)
        values = structure.step.values()
        for param in (*structure.step.params.values(), *structure.step.plain):
            # Its gradient is then placed, too.
            values[id(param)] = self._placed(self._name_of(param), values[id(param)])
        etraces = self._traces_of(structure)
        out, changed, etraces = make_online_step(
            structure, self.rule, values, args, etraces, self.count.number
        )
        self._write(structure, changed, etraces, self.count.number + 1)
        return out

    def etrace_grad(
        self,
        *sequences: Any,
        step_fn: Callable[..., Any] | None = None,
        chunk: int | None = 1,
        grad_states: Any = None,
        has_aux: bool = False,
        return_value: bool = False,
    ) -> Any:
        """Gradients over a sequence, summed over its steps as the loss is written (LEARN-4).

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            Inputs, targets and whatever a step needs. The last may be `step_fn`.
        step_fn : callable
            Given one step of each sequence, calls this learner once and returns the step's loss, a
            number.
        chunk : int or None, default 1
            How many steps at a time; None: all. Gradients do not depend on it (LEARN-10).
        grad_states : ParamState, or mapping or sequence of them, optional
            By default the model's parameters, a mapping.
        has_aux : bool
            `step_fn` returns ``(loss, aux)``.
        return_value : bool
            Return losses too.

        Returns
        -------
        gradients : like `grad_states`
            Like the parameters' values. The same as `brainstate.transform.grad` gives.
        losses : array, shape (T,)
            If `return_value`.
        aux : tree of arrays, shape (T, ...)
            If `has_aux`.

        Raises
        ------
        ParameterError, ShapeError, InputError
            LEARN-18.
        ParameterUseError, HiddenPathError, LateralPathError, UnreachedError
            What `step_fn` does cannot be learned.
        """
        if step_fn is None and sequences:
            *sequences, step_fn = sequences
        check_function(step_fn, "step_fn, which returns a step's loss,", len(sequences))
        has_aux = check_flag(has_aux, "has_aux")
        return_value = check_flag(return_value, "return_value")
        if is_wrapped(sequences):
            raise StructureError("etrace_grad takes bare sequences, with a leading axis of steps")
        sequences = as_arrays(sequences, "a sequence", allow_likes=False)
        length = length_of(sequences)
        check_finite(sequences)
        chunk = length if chunk is None else check_chunk(chunk)
        self.count.refuse_outside_writes()
        self._refuse_uncompiled()
        self._refuse_changed()

        asked = self.param_states if grad_states is None else grad_states
        map_params(lambda state: None, asked)

        def stepped(*items: Any) -> tuple[Any, Any]:
            self._was_called = False
            out = step_fn(*items)
            if not self._was_called:
                raise StructureError("step_fn does not call the learner: it is to do so once")
            return split_loss(out, has_aux)

        def gradient_of(s: brainstate.ParamState) -> Any:
            gradient = gradients.get(id(s), jax.tree.map(jnp.zeros_like, s.value))
            return self._placed(self._name_of(s), gradient)

        gradients, losses, aux = self._learned(stepped, tuple(sequences), chunk)
        found = map_params(gradient_of, asked)
        results = (found, losses) if return_value else (found,)
        results = (*results, aux) if has_aux else results
        return results if len(results) > 1 else found

    def learning_signals(
        self, *sequences: Any, step_fn: Callable[..., Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the learning signals of each step of a sequence (LEARN-1).

        The steps are made from what the states hold; states and traces stay as they are.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            As for `etrace_grad`. The last may be `step_fn`.
        step_fn : callable
            As for `etrace_grad`: calls this learner once and returns the step's loss, a number.

        Returns
        -------
        c : dict from the names of parameters with traces
            The derivative of each step's loss by what the parameter's operation puts out, y,
            shape (T, *y), in the loss's unit over that of y.
        lambda : dict from the names of hidden states
            That by the state before the step. An entry is like the state's value, each leaf with a
            leading axis of steps, that of a complex leaf with an axis of its real and its imaginary
            part at last; in the loss's unit over the state's.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        ParameterError, ShapeError, InputError, StructureError
            As of `etrace_grad`.
        ParameterUseError, HiddenPathError, LateralPathError, UnreachedError
            What `step_fn` does has no learning signals (LEARN-14 to LEARN-17).
        """
        return find_signals(self, sequences, step_fn)

    def _learned(
        self, stepped: Callable, sequences: tuple[Any, ...], chunk: int
    ) -> tuple[dict[int, Any], jax.Array, Any]:
        """The gradients by the identity of the parameters, losses and aux of all steps."""
        example = jax.tree.map(lambda leaf: leaf[0], sequences)
        params = self.model.states(ETraceParam).values()
        structure = find_step_graph(stepped, example, self._name_of, list(params))
        self._refuse_foreign(structure.step.params.values())
        self._refuse_other_traces(structure)
        step = structure.step
        check_rows(step, tuple(sequences), over_steps=True)
        values = step.values()
        begin = Carry(
            {k: v for k, v in values.items() if k in step.changing},
            self._traces_of(structure),
            self.count.number,
            [jax.tree.map(jnp.zeros_like, p.weight) for p in make_inputs_at_rest(structure)],
            jax.tree.map(jnp.zeros_like, floats([values[id(s)] for s in step.plain])),
            jax.tree.map(jnp.zeros_like, floats([values[key] for key in step.params])),
        )
        end, (losses, aux) = learn_sequence(structure, self.rule, values, sequences, begin, chunk)
        written = {id(s): end.changing[id(s)] for s in step.written_states}
        self._write(structure, written, end.etraces, end.count)
        plain = [values[id(s)] for s in step.plain]
        found = conjugate(step.by_identity(step.plain, plain, end.plain))
        found |= find_weight_gradients(step, values, end.gradients, end.direct)
        return found, losses, aux

    def _traces_of(self, structure: StepGraph) -> list[Any]:
        return [self.etraces[self._name_of(p)].value for p in structure.step.params.values()]

    def _write(self, structure: StepGraph, changed: Any, etraces: list[Any], count: Any) -> None:
        for state in structure.step.written_states:
            state.value = self._placed(self._name_of(state), changed[id(state)])
        for param, etrace in zip(structure.step.params.values(), etraces, strict=True):
            self.etraces[self._name_of(param)].value = etrace
        self.count.value = count
        self._note_step()
