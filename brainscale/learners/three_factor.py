"""Three factors: what came in, what was emitted, and a reward (SPEC.md, THREE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp

from ..checks.arguments import check_array, check_function, is_real
from ..engine.leaves import is_complex
from ..engine.pure_step import trace_step
from ..engine.rule import Rule
from ..errors import DtypeError, ParameterError, ShapeError, UnitError
from ..parameters import ETraceParam
from ..states import ETraceState
from .base import ETraceAlgorithm
from .d_rtrl import ParameterTraces
from .multi_step import take_first_step

__all__ = ["ThreeFactor"]


class LocalTraces(ParameterTraces):
    """D-RTRL's traces, each meeting what its own neurons emit alone."""

    local = True


class ThreeFactor(ETraceAlgorithm):
    """A learner by a reward in place of a gradient (THREE-1).

    The reward M(t) meets the filtered eligibility of each connection, kept since it was active:
    Fremaux and Gerstner 2016, Frontiers in Neural Circuits 9:85. Descent along what it gives makes
    what was emitted before a positive reward more likely. Plain parameters do not learn.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    decay : float
        From 0 to below 1: by which an eligibility falls in a step.
    emission : callable, optional
        From the model and its result of a step to what its neurons emitted: an array or a tree of
        arrays of the neurons' shape. By default the result itself.
    trace_dtype : dtype, optional
        Of the stored traces: float32, float64, or bfloat16, which is rounded at random with exact
        means and deviates by up to 0.03 for a leak of 0.99, 0.28 for one of 0.9999. By default that
        of the hidden states, and of at least 32 bits.
    **former
        As for `ETraceAlgorithm`.

    Raises
    ------
    ParameterError
        A decay out of its range.

    Examples
    --------
    >>> model = brainscale.nn.LeakySpikeReadout(100, 2, tau=20 * u.ms)
    >>> learner = brainscale.compile(model, "three_factor", jnp.zeros(100), decay=0.9)
    >>> def step(x, reward):
    ...     action = learner(x)
    ...     return learner.modulated(reward)
    >>> inputs, rewards = brainstate.random.rand(50, 100), jnp.ones(50)
    >>> gradients = learner.etrace_grad(inputs, rewards, step)
    >>> jax.tree.map(jnp.shape, gradients)
    {('linear', 'weight'): {'weight': Quantity([100   2], "mA")}}
    """

    __module__ = "brainscale"

    def __init__(
        self,
        model: brainstate.nn.Module,
        decay: float,
        emission: Callable[[Any, Any], Any] | None = None,
        *,
        trace_dtype: jax.typing.DTypeLike | None = None,
        **former: Any,
    ):
        super().__init__(model, LocalTraces(trace_dtype), **former)
        if not is_real(decay) or not 0 <= decay < 1:
            raise ParameterError(f"decay must be from 0 to below 1, got {decay!r}", got=decay)
        self.decay = float(decay)
        if emission is not None:
            check_function(emission, "emission", arguments=2)
        self.emission = emission or (lambda model, out: out)
        self.filtered: list[ETraceState] = []

    def compile_graph(self, *args: Any) -> None:
        """As of `ETraceAlgorithm`, and make the filtered emissions, which are zero.

        Raises
        ------
        LateralPathError
            Also where an emission is not that of one neuron for each of its elements.
        DtypeError
            An emission is complex.
        """

        def emit(*args: Any) -> Any:
            emitted = self.emission(self.model, self.model(*args))
            return jax.tree.map(lambda leaf: check_array(leaf, "what emission returns"), emitted)

        args = take_first_step(args)
        with self._make_source(args).trace_first():
            step = trace_step(emit, args, self._name_of)
        likes = jax.eval_shape(lambda: step.record(step.values(), args)[0])
        if any(is_complex(like) for like in jax.tree.leaves(likes)):
            raise DtypeError(
                f"what neurons emit is {[like.dtype.name for like in jax.tree.leaves(likes)]}, and "
                "a reward meets real numbers: give `emission`, which makes real ones of it"
            )
        self.filtered = [
            ETraceState(jnp.zeros(like.shape, like.dtype), name=f"filtered emission {i}")
            for i, like in enumerate(jax.tree.leaves(likes))
        ]
        super().compile_graph(*args)

    @property
    def rule_states(self) -> dict[str, brainstate.State]:
        """The filtered emissions."""
        return {str(state.name): state for state in self.filtered}

    @property
    def param_states(self) -> dict[Any, brainstate.ParamState]:
        """The model's parameters with traces, by path."""
        return self.model.states(ETraceParam)

    def reset_traces(self) -> None:
        """Make the traces and the filtered emissions zero."""
        for state in self.filtered:
            state.value = jnp.zeros_like(state.value)
        super().reset_traces()

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """It follows no gradient."""
        return "not learned" if rule is None else "a reward is followed, and no gradient (THREE-1)"

    def make_step(self, *args: Any) -> Any:
        """One step of the model, after which the emissions are filtered."""
        out = self.model(*args)
        emitted = jax.tree.leaves(self.emission(self.model, out))
        for state, s in zip(self.filtered, emitted, strict=True):
            # A variable of the neurons: its trace is the filtered eligibility.
            state.value = (self.decay * state.value + s).astype(state.value.dtype)
        return out

    def modulated(self, reward: jax.typing.ArrayLike) -> jax.Array:
        """What to differentiate after a step: the reward against what was emitted, negative.

        Parameters
        ----------
        reward : number or array
            M(t): one for all, or of the batch's axes. It is held fixed.

        Returns
        -------
        array, shape ()

        Raises
        ------
        NotCompiledError, ShapeError
            Before `compile_graph`; a reward of another shape.
        """
        self._check_compiled()
        check_array(reward, "a reward")
        if isinstance(reward, u.Quantity):
            raise UnitError(f"a reward has no unit, got {reward.unit}", got=reward.unit)
        M, total = jax.lax.stop_gradient(jnp.asarray(reward)), jnp.zeros(())
        for state in self.filtered:
            filtered = state.value
            if M.ndim >= max(filtered.ndim, 1) or filtered.shape[: M.ndim] != M.shape:
                raise ShapeError(
                    f"a reward of shape {M.shape} meets emissions of shape {filtered.shape}: it is "
                    "a number, or has the batch's axes",
                    got=M.shape,
                )
            rewards = M.reshape(*M.shape, *(1,) * (filtered.ndim - M.ndim))
            total = total - (rewards * filtered).sum()
        return total

    def reward_grad(
        self, *sequences: Any, chunk: int | None = 1, return_value: bool = False
    ) -> Any:
        """What is learned from the rewards of a sequence, to descend along.

        Parameters
        ----------
        *sequences : trees of arrays, shape (T, ...)
            Inputs of the model, and at last the rewards, (T,) or (T, batch).
        chunk, return_value
            As for `etrace_grad`.

        Returns
        -------
        mapping from the keys of `param_states`
            Like the parameters' values; with `return_value` also what `modulated` gave, (T,).
        """

        def step(*items: Any) -> jax.Array:
            self(*items[:-1])
            return self.modulated(items[-1])

        return self.etrace_grad(*sequences, step, chunk=chunk, return_value=return_value)
