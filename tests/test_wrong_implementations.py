"""Wrong implementations are wrong: each differs from the reference on a legal problem.

That the suite rejects them is another matter: `test_suite_rejects.py`.
"""

from __future__ import annotations

import pytest

import wrong_implementations
from judging.differences import REFERENCE, depends_on_the_past, first_difference
from wrong_implementations import (
    WRONG_DEEP_NETWORKS,
    WRONG_MEMORISERS,
    WRONG_OPERATION_CORNERS,
    WRONG_READINGS,
    WRONG_RESETS,
    WRONG_RULE_COMBINATIONS,
    WRONG_SIZES,
    WRONG_UPDATES,
)

#: How many problems are tried at the most.
COUNT = 150

NETWORKS = [*WRONG_READINGS, *WRONG_DEEP_NETWORKS, *WRONG_SIZES, *WRONG_UPDATES, *WRONG_RESETS]
NETWORKS += [*WRONG_RULE_COMBINATIONS, *WRONG_OPERATION_CORNERS, *WRONG_MEMORISERS]
ANSWERING = [wrong.name for wrong in WRONG_MEMORISERS if wrong.name.startswith("answers_by")]
NAMES = [wrong.name for wrong in NETWORKS if wrong.name not in ANSWERING]


@pytest.mark.parametrize("name", NAMES)
def test_it_differs(name):
    assert first_difference(getattr(wrong_implementations, name), COUNT) is not None


@pytest.mark.parametrize("name", ANSWERING)
def test_it_answers_what_was_asked_before(name):
    assert depends_on_the_past(getattr(wrong_implementations, name), 0)


def test_the_reference_differs_not():
    assert first_difference(REFERENCE, 20) is None
    assert not depends_on_the_past(REFERENCE, 0)
