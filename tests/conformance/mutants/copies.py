"""A changed copy of `reference`, and of its adapter, beside the untouched ones.

Copies have names of their own, so that what is pickled finds its classes. What Numba compiles is
that of the untouched reference, but where the change is in it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any

from numba.core.dispatcher import Dispatcher

from .places import MODULES, ROOT, Place, read_module

PREFIX = "mutant_"
#: What is copied of the judge: the adapter and what hands values over.
ADAPTER = "conformance.adapters.reference"
COPIED = (
    ADAPTER,
    "conformance.adapters.reference_cable",
    "conformance.adapters.reference_learning",
    "conformance.translation.values",
    "conformance.translation.networks",
)
DECORATORS = ("njit", "register_jitable")


def adapter_of(place: Place) -> Any:
    """The reference's adapter on a copy with a change; earlier copies are forgotten."""
    for name in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[name]
    finder = _Finder(place)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(PREFIX + ADAPTER.replace(".", "_")).implementation()
    finally:
        sys.meta_path.remove(finder)


def is_compiled(place: Place) -> bool:
    """Whether Numba compiles the function of a change."""
    name, _, _ = place.function.partition(".")
    for node in read_module(place.module).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            shown = " ".join(map(ast.unparse, node.decorator_list))
            return any(decorator in shown for decorator in DECORATORS)
    return False


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, place: Place):
        self.place, self.compiles = place, is_compiled(place)

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if not name.startswith(PREFIX):
            return None
        is_package = (_module_of(_original(name)) or "").endswith("__init__")
        return importlib.util.spec_from_loader(name, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        original = _original(module.__name__)
        module_name = _module_of(original)
        if module_name is not None:
            tree = (
                self.place.source()
                if module_name == self.place.module
                else read_module(module_name)
            )
        else:
            path = ROOT / f"{original.replace('.', '/')}.py"
            tree = _Renaming().visit(ast.parse(path.read_text("utf-8")))
        exec(compile(ast.fix_missing_locations(tree), f"<mutant {original}>", "exec"), vars(module))
        self.share_compiled(module, original, {module_name, *_imported(module_name, tree)})

    def share_compiled(self, module: ModuleType, original: str, near: set[str | None]) -> None:
        """Take what Numba has compiled, where a change makes no difference to it.

        `near` are the module itself and those that it imports.
        """
        if self.compiles and self.place.module in near:
            return
        for name, value in list(vars(module).items()):
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__:
                setattr(module, name, getattr(importlib.import_module(original), name))


class _Renaming(ast.NodeTransformer):
    """Imports of what is copied are of the copies."""

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            if alias.name == "reference":
                alias.name, alias.asname = f"{PREFIX}reference", "reference"
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        name = node.module or ""
        if name == "reference" or name.startswith("reference."):
            node.module = PREFIX + name
        elif name in COPIED:
            node.module = PREFIX + name.replace(".", "_")
        return node


def _module_of(original: str) -> str | None:
    """The name in `MODULES` of a module or a package of `reference`; None of what is neither."""
    package, _, rest = original.partition(".")
    if package != "reference":
        return None
    return rest if rest in MODULES else f"{rest}.__init__".lstrip(".")


def _imported(module_name: str | None, tree: ast.Module) -> set[str]:
    """The modules that one of `reference` imports from its own folder.

    From another folder no function is compiled into its own.
    """
    folder, imported = (module_name or "").rpartition(".")[0], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            imported |= {f"{folder}.{name}".lstrip(".") for name in names}
    return imported


def _original(name: str) -> str:
    """What a copy is one of."""
    name = name.removeprefix(PREFIX)
    return {copied.replace(".", "_"): copied for copied in COPIED}.get(name, name)
