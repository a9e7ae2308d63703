"""Full real-time recurrent learning: nothing is left out (SPEC.md, RTRL)."""

from __future__ import annotations

from typing import Any

import brainstate
from brainstate._state import TRACE_CONTEXT

from ..engine.rule import Rule
from .base import ETraceAlgorithm
from .composition import join_path
from .forward_method import ForwardMethod
from .gradient_method import GradientMethod
from .learner import Learner
from .outside_states import OutsideStates

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

    Examples
    --------
    >>> net = brainstate.nn.Sequential(
    ...     brainscale.nn.VanillaRNNCell(3, 8), brainscale.nn.VanillaRNNCell(8, 8)
    ... )
    >>> brainscale.compile(net, "RTRL", jnp.zeros((16, 3)), batch_size=16)
    <RTRL of Sequential
      inputs: (((16, 3), 'float32'),)
      hidden groups: {layers.0.h, layers.1.h}
      traces: layers.0.W.weight, layers.1.W.weight (59392 numbers, 238 kB)
      show_graph() says what reaches what, and what is approximate>
    """

    __module__ = "brainscale"

    can_be_placed = False

    def __init__(self, model: brainstate.nn.Module, **former: Any):
        Learner.__init__(self, model, former)  # It has no rule.
        self._outside_states = OutsideStates()

    @property
    def _method(self) -> GradientMethod:
        """How gradients are made: by derivatives of all states."""
        return ForwardMethod(dict(self._find_carriers()))

    def _name_of(self, state: brainstate.State | str | tuple[Any, ...]) -> str:
        """The name of a state: its path in the model, or one that no other has."""
        name = super()._name_of(state)
        if not isinstance(state, brainstate.State) or isinstance(state, brainstate.ParamState):
            return name
        if self.composition.find_path(state) is not None:
            return name
        return self._outside_states.find_name(state, name, self._find_model_states())

    def _find_model_states(self) -> dict[str, brainstate.State]:
        return {join_path(path): state for path, state in self.model.states().items()}

    def _find_carriers(self) -> list[tuple[str, brainstate.State]]:
        """Find the states that have sensitivities, hidden or not, in the model or outside of it."""
        hidden = super()._find_carriers()
        names: dict[str, None] = {}
        for etrace in self.etraces.values():
            # Not by `value`: to look is not to read.
            trace = vars(etrace)["_value"] or {}
            names |= dict.fromkeys(name for name, leaves in trace.items() if leaves)
        states = self._outside_states.find_states() | self._find_model_states()
        known = {name for name, _ in hidden}
        return hidden + [(k, states[k]) for k in names if k in states and k not in known]

    def compile_graph(self, *args: Any) -> None:
        """Find the states and the parameters of a step, and make sensitivities that are zero.

        Parameters
        ----------
        *args
            Inputs of one step, or their likes; `MultiStepData`: their first step.
        """
        super().compile_graph(*args)

    def update(self, *args: Any) -> Any:
        """Make a step, and advance the sensitivities.

        Inside `brainstate.transform.grad`, derivatives by the parameters of what is made of its
        result and of the new states are those of all steps since the sensitivities were zero.

        Raises
        ------
        NotCompiledError, ShapeError, InputError
            Before `compile_graph`; LEARN-18.
        """
        return super().update(*args)

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
        super().check_inputs(*sequences)

    def reset_traces(self) -> None:
        """Make the sensitivities zero.

        Raises
        ------
        NotCompiledError
            Before `compile_graph`.
        """
        if not TRACE_CONTEXT.state_stack:
            # Those of states outside of the model begin anew when a step meets them.
            names = self._find_model_states()
            for etrace in self.etraces.values():
                trace = etrace.value or {}
                if not trace.keys() <= names.keys():
                    etrace.value = {name: x for name, x in trace.items() if name in names}
        super().reset_traces()

    def get_etrace_of(self, param: brainstate.ParamState | str | tuple[Any, ...]) -> Any:
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
        return super().get_etrace_of(param)

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """Nothing: all gradients are true."""
        return ""
