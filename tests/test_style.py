"""What CONTRIBUTING.md says of style, as far as a test can hold it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from repository import ROOT

FOLDERS = ("benchmarks", "brainscale", "conformance", "examples", "reference", "tests")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]

LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60

#: They say of a thing what was done to it, and not what it is.
NO_NAMES = {"found", "given", "held", "met", "own", "parts"}
#: A key of the files of vectors.
KEYS = {("conformance/vectors/recording.py", "given")}


def list_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def list_names(tree: ast.Module) -> Iterator[str]:
    """List what a file gives names to."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def count_lines(function: ast.FunctionDef) -> int:
    """Count the lines of a function, its docstring left out."""
    end = function.end_lineno or function.lineno
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    lines = end - function.lineno + 1
    return lines - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)


def test_files_and_functions_are_short():
    long = {}
    for path in FILES:
        text = path.read_text("utf-8")
        lengths = {f.name: count_lines(f) for f in list_functions(ast.parse(text))}
        long |= {(path, name): n for name, n in lengths.items() if n > LINES_OF_A_FUNCTION}
        if text.count("\n") > LINES_OF_A_FILE:
            long[path] = text.count("\n")
    assert not long


def test_names_say_what_things_are():
    wrong = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in FILES
        for name in list_names(ast.parse(path.read_text("utf-8")))
        if name.strip("_").lower() in NO_NAMES
    }
    assert wrong == KEYS
