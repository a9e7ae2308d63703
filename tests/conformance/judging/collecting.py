"""The tests of the suite, as pytest collects them in this process."""

from __future__ import annotations

import functools
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parents[3]
REFERENCE = "--implementation=conformance.adapters.reference:implementation"

#: What pytest does around tests, which are only collected.
WITHOUT = ("cacheprovider", "faulthandler", "logging", "terminal", "warnings", "xdist")


class _Examples:
    """A plugin that has the same examples drawn each time, and none shrunk."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        hypothesis.settings.register_profile(
            "conformance-judging",
            parent=hypothesis.settings(),
            derandomize=True,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            report_multiple_bugs=False,
        )
        hypothesis.settings.load_profile("conformance-judging")


class _Collector:
    """A plugin that keeps what pytest collects."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def collect(*options: str) -> list[pytest.Item]:
    """Collect the tests of the suite as pytest does with these options.

    How many examples a test draws is that of the profile quick: Hypothesis keeps what holds when a
    module is imported. What a test draws is of the seed that was collected with last.

    Raises
    ------
    RuntimeError
        pytest does not collect them.
    """
    _import_suite()
    return _collect(*options)


@functools.cache
def _import_suite() -> None:
    """Import the tests of the suite as the profile quick does, whatever is collected first."""
    _collect(REFERENCE)


def _collect(*options: str) -> list[pytest.Item]:
    before = hypothesis.settings.get_current_profile_name()
    collector = _Collector()
    command = ["--collect-only", "--assert=plain", "-o", "addopts=", f"--rootdir={ROOT}"]
    command += [option for name in WITHOUT for option in ("-p", f"no:{name}")]
    try:
        command += [*options, str(ROOT / "conformance")]
        status = pytest.main(command, plugins=[collector, _Examples()])
    finally:
        hypothesis.settings.load_profile(before)
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the suite is not collected: {status}")
    return collector.items


@functools.cache
def collect_suite(*options: str) -> list[pytest.Item]:
    """Collect the tests of the suite for the reference, once for each set of options."""
    return collect(REFERENCE, *options)
