"""The tests of the suite, as pytest collects them in this process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent.parent
REFERENCE = "--implementation=conformance.adapters.reference:implementation"

#: What pytest does around tests, which are only collected.
WITHOUT = ("cacheprovider", "faulthandler", "logging", "terminal", "warnings", "xdist")


class _Collector:
    """A plugin that keeps what pytest collects."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def collect(*options: str, plugins: Sequence[Any] = ()) -> list[pytest.Item]:
    """Collect the tests of the suite as pytest does with these options.

    Raises
    ------
    RuntimeError
        pytest does not collect them.
    """
    before = hypothesis.settings.get_current_profile_name()
    collector = _Collector()
    command = ["--collect-only", "--assert=plain", "-o", "addopts=", f"--rootdir={ROOT}"]
    command += [option for name in WITHOUT for option in ("-p", f"no:{name}")]
    try:
        command += [*options, str(ROOT / "conformance")]
        status = pytest.main(command, plugins=[collector, *plugins])
    finally:
        hypothesis.settings.load_profile(before)
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the suite is not collected: {status}")
    return collector.items


@functools.cache
def collect_suite(*options: str) -> list[pytest.Item]:
    """Collect the tests of the suite for the reference, once for each set of options."""
    return collect(REFERENCE, *options)
