"""The adapters to judge: which by default, and what `module:object` or `pipe:command` names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

from conformance.pipe.adapter import LIMIT, PipeAdapter, StartError
from conformance.protocol import Judged

__all__ = ["DEFAULTS", "default_names", "find_from", "load_adapter"]

DEFAULTS = {
    "conformance.adapters.reference:implementation": (),
    "conformance.adapters.brainscale:implementation": ("jax", "brainscale"),
}
"""The adapters that are judged where none is named, and the packages that each needs."""


def default_names() -> list[str]:
    """Name the default adapters whose packages are here."""
    return [name for name, packages in DEFAULTS.items() if all(map(_is_here, packages))]


def _is_here(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def find_from(folder: Path) -> None:
    """Let adapters be imported from a folder, whichever folder pytest is given."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def load_adapter(name: str, precision: int, call_limit: float = LIMIT) -> Judged:
    """Load the adapter that ``module:object`` names, or of the program of ``pipe:command``.

    Parameters
    ----------
    name : str
    precision : int
    call_limit : float
        How many seconds a program may take for a call.

    Raises
    ------
    pytest.UsageError
        There is none; the message is one line that says how to name one.
    """
    if name.startswith("pipe:"):
        try:
            command = name.removeprefix("pipe:")
            return Judged(PipeAdapter(command, precision, call_limit), name)
        except StartError as error:
            raise pytest.UsageError(f"--implementation={name}: {_said(error)}") from error
    module, colon, attribute = name.partition(":")
    hint = "give it as package.module:object, importable from the current directory"
    if not (module and colon and attribute):
        raise pytest.UsageError(f"--implementation={name}: {hint}")
    try:
        named = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module does when it is imported
        raise pytest.UsageError(f"--implementation={name}: {_said(error)}; {hint}") from error
    adapter = named
    if isinstance(named, type) or not hasattr(named, "capabilities"):
        try:
            adapter = named(precision)
        except Exception as error:
            hint = f"it is called with the precision, {precision}, and returns an adapter"
            raise pytest.UsageError(f"--implementation={name}: {_said(error)}; {hint}") from error
    if not isinstance(getattr(adapter, "name", None), str):
        raise pytest.UsageError(f"--implementation={name}: the adapter needs a name")
    is_behind_pipe = getattr(adapter, "is_behind_pipe", False)
    if is_behind_pipe and not isinstance(adapter, PipeAdapter):  # Clauses of memory do not apply.
        raise pytest.UsageError(f"--implementation={name}: is_behind_pipe is of pipe:COMMAND alone")
    try:
        return Judged(adapter, name)
    except Exception as error:
        hint = "the adapter needs a name, a precision and a set of capabilities"
        raise pytest.UsageError(f"--implementation={name}: {_said(error)}; {hint}") from error


def _said(error: Exception) -> str:
    """An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
