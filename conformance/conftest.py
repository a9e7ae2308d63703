"""Options, the implementations to judge, and which test applies to which of them."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import sys
import time
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from conformance import distances
from conformance.blame import clauses_of
from conformance.clauses import CLAUSES, applies
from conformance.drawing import seeded
from conformance.drawing.covering import cover
from conformance.ids import words
from conformance.judgement import ClauseError
from conformance.pipe.adapter import LIMIT, PipeAdapter, StartError
from conformance.profiles import PROFILES, Profile
from conformance.protocol import Judged
from conformance.protocol.claims import Claims, claims_of
from conformance.report import Collected, Verdict
from conformance.tolerances import BEHIND_A_PIPE, unresolved

DEFAULTS = ("conformance.adapters.reference", "conformance.adapters.brainscale")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption(
        "--implementation",
        action="append",
        metavar="MODULE:OBJECT",
        help="adapter to judge, or a callable that makes one for a precision; or pipe:COMMAND, "
        "a program that docs/pipe.md is about; may be repeated (default: reference and brainscale)",
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
        help="of all that is drawn: one seed draws the same each time (default: 0)",
    )
    group.addoption(
        "--max-examples",
        type=int,
        metavar="N",
        help="how many examples are drawn for each property (default: the profile's)",
    )
    group.addoption(
        "--call-limit",
        type=float,
        default=LIMIT,
        metavar="SECONDS",
        help=f"how long a program behind a pipe may take for a call (default: {LIMIT:g})",
    )
    group.addoption("--verdict", metavar="PATH", help="write the verdict as JSON")


ADAPTERS = pytest.StashKey[list[Judged]]()
PROFILE = pytest.StashKey[Profile]()
VERDICT = pytest.StashKey[Verdict]()

MARKS = (
    "clauses(*ids): the clauses of SPEC.md that a test judges",
    "needs(*capabilities): those that a test needs and its clauses do not name",
    "claims(**names): names of `Claims`, field by field, all of which must be claimed",
    "full: the test is of the full profile alone",
    "smoke: the test is of every profile, and runs first",
)


def pytest_configure(config: pytest.Config) -> None:
    begin = time.perf_counter()  # what an adapter imports takes time too
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    # An adapter is importable from where pytest is called, whichever folder it is given.
    here = str(config.invocation_params.dir)
    if here not in sys.path:
        sys.path.insert(0, here)
    names = config.getoption("--implementation") or [f"{m}:implementation" for m in DEFAULTS]
    adapters = [_find(name, config) for name in names]
    if len({adapter.name for adapter in adapters}) < len(adapters):
        raise pytest.UsageError("--implementation: two adapters have one name")
    profile = PROFILES[config.getoption("--profile")]
    examples = config.getoption("--max-examples") or profile.max_examples
    profile = config.stash[PROFILE] = dataclasses.replace(profile, max_examples=examples)
    hypothesis.settings.register_profile(
        "conformance",
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
    )
    hypothesis.settings.load_profile("conformance")
    seeded.begin(config.getoption("--seed"))
    verdict = Verdict(
        adapters,
        profile,
        seed=config.getoption("--seed"),
        path=config.getoption("--verdict"),
        begin=begin,
        is_worker=hasattr(config, "workerinput"),
    )
    config.pluginmanager.register(verdict, "conformance-verdict")
    config.pluginmanager.register(distances, "conformance-distances")
    config.stash[ADAPTERS], config.stash[VERDICT] = adapters, verdict


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what cannot be judged through a pipe."""
    clauses = ", ".join(sorted(BEHIND_A_PIPE))
    return [
        f"{adapter.name} is behind a pipe, which no memory crosses: {clauses} are not applicable"
        for adapter in config.stash[ADAPTERS]
        if adapter.is_behind_pipe
    ]


def _find(name: str, config: pytest.Config) -> Judged:
    """The adapter that ``module:object`` names, or of the program of ``pipe:command``."""
    precision = config.getoption("--float")
    if not name.startswith("pipe:"):
        return _adapter(name, precision)
    try:
        limit = config.getoption("--call-limit")
        return Judged(PipeAdapter(name.removeprefix("pipe:"), precision, limit))
    except StartError as error:
        raise pytest.UsageError(f"--implementation={name}: {_said(error)}") from error


def _adapter(name: str, precision: int) -> Judged:
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
    try:
        return Judged(adapter)
    except Exception as error:
        hint = "the adapter needs a name, a precision and a set of capabilities"
        raise pytest.UsageError(f"--implementation={name}: {_said(error)}; {hint}") from error


