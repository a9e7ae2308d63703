"""Options, the implementations to judge, and which test applies to which of them."""

from __future__ import annotations

import importlib
from typing import Any

import hypothesis
import pytest

from conformance.clauses import CLAUSES, capabilities
from conformance.ids import words
from conformance.profiles import PROFILES, Profile
from conformance.report import Verdict

DEFAULTS = ("conformance.adapters.reference", "conformance.adapters.brainscale")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption(
        "--implementation",
        action="append",
        metavar="MODULE:OBJECT",
        help="adapter to judge, or a callable that makes one for a precision; may be repeated "
        "(default: reference and brainscale)",
    )
    group.addoption(
        "--float",
        type=int,
        choices=(32, 64),
        default=64,
        help="precision that the implementations are asked for (default: 64)",
    )
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
        help="of the problems that are drawn (default: 0)",
    )
    group.addoption(
        "--max-examples",
        type=int,
        metavar="N",
        help="how many examples are drawn for each property (default: the profile's)",
    )
    group.addoption("--derandomize", action="store_true", help="draw the same examples each time")
    group.addoption("--verdict", metavar="PATH", help="write the verdict as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clauses(*ids): the clauses of SPEC.md that a test judges")
    config.addinivalue_line(
        "markers", "needs(*capabilities): those that a test needs and its clauses do not name"
    )
    names = config.getoption("--implementation") or [f"{m}:implementation" for m in DEFAULTS]
    adapters = [_adapter(name, config.getoption("--float")) for name in names]
    if len({adapter.name for adapter in adapters}) < len(adapters):
        raise pytest.UsageError("--implementation: two adapters have one name")
    profile = config.stash[PROFILE] = PROFILES[config.getoption("--profile")]
    hypothesis.settings.register_profile(
        "conformance",
        max_examples=config.getoption("--max-examples") or profile.max_examples,
        derandomize=config.getoption("--derandomize"),
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
    )
    hypothesis.settings.load_profile("conformance")
    importlib.import_module("conformance.drawing.numbered").begin(config.getoption("--seed"))
    verdict = Verdict(adapters, config.getoption("--verdict"))
    config.pluginmanager.register(verdict, "conformance-verdict")
    config.stash[ADAPTERS] = adapters


ADAPTERS = pytest.StashKey[list[Any]]()
PROFILE = pytest.StashKey[Profile]()


def _adapter(name: str, precision: int) -> Any:
    """The adapter that ``module:object`` names."""
    module, colon, attribute = name.partition(":")
    hint = "give it as package.module:object, importable from the current directory"
    if not (module and colon and attribute):
        raise pytest.UsageError(f"--implementation={name}: {hint}")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module does when it is imported
        raise pytest.UsageError(f"--implementation={name}: {_said(error)}; {hint}") from error
    adapter = found
    if isinstance(found, type) or not hasattr(found, "capabilities"):
        try:
            adapter = found(precision)
        except Exception as error:
            hint = f"it is called with the precision, {precision}, and returns an adapter"
            raise pytest.UsageError(f"--implementation={name}: {_said(error)}; {hint}") from error
    if not isinstance(getattr(adapter, "name", None), str):
        raise pytest.UsageError(f"--implementation={name}: the adapter needs a name")
    return adapter


def _said(error: Exception) -> str:
    """An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "implementation" in metafunc.fixturenames:
        adapters = metafunc.config.stash[ADAPTERS]
        # One, if none applies: pytest would skip the test, where it is deselected below.
        adapters = [a for a in adapters if _applies(metafunc.definition, a)] or adapters[:1]
        names = [adapter.name for adapter in adapters]
        metafunc.parametrize("implementation", adapters, ids=names, scope="session")


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str:
    """The part of an id that a parameter makes, where the test names none."""
    return words(val)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop tests that do not apply; a test that judges nothing we know of is an error.

    Those that do not apply by the marks of single parameters are still here.
    """
    applicable, others = [], []
    for item in items:
        adapter = getattr(item, "callspec", None) and item.callspec.params.get("implementation")
        if adapter is None:
            applicable.append(item)
            continue
        clauses = _clauses(item)
        item.user_properties += [("implementation", adapter.name), ("clauses", clauses)]
        (applicable if _applies(item, adapter) else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = applicable


def _applies(node: pytest.Item, adapter: Any) -> bool:
    """Whether an adapter claims what the marks of a test need, as far as these are known."""
    needed = set(_marked(node, "needs"))
    needed |= capabilities(tuple(c for c in _marked(node, "clauses") if c in CLAUSES))
    return needed <= set(adapter.capabilities)


def _marked(node: pytest.Item, name: str) -> tuple[str, ...]:
    return tuple(argument for mark in node.iter_markers(name) for argument in mark.args)


def _clauses(item: pytest.Item) -> tuple[str, ...]:
    clauses = _marked(item, "clauses")
    if not clauses:
        raise pytest.UsageError(f"{item.nodeid} names no clause")
    for clause in clauses:
        if clause not in CLAUSES:
            raise pytest.UsageError(f"{item.nodeid} names {clause}, which SPEC.md does not have")
    return clauses
