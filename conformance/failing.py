"""What a failure says: the clause, how far off, what shows it again, and the command that does."""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any

import pytest

from conformance.clauses import TEXTS
from conformance.judgement import ClauseError
from conformance.protocol import Judged

__all__ = ["clauses_at_fault", "describe_failure", "explain"]

_LONGEST = 4000
"""So many letters of a message are kept: a verdict is read."""


def clauses_at_fault(properties: dict[str, Any]) -> tuple[str, ...]:
    """The clauses that a test's failure breaks: those that it names, or all that it judges."""
    return tuple(properties.get("at fault", properties["clauses"]))


def describe_failure(item: pytest.Item, error: BaseException) -> dict[str, str]:
    """Describe a failure: its message, an example to paste, and the command that runs it alone."""
    message = str(error)
    if not isinstance(error, AssertionError):
        message = f"{type(error).__name__}: {message}"
    # pytest adds how an assertion came to be false.
    message = re.sub(r"\nassert .*", "", message, flags=re.DOTALL).strip()
    return {
        "message": message[:_LONGEST],
        "example": _example(item, error),
        "command": _command(item),
    }


def explain(clauses: tuple[str, ...], failure: dict[str, str], distance: float | None) -> str:
    """Explain a failure in paragraphs, below what pytest says."""
    paragraphs = [f"[{clause}] {TEXTS[clause]}" for clause in clauses]
    if distance is not None and distance > 1:
        paragraphs.append(f"It is {distance:.3g} times as far off as is allowed.")
    if failure["example"]:
        paragraphs.append(f"Again, from Python:\n\n{failure['example']}")
    paragraphs.append(f"Again, alone:\n\n{failure['command']}")
    return "\n\n".join(paragraphs)


def _command(item: pytest.Item) -> str:
    """The command that runs a test alone, as it was run."""
    options = item.config.option
    implementation: Judged = item.callspec.params["implementation"]
    words = ["python", "-m", "conformance", f"--implementation={implementation.source}"]
    words += [f"--float={options.float}", f"--profile={options.profile}", f"--seed={options.seed}"]
    if options.max_examples:
        words.append(f"--max-examples={options.max_examples}")
    return shlex.join([*words, item.nodeid])


def _example(item: pytest.Item, error: BaseException) -> str:
    """Python that shows the fault again, where what it needs can be written; or nothing."""
    implementation: Judged = item.callspec.params["implementation"]
    options = item.config.option
    if isinstance(error, ClauseError):
        load = f"load_adapter({implementation.source!r}, {options.float})"
        return PROBLEM.format(load=load, call=error.example)
    arguments = {**_literals(item.callspec.params), **_drawn_arguments(error)}
    drawing = getattr(item.obj, "hypothesis", None)
    needs = {*item._fixtureinfo.argnames, *(drawing._given_kwargs if drawing else ())}
    if not needs <= {*arguments, "implementation"}:
        return ""
    keywords = [f"{name}={arguments[name]}" for name in sorted(needs - {"implementation"})]
    test = repr(f"{item.module.__name__}:{item.originalname}")
    call = [test, repr(implementation.source), options.float, options.seed, *keywords]
    return CALL.format(call=", ".join(map(str, call)))


PROBLEM = """\
from conformance.judgement import find_fault
from conformance.loading import load_adapter
from conformance.plans.factors import LayerPlan, Plan

implementation = {load}
print({call})"""

CALL = """\
from conformance.again import call_test

call_test({call})"""


def _drawn_arguments(error: BaseException) -> dict[str, str]:
    """What Hypothesis drew where a test failed, as it says in a note to the error."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    pairs = re.findall(r"^    (\w+)=(.*),(?:  #.*)?$", notes, re.MULTILINE)
    return {name: text for name, text in pairs if _is_literal(text)}


def _literals(parameters: dict[str, Any]) -> dict[str, str]:
    shown = {name: repr(value) for name, value in parameters.items()}
    return {name: text for name, text in shown.items() if _is_literal(text)}


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return False
    return True
