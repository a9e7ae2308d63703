"""No clause without a test, no test without a clause, no clause that no test is known to defend."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from conformance.adapters.reference import Reference
from conformance.blame import clauses_of
from conformance.clauses import CHAPTERS, CLAUSES, SPEC, chapter
from conformance.plans.covering import cover
from conformance.protocol.claims import claims_of
from repository import ROOT
from wrong_implementations import WRONG

TESTS = sorted((ROOT / "conformance").rglob("test_*.py"))

# Judged, but by a choice of two outcomes or by values that follow from other clauses.
UNDEFENDED: set[str] = set()


@functools.cache
def judged() -> dict[str, set[str]]:
    """The clauses that each conformance test names."""
    by_clause = {}
    for path in TESTS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            # A test of drawn plans has the clauses of each plan.
            if is_test and "plan" not in {argument.arg for argument in node.args.args}:
                by_clause[f"{path.name}::{node.name}"] = {
                    argument.value
                    for decorator in node.decorator_list
                    if isinstance(decorator, ast.Call)
                    and ast.unparse(decorator.func) == "pytest.mark.clauses"
                    for argument in decorator.args
                }
    return by_clause


def test_ids_are_unique_and_in_order():
    assert re.findall(r"\*\*\[(.*?)\]\*\*", SPEC.read_text("utf-8")) == list(CLAUSES)
    for prefix in CHAPTERS:
        numbers = [int(c.partition("-")[2]) for c in CLAUSES if chapter(c) == prefix]
        assert numbers == sorted(numbers), prefix


def test_every_chapter_is_known():
    assert {chapter(clause) for clause in CLAUSES} == set(CHAPTERS)


@pytest.mark.parametrize("test", judged())
def test_every_test_names_its_clauses(test):
    clauses = judged()[test]
    assert clauses, f"{test} judges no clause"
    assert clauses <= set(CLAUSES), f"{test} judges what SPEC.md does not have"


def test_every_clause_is_judged():
    plans = cover(claims_of(Reference()), 2, 0)
    assert set(CLAUSES) == set().union(*judged().values(), *map(clauses_of, plans))


def test_every_clause_has_a_wrong_implementation():
    broken = {wrong.clauses[0] for wrong in WRONG.values()}
    assert broken <= {*CLAUSES, *CHAPTERS}
    assert set(CLAUSES) - broken == UNDEFENDED


def test_what_mentions_a_clause_means_one():
    """References to clauses, in prose and code, are to clauses that exist."""
    pattern = re.compile(rf"\b(?:{'|'.join(CHAPTERS)})-\d+\b")
    for folder in ("reference", "brainscale", "conformance", "tests", "docs"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]:
            unknown = set(pattern.findall(path.read_text("utf-8"))) - set(CLAUSES)
            assert not unknown, f"{path.relative_to(ROOT)} mentions {unknown}"


ALLOWED = {"numpy", "pytest", "hypothesis", "reference", "conformance"}


SUITE = sorted(
    path for path in (ROOT / "conformance").rglob("*.py") if path.parent.name != "adapters"
)


@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.name)
def test_the_suite_imports_no_implementation(path):
    import sys

    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            assert top in ALLOWED | sys.stdlib_module_names, f"{path.name} imports {name}"
            # What vectors are recorded of, which is no part of a run.
            if name == "conformance.adapters.reference" and path.parent.name == "vectors":
                continue
            assert not name.startswith("conformance.adapters"), f"{path.name} imports {name}"
