"""The pages of the API: one a room of the package, and one with every public name."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from pathlib import Path

import brainscale

TITLES = {
    "states": "States",
    "learners": "Learners",
    "operators": "Operations",
    "parameters": "Parameters",
    "engine": "Inputs of several steps",
    "training": "Training",
    "sharding": "Placement over devices",
    "nn": "Neurons, cells and layers",
    "exchange": "Nets from other tools",
    "errors": "Errors",
}
"""By room, the title of its page; a room that has none has no place in the site, which fails."""


def make() -> dict[str, str]:
    """By path, a page in Markdown."""
    names = public_names()
    pages = {}
    index = ["# API", "", "Every public name, with what it is for.", ""]
    for room, title in TITLES.items():
        blocks = [f"::: {name}" for name in names[room]]
        pages[f"api/{room}.md"] = "\n\n".join([f"# {title}", *blocks]) + "\n"
        index += [f"## [{title}]({room}.md)", ""]
        index += [f"- [`{name}`][{name}]: {names[room][name]}" for name in names[room]]
        index += [""]
    pages["api/index.md"] = "\n".join(index)
    return pages


def public_names() -> dict[str, dict[str, str]]:
    """By room and dotted name, the first sentence of each thing that the package exports."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    rooms = _rooms()
    for module in (brainscale, brainscale.nn, brainscale.errors):
        _, _, own = module.__name__.partition(".")
        for name in module.__all__:
            thing = getattr(module, name)
            if not inspect.ismodule(thing):
                room = own or rooms[name]
                found[room].setdefault(f"{module.__name__}.{name}", _summarise(thing))
    # Of two names of one thing the shorter is the page's.
    found["errors"].pop("brainscale.errors.BrainscaleError", None)
    unplaced = found.keys() - TITLES.keys()
    assert not unplaced, f"rooms without a page: {unplaced}"
    return found


def _rooms() -> dict[str, str]:
    """By name, the room that the package takes it from."""
    tree = ast.parse(Path(brainscale.__file__).read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.name: str(node.module).split(".")[0] for node in imports for alias in node.names}


def _summarise(thing: object) -> str:
    """The first sentence of its docstring; a dict, which has none of its own, says its length."""
    if isinstance(thing, dict):
        return f"{len(thing)} by name."
    return (inspect.getdoc(thing) or "").partition("\n")[0]
