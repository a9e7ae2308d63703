"""What mkdocstrings' reader is given: docstrings as `help` shows them, each argument by itself."""

from __future__ import annotations

import inspect
from typing import Any

import griffe

from docstrings import part_names


class WholeDocstrings(griffe.Extension):
    """Gives a class the docstring that it has, of which the source may show a part or nothing."""

    def on_class_instance(self, *, cls: griffe.Class, **_: Any) -> None:
        try:
            made = inspect.getdoc(griffe.dynamic_import(cls.path))
        except ImportError:  # A class within a function.
            return
        if made:
            cls.docstring = griffe.Docstring(part_names(made), parent=cls)

    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:
        if func.docstring:
            func.docstring.value = part_names(inspect.cleandoc(func.docstring.value))
