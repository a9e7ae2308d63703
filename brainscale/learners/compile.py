"""A model and a rule, made ready to learn in one call."""

from __future__ import annotations

import contextlib
from typing import Any

import brainstate
import numpy as np

from ..checks.arguments import check_flag, check_seed, is_integer
from ..checks.requests import check_batch
from ..errors import ParameterError, ValueTypeError
from . import (
    D_RTRL,
    ES_D_RTRL,
    OSTL,
    RTRL,
    EProp,
    HybridDimVjpAlgorithm,
    ThreeFactor,
)
from .base import ETraceAlgorithm
from .renewal import initialise, kept_if_refused

__all__ = ["RULES", "compile"]

RULES: dict[str, type[ETraceAlgorithm]] = {
    "d_rtrl": D_RTRL,
    "es_d_rtrl": ES_D_RTRL,
    "esd_rtrl": ES_D_RTRL,
    "pp_prop": ES_D_RTRL,
    "hybrid": HybridDimVjpAlgorithm,
    "eprop": EProp,
    "e_prop": EProp,
    "ostl": OSTL,
    "rtrl": RTRL,
    "three_factor": ThreeFactor,
}
"""The learners, by the names that `compile` knows."""


def compile(
    model: brainstate.nn.Module,
    rule: str | type[ETraceAlgorithm],
    *example_inputs: Any,
    batch_size: int | None = None,
    seed: int | None = None,
    vmap: bool = False,
    verbose: int = 0,
    **options: Any,
) -> ETraceAlgorithm:
    """A learner that is ready: states initialised, graph compiled, traces zero.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`. Its states are initialised, also where they were before; its
        parameters are left as they are.
    rule : str or type
        A learner, such as `D_RTRL`, or the name of one, in upper or lower case.
    *example_inputs
        Inputs of one step, or their likes, with the axis of the batch if there is one.
    batch_size : int, optional
        With which the states are initialised; None: without a batch.
    seed : int, optional
        Of the random numbers with which the states are initialised. Those of others are as they
        would have been without.
    vmap : bool
        False. A batch is an axis of the states, so that none needs to be mapped over.
    verbose : int, default 0
        Where it is not 0, the graph is printed, as by `show_graph`.
    **options
        Given to the learner, such as ``decay_or_rank=0.9``.

    Raises
    ------
    ParameterError
        An unknown rule; no example inputs; `vmap`.
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
        The model cannot be learned (LEARN-14 to LEARN-17). It is as it was then, with all errors.

    Examples
    --------
    >>> class Net(brainstate.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.cell = brainscale.nn.GRUCell(3, 8)
    ...         self.out = brainscale.nn.Linear(8, 1, param_type=brainscale.NonTempParam)
    ...
    ...     def update(self, x):
    ...         return self.out(self.cell(x))
    >>> learner = brainscale.compile(Net(), "D_RTRL", jnp.zeros((16, 3)), batch_size=16)
    >>> learner
    <D_RTRL of Net
      inputs: (((16, 3), 'float32'),)
      hidden groups: {cell.h}
      traces: cell.Wz.weight, cell.Wr.weight, cell.Wh.weight (3072 numbers, 12.3 kB)
      show_graph() says what reaches what, and what is approximate>
    """
    kind = _find_kind(rule)
    if not example_inputs:
        raise ParameterError("compile needs example inputs of one step")
    if check_flag(vmap, "vmap"):
        raise ParameterError(
            "vmap=True is not needed: batch_size makes the batch an axis of the states, and "
            "example inputs have it, too"
        )
    if not isinstance(model, brainstate.nn.Module):
        raise ValueTypeError(
            f"compile needs a brainstate.nn.Module, got {type(model).__name__}", got=model
        )
    check_seed(seed)
    if not (isinstance(verbose, (bool, np.bool_)) or (is_integer(verbose) and verbose >= 0)):
        raise ParameterError(f"verbose must be an integer from 0, got {verbose!r}", got=verbose)
    learner = kind(model, **options)
    seeding = contextlib.nullcontext() if seed is None else brainstate.random.seed_context(seed)
    check_batch(batch_size)
    with kept_if_refused(model):
        with seeding:
            initialise(model, batch_size)
        learner.compile_graph(*example_inputs)
        if verbose:
            learner.show_graph()
    return learner


def _find_kind(rule: Any) -> type[ETraceAlgorithm]:
    """Find the learner that is meant."""
    if isinstance(rule, str) and rule.strip().lower() in RULES:
        return RULES[rule.strip().lower()]
    if isinstance(rule, type) and issubclass(rule, ETraceAlgorithm):
        return rule
    raise ParameterError(
        f"{rule!r} is no rule: give a learner, such as brainscale.D_RTRL, or one of "
        f"{', '.join(RULES)}",
        got=rule,
        needs=list(RULES),
    )
