"""Traces that are stored in fewer bits than they are computed in (SPEC.md, LEARN-10).

Rounded to the nearest number, a slow trace of 16 bits stalls: what a step adds is less than half of
its last place. Rounded up or down at random, with the exact value as the mean, traces and gradients
have their exact means whatever the chunk, and a trace of leak a deviates from its own by about
2^-8 / sqrt(1 - a^2) at most: 0.03 of it at a = 0.99, 0.09 at 0.999, 0.28 at 0.9999, and less where
fewer steps are rounded, as in chunks.
"""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DtypeError, ParameterError

__all__ = ["check_dtype", "dtype_of_trace", "round_for_storage", "widen_stored"]

_WIDE = ("float32", "float64")


def check_dtype(dtype: Any) -> Any:
    """Give the dtype for stored traces, or None.

    Raises
    ------
    ParameterError
        Another than bfloat16, float32 and float64. Numbers of float16 are too small and too few.
    """
    if dtype is None:
        return None
    try:
        name = jnp.dtype(dtype).name if isinstance(dtype, (str, type, np.dtype)) else ""
    except (TypeError, ValueError):
        name = ""
    if name not in ("bfloat16", *_WIDE):
        raise ParameterError(
            f"trace_dtype must be bfloat16, float32 or float64, got {dtype!r}", got=dtype
        )
    return jnp.dtype(dtype)


def dtype_of_trace(stored: Any, computed: Any, name: str) -> Any:
    """Give the dtype in which a trace of a parameter is kept.

    It is what is asked for, or by default that in which it is computed, of at least 32 bits. The
    parts of a complex trace have it.

    Raises
    ------
    DtypeError
        There are no complex numbers of such parts, or JAX has no such numbers as it is set.
    """
    if stored is None:
        return _widen(computed)
    if jax.dtypes.canonicalize_dtype(stored) != stored:
        raise DtypeError(
            f"trace_dtype is {stored}, and JAX has 32 bits: enable 64-bit numbers, by "
            'jax.config.update("jax_enable_x64", True), or take float32',
            got=stored,
        )
    if not jnp.issubdtype(computed, jnp.complexfloating):
        return stored
    if stored == jnp.bfloat16:
        raise DtypeError(
            f"the trace of {name} is {jnp.dtype(computed).name}, and there are no complex numbers "
            "of bfloat16 parts: leave trace_dtype out, take float32, or make the weight and its "
            "input pairs of real arrays",
            got=stored,
            needs=computed,
        )
    return np.promote_types(stored, np.complex64)


def widen_stored(trace: jax.Array) -> jax.Array:
    """Widen a stored trace to the bits that are computed with, lest a product be rounded."""
    return trace.astype(_widen(trace.dtype))


def _widen(dtype: Any) -> Any:
    """Take at least 32 bits, however strictly JAX promotes."""
    return dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)


def round_for_storage(number: jax.Array, dtype: Any, where: str, count: Any) -> jax.Array:
    """Round a number as a trace keeps it.

    Parameters
    ----------
    number : array
    dtype : dtype
        That of the trace.
    where : str
        Which trace it is: two of them are rounded independently.
    count : integer
        The step, for two are. The same step of the same trace is rounded alike.
    """
    if dtype != jnp.bfloat16:
        return number.astype(dtype)
    number = number.astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(number, jnp.uint32)
    # A bfloat16 is the upper half of a float32: what is added carries into it in proportion.
    noise = _make_bits(number.shape, where, count) & np.uint32(0xFFFF)
    rounded = (bits + noise) & np.uint32(0xFFFF0000)
    bits = jnp.where(jnp.isfinite(number), rounded, bits)
    return jax.lax.bitcast_convert_type(bits, jnp.float32).astype(dtype)


def _make_bits(shape: tuple[int, ...], where: str, count: Any) -> jax.Array:
    """Make random numbers of 32 bits, on the way, from place and step: none is read or written."""
    salt = np.uint32(zlib.crc32(where.encode()))
    step = _hash(jnp.asarray(count).astype(jnp.uint32) * np.uint32(0x9E3779B1) + salt)
    place = jax.lax.iota(jnp.uint32, int(np.prod(shape))).reshape(shape)
    return _hash(place + step)


def _hash(x: jax.Array) -> jax.Array:
    # The hash "lowbias32" of Chris Wellons.
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)
