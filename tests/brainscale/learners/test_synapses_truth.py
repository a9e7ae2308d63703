"""brainpy's neurons, synapses and projections learn, unchanged."""

from __future__ import annotations

import pytest

from compared import assert_d_rtrl, assert_es_d_rtrl
from odd_synapses import SYNAPSES, Plastic, SharedDualSynapse

pytestmark = pytest.mark.usefixtures("compiled_fast")


@pytest.mark.parametrize("kind", SYNAPSES, ids=lambda kind: kind.__name__)
def test_d_rtrl_is_the_truth(kind):
    assert_d_rtrl(kind)


@pytest.mark.parametrize("kind", [SharedDualSynapse, Plastic], ids=lambda kind: kind.__name__)
def test_es_d_rtrl_is_the_law_s(kind):
    assert_es_d_rtrl(kind)
