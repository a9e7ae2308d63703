"""One library in one process: it makes its modes when asked, and times them one run at a time.

Requests are lines on standard input, answers lines on standard output: ``gradient MODE PATH``
writes the gradients of the two trained weights; ``time MODE`` answers with the seconds of a run.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from nets import DT, Net, data

B, M = 16, 10


def main() -> None:
    library, kind, T, K, N = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    brainstate.environ.set(dt=DT)
    make = {"brainscale": ours, "braintrace": theirs}[library]
    made: dict[str, Any] = {}
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request, mode, *rest = line.split()
        if mode not in made:
            xs, ys = data(T, B, K, M)
            made[mode] = function, given = make(mode, kind, K, N, xs, ys)
            for _ in range(3):  # a state's type may settle only after a run, and compile again
                jax.block_until_ready(function(*given))
        function, given = made[mode]
        if request == "gradient":
            np.savez(rest[0], *(np.asarray(u.get_mantissa(g)) for g in function(*given)))
            answers.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")
        else:
            start = time.perf_counter()
            jax.block_until_ready(function(*given))
            answers.write(f"{time.perf_counter() - start}\n")


def compiled(net: Net, run: Callable[..., Any]) -> Any:
    """A run over a sequence from new states, jitted; it returns the trained weights' gradients."""

    def fresh(xs: Any, ys: Any) -> Any:
        brainstate.nn.init_all_states(net, batch_size=B)
        found = run(xs, ys)
        states = net.states(brainstate.ParamState)
        by_state = {id(states[key]): value for key, value in found.items()}
        return tuple(by_state[id(state)] for state in (net.input, net.recurrent))

    return brainstate.transform.jit(fresh)


def ours(mode: str, kind: str, K: int, N: int, xs: Any, ys: Any) -> Any:
    """``bptt``, or ``RULE:CHUNK``; a chunk of 0 is the whole sequence."""
    import brainscale

    def trained(weight: Any) -> Any:
        param = brainscale.ETraceParam(weight, brainscale.MatMulOp())
        return param, param.execute

    if mode == "bptt":
        return by_bptt(Net(kind, K, N, M, _plain), xs, ys)
    net = Net(kind, K, N, M, trained)
    brainstate.nn.init_all_states(net, batch_size=B)
    rule, chunk = mode.split(":")
    learner = brainscale.D_RTRL(net) if rule == "d_rtrl" else brainscale.ES_D_RTRL(net, 0.9)
    learner.compile_graph(xs[0])

    def run(xs: Any, ys: Any) -> Any:
        learner.reset_traces()
        return learner.etrace_grad(
            xs, ys, lambda x, y: ((learner(x) - y) ** 2).mean(), chunk=int(chunk) or None
        )

    return compiled(net, run), (xs, ys)


def theirs(mode: str, kind: str, K: int, N: int, xs: Any, ys: Any) -> Any:
    """``RULE:WINDOW``: 1 is the default mode; others have the recurrent input stopped."""
    import braintrace

    def trained(weight: Any) -> Any:
        state = brainstate.ParamState(weight)
        return state, lambda x: braintrace.matmul(x, state.value)

    rule, window = mode.split(":")
    several = int(window) > 1
    net = Net(kind, K, N, M, trained, stopped=several)
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
        found = learner.etrace_grad(xs, ys, step_fn=loss, chunk_size=size, reduction="sum")
        return {key: found[key] for key in net.states(brainstate.ParamState)}

    return compiled(net, run), (xs, ys)


def _plain(weight: Any) -> Any:
    state = brainstate.ParamState(weight)
    return state, lambda x: u.math.matmul(x, state.value)


def by_bptt(net: Net, xs: Any, ys: Any) -> Any:
    """Backpropagation through time, of the same losses."""
    brainstate.nn.init_all_states(net, batch_size=B)

    def total(xs: Any, ys: Any) -> Any:
        outs = brainstate.transform.for_loop(net, xs)
        return jnp.mean((outs - ys) ** 2, axis=(1, 2)).sum()

    gradient = brainstate.transform.grad(total, net.states(brainstate.ParamState))
    return compiled(net, gradient), (xs, ys)


if __name__ == "__main__":
    main()
