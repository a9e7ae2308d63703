"""Options, the implementations to judge, and which test applies to which of them."""

from __future__ import annotations

import dataclasses
import gc
import time
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from conformance import distances
from conformance.blame import clauses_of
from conformance.clauses import applies
from conformance.drawing import seeded
from conformance.failing import clauses_at_fault, describe_failure, explain
from conformance.ids import words
from conformance.judgement import ClauseError
from conformance.known_failures import KnownFailures
from conformance.listing import Listing
from conformance.loading import DEFAULTS, default_names, find_from, load_adapter
from conformance.options import add_options, choose_clauses, choose_paths, read_known_failures
from conformance.plans.covering import cover
from conformance.profiles import PROFILES, Profile
from conformance.protocol import Judged
from conformance.report import Collected, Run, Verdict
from conformance.selection import clauses_judged, is_applicable, is_in
from conformance.tolerances import BEHIND_A_PIPE
from conformance.versions import law_version


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


ADAPTERS = pytest.StashKey[list[Judged]]()
PROFILE = pytest.StashKey[Profile]()
KNOWN = pytest.StashKey[KnownFailures | None]()
IN_FORCE = pytest.StashKey[tuple[str, ...]]()
CHOSEN = pytest.StashKey[frozenset[str]]()
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
    find_from(config.invocation_params.dir)
    names = config.getoption("--implementation") or default_names()
    limit = config.getoption("--call-limit")
    adapters = [load_adapter(name, config.getoption("--float"), limit) for name in names]
    if len({adapter.name for adapter in adapters}) < len(adapters):
        raise pytest.UsageError("--implementation: two adapters have one name")
    known = config.stash[KNOWN] = read_known_failures(config, adapters)
    law = config.getoption("--spec") or str(law_version())
    config.stash[IN_FORCE], config.stash[CHOSEN] = choose_clauses(config)
    profile = PROFILES[config.getoption("--profile")]
    examples = config.getoption("--max-examples") or profile.max_examples
    profile = config.stash[PROFILE] = dataclasses.replace(profile, max_examples=examples)
    _load_settings(examples, is_shrinking=known is None)
    seeded.begin(config.getoption("--seed"))
    run = Run(profile, config.getoption("--seed"), begin, law, config.stash[IN_FORCE])
    is_worker = hasattr(config, "workerinput")
    verdict = Verdict(adapters, run, choose_paths(config, adapters), is_worker)
    config.pluginmanager.register(verdict, "conformance-verdict")
    config.pluginmanager.register(distances, "conformance-distances")
    if known is not None and not is_worker:
        written = config.getoption("--write-known-failures")
        listing = Listing(known, verdict, law, written and config.invocation_params.dir / written)
        config.pluginmanager.register(listing, "conformance-listing")
    config.stash[ADAPTERS], config.stash[VERDICT] = adapters, verdict


