"""ES-D-RTRL: traces of the inputs' and outputs' dimensions (SPEC.md, TRACE-5, LEARN-3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import brainstate
import jax
import jax.numpy as jnp

from ..checks.arguments import is_integer, is_real
from ..engine.keys import GroupPosition
from ..engine.rule import Rule, RuleInput, RuleSteps
from ..errors import ParameterError
from .base import ETraceAlgorithm
from .trace_storage import check_dtype, dtype_of_trace, round_for_storage, widen_stored

__all__ = ["ES_D_RTRL", "IODimVjpAlgorithm", "InputOutputTraces", "find_decays", "pp_prop"]


DecayOrRank: TypeAlias = float | Sequence[float]
"""A decay from 0 to below 1 or a rank, an integer of at least 1; or two, of inputs and states."""


def find_decays(decay_or_rank: DecayOrRank) -> tuple[float, float]:
    """Find the decays of inputs and of states, of a pair of decays or ranks, or of one (TRACE-6).

    Raises
    ------
    ParameterError
        Neither such a number nor two of them.
    """
    if isinstance(decay_or_rank, (tuple, list)) and len(decay_or_rank) == 2:
        return _find_decay(decay_or_rank[0]), _find_decay(decay_or_rank[1])
    decay = _find_decay(decay_or_rank)
    return decay, decay


def _find_decay(decay_or_rank: Any) -> float:
    """Find the decay that a number is, or that a rank stands for."""
    if is_integer(decay_or_rank) and decay_or_rank >= 1:
        return (int(decay_or_rank) - 1) / (int(decay_or_rank) + 1)
    if is_real(decay_or_rank) and 0 <= decay_or_rank < 1:
        return float(decay_or_rank)
    raise ParameterError(
        "decay_or_rank must be a decay from 0 to below 1 or an integer rank of at least 1, or a "
        f"pair of them, got {decay_or_rank!r}",
        got=decay_or_rank,
    )


class InputOutputTraces(Rule):
    """ES-D-RTRL.

    Parameters
    ----------
    decay_or_rank : float, int or pair of them
        A decay from 0 to below 1, or a rank of at least 1; a pair: of inputs and of states.
    dtype : dtype, optional
        Of the stored traces; by default that of the hidden states.
    """

    needs = ("pull_back",)
    title = "ES-D-RTRL"
    approximate = "the trace is the product of two sums over time (LEARN-9)"

    def __init__(self, decay_or_rank: DecayOrRank, dtype: jax.typing.DTypeLike | None = None):
        self.of_inputs, self.of_states = find_decays(decay_or_rank)
        self.dtype = check_dtype(dtype)

    def begin(self, parameter: RuleInput) -> tuple[Any, dict[GroupPosition, list[jax.Array]]]:
        """eps_x, like one step's presynaptic factors; for each group d arrays eps_f, like y."""

        def zeros(leaf: jax.Array) -> jax.Array:
            return jnp.zeros(leaf.shape[1:], dtype_of_trace(self.dtype, leaf.dtype, parameter.name))

        by_group = {link.group: [zeros(F) for F in link.F] for link in parameter.links}
        return jax.tree.map(zeros, parameter.pre), by_group

    def split(self, trace: tuple[Any, Any]) -> tuple[Any, dict[GroupPosition, list[Any]]]:
        return trace

    def advance(self, steps: RuleSteps, traces: list[Any], count: jax.Array) -> list[Any]:
        pairs = zip(steps.parameters, traces, strict=True)
        return [self._run(p, steps.D, e, count)[0] for p, e in pairs]

    def gradients(self, steps: RuleSteps, traces: list[Any], count: jax.Array) -> list[Any]:
        pairs = zip(steps.parameters, traces, strict=True)
        return [self._make_gradient(p, steps, e, count) for p, e in pairs]

    def _make_gradient(self, p: RuleInput, steps: RuleSteps, trace: Any, count: jax.Array) -> Any:
        _, (x, before) = self._run(p, steps.D, trace, count)
        decay = self.of_states
        # Gradients are made of steps that have learning signals.
        assert p.c is not None
        assert steps.signals is not None
        signals = steps.signals.within
        signal_of_y = (1 - decay) * p.c
        for link in p.links:
            for signal, f in zip(signals[link.group], before[link.group], strict=True):
                of_copies = link.reach.at_outputs(signal) * f
                signal_of_y = signal_of_y + decay * link.reach.sum_copies(of_copies)
        t = (count + 1 + jnp.arange(len(p.c), dtype=count.dtype)).astype(p.c.dtype)
        warm = (1 - decay**t).reshape(-1, *(1,) * (p.c.ndim - 1))
        return p.op.pull_back(x, signal_of_y / warm, p.weight)

    def _run(self, p: RuleInput, D: list[Any], trace: Any, count: jax.Array) -> tuple[Any, Any]:
        """Advance traces over the steps; also give, for each, eps_x after and eps_f before it."""
        decay = self.of_states
        matrices = [jax.tree.map(link.reach.at_outputs, D[link.group]) for link in p.links]

        def advance(traces: Any, step: Any) -> tuple[Any, Any]:
            x, by_group = traces
            pre, factors, matrices, t = step

            def store(new: Any, e: Any, *where: Any) -> Any:
                return round_for_storage(new, e.dtype, " ".join(map(str, (p.name, *where))), t)

            alpha = self.of_inputs
            x = jax.tree.map(lambda e, new: store(alpha * widen_stored(e) + new, e), x, pre)
            after = {}
            for link, F, matrix in zip(p.links, factors, matrices, strict=True):
                old = by_group[link.group]
                after[link.group] = [
                    store(
                        decay * sum(m * e for m, e in zip(row, old, strict=True)) + (1 - decay) * f,
                        e_i,
                        link.group,
                        i,
                    )
                    for i, (row, f, e_i) in enumerate(zip(matrix, F, old, strict=True))
                ]
            return (x, after), jax.tree.map(widen_stored, (x, by_group))

        factors = [link.F for link in p.links]
        t = count + jnp.arange(len(jax.tree.leaves((p.pre, factors))[0]), dtype=count.dtype)
        return jax.lax.scan(advance, trace, (p.pre, factors, matrices, t))


