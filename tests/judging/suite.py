"""The tests of the suite, collected once for the reference; each is called with any adapter."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Collection
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from conformance import conftest
from conformance.claims import Claims

ROOT = Path(__file__).parent.parent.parent
REFERENCE = "conformance.adapters.reference:implementation"

#: What pytest does around tests, which are only collected.
WITHOUT = ("cacheprovider", "faulthandler", "logging", "terminal", "warnings", "xdist")


@dataclasses.dataclass(frozen=True, eq=False)
class Test:
    """A test of the suite, with its parameters.

    Attributes
    ----------
    item : pytest.Function
        As it was collected, for the reference.
    clauses : tuple of str
        Those that it judges.
    """

    __test__ = False

    item: pytest.Function
    clauses: tuple[str, ...]

    def faults(self, adapter: Any) -> tuple[str, ...]:
        """The clauses that the test finds broken; where its failure does not say, all of them."""
        values = {**self.item.callspec.params, "implementation": adapter}
        try:
            self.item.obj(**{name: self.value(name, values) for name in self.arguments})
        except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:
            return tuple(getattr(failure, "clauses", self.clauses))
        return ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the test is called with."""
        return self.item._fixtureinfo.argnames

    def value(self, name: str, values: dict[str, Any]) -> Any:
        """A parameter, or what a fixture returns, made anew; `values` has what is known."""
        if name not in values:
            fixture = self.item._fixtureinfo.name2fixturedefs[name][-1]
            given = {argument: self.value(argument, values) for argument in fixture.argnames}
            values[name] = fixture.func(**given)
            assert not inspect.isgenerator(values[name]), f"fixture {name} has a second half"
        return values[name]


class _Collector:
    """A plugin that keeps what pytest collects; examples are few, and none is shrunk."""

    def __init__(self) -> None:
        self.items: list[pytest.Function] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        hypothesis.settings.register_profile(
            "judging",
            parent=hypothesis.settings(),
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            report_multiple_bugs=False,
        )
        hypothesis.settings.load_profile("judging")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


@functools.cache
def collected(profile: str = "quick") -> list[Test]:
    """All tests of a profile, as pytest collects them for the reference.

    Raises
    ------
    RuntimeError
        pytest collects them not.
    """
    before = hypothesis.settings.get_current_profile_name()
    collector = _Collector()
    command = ["--collect-only", "--derandomize", f"--profile={profile}", "--assert=plain"]
    command += ["-o", "addopts=", f"--rootdir={ROOT}", f"--implementation={REFERENCE}"]
    command += [option for name in WITHOUT for option in ("-p", f"no:{name}")]
    try:
        status = pytest.main([*command, str(ROOT / "conformance")], plugins=[collector])
    finally:
        hypothesis.settings.load_profile(before)
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the suite is not collected: {status}")
    return [Test(item, dict(item.user_properties)["clauses"]) for item in collector.items]


def applicable(adapter: Any, profile: str = "quick") -> list[Test]:
    """The tests that apply to an adapter, by the rule of `pytest conformance/`."""
    return _applicable(_Claimed(adapter), profile)


@functools.cache
def _applicable(claimed: _Claimed, profile: str) -> list[Test]:
    return [test for test in collected(profile) if conftest._applies(test.item, claimed.adapter)]


@dataclasses.dataclass(frozen=True)
class _Claimed:
    """An adapter; all that claim the same are equal."""

    adapter: Any = dataclasses.field(compare=False)
    claims: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        names = "capabilities", *(field.name for field in dataclasses.fields(Claims))
        claims = [getattr(self.adapter, name, None) for name in names]
        claims = tuple(frozenset(x) if isinstance(x, Collection) else None for x in claims)
        object.__setattr__(self, "claims", claims)
