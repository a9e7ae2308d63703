"""The layer of a sparse operation."""

from __future__ import annotations

from collections.abc import Sequence

import brainunit as u
import jax

from ..checks.hints import ArrayLike, Initializer
from ..errors import ShapeError, StructureError
from ..operators import ElemWiseOp, SparseMatrix, SpMatMulOp
from ..parameters import ETraceParam
from .layer import ParamType, make_initial
from .linear import OperationLayer, add

__all__ = ["SparseLinear"]


class SparseLinear(OperationLayer):
    """A layer of the connections that a sparse matrix has, and a bias.

    Parameters
    ----------
    spar_mat : brainevent.CSR, brainevent.CSC, or tuple of rows, columns and shape
        As for `SpMatMulOp`.
    b_init : callable or array, (N,), optional
        Of the bias, which is an element-wise operation of its own; None: no bias.
    in_size : optional
        The matrix says it.
    w_init : callable or array, (nnz,), optional
        By default what the matrix holds; the tuple holds nothing.
    param_type : type, default ETraceParam
        As for `Linear`.

    Examples
    --------
    >>> rows, columns = np.random.default_rng(0).integers(0, 100, (2, 500))
    >>> weight = jnp.ones(500) * u.nA
    >>> layer = brainscale.nn.SparseLinear((rows, columns, (100, 100)), w_init=weight)
    >>> layer(jnp.ones((16, 100))).shape
    (16, 100)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        spar_mat: SparseMatrix,
        b_init: Initializer | None = None,
        in_size: int | Sequence[int] | None = None,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
        w_init: Initializer | None = None,
    ):
        op = SpMatMulOp(spar_mat)
        super().__init__(op.shape[0] if in_size is None else in_size, op.shape[1], name)
        if self.in_size[-1] != op.shape[0]:
            raise ShapeError(
                f"in_size must end with the {op.shape[0]} rows of the matrix, got {in_size!r}",
                got=in_size,
                needs=op.shape[0],
            )
        if w_init is None:
            if isinstance(spar_mat, tuple):
                raise StructureError(
                    "SparseLinear: rows, columns and shape hold no weights: give w_init"
                )
            w_init = spar_mat.data
        self._make_weight(make_initial(w_init, op.rows.shape, "w_init"), op, param_type)
        self.bias = None
        if b_init is not None:
            self.bias = param_type(make_initial(b_init, op.shape[1:], "b_init"), ElemWiseOp())

    def update(self, x: ArrayLike) -> jax.Array | u.Quantity:
        """Apply the operation to the input, and add the bias."""
        y = super().update(x)
        return y if self.bias is None else add(y, self.bias.execute(None), "b_init")
