"""Units, quantities, and how a given value is read: SPEC.md, chapter 1, and STATE-4."""

from .reading import is_integer, read_number, read_plain, read_positive, split
from .units import Quantity, Unit, power_between, times_power_of_ten, unit

__all__ = [
    "Quantity",
    "Unit",
    "is_integer",
    "power_between",
    "read_number",
    "read_plain",
    "read_positive",
    "split",
    "times_power_of_ten",
    "unit",
]
