"""One library in one process: it makes its modes when asked, and times them one run at a time.

Requests are lines on standard input, answers lines on standard output: ``gradient MODE PATH``
writes the gradients of the two trained weights, and answers with the memory in KiB at its peak;
``first MODE`` answers with the seconds from a net to its first gradient; ``time MODE`` with those
of a run; ``machine triad`` with bytes a second, ``machine matrix`` with operations a second, and
``machine name`` with what it is.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from nets import DT, Net, data

M = 10


def main() -> None:
    library, kind, T, B, K, N = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
    jax.config.update("jax_default_matmul_precision", "highest")
    brainstate.environ.set(dt=DT)
    make = {"brainscale": ours, "braintrace": theirs}[library]
    made: dict[str, Any] = {}
    first: dict[str, float] = {}
    xs, ys = data(T, B, K, M)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request, mode, *rest = line.split()
        if request == "machine":
            answers.write(f"{MACHINE[mode]()}\n")
            continue
        if mode not in made:
            start = time.perf_counter()
            made[mode] = make(mode, kind, K, N, xs, ys)
            jax.block_until_ready(made[mode](xs, ys))
            first[mode] = time.perf_counter() - start
            for _ in range(2):  # a state's type may settle only after a run, and compile again
                jax.block_until_ready(made[mode](xs, ys))
        if request == "gradient":
            gradients = made[mode](xs, ys)
            np.savez(rest[0], *(np.asarray(u.get_mantissa(g)) for g in gradients))
            answers.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")
        elif request == "first":
            answers.write(f"{first[mode]}\n")
        else:
            answers.write(f"{seconds_of(made[mode], xs, ys)}\n")


def seconds_of(function: Callable[..., Any], *args: Any) -> float:
    """Time one run."""
    start = time.perf_counter()
    jax.block_until_ready(function(*args))
    return time.perf_counter() - start


def measure_triad() -> float:
    """Measure how many bytes a second are read and written of arrays that no cache holds."""
    a, b = (jnp.full((2**25,), value, jnp.float32) for value in (1.0, 2.0))

    @jax.jit
    def run(a: Any, b: Any) -> Any:
        return jax.lax.fori_loop(0, 20, lambda _, c: a + 0.5 * b + 0.0 * c, a)

    # Each round reads a, b and c and writes c.
    return 20 * 4 * a.nbytes / min(seconds_of(run, a, b) for _ in range(5))


def measure_matrix() -> float:
    """Measure how many multiplications and additions a second a matrix product makes."""
    n = 2048 if jax.default_backend() == "cpu" else 8192
    matrix, run = jnp.ones((n, n), jnp.float32), jax.jit(lambda a: a @ a)
    return 2 * n**3 / min(seconds_of(run, matrix) for _ in range(5))


def name_machine() -> str:
    """Name what JAX computes on."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else "CPU"


MACHINE = {"triad": measure_triad, "matrix": measure_matrix, "name": name_machine}


def compiled(net: Net, run: Callable[..., Any], B: int) -> Any:
    """A run over a sequence from new states, jitted; it returns the trained weights' gradients."""

    def fresh(xs: Any, ys: Any) -> Any:
        brainstate.nn.init_all_states(net, batch_size=B)
        gradients = run(xs, ys)
        states = net.states(brainstate.ParamState)
        by_state = {id(states[key]): value for key, value in gradients.items()}
        return tuple(by_state[id(state)] for state in (net.input, net.recurrent))

    return brainstate.transform.jit(fresh)


def ours(mode: str, kind: str, K: int, N: int, xs: Any, ys: Any) -> Any:
    """``bptt``, or ``RULE:CHUNK``; a chunk of ``whole``: as `fit` does, of traces nobody reads."""
    import brainscale

    def trained(weight: Any) -> Any:
        param = brainscale.ETraceParam(weight, brainscale.MatMulOp())
        return param, param.execute

    if mode == "bptt":
        return by_bptt(Net(kind, K, N, M, _plain), xs.shape[1])
    net = Net(kind, K, N, M, trained)
    brainstate.nn.init_all_states(net, batch_size=xs.shape[1])
    rule, chunk = mode.split(":")
    learner = brainscale.D_RTRL(net) if rule == "d_rtrl" else brainscale.ES_D_RTRL(net, 0.9)
    learner.compile_graph(xs[0])

    def run(xs: Any, ys: Any) -> Any:
        learner.reset_traces()
        steps = None if chunk == "whole" else int(chunk)
        gradients = learner.etrace_grad(
            xs, ys, lambda x, y: ((learner(x) - y) ** 2).mean(), chunk=steps
        )
        if chunk == "whole":
            learner.reset_traces()
        return gradients

    return compiled(net, run, xs.shape[1])


def theirs(mode: str, kind: str, K: int, N: int, xs: Any, ys: Any) -> Any:
    """``RULE:WINDOW``: 1 is the default mode; others have the recurrent input stopped."""
    import braintrace

    def trained(weight: Any) -> Any:
        state = brainstate.ParamState(weight)
        return state, lambda x: braintrace.matmul(x, state.value)

    rule, window = mode.split(":")
    several = int(window) > 1
    net, B = Net(kind, K, N, M, trained, stopped=several), xs.shape[1]
    brainstate.nn.init_all_states(net, batch_size=B)
    method = {"vjp_method": "multi-step" if several else "single-step"}
    if rule == "d_rtrl":
        learner = braintrace.D_RTRL(net, **method)
    else:
        learner = braintrace.pp_prop(net, 0.9, **method)
    learner.compile_graph(xs[0])

    def loss(x: Any, y: Any) -> Any:
        if several:
            out = learner(braintrace.MultiStepData(x))
            return ((out - y) ** 2).mean(axis=(1, 2))
        return ((learner(x) - y) ** 2).mean()

    def run(xs: Any, ys: Any) -> Any:
        learner.reset_state(B)
        size = int(window) if several else None
        gradients = learner.etrace_grad(xs, ys, step_fn=loss, chunk_size=size, reduction="sum")
        return {key: gradients[key] for key in net.states(brainstate.ParamState)}

    return compiled(net, run, B)


def _plain(weight: Any) -> Any:
    state = brainstate.ParamState(weight)
    return state, lambda x: u.math.matmul(x, state.value)


def by_bptt(net: Net, B: int) -> Any:
    """Backpropagation through time, of the same losses."""
    brainstate.nn.init_all_states(net, batch_size=B)

    def total(xs: Any, ys: Any) -> Any:
        outs = brainstate.transform.for_loop(net, xs)
        return jnp.mean((outs - ys) ** 2, axis=(1, 2)).sum()

    gradient = brainstate.transform.grad(total, net.states(brainstate.ParamState))
    return compiled(net, gradient, B)


if __name__ == "__main__":
    main()
