"""What an argument must be, wherever it is given: one check for each kind of thing."""

from __future__ import annotations

import contextlib
import inspect
import numbers
import os
from collections.abc import Callable, Iterator, Set
from typing import Any, TypeGuard

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import (
    DtypeError,
    FileError,
    ParameterError,
    ShapeError,
    StructureError,
    ValueTypeError,
)

__all__ = [
    "check_array",
    "check_flag",
    "check_function",
    "check_integer",
    "check_mapping",
    "check_path",
    "check_seed",
    "check_shape",
    "check_text",
    "is_integer",
    "is_real",
    "naming_file",
]

LARGEST = 2**31 - 1
"""The largest size, which is one that an index of 32 bits has."""


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether a value is an integer, Python's or NumPy's: a boolean is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_real(value: Any) -> TypeGuard[float]:
    """Whether a value is a real number, Python's or NumPy's: a boolean is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_integer(value: Any, what: str, least: int = 1, *, optional: bool = False) -> Any:
    """Give an integer from `least` on, or None where it is optional.

    Raises
    ------
    ParameterError
        Anything else, and what is too large for an index.
    """
    if optional and value is None:
        return None
    if not is_integer(value) or not least <= value <= LARGEST:
        needs = f"an integer of at least {least}" + (", or None" if optional else "")
        if is_integer(value) and value > LARGEST:
            needs += f", and of at most {LARGEST}"
        raise ParameterError(f"{what} must be {needs}, got {value!r}", got=value, needs=needs)
    return int(value)


def check_seed(value: Any, *, optional: bool = True) -> Any:
    """Give a seed of random numbers: an integer of 32 bits, or None where it is optional.

    Raises
    ------
    ParameterError
    """
    return check_integer(value, "seed", -LARGEST, optional=optional)


def check_flag(value: Any, what: str) -> bool:
    """Give True or False.

    Raises
    ------
    ParameterError
        What is neither, nor 0 or 1.
    """
    is_flag = isinstance(value, (bool, np.bool_)) or (is_integer(value) and value in (0, 1))
    if not is_flag:
        raise ParameterError(f"{what} must be True or False, got {value!r}", got=value)
    return bool(value)


def check_text(value: Any, what: str) -> Any:
    """Give a text, or None.

    Raises
    ------
    ValueTypeError
    """
    if not (value is None or isinstance(value, str)):
        raise ValueTypeError(f"{what} must be a text or None, got {value!r}", got=value)
    return value


def check_path(value: Any, what: str, *, optional: bool = True) -> Any:
    """Give the path of a file or a folder, or None where it is optional.

    Raises
    ------
    ValueTypeError
    """
    if optional and value is None:
        return None
    if not (isinstance(value, (str, os.PathLike)) and str(value)):
        needs = "a path, or None" if optional else "a path"
        raise ValueTypeError(f"{what} must be {needs}, got {value!r}", got=value)
    return value


@contextlib.contextmanager
def naming_file(path: Any) -> Iterator[None]:
    """Name the file in what goes wrong where it is read or written.

    Raises
    ------
    FileError
    """
    try:
        yield
    except OSError as error:
        raise FileError(f"{os.fspath(path)}: {error.strerror or error}", got=path) from error


def check_function(value: Any, what: str, arguments: int | None = 1) -> Callable[..., Any]:
    """Give a function of so many arguments; None: of any number.

    Raises
    ------
    ValueTypeError
        What cannot be called, or not with as many arguments.
    """
    if not callable(value):
        raise ValueTypeError(f"{what} must be a function, got {value!r}", got=value)
    if arguments is None:
        return value
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # One of C has none, or none that can be read.
        return value
    try:
        signature.bind(*range(arguments))
    except TypeError as error:
        raise ValueTypeError(
            f"{what} must be a function that can be called with {arguments} argument"
            f"{'s' if arguments > 1 else ''}, got {value!r}: {error}",
            got=value,
        ) from error
    return value


def check_mapping(
    value: Any, what: str, keys: Set[str], optional: Set[str] = frozenset()
) -> dict[str, Any]:
    """Give a dict of these keys.

    Raises
    ------
    StructureError
    """
    if not isinstance(value, dict) or not keys <= set(value) <= keys | optional:
        got = sorted(value, key=str) if isinstance(value, dict) else type(value).__name__
        needs = " and ".join(f'"{key}"' for key in sorted(keys))
        more = "".join(f', and may have "{key}"' for key in sorted(optional))
        raise StructureError(f"{what} needs {needs}{more}, got {got}", got=got, needs=keys)
    return value


def check_array(value: Any, what: str) -> Any:
    """Give an array of numbers, known or traced, bare or a Quantity; or a number.

    Raises
    ------
    ValueTypeError
        No array, a masked one, one of other things than numbers, or an integer too large for JAX.
    DtypeError
        Numbers of a dtype that JAX lacks.
    """
    number = value.mantissa if isinstance(value, u.Quantity) else value
    if isinstance(number, (bool, int, float, complex)):
        most = jnp.iinfo(jax.dtypes.canonicalize_dtype(np.int64)).max
        if not isinstance(number, int) or abs(number) <= most:
            return value
        raise ValueTypeError(f"{what} must be a number that JAX holds, got {value!r}", got=value)
    # A masked array would lose its mask.
    is_array = isinstance(number, (np.ndarray, np.generic, jax.Array)) and not isinstance(
        number, np.ma.MaskedArray
    )
    if not is_array or not (number.dtype == np.bool_ or jnp.issubdtype(number.dtype, jnp.number)):
        raise ValueTypeError(
            f"{what} must be an array of numbers, bare or with a unit, got {_describe(value)}",
            got=value,
        )
    kind = number.dtype
    if kind.char in "gG":
        needs = "numbers of a dtype of JAX's"
        raise DtypeError(f"{what} must hold {needs}, got {kind}", got=kind, needs=needs)
    return value


def check_shape(value: Any, shape: tuple[int, ...], what: str) -> Any:
    """Give an array of this shape.

    Raises
    ------
    ShapeError
    """
    got = u.math.shape(value)
    if got != shape:
        raise ShapeError(f"{what} must have shape {shape}, got {got}", got=got, needs=shape)
    return value


def _describe(value: Any) -> str:
    """Say what a value is, in few words."""
    number = value.mantissa if isinstance(value, u.Quantity) else value
    if isinstance(number, np.ma.MaskedArray):
        return f"a masked one: {value!r}"
    dtype = getattr(number, "dtype", None)
    return f"{type(value).__name__}" + ("" if dtype is None else f" of dtype {dtype}")
