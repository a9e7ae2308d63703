"""What a learner does with its traces: begins them anew, makes some zero, reads them (TRACE-7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import brainstate
import jax
import jax.numpy as jnp

from ..engine.leaves import units_of
from ..engine.rule import Rule
from ..engine.rule_inputs import make_inputs_at_rest, name_traces
from ..errors import StateNameError
from .outside_writes import StepCount

__all__ = ["EligibilityTrace", "Placement", "Traces"]


class EligibilityTrace(brainstate.ShortTermState):
    """The trace of one parameter, as its rule keeps it: what a learner's `etraces` hold.

    Its value has no units and a layout of the rule's own; `ETraceAlgorithm.get_etrace_of` reads it
    by the names of hidden states, with units.
    """

    __module__ = "brainscale"


class Placement(Protocol):
    """Where what a learner makes lies on a mesh of devices."""

    def put(self, name: str, value: Any) -> Any:
        """A value where what has this name lies."""

    def begun(self, learner: Any, begin: Callable[[], Any]) -> Any:
        """What `begin` makes, by name, made where it lies."""


class Traces:
    """What a learner does with its traces beside steps."""

    rule: Rule
    structure: Any
    etraces: dict[str, EligibilityTrace]
    count: StepCount
    placement: Placement | None

    _axes: dict[str, int]
    """How many axes the trace of one member has."""

    def reset_traces(self) -> None:
        """Make the traces zero.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        """
        self._refuse_uncompiled()
        kept = {name: etrace.value for name, etrace in self.etraces.items()}
        is_new = any(trace is None for trace in kept.values())
        likes = None if is_new else jax.eval_shape(lambda: kept)

        def begin() -> dict[str, Any]:
            # Mapped over members, traces have an axis of them that the rule knows nothing of.
            return self._begin_traces() if is_new else jax.tree.map(_zeros, likes)

        if is_new:
            made = jax.eval_shape(begin)
            self._axes = {name: _axes_of(trace) for name, trace in made.items()}
        traces = begin() if self.placement is None else self.placement.begun(self, begin)
        for name, trace in traces.items():
            self.etraces[name].value = trace
        count = jnp.zeros((), jnp.int32) if is_new else self.count.zero
        self.count.value = self._placed("count", count)
        self._note_step(is_at_rest=True)

    def _begin_traces(self) -> dict[str, Any]:
        """Traces that are zero, of one member, by the names of their parameters."""
        return {
            parameter.name: self.rule.begin(parameter)
            for parameter in make_inputs_at_rest(self.structure)
        }

    def zero_trace(self, *states: Any) -> None:
        """Make the traces zero of hidden states that were written, and go on with what they hold.

        A spike count that begins anew in each window does not depend on what came before. The
        traces of other states stay as they are, but for those of ES-D-RTRL's inputs, which all
        states share.

        Parameters
        ----------
        *states : HiddenState, str or tuple
            All that were written since the learner's last step: themselves, their names or paths.

        Raises
        ------
        NotCompiledError, StateNameError
            Before `compile_graph`; for what is no hidden state of the model.
        HiddenPathError
            Another hidden state was written, too.
        """
        self._refuse_uncompiled()
        names = [self._name_of(state) for state in states]
        own = dict(self._named_hidden())
        for state, name in zip(states, names, strict=True):
            if name not in own:
                given = name if isinstance(state, brainstate.State) else repr(state)
                raise StateNameError(
                    f"{given} is no hidden state of the model; those are {list(own)}"
                )
        self.count.refuse_outside_writes(frozenset(id(own[name]) for name in names))
        for etrace in self.etraces.values():
            etrace.value = self._without(etrace.value, names)
        self.count.value = self.count.number
        self._note_step()

    def _without(self, trace: Any, names: list[str]) -> Any:
        """A trace that is zero for these states."""
        structure, zero = self.structure, set()
        hidden = structure.step.hidden
        found = zip(hidden, structure.leaves_of(hidden), strict=True)
        leaves = {i for state, own in found if self._name_of(state) in names for i in own}
        _, by_group = self.rule.parts(trace)
        for g, parts in by_group.items():
            group = structure.groups[g]
            of_variables = [
                index
                for index, extra in zip(group.leaves, group.extra, strict=True)
                for _ in range(math.prod(extra))
            ]
            for index, part in zip(of_variables, parts, strict=True):
                zero |= {id(leaf) for leaf in jax.tree.leaves(part) if index in leaves}
        return jax.tree.map(lambda e: jnp.zeros_like(e) if id(e) in zero else e, trace)

    def get_etrace_of(self, param: Any) -> Any:
        """The trace of a parameter, that of its effective weight (TRACE-7).

        Parameters
        ----------
        param : ETraceParam, str or tuple
            The parameter, its name, or its path.

        Returns
        -------
        D-RTRL : dict from the names of hidden states
            An entry is like the state's value, with trees like the effective weight's in the place
            of its leaves: each leaf has the axes of the batch, of the weight, and, of a state with
            several variables for each neuron, of these, at last of a complex state's two parts. In
            the state's unit over the weight's.
        ES-D-RTRL : tuple of eps_x and a dict of eps_f
            eps_x like the operation's presynaptic factors; eps_f like y, in the state's unit over
            that of y.

        Where an element of y enters several neurons, an axis or axes of these come first, that of
        a batch among them. Outside of a `vmap` over members, their axis is the very first.

        Raises
        ------
        NotCompiledError, StateNameError
            Before `compile_graph`; for what is no parameter with a trace.
        """
        self._refuse_uncompiled()
        structure, name = self.structure, self._name_of(param)
        keys = {self._name_of(other): key for key, other in structure.step.params.items()}
        if name not in keys:
            raise StateNameError(f"{name} has no trace; those that have one are {list(keys)}")
        key = keys[name]
        other = structure.step.params[key]

        def read(trace: Any) -> Any:
            x, by_group = self.rule.parts(trace)
            if x is None:
                per = units_of(other.op.effective(other.value))
                return name_traces(structure, key, by_group, per)
            return x, name_traces(structure, key, by_group, units_of(structure.uses[key].y))

        return self._read(name, read)

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:
        """What is read of a trace of one member, of all where a `vmap` has made one of each."""
        trace = self.etraces[name].value
        for _ in range(_axes_of(trace) - self._axes[name]):
            read = jax.vmap(read)
        return read(trace)


def _axes_of(trace: Any) -> int:
    """How many axes a trace has, that of members too: those of its first part."""
    return next((len(leaf.shape) for leaf in jax.tree.leaves(trace)), 0)


def _zeros(like: Any) -> jax.Array:
    return jnp.zeros(like.shape, like.dtype)