def _load_settings(examples: int, is_shrinking: bool) -> None:
    """Have Hypothesis draw so many examples, and make a failing one smaller, or not."""
    phases = (
        {*hypothesis.Phase} if is_shrinking else {*hypothesis.Phase} - {hypothesis.Phase.shrink}
    )
    hypothesis.settings.register_profile(
        "conformance",
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not is_shrinking,
        phases=tuple(phases),
        report_multiple_bugs=is_shrinking,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
    )
    hypothesis.settings.load_profile("conformance")


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is judged; by default, also what is not, for want of its packages."""
    names = [f"{adapter.name} ({adapter.source})" for adapter in config.stash[ADAPTERS]]
    version = config.getoption("--spec") or law_version()
    header = f"judging by SPEC.md {version}: {', '.join(names)}"
    missing = set() if config.getoption("--implementation") else {*DEFAULTS} - {*default_names()}
    if missing:
        header += f"; not judged, for want of its packages: {', '.join(sorted(missing))}"
    clauses = ", ".join(sorted(BEHIND_A_PIPE))
    for adapter in config.stash[ADAPTERS]:
        if adapter.is_behind_pipe:
            header += f"; {adapter.name} is behind a pipe, which no memory crosses: {clauses} are "
            header += "not applicable"
    return header


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "plan" in metafunc.fixturenames:
        _parametrize_by_plans(metafunc)
    elif "implementation" in metafunc.fixturenames:
        adapters = metafunc.config.stash[ADAPTERS]
        # One, if none applies: pytest would skip the test, where it is deselected below.
        adapters = [a for a in adapters if is_applicable(metafunc.definition, a)] or adapters[:1]
        names = [words(adapter.name) for adapter in adapters]
        metafunc.parametrize("implementation", adapters, ids=names, scope="session")


def pytest_make_parametrize_id(config: pytest.Config, val: Any, argname: str) -> str:
    """The part of an id that a parameter makes, where the test names none."""
    return words(val)


def _parametrize_by_plans(metafunc: pytest.Metafunc) -> None:
    """Each implementation with the plans that cover what it claims, those of one plan together."""
    config, by_plan = metafunc.config, {}
    strength, seed = config.stash[PROFILE].strength, config.getoption("--seed")
    learners = [adapter for adapter in config.stash[ADAPTERS] if adapter.claims.rules]
    if not learners:  # pytest would skip the test, where it is deselected now
        marks = pytest.mark.clauses("NUM-8"), pytest.mark.claims(rules=["D-RTRL"])
        nobody = pytest.param(config.stash[ADAPTERS][0], None, seed, marks=marks)
        metafunc.parametrize(("implementation", "plan", "seed"), [nobody], scope="session")
        return
    for adapter in learners:
        # Whoever else is judged, an implementation's problems have the same ids.
        for index, plan in enumerate(cover(adapter.claims, strength, seed)):
            by_plan.setdefault(plan, []).append((adapter, index))
    parameters = []
    for plan, adapters in by_plan.items():
        for adapter, index in adapters:
            clauses = [c for c in clauses_of(plan) if applies(c, adapter.claims)]
            if clauses:
                id = f"{words(adapter.name)}-{index}-{plan.title}"
                marks = pytest.mark.clauses(*clauses)
                parameters.append(pytest.param(adapter, plan, seed, id=id, marks=marks))
    metafunc.parametrize(("implementation", "plan", "seed"), parameters, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    """Say in the report of a failure what it breaks, and whether that is known."""
    properties, error = dict(item.user_properties), call.excinfo and call.excinfo.value
    if error is None or "implementation" not in properties:
        return (yield)
    if isinstance(error, ClauseError):
        item.user_properties.append(("at fault", error.clauses))
    failure = describe_failure(item, error)
    item.user_properties.append(("failure", failure))
    report = yield
    properties = dict(item.user_properties)
    clauses, known = clauses_at_fault(properties), item.config.stash[KNOWN]
    in_force = tuple(clause for clause in clauses if clause in item.config.stash[IN_FORCE])
    report.sections.append(("SPEC.md", explain(clauses, failure, properties.get("distance"))))
    if report.failed and not in_force:
        report.outcome = "passed"  # by the version of the law that is judged by
    elif report.failed and known is not None and known.covers(in_force, item.nodeid):
        report.outcome, report.wasxfail = "skipped", f"known: {', '.join(in_force)}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Drop tests that do not apply; a test that judges nothing we know of is an error.

    Those that do not apply by the marks of single parameters are still here.
    """
    profile, collected, known = config.stash[PROFILE], Collected(), config.stash[KNOWN]
    in_force, chosen = config.stash[IN_FORCE], config.stash[CHOSEN]
    collected.is_whole = {item.path for item in items} >= set(FOLDER.rglob("test_*.py"))
    applicable, others = [], []
    for item in items:
        adapter = getattr(item, "callspec", None) and item.callspec.params.get("implementation")
        if adapter is None:
            applicable.append(item)
            continue
        clauses = tuple(clause for clause in clauses_judged(item) if clause in in_force)
        item.user_properties += [("implementation", adapter.name), ("clauses", clauses)]
        is_run = False
        if clauses and is_applicable(item, adapter):
            is_run = is_in(item, profile)
            collected.add(adapter.name, clauses, is_run)
            if known is not None and not is_run:
                collected.elsewhere += known.find_listed(clauses, item.nodeid)
        _seed(item, config.getoption("--seed"))
        (applicable if is_run and chosen & {*clauses} else others).append(item)
    config.stash[VERDICT].collected = collected
    # What is here now stays, and a library that traces programs makes many objects more.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    if others:
        config.hook.pytest_deselected(items=others)
    items[:] = applicable
    yield
    collected.is_full = collected.is_whole and len(items) == len(applicable)
    collected.is_full &= chosen == {*in_force}
    # What finds an adapter at fault is found first, however pytest has ordered the others.
    items.sort(key=lambda item: item.get_closest_marker("smoke") is None)


FOLDER = Path(__file__).parent


def _seed(item: pytest.Item, seed: int) -> None:
    """Have Hypothesis draw the same each time: by the seed, and by the test's name."""
    test = getattr(item, "obj", None)
    if hypothesis.is_hypothesis_test(test):
        name = f"{seed} {item.path.name} {item.originalname}"
        hypothesis.seed(zlib.crc32(name.encode()))(test)
