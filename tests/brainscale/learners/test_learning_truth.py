"""Gradients against the truth of `truth.py`, for models of every make (LEARN-1, LEARN-2)."""

from __future__ import annotations

import pytest

from compared import assert_d_rtrl
from odd_models import MODELS

pytestmark = pytest.mark.usefixtures("compiled_fast")


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_gradient_is_the_truth(kind):
    assert_d_rtrl(kind, chunks=(4, 1))
