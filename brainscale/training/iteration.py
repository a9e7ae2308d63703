"""One iteration of training: a batch of sequences, and updates while it is gone through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from brainstate.util import FlattedDict

from ..checks.requests import check_result
from ..engine.inputs import length_of
from ..errors import NotCompiledError, ShapeError, StructureError, ValueTypeError
from ..learners.base import ETraceAlgorithm
from ..learners.renewal import renew
from ..learners.trials import read_request, read_weights

__all__ = ["Batch", "Iteration"]


class Batch(NamedTuple):
    """Sequences of one batch, and what of them counts, as `etrace_grad` is told."""

    sequences: tuple[Any, ...]
    mask: Any = None
    lengths: Any = None


class Iteration:
    """An iteration, compiled once.

    Parameters
    ----------
    learner, step_fn, optimizer, every, chunk, clip, reset
        As for `fit`.
    """

    def __init__(
        self,
        learner: ETraceAlgorithm,
        step_fn: Callable[..., Any],
        optimizer: Any,
        every: int | None,
        chunk: int | None,
        clip: float | None,
        reset: bool,
    ):
        self.learner = learner
        self.step_fn = step_fn
        self.optimizer = _check_optimizer(optimizer)
        self.every, self.chunk, self.clip, self.reset = every, chunk, clip, reset
        self._run = brainstate.transform.jit(self._iterate)

    def __call__(self, batch: Batch) -> tuple[dict[str, np.ndarray], bool]:
        """Make an iteration, and give its means and whether they and the parameters are finite."""
        means, is_finite = jax.device_get(self._run(*batch))
        return means, bool(is_finite)

    def check(self, batch: Batch) -> Batch:
        """Give a batch whose numbers are finite, and hold nothing that does not count."""
        options = dict(mask=batch.mask, lengths=batch.lengths)
        request = read_request("fit", batch.sequences, self.step_fn, **options)
        *sequences, _ = request.select_counted()
        return Batch(tuple(sequences), *jax.tree.map(jnp.asarray, batch[1:]))

    def find_written(self, batch: Batch) -> tuple[brainstate.State, ...]:
        """Find the states that an iteration writes."""
        function = self._run.stateful_fun
        function.make_jaxpr(*batch)
        return function.get_write_states(*batch)

    # What is compiled.

    def _iterate(
        self, sequences: tuple[Any, ...], mask: Any, lengths: Any
    ) -> tuple[dict[str, jax.Array], jax.Array]:
        if self.reset:
            renew(self.learner.model, _read_batch_size(sequences))
            self.learner.reset_traces()
        length = length_of(sequences)
        every = min(self.every or length, length)
        whole = length // every * every
        parts = sequences, mask, jnp.arange(length)

        def update(sequences: Any, mask: Any, steps: jax.Array) -> dict[str, jax.Array]:
            left = None if lengths is None else lengths.astype(steps.dtype) - steps[0]
            return self._update(sequences, mask, left)

        update_batches = jax.tree.map(
            lambda leaf: leaf[:whole].reshape(-1, every, *leaf.shape[1:]), parts
        )
        results = brainstate.transform.for_loop(update, *update_batches)
        pieces = [jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), results)]
        if whole < length:
            pieces.append(update(*jax.tree.map(lambda leaf: leaf[whole:], parts)))
        if self.reset:
            # Traces that nobody reads are not computed.
            self.learner.reset_traces()
        joint = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *pieces)
        means = _average(joint, read_weights(mask, lengths, sequences).weight)
        leaves = jax.tree.leaves((means["loss"], self._map_trained(lambda state: state.value)))
        return means, jnp.array([jnp.isfinite(leaf).all() for leaf in leaves]).all()

    def _update(self, sequences: tuple[Any, ...], mask: Any, lengths: Any) -> dict[str, jax.Array]:
        """Make the steps up to an update, and the update.

        Returns the loss and the metrics of each step, (steps,) or (steps, B).
        """
        gradient_of, losses, metrics = self.learner.etrace_grad(
            *sequences,
            step_fn=self._step,
            chunk=self.chunk,
            mask=mask,
            lengths=lengths,
            grad_states={id(state): state for state in self.optimizer.param_states.unique_states},
            has_aux=True,
            return_value=True,
        )
        gradients = self._map_trained(lambda state: gradient_of[id(state)])
        if self.clip is not None:
            import optax

            clipping = optax.clip_by_global_norm(self.clip)
            gradients, _ = clipping.update(gradients, clipping.init(gradients))
        self._optimize(gradients, u.get_mantissa(losses).sum())
        return {"loss": u.get_mantissa(losses), **metrics}

    def _optimize(self, gradients: Any, loss: jax.Array) -> None:
        """Update the parameters, by the loss too where the optimizer takes what optax calls value.

        Raises
        ------
        ValueTypeError
            The optimizer needs more.
        """
        more = {"value": loss} if _takes_keyword(self.optimizer.tx.update, "value") else {}
        try:
            self.optimizer.update(gradients, **more)
        except Exception as error:
            # What one needs is in no signature: whoever chains others takes all and hands it on.
            raise ValueTypeError(
                "the optimizer makes no update of gradients and their loss "
                f"({type(error).__name__}: {error}): take one that needs no more than these, such "
                "as optax.adam, and so none with a line search, such as optax.lbfgs",
                got=self.optimizer,
            ) from error

    def _step(self, *items: Any) -> tuple[Any, dict[str, jax.Array]]:
        out = self.step_fn(*items)
        loss, metrics = out if isinstance(out, tuple) and len(out) == 2 else (out, {})
        if not isinstance(metrics, dict) or "loss" in metrics:
            raise StructureError(
                "step_fn returns a loss, or a loss and a dict of metrics, none of them named "
                f"'loss'; got {metrics!r}",
                got=metrics,
            )
        check_result(metrics, "metrics")
        for name, metric in metrics.items():
            shape = u.math.shape(metric)
            if shape not in ((), u.math.shape(loss)) or not u.math.is_unitless(metric):
                raise ShapeError(
                    f"the metric {name!r} must be a number without a unit, or, as the loss, one "
                    f"for each trial, got {metric!r}",
                    got=metric,
                )
        return loss, {name: jnp.asarray(metric, float) for name, metric in metrics.items()}

    def _try_step(self, *items: Any) -> None:
        self._step(*items)

    def _map_trained(self, of_state: Callable[[brainstate.State], Any]) -> Any:
        """Map a function over the optimizer's parameters, into a tree like theirs."""
        states = self.optimizer.param_states.to_pytree()
        return jax.tree.map(of_state, states, is_leaf=lambda x: isinstance(x, brainstate.State))

    # Compiling the learner, and the states of a run.

    def compile(self, batch: Batch) -> None:
        """Initialise and compile a learner that is not compiled, for what `step_fn` gives it."""
        learner, examples = self.learner, []
        if learner.structure is None:
            brainstate.nn.init_all_states(
                learner.model, batch_size=_read_batch_size(batch.sequences)
            )

            def note(*args: Any) -> Any:
                examples.append(jax.eval_shape(lambda: args))
                return learner.model(*args)

            learner.update = note
            try:
                example = jax.tree.map(lambda leaf: leaf[0], batch.sequences)
                brainstate.transform.StatefulFunction(self._try_step).make_jaxpr(*example)
            except NotCompiledError:
                # A step may ask for more than its result: of a reward, `modulated`.
                if not examples:
                    raise
            finally:
                del learner.update
            if not examples:
                raise StructureError("step_fn must call the learner")
            learner.compile_graph(*examples[0])
        if self.optimizer.opt_state is None:
            # Now: a rule may have parameters of its own, made when it is compiled.
            params = learner.param_states.items()
            states = {_join_path("", path): state for path, state in params}
            self.optimizer.register_trainable_weights(states)
        self.settle()

    def list_changed(self) -> list[Any]:
        """List the objects that compiling a learner changes, beside the states in them."""
        return [self.learner, self.optimizer, self.optimizer.param_states]

    def refuse_foreign(self, batch: Batch) -> None:
        """Refuse a `step_fn` that changes a state which no checkpoint would hold."""
        states = [*self.states().values(), *self.learner.etraces.values(), self.learner.count]
        for state in self.find_written(batch):
            if all(state is not other for other in states):
                raise StructureError(
                    f"step_fn changes {state.name or type(state).__name__}, which is no state of "
                    "the model: make it one, for a run with it could not be resumed",
                    got=state,
                )

    def settle(self) -> None:
        """Make arrays of all numbers in states.

        A Python number, and what JAX makes of it, has a weaker type than a checkpoint can hold, and
        the types decide how an iteration computes.
        """
        for state in self.states().values():
            leaves, tree = jax.tree.flatten(state.value)
            new_leaves = [_strengthen(leaf) for leaf in leaves]
            if any(a is not b for a, b in zip(leaves, new_leaves, strict=True)):
                state.restore_value(jax.tree.unflatten(tree, new_leaves))

    def states(self) -> dict[str, brainstate.State]:
        """List all that the rest of a run depends on, by name."""
        model = self.learner.model.states()
        items = [(_join_path("model", path), state) for path, state in model.items()]
        items += [(f"rule.{name}", state) for name, state in self.learner.rule_states.items()]
        if not self.reset:
            items += [(f"trace.{name}", trace) for name, trace in self.learner.etraces.items()]
            items.append(("count", self.learner.count))
        optimizer_states = cast(FlattedDict, brainstate.graph.states(self.optimizer))
        for path, state in optimizer_states.items():
            items.append((_join_path("optimizer", path), state))
        for i, scheduler in enumerate([self.optimizer.lr_scheduler, *self.optimizer.schedulers]):
            items += _list_scheduler_states(f"scheduler.{i}", scheduler)
        for name, state in list(items):
            if getattr(state, "_history", None) is not None:
                items.append((f"{name}.history", state.history_state))
        items.append(("random", brainstate.random.DEFAULT))
        name_of = {id(state): name for name, state in reversed(items)}
        return {name: state for name, state in items if name_of[id(state)] == name}


