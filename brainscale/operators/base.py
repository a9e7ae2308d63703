"""Trainable operations: what a trace needs to know of y = f(x, W) (SPEC.md, chapter 9).

What multiplies a leaf of the effective weight W, a tree of arrays, is the operation's *presynaptic
factor*: x for a dense weight, 1 for a bias. An operation says how that factor and a number for each
element of y make a number for each entry of a trace: dy/dW, not summed over the neurons that a
weight touches.
"""

from __future__ import annotations

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from ..checks.arguments import check_array
from ..errors import OperationError, ShapeError, ValueTypeError

__all__ = ["ETraceOp"]


def identity(w: Any) -> Any:
    """Give a weight as it is: the weight function of an operation that is given none."""
    return w


def read_mask(mask: Any, what: str) -> np.ndarray | None:
    """Read a mask of weights as an array of numbers, or None.

    Raises
    ------
    ValueTypeError
    """
    if mask is None:
        return None
    try:
        array = None if isinstance(mask, np.ma.MaskedArray) else np.asarray(mask)
    except (TypeError, ValueError):
        array = None
    if array is None or array.dtype.kind not in "biufV":
        raise ValueTypeError(
            f"{what}: weight_mask must be an array of real numbers without unit, got "
            f"{type(mask).__name__}",
            got=mask,
        )
    return array


def check_operand(value: Any, op: Any, what: str = "an input") -> Any:
    """Give what an operation can take: an array of numbers.

    Raises
    ------
    ValueTypeError, DtypeError
    """
    return check_array(value, f"{type(op).__name__}: {what}")


def apply_mask(weight: Any, mask: np.ndarray | None, op: Any) -> Any:
    """Multiply a weight by the mask of an operation, if there is one.

    Raises
    ------
    ShapeError
        The mask's shape is not the weight's.
    """
    if mask is None:
        return weight
    if mask.shape != u.math.shape(weight):
        raise ShapeError(
            f"{type(op).__name__}: weight_mask has shape {mask.shape}, the weight "
            f"{u.math.shape(weight)}"
        )
    return weight * jnp.asarray(mask, u.math.get_dtype(weight))


class ETraceOp:
    """What a trainable operation says of itself.

    `presynaptic`, `outer`, `spread` and `total` deal with plain arrays: an effective weight's
    numbers in its unit, and numbers by those of x and y. A subclass without one of them is refused
    by a rule that needs it, with `OperationError`.

    Examples
    --------
    >>> class Gain(brainscale.ETraceOp):  # y = x w, neuron by neuron
    ...     def effective(self, w):
    ...         return w
    ...
    ...     def apply(self, x, weight):
    ...         return x * weight
    ...
    ...     def presynaptic(self, x, y, weight):
    ...         return x
    ...
    ...     def outer(self, pre, f, weight):
    ...         return (pre * f).sum(0)
    ...
    ...     def spread(self, f, weight):
    ...         return f
    >>> gain = brainscale.ETraceParam(jnp.full(100, 0.5) * u.mA, Gain())
    >>> gain.execute(jnp.ones((16, 100))).shape
    (16, 100)
    """

    def __call__(self, x: Any, w: Any) -> Any:
        """Compute y from the input and the parameter's value."""
        return self.apply(x, self.effective(w))

    def effective(self, w: Any) -> Any:
        """Compute the effective weight: mask and weight function, each once (LEARN-7)."""
        raise self._make_error("effective")

    def apply(self, x: Any, weight: Any) -> Any:
        """Compute y from the input and the effective weight."""
        raise self._make_error("apply")

    def presynaptic(self, x: Any, y: jax.Array, weight: Any) -> Any:
        """Give what multiplies each leaf of the effective weight; `y`: an example of the output."""
        raise self._make_error("presynaptic")

    def outer(self, pre: Any, f: jax.Array, weight: Any) -> Any:
        """Multiply the presynaptic factors by f, (steps, *y), summed over the steps: as a trace."""
        raise self._make_error("outer")

    def spread(self, f: jax.Array, weight: Any) -> Any:
        """Give f, of the shape of y, for each entry of a trace: it broadcasts to the trace."""
        raise self._make_error("spread")

    def total(self, trace: Any, weight: Any) -> Any:
        """Sum a trace over all entries of each weight, and over leading axes."""
        return jax.tree.map(lambda e, w: e.sum(axis=tuple(range(e.ndim - w.ndim))), trace, weight)

    def pull_back(self, pre: Any, c: jax.Array, weight: Any) -> Any:
        """Compute `total` of `outer`: the gradient by the weight, c being that by y."""
        return self.total(self.outer(pre, c, weight), weight)

    def _make_error(self, method: str) -> OperationError:
        return OperationError(f"{type(self).__name__} does not define `{method}`, which is needed")
