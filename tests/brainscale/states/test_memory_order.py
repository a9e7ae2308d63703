"""Arrays in another order of bytes, and integers of few bits, are values and numbers as any."""

from __future__ import annotations

import brainstate
import brainunit as u
import numpy as np
import pytest

import brainscale


@pytest.mark.parametrize("dtype", [">f4", ">i4", ">c8"])
def test_state_of_the_other_order_of_bytes(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    state = brainscale.ETraceState(array)
    np.testing.assert_array_equal(state.value, np.arange(6).reshape(2, 3))
    state.value = (2 * array).astype(dtype)
    np.testing.assert_array_equal(state.value, 2 * np.arange(6).reshape(2, 3))


def test_current_of_the_other_order_of_bytes():
    neuron, other = brainscale.nn.GIF(3), brainscale.nn.GIF(3)
    current = np.array([1.0, 2.0, 3.0], np.float32)
    with brainstate.environ.context(dt=1.0 * u.ms):
        for one, array in ((neuron, current), (other, current.astype(">f4"))):
            one.init_state()
            one(u.Quantity(array, unit=u.mA))
    np.testing.assert_array_equal(neuron.V.value.mantissa, other.V.value.mantissa)


def test_number_of_compartments_in_eight_bits():
    section = brainscale.nn.Section("a", np.uint8(200), length=100 * u.um, diam=1 * u.um)
    assert len(brainscale.nn.Morphology(section).compartments) == 200


def test_long_history_begins_with_the_first_value():
    state = brainscale.ETraceState(np.arange(2, dtype=np.float32) * u.mV, history=2000)
    assert state.history.shape == (2000, 2)
    np.testing.assert_array_equal(state.history.mantissa[0], [0, 1])