def _average(of_steps: dict[str, jax.Array], weight: Any) -> dict[str, jax.Array]:
    """Average over steps, and trials: losses, which have their weights in them, and metrics.

    Parameters
    ----------
    of_steps : dict of arrays, (T,) or (T, B)
    weight : array, (T,) or (T, B), or None
    """
    if weight is None:
        return {name: leaf.mean() for name, leaf in of_steps.items()}
    total = weight.sum()

    def average_one(name: str, leaf: jax.Array) -> jax.Array:
        own = weight.sum(1) if weight.ndim > leaf.ndim else weight
        weighted = leaf if name == "loss" else jnp.where(own == 0, 0, own * leaf)
        # Where nothing counts there is no mean, and no harm.
        return jnp.where(total == 0, 0, weighted.sum() / jnp.where(total == 0, 1, total))

    return {name: average_one(name, leaf) for name, leaf in of_steps.items()}


def _check_optimizer(optimizer: Any) -> Any:
    """Give an optimizer of braintools."""
    import optax
    from braintools.optim import LBFGS, OptaxOptimizer

    if isinstance(optimizer, optax.GradientTransformation):
        optimizer = OptaxOptimizer(tx=optimizer)
    if not isinstance(optimizer, OptaxOptimizer) or isinstance(optimizer, LBFGS):
        raise ValueTypeError(
            "optimizer must be an optax.GradientTransformation or a braintools.optim optimizer "
            f"that needs gradients and their loss alone, got {type(optimizer).__name__}",
            got=optimizer,
        )
    return optimizer


def _takes_keyword(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _list_scheduler_states(name: str, scheduler: Any) -> Iterator[tuple[str, brainstate.State]]:
    """List the states of a learning rate's scheduler, and of those that it is made of."""
    for key, value in vars(scheduler).items():
        if isinstance(value, brainstate.State):
            yield f"{name}.{key}", value
    for i, other in enumerate(vars(scheduler).get("schedulers", ())):
        yield from _list_scheduler_states(f"{name}.{i}", other)


def _strengthen(leaf: Any) -> jax.Array:
    if isinstance(leaf, jax.Array) and not getattr(leaf, "weak_type", False):
        return leaf
    return jnp.array(leaf, jnp.result_type(leaf))


def _join_path(first: str, path: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in (first, *path) if part != "")


def _read_batch_size(sequences: tuple[Any, ...]) -> int:
    return jax.tree.leaves(sequences)[0].shape[1]
