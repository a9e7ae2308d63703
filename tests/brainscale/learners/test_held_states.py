"""What one kind of step leaves in a state that is not hidden, and another kind reads (LEARN-17)."""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import pytest

from brainscale import errors
from through_time import XS, YS, B, Leaky, N, assert_same, compiled, squared

RULES = {"D_RTRL": {}, "ES_D_RTRL": dict(decay_or_rank=0.5), "EProp": {}}

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


def kind_of_step():
    return brainstate.environ.get("kind", "neither")


class Holding(Leaky):
    """A step may keep what neurons hold, hand it on, or use what is kept."""

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.kept = brainstate.ShortTermState(jnp.zeros((batch_size, N)))
        self.other = brainstate.ShortTermState(jnp.zeros((batch_size, N)))

    def update(self, x):
        out, kind = super().update(x), kind_of_step()
        if kind == "keep":
            self.kept.value = self.keep(self.h.value)
        elif kind == "hand on":
            self.other.value = 2 * self.kept.value
        elif kind == "use":
            out = out * (1 + self.kept.value)
        elif kind == "use other":
            out = out * (1 + self.other.value)
        return out

    def keep(self, h):
        return h


class HoldingWithin(Holding):
    """What is kept enters neurons."""

    def advance(self, x):
        more = self.kept.value if kind_of_step() == "use" else 0.0
        self.h.value = jnp.tanh(0.5 * self.h.value + self.w.execute(x) + more)

    def update(self, x):
        out = super().update(x)
        return out if kind_of_step() != "use" else self.h.value @ self.r.value


class Stopped(Holding):
    def keep(self, h):
        return jax.lax.stop_gradient(h)


class Spiking(Holding):
    def keep(self, h):
        return (h > 0).astype(h.dtype)


def run_step(learner, kind):
    with brainstate.environ.context(kind=kind):
        return brainstate.transform.grad(
            lambda: squared(learner(XS[0]), YS[0], None), learner.param_states
        )()


def run_sequence(learner, kind):
    with brainstate.environ.context(kind=kind):
        return learner.etrace_grad(XS, YS, lambda x, y: squared(learner(x), y, None))


def run_compiled(learner, kind):
    return brainstate.transform.jit(lambda: run_sequence(learner, kind))()


RUNS = {"steps": run_step, "sequences": run_sequence, "compiled": run_compiled}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "kinds", [("keep", "use"), ("use", "keep"), ("keep", "neither", "use")], ids="-".join
)
@pytest.mark.parametrize("model", [Holding, HoldingWithin])
@pytest.mark.parametrize("rule", RULES)
def test_what_another_kind_of_step_keeps_is_not_to_be_read(rule, model, kinds, run):
    learner = compiled(model(), rule, **RULES[rule])
    for kind in kinds[:-1]:
        RUNS[run](learner, kind)
    for _ in range(2):
        with pytest.raises(errors.HiddenPathError, match=r"kept carries.*one kind of step"):
            RUNS[run](learner, kinds[-1])
    RUNS[run](learner, kinds[0])


@pytest.mark.parametrize("last", ["keep", "hand on", "use other"])
def test_a_derivative_is_followed_from_state_to_state(last):
    learner = compiled(Holding())
    for kind in {"keep", "hand on", "use other"} - {last}:
        run_sequence(learner, kind)
    with pytest.raises(errors.HiddenPathError, match="other carries"):
        run_sequence(learner, last)


@pytest.mark.parametrize("model", [Stopped, Spiking])
def test_what_has_no_derivative_may_be_kept(model):
    learner, forward = compiled(model()), compiled(model(), "RTRL")
    for kind in ("keep", "use", "hand on", "use other"):
        assert_same(run_step(learner, kind), run_step(forward, kind))


def test_what_nobody_reads_may_be_kept():
    learner = compiled(Holding())
    for kind in ("keep", "hand on", "neither", "keep"):
        run_sequence(learner, kind)


def test_a_loss_does_not_read_what_another_kind_keeps():
    learner = compiled(Holding())
    run_sequence(learner, "keep")
    with pytest.raises(errors.HiddenPathError, match="kept carries"):
        learner.etrace_grad(XS, lambda x: (learner(x) * learner.model.kept.value).sum())


def test_a_learner_that_is_compiled_again_begins_anew():
    learner = compiled(Holding())
    run_sequence(learner, "keep")
    brainstate.nn.init_all_states(learner.model, batch_size=B)
    learner.compile_graph(XS[0])
    run_sequence(learner, "use")
