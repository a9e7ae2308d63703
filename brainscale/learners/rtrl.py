"""Full real-time recurrent learning: nothing is left out (SPEC.md, RTRL)."""

from __future__ import annotations

from typing import Any

import brainstate

from ..engine.rule import Rule
from .base import ETraceAlgorithm
from .forward_method import ForwardMethod
from .gradient_method import GradientMethod
from .learner import Learner

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
        Learner.__init__(self, model, former)  # It has no rule.

    @property
    def _method(self) -> GradientMethod:
        """How gradients are made: by derivatives of all states."""
        return ForwardMethod()

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
        return super().get_etrace_of(param)

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """Nothing: all gradients are true."""
        return ""
