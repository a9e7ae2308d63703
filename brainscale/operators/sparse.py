"""The sparse operation: a number for each connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import brainevent
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ..checks.arguments import check_function, is_integer
from ..errors import ParameterError, ShapeError, StructureError, ValueTypeError
from .base import ETraceOp, apply_mask, check_operand, identity, read_mask

__all__ = ["SpMatMulOp", "SparseMatrix"]

SparseMatrix: TypeAlias = (
    brainevent.CSR | brainevent.CSC | tuple[npt.ArrayLike, npt.ArrayLike, tuple[int, int]]
)


class SpMatMulOp(ETraceOp):
    """A sparse operation, y = x W, W having entries where connections are.

    Parameters
    ----------
    sparse_mat : brainevent.CSR or brainevent.CSC, shape (K, N); or tuple of rows, columns and shape
        Where the entries are; what they hold is the parameter's. The tuple is the coordinate form,
        which brainevent no longer has.
    weight_fn : callable, optional
        From the parameter to the effective weight, before the mask.
    weight_mask : array, (nnz,), optional

    Notes
    -----
    The parameter is an array of the entries, (nnz,), in the matrix's own order, or that array as
    ``{"weight": entries}``. x is (..., K), y is (..., N). A trace has an entry for each connection.

    Examples
    --------
    >>> rows, columns = np.array([0, 0, 2]), np.array([0, 1, 1])
    >>> op = brainscale.SpMatMulOp((rows, columns, (3, 2)))
    >>> op(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.5, 0.25, 0.5]) * u.nA)
    Quantity([0.5  1.75], "nA")
    """

    def __init__(
        self,
        sparse_mat: SparseMatrix,
        weight_fn: Callable[[Any], Any] = identity,
        weight_mask: jax.typing.ArrayLike | None = None,
    ):
        self.rows, self.columns, self.shape = _check_entries(*_list_entries(sparse_mat))
        self.weight_fn = check_function(weight_fn, f"{type(self).__name__}: weight_fn")
        self.weight_mask = read_mask(weight_mask, "SpMatMulOp")

    def effective(self, w: Any) -> Any:
        if isinstance(w, Mapping):
            if list(w) != ["weight"]:
                raise StructureError(
                    f"SpMatMulOp: the parameter is the entries, or {{'weight': entries}}, got "
                    f"{list(w)}: a bias is an ElemWiseParam of its own",
                    got=list(w),
                    needs=["weight"],
                )
            w = w["weight"]
        weight = self.weight_fn(check_operand(w, self, "a weight"))
        check_operand(weight, self, "what weight_fn returns")
        if u.math.shape(weight) != self.rows.shape:
            raise ShapeError(
                f"SpMatMulOp: {len(self.rows)} connections, a weight of shape "
                f"{u.math.shape(weight)}"
            )
        return apply_mask(weight, self.weight_mask, self)

    def apply(self, x: Any, weight: Any) -> Any:
        check_operand(x, self)
        if u.math.ndim(x) < 1 or u.math.shape(x)[-1] != self.shape[0]:
            raise ShapeError(
                f"SpMatMulOp: an input of shape {u.math.shape(x)} meets a matrix of {self.shape}"
            )
        entries = x[..., self.rows] * weight
        numbers = self._to_columns(u.get_mantissa(entries))
        unit = u.get_unit(entries)
        return numbers if unit.is_unitless else u.Quantity(numbers, unit=unit)

    def _to_columns(self, entries: jax.Array) -> jax.Array:
        zeros = jnp.zeros((*entries.shape[:-1], self.shape[1]), entries.dtype)
        return zeros.at[..., self.columns].add(entries)

    def presynaptic(self, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        return x.astype(y.dtype)

    def outer(self, pre: jax.Array, f: jax.Array, weight: jax.Array) -> jax.Array:
        return (pre[..., self.rows] * f[..., self.columns]).sum(0)

    def spread(self, f: jax.Array, weight: jax.Array) -> jax.Array:
        return f[..., self.columns]


def _check_entries(
    rows: Any, columns: Any, shape: Any
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Check the row and the column of each entry, (nnz,) each, and the shape (OP-12).

    Raises
    ------
    ParameterError
        Rows and columns that are not as many integers as each other, within the shape.
    """
    sizes = shape if isinstance(shape, Sequence) else ()
    if len(sizes) != 2 or not all(is_integer(size) and size >= 1 for size in sizes):
        raise ParameterError(f"SpMatMulOp: a shape is two integers of at least 1, got {shape!r}")
    rows, columns = np.asarray(rows), np.asarray(columns)
    for name, places, size in (("rows", rows, shape[0]), ("columns", columns, shape[1])):
        if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
            raise ParameterError(f"SpMatMulOp: {name} are integers, got {places!r}")
        bad = places[(places < 0) | (places >= size)]
        if bad.size:
            raise ParameterError(f"SpMatMulOp: {name} are 0 to {size - 1}, got {bad[0]}")
    if len(rows) != len(columns):
        raise ParameterError(f"SpMatMulOp: got {len(rows)} rows and {len(columns)} columns")
    return rows.astype(np.int64), columns.astype(np.int64), (int(shape[0]), int(shape[1]))


def _list_entries(matrix: Any) -> tuple[Any, Any, Any]:
    """List the row and the column of each entry, (nnz,) each, and the shape."""
    if isinstance(matrix, tuple) and len(matrix) == 3:
        return matrix
    if not isinstance(matrix, (brainevent.CSR, brainevent.CSC)):
        raise ValueTypeError(
            "SpMatMulOp needs a brainevent CSR or CSC, or (rows, columns, shape), got "
            f"{type(matrix).__name__}",
            got=matrix,
        )
    counts = np.diff(np.asarray(matrix.indptr))
    major, minor = np.repeat(np.arange(len(counts)), counts), np.asarray(matrix.indices)
    by_row = isinstance(matrix, brainevent.CSR)
    rows, columns = (major, minor) if by_row else (minor, major)
    return rows, columns, matrix.shape
