"""Arguments of the commands, and the adapters that they name."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from conformance.loading import default_names, find_from, load_adapter
from conformance.protocol import Judged

__all__ = ["USAGE", "Parser", "load_all"]

USAGE = int(pytest.ExitCode.USAGE_ERROR)
"""The exit status of what is not understood."""


class Parser(argparse.ArgumentParser):
    """Ends with the status `USAGE` where it does not understand."""

    def __init__(self, command: str, description: str):
        super().__init__(f"brainscale-judge {command}", description=description)

    def add_implementation(self) -> None:
        """Add the options that name adapters."""
        self.add_argument("--implementation", action="append", metavar="MODULE:OBJECT")
        self.add_argument("--float", type=int, choices=(32, 64), default=64)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(USAGE)


def load_all(parser: Parser, namespace: argparse.Namespace) -> list[Judged]:
    """Load the adapters that arguments name, or the default ones."""
    find_from(Path.cwd())
    try:
        names = namespace.implementation or default_names()
        return [load_adapter(name, namespace.float) for name in names]
    except pytest.UsageError as error:
        parser.error(str(error))