class ES_D_RTRL(ETraceAlgorithm):
    """A learner by ES-D-RTRL (TRACE-5, LEARN-3), an approximation whose traces are small.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    decay_or_rank : float, int or pair of them
        A decay from 0 to below 1, or a rank of at least 1; a pair: of inputs and of states
        (TRACE-6).
    trace_dtype : dtype, optional
        Of the stored traces: float32, float64, or bfloat16, which is rounded at random with exact
        means and deviates by up to 0.03 for a leak of 0.99, 0.28 for one of 0.9999. By default that
        of the hidden states, and of at least 32 bits.
    **former
        As for `ETraceAlgorithm`.

    Examples
    --------
    >>> model = brainscale.nn.GRUCell(3, 8)
    >>> x = jnp.zeros((16, 3))
    >>> brainscale.compile(model, "ES_D_RTRL", x, batch_size=16, decay_or_rank=0.9)
    <ES_D_RTRL of GRUCell
      inputs: (((16, 3), 'float32'),)
      hidden groups: {h}
      traces: Wz.weight, Wr.weight, Wh.weight (832 numbers, 3.33 kB)
      show_graph() says what reaches what, and what is approximate>
    """

    __module__ = "brainscale"

    def __init__(
        self,
        model: brainstate.nn.Module,
        decay_or_rank: DecayOrRank,
        *,
        trace_dtype: jax.typing.DTypeLike | None = None,
        **former: Any,
    ):
        super().__init__(model, InputOutputTraces(decay_or_rank, trace_dtype), **former)


IODimVjpAlgorithm = ES_D_RTRL
"""The name in brainscale 0.0.x."""

pp_prop = ES_D_RTRL
"""The name in braintrace."""
