"""Docstrings as `help` shows them, those that are made when the package is imported included."""

from __future__ import annotations

import inspect
from typing import Any

import griffe


class MadeDocstrings(griffe.Extension):
    """Gives a class the docstring that it has, of which the source may show a part or nothing."""

    def on_class_instance(self, *, cls: griffe.Class, **_: Any) -> None:
        try:
            made = inspect.getdoc(griffe.dynamic_import(cls.path))
        except ImportError:  # A class within a function.
            return
        written = cls.docstring
        if made and (written is None or inspect.cleandoc(written.value) != made):
            line = written.lineno if written else None
            cls.docstring = griffe.Docstring(made, lineno=line, parent=cls)
