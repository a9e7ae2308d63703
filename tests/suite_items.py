"""The tests of the suite, as pytest collects them in this process."""

from __future__ import annotations

import functools
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent
REFERENCE = "--implementation=conformance.adapters.reference:implementation"

#: What pytest does around tests, which are only collected.
WITHOUT = ("cacheprovider", "faulthandler", "logging", "terminal", "warnings", "xdist")


class _Collector:
    """A plugin that keeps what pytest collects."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


@functools.cache
def collect_suite(*options: str) -> list[pytest.Item]:
    """Collect the tests of the suite for the reference.

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
        status = pytest.main(
            [*command, REFERENCE, *options, str(ROOT / "conformance")], plugins=[collector]
        )
    finally:
        hypothesis.settings.load_profile(before)
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the suite is not collected: {status}")
    return collector.items
