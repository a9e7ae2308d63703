"""The options of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.clauses import CHAPTERS, CLAUSES, chapter
from conformance.known_failures import KnownFailures
from conformance.pipe.adapter import LIMIT
from conformance.profiles import PROFILES
from conformance.protocol import Judged
from conformance.verdicts import WRITERS
from conformance.versions import Version, clauses_of_version, law_version

__all__ = ["add_options", "choose_clauses", "choose_paths", "read_known_failures"]


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's."""
    group = parser.getgroup("conformance")
    _add_what_is_judged(group)
    _add_how_it_is_judged(group)
    _add_what_is_written(group)


def _add_what_is_judged(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--implementation",
        action="append",
        metavar="MODULE:OBJECT",
        help="adapter to judge, or a callable that makes one for a precision; or pipe:COMMAND, "
        "a program that docs/pipe.md is about; may be repeated (default: reference, and "
        "brainscale where it is installed)",
    )
    group.addoption(
        "--call-limit",
        type=float,
        default=LIMIT,
        metavar="SECONDS",
        help=f"how long a program behind a pipe may take for a call (default: {LIMIT:g})",
    )
    group.addoption(
        "--float",
        type=int,
        choices=(32, 64),
        default=64,
        help="precision that the implementations are asked for (default: 64)",
    )


def _add_how_it_is_judged(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--profile",
        choices=tuple(PROFILES),
        default="quick",
        help="how far the suite looks (default: quick)",
    )
    group.addoption(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of all that is drawn: one seed draws the same each time (default: 0)",
    )
    group.addoption(
        "--max-examples",
        type=int,
        metavar="N",
        help="how many examples are drawn for each property (default: the profile's)",
    )
    group.addoption(
        "--clause",
        action="append",
        metavar="CLAUSES",
        help="judge by these clauses and chapters alone, as in GIF-7,LEARN",
    )
    group.addoption(
        "--spec",
        metavar="VERSION",
        help=f"judge by the clauses of an earlier version of the law (default: {law_version()})",
    )


def _add_what_is_written(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--known-failures",
        metavar="FILE",
        help="let those fail that this file lists, and no others",
    )
    group.addoption(
        "--write-known-failures",
        metavar="FILE",
        help="write down what fails, as --known-failures reads it; comments are kept",
    )
    group.addoption(
        "--verdict",
        action="append",
        metavar="PATH",
        help="write the verdict, by the path's ending as JSON, a page (.html), Markdown (.md) or a "
        "badge (.svg); may be repeated",
    )


def choose_clauses(config: pytest.Config) -> tuple[tuple[str, ...], frozenset[str]]:
    """Choose the clauses of the version that is judged by, and those of them that are asked for.

    Raises
    ------
    pytest.UsageError
        There is no such version, clause or chapter.
    """
    try:
        version = Version.of(config.getoption("--spec") or str(law_version()))
        of_version = clauses_of_version(version)
    except ValueError as error:
        raise pytest.UsageError(f"--spec: {error}") from error
    asked = config.getoption("--clause")
    if asked is None:
        return of_version, frozenset(of_version)
    names = [name for text in asked for name in text.replace(",", " ").split()]
    unknown = [name for name in names if name not in CLAUSES and name not in CHAPTERS]
    if unknown or not names:
        raise pytest.UsageError(
            f"--clause: {', '.join(unknown) or 'nothing'} is no clause and no chapter, "
            f"which are {', '.join(CHAPTERS)}"
        )
    chosen = {clause for clause in of_version if {clause, chapter(clause)} & {*names}}
    return of_version, frozenset(chosen)


def choose_paths(config: pytest.Config, adapters: list[Judged]) -> list[Path]:
    """Choose where the verdict is written; raises `pytest.UsageError` for what it cannot be."""
    paths = [config.invocation_params.dir / name for name in config.getoption("--verdict") or ()]
    for path in paths:
        if path.suffix not in WRITERS:
            raise pytest.UsageError(f"--verdict={path}: ends with none of {', '.join(WRITERS)}")
        if path.suffix == ".svg" and len(adapters) != 1:
            raise pytest.UsageError(f"--verdict={path}: a badge is of one --implementation")
    return paths


def read_known_failures(config: pytest.Config, adapters: list[Judged]) -> KnownFailures | None:
    """Read the list of known failures, where there is one to hold to or to rewrite.

    Raises
    ------
    pytest.UsageError
        It is not there, is none, or several implementations are judged.
    """
    path, written = (config.getoption(f"--{word}known-failures") for word in ("", "write-"))
    if path is None and written is None:
        return None
    if None not in (path, written) and Path(path) != Path(written):
        raise pytest.UsageError("--known-failures and --write-known-failures: two files")
    if len(adapters) != 1:
        raise pytest.UsageError("--known-failures: a list is of one --implementation")
    path = config.invocation_params.dir / (path or written)
    if written and not path.exists():
        return KnownFailures()
    try:
        return KnownFailures.read(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--known-failures={path}: {error}") from error
