"""The tests of the suite, collected once for each set of claims, and called with any adapter."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any

import pytest

from .collecting import collect

#: Whom tests are collected for: pytest is given a name in a module.
stand_in: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Test:
    """A test of the suite, with its parameters.

    Attributes
    ----------
    item : pytest.Function
        As it was collected, for some adapter.
    clauses : tuple of str
        Those that it judges.
    """

    __test__ = False

    item: pytest.Function
    clauses: tuple[str, ...]

    @property
    def function(self) -> str:
        """The file and the name of the test's function, which others may share."""
        return self.item.nodeid.partition("[")[0]

    def faults(self, implementation: Any) -> tuple[str, ...]:
        """The clauses that the test finds broken; where its failure does not say, all of them."""
        values = {**self.item.callspec.params, "implementation": implementation}
        names = self.item._fixtureinfo.argnames
        try:
            self.item.obj(**{name: self.value(name, values) for name in names})
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:
            return tuple(getattr(failure, "clauses", self.clauses))
        return ()

    def value(self, name: str, values: dict[str, Any]) -> Any:
        """A parameter, or what a fixture returns, made anew; `values` has what is known."""
        if name not in values:
            fixture = self.item._fixtureinfo.name2fixturedefs[name][-1]
            arguments = {argument: self.value(argument, values) for argument in fixture.argnames}
            values[name] = fixture.func(**arguments)
            assert not inspect.isgenerator(values[name]), f"fixture {name} has a second half"
        return values[name]


def collected(adapter: Any, profile: str) -> list[Test]:
    """The tests of a profile that apply to an adapter; collected anew where it claims other things.

    Raises
    ------
    RuntimeError
        pytest collects them not.
    """
    return _collected(_Claims(adapter), profile)


@functools.cache
def _collected(claims: _Claims, profile: str) -> list[Test]:
    global stand_in
    stand_in = claims.adapter
    options = f"--profile={profile}", f"--implementation={__name__}:stand_in"
    items = collect(*options)
    return [Test(item, dict(item.user_properties)["clauses"]) for item in items]


@dataclasses.dataclass(frozen=True)
class _Claims:
    """What an adapter claims; adapters that claim the same are equal."""

    adapter: Any = dataclasses.field(compare=False)
    shown: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        narrowed = getattr(self.adapter, "claims", {})
        shown = {name: sorted(names) for name, names in sorted(narrowed.items())}
        is_behind_pipe = getattr(self.adapter, "is_behind_pipe", False)
        claims = sorted(self.adapter.capabilities), self.adapter.precision, shown, is_behind_pipe
        object.__setattr__(self, "shown", str(claims))


def handed_over(adapter: Any, tests: list[Test]) -> Any:
    """An adapter as pytest hands it to tests: as it is, or in what the suite puts around it."""
    parameter = tests[0].item.callspec.params["implementation"]
    around = getattr(parameter, "adapter", parameter)
    return adapter if around is parameter else type(parameter)(adapter)
