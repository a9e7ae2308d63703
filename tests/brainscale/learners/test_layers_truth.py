"""Every layer of `brainscale.nn` learns: against `truth.py` and `es_truth.py`."""

from __future__ import annotations

import pytest

from compared import assert_d_rtrl, assert_es_d_rtrl
from odd_layers import LAYERS, OneOfABatch

pytestmark = pytest.mark.usefixtures("compiled_fast")


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_d_rtrl_is_the_truth(kind):
    assert_d_rtrl(kind)


@pytest.mark.parametrize(
    "kind", [kind for kind in LAYERS if kind is not OneOfABatch], ids=lambda kind: kind.__name__
)
def test_es_d_rtrl_is_the_law_s(kind):
    assert_es_d_rtrl(kind)
