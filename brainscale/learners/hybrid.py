"""The hybrid rule: each parameter has D-RTRL or ES-D-RTRL for itself (SPEC.md, HYBRID)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import brainstate
import jax

from ..engine.keys import GroupPosition
from ..engine.rule import Rule, RuleInput, RuleSteps
from ..errors import ParameterError, StateNameError
from ..parameters import ETraceParam
from .base import ETraceAlgorithm
from .d_rtrl import ParameterTraces
from .es_d_rtrl import DecayOrRank, InputOutputTraces

__all__ = ["HybridDimVjpAlgorithm", "HybridTraces"]


class HybridTraces(Rule):
    """D-RTRL or ES-D-RTRL, parameter by parameter. A trace is kept under the name of its rule.

    Parameters
    ----------
    decay_or_rank, dtype
        As for `InputOutputTraces`.
    choices : mapping from names of parameters to "D-RTRL" or "ES-D-RTRL"
        The others have D-RTRL where its trace is not larger.
    """

    looks_ahead = True

    def __init__(self, decay_or_rank: DecayOrRank, choices: Mapping[str, str], dtype: Any = None):
        self.rules = {
            "D-RTRL": ParameterTraces(dtype),
            "ES-D-RTRL": InputOutputTraces(decay_or_rank, dtype),
        }
        if not isinstance(choices, Mapping):
            raise ParameterError(
                "rules must be a mapping from the names of parameters to rules, got "
                f"{type(choices).__name__}",
                got=choices,
            )
        for name, rule in choices.items():
            if not isinstance(rule, str) or rule not in self.rules:
                raise ParameterError(
                    f"rules: {name} is to have {rule!r}; there are {list(self.rules)}",
                    got=rule,
                    needs=list(self.rules),
                )
        self.choices = dict(choices)

    def of(self, trace: dict[str, Any]) -> Rule:
        return self.rules[next(iter(trace))]

    def begin(self, parameter: RuleInput) -> dict[str, Any]:
        if parameter.name in self.choices:
            name = self.choices[parameter.name]
            return {name: self.rules[name].begin(parameter)}
        likes = {n: jax.eval_shape(lambda r=r: r.begin(parameter)) for n, r in self.rules.items()}
        name = min(likes, key=lambda name: _count_numbers(likes[name]))
        return {name: self.rules[name].begin(parameter)}

    def split(self, trace: dict[str, Any]) -> tuple[Any, dict[GroupPosition, list[Any]]]:
        ((name, of_rule),) = trace.items()
        return self.rules[name].split(of_rule)

    def advance(self, steps: RuleSteps, traces: list[Any], count: jax.Array) -> list[Any]:
        after: dict[int, Any] = {}
        for name, where, *of_rule in self._split_by_rule(steps, traces):
            new = self.rules[name].advance(*of_rule, count)
            after |= {i: {name: trace} for i, trace in zip(where, new, strict=True)}
        return [after[i] for i in range(len(traces))]

    def gradients(self, steps: RuleSteps, traces: list[Any], count: jax.Array) -> list[Any]:
        gradients: dict[int, Any] = {}
        for name, where, *of_rule in self._split_by_rule(steps, traces):
            of_parameters = self.rules[name].gradients(*of_rule, count)
            gradients |= dict(zip(where, of_parameters, strict=True))
        return [gradients[i] for i in range(len(traces))]

    def learn(
        self, steps: RuleSteps, traces: list[Any], count: jax.Array
    ) -> tuple[list[Any], list[Any]]:
        learned: dict[int, Any] = {}
        for name, where, *of_rule in self._split_by_rule(steps, traces):
            results = self.rules[name].learn(*of_rule, count)
            for i, gradient, trace in zip(where, *results, strict=True):
                learned[i] = gradient, {name: trace}
        pairs = [learned[i] for i in range(len(traces))]
        return [gradient for gradient, _ in pairs], [trace for _, trace in pairs]

    def _split_by_rule(
        self, steps: RuleSteps, traces: list[Any]
    ) -> Iterator[tuple[str, list[int], RuleSteps, list[Any]]]:
        """List each rule that some have: whose it is, the steps as it has them, and traces."""
        names = [next(iter(trace)) for trace in traces]
        for name in self.rules:
            where = [i for i, other in enumerate(names) if other == name]
            if where:
                parameters = [steps.parameters[i] for i in where]
                yield (
                    name,
                    where,
                    steps._replace(parameters=parameters),
                    [traces[i][name] for i in where],
                )


class HybridDimVjpAlgorithm(ETraceAlgorithm):
    """A learner by D-RTRL for some parameters and ES-D-RTRL for the others (HYBRID-1).

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    decay_or_rank : float, int or pair of them
        Of ES-D-RTRL, as for `ES_D_RTRL`.
    rules : mapping from the names of parameters to "D-RTRL" or "ES-D-RTRL", optional
        A parameter that is not named has D-RTRL where its trace has no more numbers than that of
        ES-D-RTRL, and ES-D-RTRL elsewhere (HYBRID-2).
    trace_dtype : dtype, optional
        Of the stored traces: float32, float64, or bfloat16, which is rounded at random with exact
        means and deviates by up to 0.03 for a leak of 0.99, 0.28 for one of 0.9999. By default that
        of the hidden states, and of at least 32 bits.
    **former
        As for `ETraceAlgorithm`.

    Examples
    --------
    >>> model, x = brainscale.nn.GRUCell(3, 8), jnp.zeros((16, 3))
    >>> rules = {"Wz.weight": "D-RTRL", "Wr.weight": "D-RTRL"}
    >>> brainscale.compile(model, "hybrid", x, batch_size=16, decay_or_rank=0.9, rules=rules)
    <HybridDimVjpAlgorithm of GRUCell
      inputs: (((16, 3), 'float32'),)
      hidden groups: {h}
      traces: Wz.weight, Wr.weight, Wh.weight (1856 numbers, 7.42 kB)
      show_graph() says what reaches what, and what is approximate>
    """

    __module__ = "brainscale"

    rule: HybridTraces

    def __init__(
        self,
        model: brainstate.nn.Module,
        decay_or_rank: DecayOrRank,
        rules: Mapping[str, str] | None = None,
        *,
        trace_dtype: jax.typing.DTypeLike | None = None,
        **former: Any,
    ):
        choices = {} if rules is None else rules
        super().__init__(model, HybridTraces(decay_or_rank, choices, trace_dtype), **former)

    def compile_graph(self, *args: Any) -> None:
        """As of `ETraceAlgorithm`.

        Raises
        ------
        StateNameError
            A rule for what is no parameter with a trace.
        """
        names = [self._name_of(param) for param in self.model.states(ETraceParam).values()]
        unknown = sorted(set(self.rule.choices) - set(names))
        if unknown:
            raise StateNameError(f"rules: {unknown} have no trace; those that have one are {names}")
        super().compile_graph(*args)


def _count_numbers(trace: Any) -> int:
    """Count the numbers of a trace."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(trace))
