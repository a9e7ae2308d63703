"""Learners: a model, a rule, and the three ways to use them (SPEC.md, chapter 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import jax
import jax.numpy as jnp

from ..checks.arguments import check_flag
from ..checks.requests import check_chunk, check_result, map_params, split_loss
from ..engine.inputs import MultiStepData, as_arrays, check_finite, has_several_steps, is_wrapped
from ..engine.keys import id_of
from ..engine.rule import Rule
from ..errors import ParameterUseError, StructureError, ValueTypeError
from ..parameters import is_intercepted
from .bypasses import PlainStates, check_parameters
from .compilation import find_hidden
from .foreign_traces import check_transformations
from .gradient_method import Before, GradientMethod, SequenceResult, StepResult, list_others
from .gradient_scope import Past
from .kinds_of_steps import KindsOfSteps
from .learner import Learner
from .multi_step import run_stepwise
from .rule_method import RuleMethod
from .step_source import StepSource
from .traces import EligibilityTrace
from .trials import holding_still, read_request

__all__ = ["ETraceAlgorithm", "EligibilityTrace"]


class ETraceAlgorithm(Learner):
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

    Examples
    --------
    >>> model = brainscale.nn.VanillaRNNCell(3, 8)
    >>> learner = brainscale.compile(model, "D_RTRL", jnp.zeros((16, 3)), batch_size=16)
    >>> def loss(x):
    ...     return (learner(x) ** 2).mean()
    >>> gradients = learner.etrace_grad(jnp.ones((50, 16, 3)), loss)
    >>> jax.tree.map(jnp.shape, gradients)
    {('W', 'weight'): {'bias': (8,), 'weight': (11, 8)}}
    """

    __module__ = "brainscale"

    def __init__(self, model: brainstate.nn.Module, rule: Rule, **former: Any):
        super().__init__(model, former)
        if not isinstance(rule, Rule):
            raise ValueTypeError(
                f"a learner needs a rule, such as that of D_RTRL(model), got {type(rule).__name__}",
                got=rule,
            )
        self.rule = rule
        self._kinds_of_steps = KindsOfSteps()

    @property
    def _method(self) -> GradientMethod:
        """How gradients are made: by the rule."""
        return RuleMethod(self.rule, self._kinds_of_steps)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Make a step, or the steps of a sequence, and advance the traces.

        Parameters
        ----------
        *args
            Inputs of a step, bare or as `SingleStepData`: the same as `update`. Where some are
            `MultiStepData`, all their steps are made in order, in one compiled loop; the others are
            given to each step again.

        Returns
        -------
        The model's result; of several steps, with a leading axis of steps.

        Notes
        -----
        Inside `brainstate.transform.grad`, derivatives of what is made of the results of several
        steps are the sum over the steps of this rule's gradients. None go back in time.

        Raises
        ------
        NotCompiledError, ShapeError, InputError
            As of `update`; `MultiStepData` of several lengths, or of no step.
        StructureError
            Wrapped data within wrapped data; an input by keyword.
        ParameterUseError
            Several steps within the one step that `etrace_grad` makes.
        """
        if named:
            raise StructureError(
                f"an input by keyword, {', '.join(named)}: inputs are given by their places, in "
                "the order that the model's update has",
                got=named,
            )
        if is_intercepted() and has_several_steps(args):
            raise ParameterUseError(
                "MultiStepData within a step of etrace_grad, which makes one step at a time, "
                "whatever its chunk: give the learner the step's bare input"
            )
        return run_stepwise(self.update, args)

    def update(self, *args: Any) -> Any:
        """Make a step, and advance the traces.

        Inside `brainstate.transform.grad`, derivatives of what is made of its result and of the
        model's new states are this rule's gradients (LEARN-2, LEARN-3), exact within the step for
        plain parameters and for the arguments (LEARN-6). None go back in time.

        Raises
        ------
        NotCompiledError, ShapeError, InputError, HiddenPathError, ParameterUseError, StructureError
            Before `compile_graph`; LEARN-18; a gradient would go past the learner; the step is
            inside a transformation of JAX's own, such as `jax.jit`.
        """
        if is_wrapped(args):
            return self(*args)
        check_transformations(self.count)
        if is_intercepted():
            return self._make_step_of_loss(args)
        past, plain = Past(self.etraces.values()), self.count.plain
        left, hidden = plain.find_left(), find_hidden(self.model)
        past.check_unused(hidden)
        # What a gradient's function puts into other states is looked at below.
        others = [s for _, s in self._find_carriers() if all(s is not state for _, state in hidden)]
        put = past.list_put(others, plain.find_overwritten())
        self.count.check_outside_writes(frozenset(map(id, put)))
        check_parameters(plain)
        args = as_arrays(args, allow_likes=False)
        structure = self._renew_structure(args)
        method = self._method
        method.check_rows(structure, args, over_steps=False)
        # Where a parameter is placed, its gradient is, too.
        values = method.read_values(structure, self._place_state)
        traces, count = self._read_traces(), self.count.number
        others = method.list_others(structure)
        if used := [*past.list_used(others), *put]:
            free = {id_of(s) for s in others} - method.find_remembering(structure, args)
            past.refuse((self._name_of(s), s) for s in used if id_of(s) not in free)
        before = Before(traces, count, past.find_surroundings(self.count, others, left))
        result = method.make_step(structure, args, values, before)
        self._write(structure, result, self.count.number + 1)
        return result.out

    def etrace_evolve(self, *sequences: Any, return_outputs: bool = False) -> Any:
        """Make the steps of a sequence, in one compiled loop, and advance the traces: a warm-up.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            The inputs.
        return_outputs : bool, default False
            Return what each step returns.

        Returns
        -------
        None, or the steps' results with a leading axis of steps.

        Raises
        ------
        NotCompiledError, ShapeError, InputError
            As of `update`; sequences of several lengths, or of no step.
        StructureError
            `MultiStepData` or `SingleStepData`: sequences are bare.
        """
        return_outputs = check_flag(return_outputs, "return_outputs")

        def step(*args: Any) -> Any:
            out = self.update(*args)
            return out if return_outputs else None

        return run_stepwise(step, tuple(MultiStepData(sequence) for sequence in sequences))

    def check_inputs(self, *sequences: Any) -> None:
        """Refuse inputs of steps to come that are known to be wrong.

        `etrace_grad` does so itself; a loop of single steps cannot, since it is compiled.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            Inputs of the model's steps.

        Raises
        ------
        NotCompiledError, InputError
            Before `compile_graph`; NaN, infinite, or the index of no row (LEARN-18, OP-13).
        """
        self._check_compiled()
        sequences = as_arrays(sequences, "a sequence", allow_likes=False)
        check_finite(sequences)
        self._method.check_rows(self.structure, sequences, over_steps=True)

    def _write(self, structure: Any, result: StepResult | SequenceResult, count: Any) -> None:
        """Write what steps of this structure leave, the count last."""
        for state, value in result.changes:
            state.value = self._place_state(state, value)
        for name, trace in result.traces.items():
            self.etraces[name].value = trace
        written = list_others(state for state, _ in result.changes)
        states = *self._method.list_used(structure), written
        self._note_step(count, PlainStates.of(self._name_of, *states))

    def etrace_grad(
        self,
        *sequences: Any,
        step_fn: Callable[..., Any] | None = None,
        chunk: int | None = None,
        mask: jax.typing.ArrayLike | None = None,
        lengths: jax.typing.ArrayLike | None = None,
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
        chunk : int, optional
            How many steps at a time. Gradients do not depend on it (LEARN-10), time and memory do.
            None: as many as are fast, and take about a gigabyte or as much as the traces.
        mask : array of bool or numbers, (T,) or (T, B), optional
            The weight of each step's loss, or of each trial's: `step_fn` returns a number, or those
            of the trials, (B,), and the gradient is that of the weighted sum. A target that is NaN
            where the weight is 0 is none.
        lengths : array of int, (B,), optional
            How many steps each trial has, from 1 to T. `step_fn` returns the losses of the trials,
            (B,). What comes after has no weight, and the model's states hold still; it may be NaN.
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
            If `return_value`; with their weights.
        aux : tree of arrays, shape (T, ...)
            If `has_aux`.

        Raises
        ------
        ParameterError, ShapeError, InputError, StructureError
            LEARN-18; inside a transformation of JAX's own.
        ParameterUseError, HiddenPathError, LateralPathError, UnreachedError
            What `step_fn` does cannot be learned.
        """
        has_aux = check_flag(has_aux, "has_aux")
        return_value = check_flag(return_value, "return_value")
        request = read_request("etrace_grad", sequences, step_fn, mask, lengths)
        chunk = None if chunk is None else check_chunk(chunk)
        check_transformations(self.count)
        self.count.check_outside_writes()
        self._check_compiled()
        self._check_unchanged()
        params = self.param_states if grad_states is None else grad_states
        map_params(lambda state: None, params)

        def gradient_of(s: brainstate.ParamState) -> Any:
            gradient = result.gradients.get(id_of(s), jax.tree.map(jnp.zeros_like, s.value))
            return self._place_state(s, gradient)

        loss = self._make_loss(request.function, has_aux)
        result = self._make_steps(loss, request.select_counted(), chunk)
        gradients = map_params(gradient_of, params)
        results = (gradients, result.losses) if return_value else (gradients,)
        results = (*results, result.aux) if has_aux else results
        return results if len(results) > 1 else gradients

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
        NotCompiledError, ParameterError, ShapeError, InputError, StructureError
            As of `etrace_grad`.
        ParameterUseError, HiddenPathError, LateralPathError, UnreachedError
            What `step_fn` does has no learning signals (LEARN-14 to LEARN-17).
        """
        request = read_request("learning_signals", sequences, step_fn)
        self._check_compiled()
        self._check_unchanged()
        loss, sequences = self._make_loss(request.function, False), request.select_counted()
        return self._method.find_signals(self._make_source_of_loss(loss, sequences), sequences)

    def _make_loss(self, function: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
        """Make a function of a step's loss and aux, whose last argument are the step's weights."""

        def loss(*args: Any) -> tuple[Any, Any]:
            *items, (weight, active) = args
            self._was_called = False
            with holding_still(self.model, active):
                out = function(*items)
            if not self._was_called:
                raise StructureError("step_fn does not call the learner: it is to do so once")
            loss, aux = split_loss(out, has_aux, weight)
            check_result(aux, "aux, what step_fn returns beside the loss,")
            return loss, aux

        return loss

    def _make_source_of_loss(self, loss: Callable[..., Any], sequences: Any) -> StepSource:
        example = jax.tree.map(lambda leaf: leaf[0], sequences)
        return StepSource(loss, example, self.model, self._name_of)

    def _make_steps(
        self, function: Callable[..., Any], sequences: tuple[Any, ...], chunk: int | None
    ) -> SequenceResult:
        """Make the steps of sequences by a function of a step's loss, and write what they leave."""
        source, method = self._make_source_of_loss(function, sequences), self._method
        structure = method.find_structure_of_loss(source)
        traces, count = self._read_traces(), self.count.number
        self._check_traces(structure)
        method.check_rows(structure, sequences, over_steps=True)
        around = Past(self.etraces.values()).find_surroundings(self.count)
        result = method.make_steps(structure, sequences, Before(traces, count, around), chunk)
        self._write(structure, result, result.count)
        return result

    def _make_step_of_loss(self, args: tuple[Any, ...]) -> Any:
        """Make a step of the model for `etrace_grad`, of inputs such as it was compiled for."""
        self._was_called = True
        args = as_arrays(args, allow_likes=False)
        if self._compilation is not None:
            self._compilation.check_inputs(args)
        return self.make_step(*args)
