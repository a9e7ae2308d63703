"""A step of D-RTRL over the trace of a dense weight, which is read and written once.

On a CPU, XLA reads each of a trace's d arrays d + 1 times in a step, and writes it in a loop of its
own. A Numba kernel, by way of brainevent, reads a row of all of them, which then is in the cache,
adds to the gradient and writes the row anew, in place. What it computes is `compute_plainly`, to
rounding.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..engine.leaves import cast_to_one_dtype
from ..engine.rule import Link, RuleInput
from ..operators import MatMulOp

__all__ = ["is_for", "pass_over"]

LEAST_NUMBERS = 2**15
"""Of how many numbers a trace is for which a call of the kernel, of some 0.1 ms, is worth it."""


def is_for(p: RuleInput, trace: dict[Any, list[Any]]) -> bool:
    """Whether the kernel makes a step of a parameter's traces here.

    It does of a dense weight, of float32 or float64 throughout, each element of whose y enters one
    neuron, where a CPU is the only device.
    """
    arrays = jax.tree.leaves(trace)
    return (
        type(p.op) is MatMulOp
        and bool(p.links)
        and not any(link.reach.lead or link.reach.neurons is not None for link in p.links)
        and {array.dtype for array in (*arrays, *jax.tree.leaves((p.weight, p.pre)))}
        in ({jnp.dtype("float32")}, {jnp.dtype("float64")})
        and all(F.dtype == arrays[0].dtype for link in p.links for F in link.F)
        and min(sum(e.size for e in jax.tree.leaves(of_group)) for of_group in trace.values())
        >= LEAST_NUMBERS
        and jax.default_backend() == "cpu"
        and jax.device_count() == 1
        and importlib.util.find_spec("numba") is not None
    )


def pass_over(
    p: RuleInput, link: Link, D: list[Any], first: list[Any], trace: list[Any]
) -> tuple[Any, list[Any]]:
    """Make what a step's learning signals make of a trace before it, and the trace after it.

    Parameters
    ----------
    p : RuleInput
        Of one step; `is_for` it.
    link : Link
        With the group that the trace is of.
    D : list of lists of arrays, shape (1, *batch, N)
        Of the group: d by d.
    first : list of arrays, shape (*batch, N)
        The group's learning signals: d.
    trace : list of trees of arrays
        d of them, like the weight, with the batch's axes first.

    Returns
    -------
    gradient : like the weight
    trace : like `trace`
    """
    d, N = len(trace), first[0].shape[-1]
    rows = [*first, *(F[0] for F in link.F), *(D[i][j][0] for i in range(d) for j in range(d))]
    rows = cast_to_one_dtype([row.reshape(-1, N) for row in rows])
    coefficients = jnp.stack(rows, 1).astype(jax.tree.leaves(trace)[0].dtype)
    leaves, tree = jax.tree.flatten(p.weight)
    gradients, new_leaves = [], []
    for at, (weight, x) in enumerate(zip(leaves, jax.tree.leaves(p.pre), strict=True)):
        of_leaf = [jax.tree.leaves(e)[at] for e in trace]
        # A bias is a weight of one input.
        flat = [e.reshape(coefficients.shape[0], -1, N) for e in of_leaf]
        function = _compute if weight.ndim == 2 else compute_plainly
        gradient, new = function(x[0].reshape(coefficients.shape[0], -1), coefficients, flat)
        gradients.append(gradient.reshape(weight.shape))
        new_leaves.append([n.reshape(e.shape) for n, e in zip(new, of_leaf, strict=True)])
    new_trace = [
        jax.tree.unflatten(tree, of_variable) for of_variable in zip(*new_leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, gradients), new_trace


def compute_plainly(
    x: jax.Array, coefficients: jax.Array, trace: list[jax.Array]
) -> tuple[jax.Array, list[jax.Array]]:
    """Compute sum_i lambda_i eps_i, summed over the batch, and D eps + F x.

    Parameters
    ----------
    x : array, shape (B, K)
    coefficients : array, shape (B, 2 d + d d, N)
        lambda, F and D, by rows.
    trace : list of d arrays, shape (B, K, N)

    Returns
    -------
    gradient : array, shape (K, N)
    trace : list of d arrays, shape (B, K, N)
    """
    d = range(len(trace))
    signal, F, D = jnp.split(coefficients[:, :, None], [len(trace), 2 * len(trace)], 1)
    gradient: Any = sum((signal[:, i] * trace[i]).sum(0) for i in d)
    new = [x[:, :, None] * F[:, i] + sum(D[:, len(trace) * i + j] * trace[j] for j in d) for i in d]
    return gradient, new


@jax.custom_jvp
def _compute(x: jax.Array, coefficients: jax.Array, trace: list[jax.Array]) -> Any:
    """Compute what `compute_plainly` does, on a CPU by the kernel."""
    return jax.lax.platform_dependent(
        x, coefficients, trace, cpu=_compute_by_kernel, default=compute_plainly
    )


@_compute.defjvp
def _differentiate(primals: Any, tangents: Any) -> Any:
    return jax.jvp(compute_plainly, primals, tangents)


def _compute_by_kernel(x: jax.Array, coefficients: jax.Array, trace: list[jax.Array]) -> Any:
    import brainevent

    d, (_, K, N) = len(trace), trace[0].shape
    like = jax.ShapeDtypeStruct(trace[0].shape, trace[0].dtype)
    call = brainevent.numba_kernel(
        _make_kernel(d, N),
        outs=[jax.ShapeDtypeStruct((1, K, N), trace[0].dtype), *[like] * d],
        vmap_method="sequential",
        input_output_aliases={2 + i: 1 + i for i in range(d)},
    )
    gradient, *new = call(x, coefficients, *trace)
    return gradient[0], new


@functools.cache
def _make_kernel(d: int, N: int) -> Callable[..., None]:
    """Make the kernel for d variables of N neurons, constants by which loops become vectors."""
    import numba

    count = 2 * d + d * d

    # What has one base does not alias: rows are copied to an array before they are used.
    @numba.njit(fastmath={"contract", "nsz", "reassoc"}, error_model="numpy", nogil=True)
    def compute(x, coefficients, *arrays):
        rows = np.empty((count + d) * N, x.dtype)
        gradient = arrays[d][0]
        gradient[:] = 0
        for b in range(x.shape[0]):
            for q in range(count):
                for n in range(N):
                    rows[q * N + n] = coefficients[b, q, n]
            for k in range(x.shape[1]):
                for i in range(d):
                    old = arrays[i][b, k]
                    for n in range(N):
                        rows[(count + i) * N + n] = old[n]
                for n in range(N):
                    total = gradient[k, n]
                    for i in range(d):
                        total += rows[i * N + n] * rows[(count + i) * N + n]
                    gradient[k, n] = total
                for i in range(d):
                    new = arrays[d + 1 + i][b, k]
                    for n in range(N):
                        value = x[b, k] * rows[(d + i) * N + n]
                        for j in range(d):
                            value += rows[(2 * d + i * d + j) * N + n] * rows[(count + j) * N + n]
                        new[n] = value

    return compute
