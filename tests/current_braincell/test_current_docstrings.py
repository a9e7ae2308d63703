"""The examples in docstrings that are of today's braincell."""

from __future__ import annotations

import pytest

from test_docstrings import ELSEWHERE, examples_of, run


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_example(name):
    run(examples_of(name))
