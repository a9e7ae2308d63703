"""The learning rules of SPEC.md, chapter 10, by name, and what each may be given."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import ParameterError, StateNameError
from ..traces import DRTRL, ESDRTRL, Entries, read_decays

#: Those that a parameter with a trace may have of its own (HYBRID-1).
TRACES = ("D-RTRL", "ES-D-RTRL")
#: Those that follow derivatives of states in place of traces.
FULL = ("RTRL", "OSTL")
NAMES = (*TRACES, "hybrid", "e-prop", *FULL, "three-factor")
FEEDBACKS = ("symmetric", "random", "adaptive")


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """A learning rule: its name, one of `NAMES`, and what it needs."""

    name: str
    #: Of ES-D-RTRL and hybrid: a decay or rank, or two (TRACE-6). Of three-factor: κ.
    decay_or_rank: Any = None
    rules: Mapping[str, str] | None = None  #: of hybrid, by parameter
    feedback: str | None = None  #: of e-prop, one of `FEEDBACKS`


def check_rule(rule: Rule, traced: Collection[str]) -> None:
    """Refuse a rule that there is not, or that is given what it does not take.

    Parameters
    ----------
    rule : Rule
    traced : collection of str
        The parameters with a trace.

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
    for name, own in (rule.rules or {}).items():
        if own not in TRACES:
            raise ParameterError(f"rules[{name!r}]", repr(own), f"one of {[*TRACES]}")
        if name not in traced:
            needs = f"parameters with a trace: {sorted(traced)}"
            raise StateNameError("rules", repr(name), needs)


def own_rule(rule: Rule, name: str, in_full: int, in_parts: int) -> tuple[str, Any]:
    """The rule of one parameter with a trace, and its decay or rank (HYBRID-1, HYBRID-2).

    Parameters
    ----------
    rule : Rule
    name : str
        Of the parameter.
    in_full, in_parts : int
        How many numbers its traces of D-RTRL and of ES-D-RTRL have.
    """
    if rule.name == "ES-D-RTRL":
        return "ES-D-RTRL", rule.decay_or_rank
    if rule.name == "hybrid":
        default = "D-RTRL" if in_full <= in_parts else "ES-D-RTRL"
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
