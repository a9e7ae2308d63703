"""Ids of the suite's tests can be typed, and -k selects by the words in them."""

from __future__ import annotations

import re

import pytest

from judging.collecting import collect_suite

WORDS = re.compile(r"[A-Za-z0-9_.+]+(-[A-Za-z0-9_.+]+)*")
#: Letter by letter, as no name is: the names of a few things may be letters.
SPELT = re.compile(r"(^|-)[A-Za-z](-[A-Za-z]){4,}(-|$)")


def is_typable(id: str) -> bool:
    """Whether an id is words joined by '-', none of them spelt letter by letter."""
    return bool(WORDS.fullmatch(id)) and not SPELT.search(id)


@pytest.mark.parametrize(
    ("id", "right"),
    [
        ("reference-cable-dense", True),
        ("reference-ES-D-RTRL-half", True),
        ("reference-1e-05", True),
        ("c-a-b-l-e-d-e-n-s-e", False),
        ("two words", False),
        ("reference--1", False),
        ("'2'", False),
        ("(2, 3)", False),
        ("", False),
    ],
)
def test_what_can_be_typed(id, right):
    assert is_typable(id) is right


def test_ids_can_be_typed():
    bad = [item for item in collect_suite("--profile=full") if not is_typable(item.callspec.id)]
    assert not bad, f"ids that cannot be typed: {[item.nodeid for item in bad[:20]]}"


def test_k_selects_by_words():
    """What -k cable selects has the word cable, and what it does not select has not."""
    everything = collect_suite("--profile=full")
    ids = {item.nodeid for item in everything}
    selected = {item.nodeid for item in collect_suite("--profile=full", "-k", "cable")}
    others = {item.nodeid for item in collect_suite("--profile=full", "-k", "not cable")}
    assert selected | others == ids
    assert not selected & others
    # Not "applicable", for instance.
    assert selected == {id for id in ids if "cable" in re.split(r"[^A-Za-z0-9]|_", id)}
    for item in everything:
        for mark in item.iter_markers("claims"):
            if "cable" in mark.kwargs.get("kinds", ()):
                assert item.nodeid in selected, f"{item.nodeid} has a cable and does not say so"
