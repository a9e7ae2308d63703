"""e-prop: D-RTRL's traces, and learning signals by feedback weights (SPEC.md, EPROP)."""

from __future__ import annotations

from typing import Any

import brainstate
import brainunit as u
import jax

from ..checks.arguments import check_seed
from ..engine.leaves import conjugate
from ..engine.rule import Rule
from ..errors import OperationError, ParameterError, ShapeError, StructureError
from ..operators import MatMulOp
from ..parameters import NonTempParam, intercepting
from .base import ETraceAlgorithm
from .d_rtrl import ParameterTraces

__all__ = ["EProp"]

FEEDBACKS = ("symmetric", "random", "adaptive")


class EProp(ETraceAlgorithm):
    """A learner by e-prop (Bellec et al. 2020, Nature Communications 11:3625).

    Its traces are D-RTRL's. A learning signal comes back through a plain dense operation, such as a
    readout's `NonTempParam`, by feedback weights B in place of the operation's own (EPROP-1). A
    readout of filtered spikes, `brainscale.nn.FilteredReadout`, has the paper's filtered traces.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    feedback : "symmetric", "random" or "adaptive"
        Symmetric: B is the weight, and the gradient D-RTRL's. Random: B stays as it was drawn.
        Adaptive: B is a parameter whose gradient is the weight's, what descent does to the
        effective weight; with weight decay of both, B comes to it (Kolen and Pollack 1994).
    seed : int
        With which B is drawn, normal, with a standard deviation of (number of inputs)^-1/2.
    trace_dtype : dtype, optional
        Of the stored traces: float32, float64, or bfloat16, which is rounded at random with exact
        means and deviates by up to 0.03 for a leak of 0.99, 0.28 for one of 0.9999. By default that
        of the hidden states, and of at least 32 bits.
    **former
        As for `ETraceAlgorithm`.

    Attributes
    ----------
    feedback : dict from the names of plain parameters to State
        After `compile_graph`: the feedback weights, (K, N), in the weight's unit. They may be set.

    Raises
    ------
    ParameterError
        `feedback` is none of the three.

    Examples
    --------
    >>> net = brainstate.nn.Sequential(
    ...     brainscale.nn.GRUCell(3, 8),
    ...     brainscale.nn.Linear(8, 2, param_type=brainscale.NonTempParam),
    ... )
    >>> x = jnp.zeros((16, 3))
    >>> learner = brainscale.compile(net, "EProp", x, batch_size=16, feedback="random", seed=1)
    >>> jax.tree.map(jnp.shape, {name: B.value for name, B in learner.feedback.items()})
    {'layers.1.weight': (8, 2)}
    """

    __module__ = "brainscale"

    def __init__(
        self,
        model: brainstate.nn.Module,
        feedback: str = "symmetric",
        *,
        seed: int = 0,
        trace_dtype: jax.typing.DTypeLike | None = None,
        **former: Any,
    ):
        super().__init__(model, ParameterTraces(trace_dtype), **former)
        check_seed(seed, optional=False)
        if not isinstance(feedback, str) or feedback not in FEEDBACKS:
            raise ParameterError(
                f"feedback must be one of {FEEDBACKS}, got {feedback!r}",
                got=feedback,
                needs=FEEDBACKS,
            )
        self.kind, self.seed = feedback, seed
        self.feedback: dict[str, Any] = {}

    def compile_graph(self, *args: Any) -> None:
        """As of `ETraceAlgorithm`, and draw the feedback weights that are not there.

        Raises
        ------
        StructureError
            Random or adaptive feedback, and the model has no `NonTempParam` with a `MatMulOp`.
        """
        if self.kind != "symmetric":
            self.feedback = {**self._draw_feedback(), **self.feedback}
        super().compile_graph(*args)

    def _draw_feedback(self) -> dict[str, brainstate.State]:
        """Draw feedback weights for each plain parameter of a dense operation, by its name."""
        kind = brainstate.ParamState if self.kind == "adaptive" else brainstate.LongTermState
        key, feedback = jax.random.key(self.seed), {}
        for param in self.model.states(NonTempParam).values():
            if type(param.op) is not MatMulOp:
                continue
            weight = _weight_of(param.op.effective(param.value))
            number, unit = u.get_mantissa(weight), u.get_unit(weight)
            key, own_key = jax.random.split(key)
            B = jax.random.normal(own_key, number.shape, number.dtype) / len(number) ** 0.5
            name = self._name_of(param)
            feedback[name] = kind(B if unit.is_unitless else u.Quantity(B, unit=unit))
        if not (feedback or self.feedback):
            raise StructureError(
                f"e-prop with {self.kind} feedback needs a readout that is a NonTempParam with a "
                "MatMulOp, and the model has none"
            )
        return feedback

    @property
    def rule_states(self) -> dict[str, brainstate.State]:
        """The feedback weights."""
        return {f"feedback.{name}": state for name, state in self.feedback.items()}

    @property
    def param_states(self) -> dict[Any, brainstate.ParamState]:
        """The model's parameters, by path, and adaptive feedback weights, by ("feedback", name)."""
        feedback = self.feedback if self.kind == "adaptive" else {}
        return {**super().param_states, **{("feedback", k): state for k, state in feedback.items()}}

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """As of `ETraceAlgorithm`, and where signals come by other weights than the readout's."""
        if self.kind != "symmetric" and (rule is not None or crossed):
            answered = ", ".join(self.feedback)
            return (
                f"signals come back through {answered} by {self.kind} feedback weights, through "
                "all else by its own (EPROP-1)"
            )
        return super().approximation(name, rule, crossed)

    def make_step(self, *args: Any) -> Any:
        """One step of the model, plain dense operations being answered by feedback weights."""
        with intercepting(plain=self._execute_plain):
            return self.model(*args)

    def _execute_plain(self, param: NonTempParam, x: Any) -> Any:
        """Execute the operation of a plain parameter, signals coming back by its feedback."""
        name = self._name_of(param)
        if name not in self.feedback:
            return param.op(x, param.value)
        feedback = self.feedback[name].value
        got, needs = u.math.shape(feedback), u.math.shape(_weight_of(param.value))
        if got != needs:
            raise ShapeError(
                f"the feedback weights of {name} are {got}, its weight is {needs}",
                got=got,
                needs=needs,
            )
        if not isinstance(param.op, MatMulOp):
            raise OperationError(
                f"{name} has feedback weights, and its operation is no MatMulOp any more: call "
                "compile_graph again",
                got=param.op,
            )
        return _answer_by(param.op, x, param.value, feedback)


