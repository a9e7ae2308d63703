"""The trainable operations of SPEC.md, chapter 9: descriptions and entries.

All are linear in each array of weights: y[b,n] is the sum, over the entries e of the array that
belong to neuron n, of a[e] z[b,k] W[p], where z is what the operation makes of its input, p the
weight, k the element of z and a a coefficient of the entry. A trace has one number, for each
variable of a neuron, for each entry.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

KINDS = ("dense", "sparse", "convolution", "low-rank", "embedding", "grouped")


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """An operation without its weights. Fields that its kind does not use are ignored."""

    kind: str = "dense"  #: one of `KINDS`
    shape: Any = ()  #: sparse: (K, N)
    rows: Any = ()  #: sparse: of each weight
    columns: Any = ()  #: sparse: of each weight
    sizes: Any = ()  #: convolution: of the input, without channels; one to three
    strides: Any = None  #: convolution: for each size; None: 1
    dilation: Any = None  #: convolution: for each size; None: 1
    padding: Any = "SAME"  #: convolution: "SAME", "VALID" or a pair for each size
    groups: Any = 1  #: convolution
    scale: Any = 1.0  #: low-rank: κ


DENSE = Operation()


@dataclasses.dataclass(frozen=True, eq=False)
class Entries:
    """The E entries of one array of weights.

    Attributes
    ----------
    weight, input, neuron : (E,) arrays
        p (an index into the flat array), k and n of each entry. An input of −1 is always 0.
    sizes : tuple of int
        How many weights, inputs and neurons there are.
    shape : tuple of int
        Of the array of all entries, in which a trace is returned.
    is_one : bool
        Whether the only input is the number 1, as for a bias or an element-wise operation.
    coefficients : callable
        Gives a, (E,) or 1, of the present step.
    """

    weight: np.ndarray
    input: np.ndarray
    neuron: np.ndarray
    sizes: tuple[int, int, int]
    shape: tuple[int, ...]
    is_one: bool = False
    coefficients: Callable[[], Any] = lambda: 1.0

    def at(self, z: np.ndarray) -> np.ndarray:
        """a z for each entry, (B, E); z is (B, K)."""
        padded = np.concatenate([z, np.zeros((len(z), 1))], axis=1)
        return self.coefficients() * padded[:, self.input]

    def matrix(self, W: np.ndarray) -> np.ndarray:
        """The (K, N) matrix M with y = z M; a is 1."""
        _, K, N = self.sizes
        return _matrix(self.weight, self.input, self.neuron, np.ravel(W), K, N)


@numba.njit
def _matrix(weight, input, neuron, W, K, N):
    M = np.zeros((K, N))
    for e in range(len(weight)):
        if input[e] >= 0:
            M[input[e], neuron[e]] += W[weight[e]]
    return M


def sum_by_weight(entries: Entries, by_entry: np.ndarray) -> np.ndarray:
    """Add up numbers, (E,), over the entries of each weight."""
    return np.bincount(entries.weight, by_entry, minlength=entries.sizes[0])


def dense(K: int, N: int) -> Entries:
    """W[k,n], one entry each."""
    p = np.arange(K * N)
    return Entries(p, p // N, p % N, (K * N, K, N), (K, N))


def one_input(C: int, N: int) -> Entries:
    """β[n mod C], an entry for each neuron.

    C is the number of channels of a convolution's bias, 1 of a shared weight (OP-14), else N.
    """
    n = np.arange(N)
    return Entries(n % C, np.zeros(N, int), n, (C, 1, N), (N,), is_one=True)


def sparse(operation: Operation) -> Entries:
    """w[e], at a row and a column of its own (OP-1)."""
    rows, columns = np.array(operation.rows, int), np.array(operation.columns, int)
    sizes = len(rows), *operation.shape
    return Entries(np.arange(len(rows)), rows, columns, sizes, rows.shape)


def grouped(G: int, K: int, N: int) -> Entries:
    """W[g,k,n], one entry each: input g K + k and neuron g N + n (OP-15)."""
    indices = []
    for g in range(G):
        for k in range(K):
            for n in range(N):
                indices.append((g * K + k, g * N + n))
    input, neuron = np.array(indices, int).T.copy()
    return Entries(np.arange(G * K * N), input, neuron, (G * K * N, G * K, G * N), (G, K, N))


def inner(K: int, R: int, N: int, factor: Callable[[], np.ndarray]) -> Entries:
    """B[k,r], an entry for each neuron, with the coefficient A[r,n] of `factor` (OP-4)."""
    k, r, n = (x.ravel() for x in np.indices((K, R, N)))
    sizes = K * R, K, N
    return Entries(k * R + r, k, n, sizes, (K, R, N), coefficients=lambda: factor()[r, n])


def convolution(operation: Operation, kernel: tuple[int, ...]) -> Entries:
    """W[u...,c,c'], an entry at each position q: input q s + u d − p of its group (OP-2).

    Parameters
    ----------
    operation : Operation
    kernel : tuple of int
        The shape of W, (u..., C/G, C').
    """
    *window, inside, C_out = kernel
    C = inside * operation.groups
    D, positions, before = len(window), outputs(operation, window), padding(operation, window)
    strides, dilation = each(operation.strides, D), each(operation.dilation, D)
    indices = []
    for q in itertools.product(*map(range, positions)):
        for u in itertools.product(*map(range, window)):
            place = [q[i] * strides[i] + u[i] * dilation[i] - before[i][0] for i in range(D)]
            is_inside = all(0 <= place[i] < operation.sizes[i] for i in range(D))
            for c, out in itertools.product(range(inside), range(C_out)):
                channel = out // (C_out // operation.groups) * inside + c
                k = flat(place, operation.sizes) * C + channel if is_inside else -1
                p = (flat(u, window) * inside + c) * C_out + out
                indices.append((p, k, flat(q, positions) * C_out + out))
    weight, input, neuron = np.array(indices, int).T.copy()
    Q = math.prod(positions)
    sizes = math.prod(kernel), math.prod(operation.sizes) * C, Q * C_out
    return Entries(weight, input, neuron, sizes, (Q, *kernel))


def each(numbers: Any, D: int) -> tuple[int, ...]:
    """One number for each of D sizes; None stands for ones."""
    return (1,) * D if numbers is None else tuple(numbers)


def flat(index: Any, sizes: Any) -> int:
    """The position of an index in row-major order."""
    position = 0
    for i, size in zip(index, sizes, strict=True):
        position = position * size + i
    return position


def padding(operation: Operation, window: Any) -> list[tuple[int, int]]:
    """How many zeros stand before and behind each size (OP-3)."""
    D = len(window)
    if operation.padding == "VALID":
        return [(0, 0)] * D
    if operation.padding != "SAME":
        return [tuple(pair) for pair in operation.padding]
    pads, strides, dilation = [], each(operation.strides, D), each(operation.dilation, D)
    for size, u, s, d in zip(operation.sizes, window, strides, dilation, strict=True):
        total = max(0, (-(-size // s) - 1) * s + (u - 1) * d + 1 - size)
        pads.append((total // 2, total - total // 2))
    return pads


def outputs(operation: Operation, window: Any) -> tuple[int, ...]:
    """How many positions there are along each size; 0 or less where no window fits (OP-3)."""
    D, pads = len(window), padding(operation, window)
    strides, dilation = each(operation.strides, D), each(operation.dilation, D)
    return tuple(
        (operation.sizes[i] + sum(pads[i]) - (window[i] - 1) * dilation[i] - 1) // strides[i] + 1
        for i in range(D)
    )
