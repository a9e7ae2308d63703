"""Units (SPEC.md, chapter 1)."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Quantity, UnitError, unit
from reference.values import times_power_of_ten


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mV", "10^-3 kg m^2 s^-3 A^-1"),
        ("V", "ohm A"),
        ("S", "ohm^-1"),
        ("F", "s ohm^-1"),
        ("F", "A s V^-1"),
        ("Hz", "s^-1"),
        ("kHz", "ms^-1"),
        ("kg", "10^3 g"),
        ("Mohm nA", "mV"),
        ("mm^2", "10^-6 m^2"),
        ("mV V^-1", "10^-3 V V^-1"),
        ("uS", "10^-6 S"),
        ("pF", "uA us mV^-1 cm cm^-1 10^-3"),
        ("GHz", "ns^-1"),
    ],
)
def test_names_of_one_unit(one, other):
    assert unit(one) == unit(other)


@pytest.mark.parametrize(
    ("one", "other"), [("mV", "V"), ("mV", "nA"), ("ms", "m s"), ("mV V^-1", "V V^-1"), ("m", "ms")]
)
def test_names_of_two_units(one, other):
    assert unit(one) != unit(other)


@pytest.mark.parametrize(
    "name", ["", " ", "mv", "x", "V^", "V^x", "V^0.5", "mmV", "m10", "V/s", "k"]
)
def test_no_names(name):
    with pytest.raises(UnitError):
        unit(name)


def test_a_unit_keeps_its_name():
    assert unit("mV V^-1").name == "mV V^-1"
    assert str(unit("ms^-1")) == "ms^-1"


def test_conversion():
    assert Quantity(1.0, "V").to("mV").array == 1000.0
    assert Quantity(5.0, "mV V^-1").to("V V^-1").array == 0.005
    assert Quantity(np.array([3]), "mA").to("nA").array.tolist() == [3e6]
    with pytest.raises(UnitError):
        Quantity(1.0, "V").to("nA")


def test_a_quantity_holds_what_it_is_given():
    array = np.arange(3.0)
    assert Quantity(array, "mV").array is array


@pytest.mark.parametrize("power", [*range(-30, 31), 300, -300, 308])
def test_powers_of_ten_are_rounded_like_decimals(power):
    for digits in ("1", "3", "7"):
        got = times_power_of_ten(np.float64(digits), power)
        if abs(power) <= 22:
            assert got == float(f"{digits}e{power}")
        np.testing.assert_allclose(got, float(f"{digits}e{power}"), rtol=1e-14)


def test_powers_of_ten_beyond_the_dtype():
    assert times_power_of_ten(np.float64(1e300), 400) == np.inf
    assert times_power_of_ten(np.float64(0.0), 400) == 0.0
    assert times_power_of_ten(np.float64(1e-300), 400) == pytest.approx(1e100)
    got = times_power_of_ten(np.array(complex(np.inf, 1.0)), 3)
    assert (got.real, got.imag) == (np.inf, 1000.0)
