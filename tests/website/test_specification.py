"""The page of the law has each clause, and what the tree has of it."""

from __future__ import annotations

import re

import pytest

import specification
from conformance.clauses import CLAUSES, SPEC


@pytest.fixture(scope="module")
def blocks():
    """By clause, its block of the page."""
    page = specification.render(SPEC.read_text("utf-8"))
    clauses = re.findall(
        r'<div class="clause" id="(.*?)" markdown>\n(.*?)\n</div>', page, re.DOTALL
    )
    return dict(clauses)


@pytest.mark.parametrize("language", specification.TITLES)
def test_it_is_shown_in_every_language(language):
    page = specification.render(SPEC.read_text("utf-8"), language)
    for title in specification.TITLES[language]:
        assert f'??? abstract "{title}: ' in page
    assert page.count('<div class="clause"') == len(CLAUSES)


def test_every_clause_has_an_anchor(blocks):
    assert tuple(blocks) == CLAUSES


def test_every_clause_says_what_judges_and_breaks_it(blocks):
    unjudged = {clause for clause, text in blocks.items() if "Judged by" not in text}
    unbroken = {clause for clause, text in blocks.items() if "Broken by" not in text}
    assert unjudged == set()
    assert unbroken == set()


def test_every_clause_of_the_algorithm_is_in_the_reference(blocks):
    """NUM is the judge's tolerances, CONF is on adapters, STATE-8 on fewer bits than 64."""
    lacking = {clause for clause, text in blocks.items() if "In the reference" not in text}
    assert {c for c in lacking if not c.startswith(("NUM-", "CONF-"))} == {"STATE-8"}


def test_what_a_clause_leads_to(blocks):
    assert "reference.traces.d_rtrl.trace_gradient" in blocks["LEARN-2"]
    assert re.search(r"\[`counts_the_first_axis`\]\(tree:\S+groups\.py#L\d+\)", blocks["GROUP-1"])


def test_a_range_of_clauses_cites_each():
    assert specification.find_cited("(GIF-7 to GIF-9, NUM-1), not ABC-1") == {
        "GIF-7",
        "GIF-8",
        "GIF-9",
        "NUM-1",
    }