def _said(error: Exception) -> str:
    """An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "plan" in metafunc.fixturenames:
        _parametrize_by_plans(metafunc)
    elif "implementation" in metafunc.fixturenames:
        adapters = metafunc.config.stash[ADAPTERS]
        # One, if none applies: pytest would skip the test, where it is deselected below.
        adapters = [a for a in adapters if _applies(metafunc.definition, a)] or adapters[:1]
        names = [words(adapter.name) for adapter in adapters]
        metafunc.parametrize("implementation", adapters, ids=names, scope="session")


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str:
    """The part of an id that a parameter makes, where the test names none."""
    return words(val)


def _parametrize_by_plans(metafunc: pytest.Metafunc) -> None:
    """Each implementation with the plans that cover what it claims, those of one plan together."""
    config, found = metafunc.config, {}
    strength, seed = config.stash[PROFILE].strength, config.getoption("--seed")
    learners = [adapter for adapter in config.stash[ADAPTERS] if adapter.claims.rules]
    if not learners:  # pytest would skip the test, where it is deselected now
        marks = pytest.mark.clauses("NUM-8"), pytest.mark.claims(rules=["D-RTRL"])
        nobody = pytest.param(config.stash[ADAPTERS][0], None, seed, marks=marks)
        metafunc.parametrize(("implementation", "plan", "seed"), [nobody], scope="session")
        return
    for adapter in learners:
        for plan in cover(adapter.claims, strength, seed):
            found.setdefault(plan, []).append(adapter)
    parameters = []
    for index, (plan, adapters) in enumerate(found.items()):
        for adapter in adapters:
            clauses = [c for c in clauses_of(plan) if applies(c, adapter.claims)]
            if clauses:
                id = f"{words(adapter.name)}-{index}-{plan.title}"
                marks = pytest.mark.clauses(*clauses)
                parameters.append(pytest.param(adapter, plan, seed, id=id, marks=marks))
    metafunc.parametrize(("implementation", "plan", "seed"), parameters, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    """Say in a report which of a test's clauses are at fault, where that is known."""
    if call.excinfo is not None and isinstance(call.excinfo.value, ClauseError):
        item.user_properties.append(("at fault", call.excinfo.value.clauses))
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Drop tests that do not apply; a test that judges nothing we know of is an error.

    Those that do not apply by the marks of single parameters are still here.
    """
    profile, collected = config.stash[PROFILE], Collected()
    collected.is_whole = {item.path for item in items} >= set(FOLDER.rglob("test_*.py"))
    applicable, others = [], []
    for item in items:
        adapter = getattr(item, "callspec", None) and item.callspec.params.get("implementation")
        if adapter is None:
            applicable.append(item)
            continue
        clauses = _clauses(item)
        item.user_properties += [("implementation", adapter.name), ("clauses", clauses)]
        is_run = False
        if _applies(item, adapter):
            is_run = _is_of(item, profile)
            collected.add(adapter.name, clauses, is_run)
        _seed(item, config.getoption("--seed"))
        (applicable if is_run else others).append(item)
    config.stash[VERDICT].collected = collected
    # What is here now stays, and a library that traces programs makes many objects more.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    if others:
        config.hook.pytest_deselected(items=others)
    items[:] = applicable
    yield
    # What finds an adapter at fault is found first, however pytest has ordered the others.
    items.sort(key=lambda item: item.get_closest_marker("smoke") is None)


FOLDER = Path(__file__).parent


def _is_of(item: pytest.Item, profile: Profile) -> bool:
    """Whether a profile runs a test."""
    if profile.name == "smoke":
        return item.get_closest_marker("smoke") is not None
    return profile.name == "full" or item.get_closest_marker("full") is None


def _seed(item: pytest.Item, seed: int) -> None:
    """Have Hypothesis draw the same each time: by the seed, and by the test's name."""
    test = getattr(item, "obj", None)
    if hypothesis.is_hypothesis_test(test):
        name = f"{seed} {item.path.name} {item.originalname}"
        hypothesis.seed(zlib.crc32(name.encode()))(test)


def _applies(node: pytest.Item, adapter: Any) -> bool:
    """Whether an adapter claims what the marks of a test need, as far as these are known."""
    claims = claims_of(adapter)
    return all(
        [
            _covers(node, claims),
            claims.cover(capabilities=_marked(node, "needs")),
            *(applies(clause, claims) for clause in _marked(node, "clauses") if clause in CLAUSES),
            not unresolved(adapter) & {*_marked(node, "clauses")},
        ]
    )


def _covers(node: pytest.Item, claims: Claims) -> bool:
    """Whether all is claimed that the marks `claims` of a test have."""
    return all(claims.cover(**mark.kwargs) for mark in node.iter_markers("claims"))


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