def _answer_by(op: MatMulOp, x: Any, w: Any, feedback: Any) -> Any:
    """Compute op(x, w), whose derivative by x is by feedback weights; theirs is the weight's."""

    @jax.custom_vjp
    def run(x: Any, w: Any, feedback: Any) -> Any:
        return op(x, w)

    def forward(x: Any, w: Any, feedback: Any) -> Any:
        return op(x, w), (x, w, feedback)

    def backward(residuals: Any, ct: Any) -> Any:
        x, w, feedback = residuals
        effective, to_w = jax.vjp(op.effective, w)
        (by_effective,) = jax.vjp(lambda effective: op.apply(x, effective), effective)[1](ct)
        (by_x,) = jax.vjp(lambda x: op.apply(x, feedback), x)[1](ct)
        (by_w,) = to_w(by_effective)
        _, moved = jax.jvp(op.effective, (w,), (conjugate(by_w),))
        moved = u.get_mantissa(_weight_of(conjugate(moved))).astype(u.math.get_dtype(feedback))
        return by_x, by_w, jax.tree.map(lambda _: moved, feedback)

    run.defvjp(forward, backward)
    return run(x, w, feedback)


def _weight_of(effective: Any) -> Any:
    """The weight of a dense operation's value, which may be one of weight and bias."""
    return effective["weight"] if isinstance(effective, dict) else effective
