"""Judge implementations: pytest, given the suite's own path and settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["FOLDER", "judge", "main"]

FOLDER = Path(__file__).parent.parent


def main(arguments: list[str]) -> int:
    """Judge by the whole suite, or by the tests whose ids are among the arguments."""
    return judge(arguments)


def judge(arguments: list[str], plugins: Sequence[Any] = ()) -> int:
    """Call pytest with some arguments and plugins, and return the exit status."""
    tests = [name for name in arguments if _is_test(name)]
    others = [name for name in arguments if not _is_test(name)]
    paths = [str(FOLDER.parent / name) for name in tests] or [str(FOLDER)]
    settings = [f"--rootdir={FOLDER.parent}", "-c", str(FOLDER / "judge.ini")]
    settings += ["-o", f"cache_dir={Path.cwd() / '.pytest_cache'}"]
    status = pytest.main([*settings, *others, *paths], plugins=[*plugins])
    # Where nothing was judged, the options say so.
    is_empty = status == pytest.ExitCode.NO_TESTS_COLLECTED
    return int(pytest.ExitCode.USAGE_ERROR if is_empty else status)


def _is_test(argument: str) -> bool:
    return argument.startswith(f"{FOLDER.name}/")
