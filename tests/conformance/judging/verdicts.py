"""Which clauses an adapter breaks, as far as it is asked."""

from __future__ import annotations

import collections
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .suite import Test, collected, handed_over

#: Tests that are called for their own clauses alone.
LONG = ("test_gif_patterns.py", "::test_large")
#: How many tests of one function are let fail before the others are left out.
ENOUGH = 3


class Verdict:
    """What the suite finds of one adapter. Each test is called once, when it is first needed.

    Parameters
    ----------
    adapter : Implementation
    profile : str
        How far the suite looks.
    """

    def __init__(self, adapter: Any, profile: str = "quick"):
        self.tests = collected(adapter, profile)
        self.implementation = handed_over(adapter, self.tests)
        self._faults: dict[Test, tuple[str, ...]] = {}

    def breaks(self, *clauses: str) -> bool:
        """Whether a test finds one of these broken: one that names it, or one that blames it."""
        tests = sorted(self.tests, key=lambda test: not {*clauses} & {*test.clauses})
        return any({*clauses} & {*self.faults_of(test)} for test in tests)

    def breaks_others(
        self, allowed: Callable[[str], bool], is_asked: Callable[[int], bool] = lambda number: True
    ) -> dict[str, str]:
        """The clauses found broken that need not be, each with a test that says so.

        Not asked are `LONG` tests, those all of whose clauses may be broken, and those of whose
        function `ENOUGH` have failed, by clauses that may be broken: they would say the same.
        Of the others, a test is asked where `is_asked` says so of its number.
        """
        tests: dict[str, str] = {}
        failures = collections.Counter(test.function for test in self._faults if self._faults[test])
        for number, test in enumerate(self.tests):
            is_long = any(name in test.item.nodeid for name in LONG)
            if is_long or all(map(allowed, test.clauses)) or not is_asked(number):
                continue
            if test not in self._faults:
                if failures[test.function] >= ENOUGH:
                    continue
                failures[test.function] += bool(self.faults_of(test))
            others = [clause for clause in self.faults_of(test) if not allowed(clause)]
            tests |= dict.fromkeys(others, test.item.nodeid)
        return tests

    def faults_of(self, test: Test) -> tuple[str, ...]:
        """The clauses that a test finds broken."""
        if test not in self._faults:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self._faults[test] = test.faults(self.implementation)
        return self._faults[test]


def forget_implementations() -> None:
    """Drop what the suite keeps of implementations; what the reference says is kept."""
    for name, module in list(sys.modules.items()):
        if name.startswith("conformance."):
            for function in vars(module).values():
                if hasattr(function, "cache_clear") and "implementation" in parameters(function):
                    function.cache_clear()


def parameters(function: Callable[..., Any]) -> Iterable[str]:
    """The names of what a function is given."""
    return inspect.signature(function).parameters
