"""The learning rules of SPEC.md, chapter 10, by name, and the arguments of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import ParameterError, StateNameError
from ..traces import DRTRL, ESDRTRL, Entries, read_decays

#: Those among which hybrid learning chooses for each parameter (HYBRID-1).
TRACES = ("D-RTRL", "ES-D-RTRL")
#: Those that carry derivatives of all states forward in place of traces.
FULL = ("RTRL", "OSTL")
NAMES = (*TRACES, "hybrid", "e-prop", *FULL, "three-factor")
FEEDBACKS = ("symmetric", "random", "adaptive")


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """A learning rule: its name, one of `NAMES`, and what it needs."""

    name: str
    #: Of ES-D-RTRL and hybrid: one decay or rank, or two (TRACE-6). Of three-factor: κ.
    decay_or_rank: Any = None
    rules: Mapping[str, str] | None = None  #: of hybrid, by parameter
    feedback: str | None = None  #: of e-prop, one of `FEEDBACKS`


def check_rule(rule: Rule, names: Collection[str]) -> None:
    """Refuse an unknown rule (NET-5), and arguments that a rule does not take.

    Parameters
    ----------
    rule : Rule
    names : collection of str
        Those of the parameters with a trace.

    Raises
    ------
    ParameterError
        HYBRID-3, EPROP-6; an unknown name.
    StateNameError
        HYBRID-3.
    """
    if rule.name not in NAMES:
        raise ParameterError("rule", repr(rule.name), f"one of {[*NAMES]}")
    if rule.decay_or_rank is not None and rule.name in ("D-RTRL", "e-prop", *FULL):
        raise ParameterError("decay or rank", repr(rule.decay_or_rank), f"none with {rule.name}")
    if rule.name == "e-prop" and rule.feedback not in FEEDBACKS:
        raise ParameterError("feedback", repr(rule.feedback), f"one of {[*FEEDBACKS]}")
    for name, trace_rule in (rule.rules or {}).items():
        if trace_rule not in TRACES:
            raise ParameterError(f"rules[{name!r}]", repr(trace_rule), f"one of {[*TRACES]}")
        if name not in names:
            needs = f"parameters with a trace: {sorted(names)}"
            raise StateNameError("rules", repr(name), needs)


def choose_rule(rule: Rule, name: str, d_rtrl_size: int, es_d_rtrl_size: int) -> tuple[str, Any]:
    """Choose the rule of one parameter with a trace, and its decay or rank (HYBRID-1, HYBRID-2).

    Its gradient is that rule's, whatever the others have (HYBRID-4).

    Parameters
    ----------
    rule : Rule
    name : str
        The parameter's.
    d_rtrl_size, es_d_rtrl_size : int
        How many numbers its traces of D-RTRL and of ES-D-RTRL have.
    """
    if rule.name == "ES-D-RTRL":
        return "ES-D-RTRL", rule.decay_or_rank
    if rule.name == "hybrid":
        default = "D-RTRL" if d_rtrl_size <= es_d_rtrl_size else "ES-D-RTRL"
        if (rule.rules or {}).get(name, default) == "ES-D-RTRL":
            return "ES-D-RTRL", rule.decay_or_rank
    return "D-RTRL", None


def make_trace(name: str, decay_or_rank: Any, B: int, d: int, entries: Entries) -> DRTRL | ESDRTRL:
    """The trace of one array of weights by a rule, "D-RTRL" or "ES-D-RTRL".

    Raises
    ------
    ParameterError
        As `read_decay` says.
    """
    if name == "D-RTRL":
        return DRTRL(B, d, entries)
    return ESDRTRL(B, d, entries, read_decays(decay_or_rank))
