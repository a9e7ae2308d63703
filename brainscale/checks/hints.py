"""What an argument may be, as annotations say it; the checks beside this file hold it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import brainunit as u
import jax

__all__ = ["ArrayLike", "Initializer", "QuantityInitializer", "QuantityLike"]

QuantityLike: TypeAlias = u.Quantity | u.Unit
"""What has a unit: to a type checker, brainunit's ``20 * u.ms`` may be a unit."""

ArrayLike: TypeAlias = jax.typing.ArrayLike | QuantityLike
"""Numbers, bare or with a unit."""

Initializer: TypeAlias = Callable[[tuple[int, ...]], Any] | ArrayLike
"""First numbers, or what makes them of a shape."""

QuantityInitializer: TypeAlias = Callable[[tuple[int, ...]], Any] | QuantityLike
"""First numbers with a unit, or what makes them of a shape."""
