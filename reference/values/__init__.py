"""Units, quantities, and how values are read and checked: SPEC.md, chapter 1, and STATE-4."""

from .columns import make_columns
from .reading import (
    check_finite,
    check_names,
    is_integer,
    is_real,
    read_bare,
    read_number,
    read_plain,
    read_positive,
    split,
)
from .units import Quantity, Unit, power_between, times_power_of_ten, unit

__all__ = [
    "Quantity",
    "Unit",
    "check_finite",
    "check_names",
    "is_integer",
    "is_real",
    "make_columns",
    "power_between",
    "read_bare",
    "read_number",
    "read_plain",
    "read_positive",
    "split",
    "times_power_of_ten",
    "unit",
]
