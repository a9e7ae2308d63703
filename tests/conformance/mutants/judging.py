"""Judging one mutant: by the tests that call what is changed, and then by the others."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from conformance.adapters.reference import implementation

from ..judging.suite import Test
from ..judging.verdicts import LONG, Verdict
from .copies import adapter_of, is_compiled
from .places import MODULES, REFERENCE, Place

REJECTED, SURVIVES, SLOW = "rejected", "survives", "rejected: too slow"


class Judged(NamedTuple):
    """What became of a mutant, and the test that said so."""

    place: Place
    outcome: str
    test: str
    seconds: float


class Judge:
    """The suite's tests, with what each calls in `reference` and how long it takes.

    Parameters
    ----------
    profile : str
        How far the suite looks.
    limit : int
        Seconds that a mutant may take.
    """

    def __init__(self, profile: str, limit: int):
        self.profile, self.limit = profile, limit
        self.seconds: dict[Test, float] = {}
        self.calls: dict[Test, set[tuple[str, str]]] = {}
        verdict = Verdict(implementation(), profile)
        for test in verdict.tests:
            start = time.perf_counter()
            self.calls[test] = _calls_of(lambda test=test: _no_faults(verdict, test))
            self.seconds[test] = time.perf_counter() - start

    def judge_all(self, places: list[Place], processes: int) -> Iterator[Judged]:
        """The outcomes, as they come; each mutant has a process of its own, a fork of this one."""
        global _judge  # Tests cannot be sent to another process; a fork has them.
        _judge = self
        context = get_context("fork")
        with context.Pool(processes, maxtasksperchild=1) as pool:
            yield from pool.imap_unordered(_judge_here, places, chunksize=1)

    def judge(self, place: Place) -> Judged:
        """The outcome of a mutant, in this process."""
        start = time.perf_counter()
        signal.signal(signal.SIGALRM, _too_slow)
        signal.alarm(self.limit)
        try:
            outcome, test = self.outcome(place)
        except _TooSlowError:
            outcome, test = SLOW, ""
        finally:
            signal.alarm(0)
        return Judged(place, outcome, test, time.perf_counter() - start)

    def outcome(self, place: Place) -> tuple[str, str]:
        """Whether a test rejects a mutant, and which."""
        try:
            adapter = adapter_of(place)
        except _TooSlowError:
            raise
        except Exception as error:
            return REJECTED, f"import: {type(error).__name__}"
        verdict = Verdict(adapter, self.profile)
        for test in self.order(place, verdict.tests):
            if verdict.faults_of(test):
                return REJECTED, test.item.nodeid
        return SURVIVES, ""

    def order(self, place: Place, tests: list[Test]) -> list[Test]:
        """First the tests that call what is changed, and of these the fast ones; long ones last."""
        called = place.module, place.function.rpartition(".")[2]
        is_known = bool(place.function) and not is_compiled(place)

        def key(test: Test) -> tuple[bool, bool, float]:
            is_long = any(name in test.item.nodeid for name in LONG)
            is_far = is_known and called not in self.calls[test]
            return is_far, is_long, self.seconds[test]

        return sorted(tests, key=key)


def killed_by_tests_of_the_reference(place: Place, folder: Path) -> bool:
    """Whether `tests/reference` fails on the mutant; `folder` is new, for the changed tree."""
    root = REFERENCE.parent
    folder.mkdir()
    for path in root.iterdir():
        if path.name not in ("reference", ".git"):
            (folder / path.name).symlink_to(path)
    for module, path in MODULES.items():
        text = path.read_text("utf-8")
        if module == place.module:
            text = ast.unparse(place.source())
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "tests/reference"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    return run.returncode != 0


_judge: Judge


def _judge_here(place: Place) -> Judged:
    return _judge.judge(place)


class _TooSlowError(BaseException):
    """Of no kind that the suite's tests catch."""


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise _TooSlowError


def _no_faults(verdict: Verdict, test: Test) -> None:
    faults = verdict.faults_of(test)
    assert not faults, f"the reference itself fails {test.item.nodeid}"


def _calls_of(call: Any) -> set[tuple[str, str]]:
    """The functions of `reference` that are called meanwhile, each by its module and name."""
    calls: set[tuple[str, str]] = set()
    folder = f"{REFERENCE}{os.sep}"

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            name = frame.f_code.co_filename.removeprefix(folder).removesuffix(".py")
            calls.add((name.replace(os.sep, "."), frame.f_code.co_name))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls
