"""What used to end in an error of JAX's, Python's or brainstate's is right, or refused by name."""

from __future__ import annotations

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import D_RTRL, RTRL, ETraceParam, MatMulOp, NonTempParam, errors
from odd_models import K, Model, N, TwoPopulations, array, batched, dense

pytestmark = pytest.mark.usefixtures("step_length")

T, BATCH = 3, 2
ES = brainscale.ES_D_RTRL
RULES = {"D-RTRL": D_RTRL, "ES-D-RTRL": lambda model: ES(model, 0.5), "RTRL": RTRL}


def sequence():
    return jnp.asarray(np.random.default_rng(0).normal(size=(T, BATCH, K)), jnp.float32)


class Layer(Model):
    """A recurrent layer; subclasses change what becomes of its state."""

    def __init__(self):
        super().__init__()
        self.w, self.r = dense(0, K, N), dense(1, N, N)

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(batched(batch_size, N))

    def update(self, x, *args):
        y = self.w.execute(x) + self.r.execute(self.h.value)
        self.h.value = self.advanced(self.h.value, y, *args)
        return self.h.value

    def advanced(self, h, y):
        return 0.9 * h + y


def learner_of(kind, rule="D-RTRL", example=None):
    model = kind()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = RULES[rule](model)
    learner.compile_graph(*(example or [sequence()[0]]))
    return learner


def gradients(learner, chunk=1, **options):
    def loss(x):
        return (learner(x) ** 2).sum()

    run = brainstate.transform.jit(
        lambda: learner.etrace_grad(sequence(), loss, chunk=chunk, **options)
    )
    return run()


def close(got, wanted, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert abs(a - b).max() <= tolerance * abs(b).max()


# What is right.


class Gained(Layer):
    def advanced(self, h, y, gain):
        return gain * h + y


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("number", [0.5, 1, True, np.float32(0.5), 0.5 + 0 * jnp.ones(())])
def test_python_numbers_as_arguments(rule, number):
    xs, outs = sequence(), []
    for factor in (number, jnp.asarray(number)):
        learner = learner_of(Gained, rule, [xs[0], factor])
        gradient = brainstate.transform.grad(
            lambda x, learner=learner, factor=factor: learner(x, factor).sum(), learner.param_states
        )
        outs.append([gradient(xs[0]), gradient(xs[1])])
    close(*outs)


class Counting(Layer):
    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.steps, self.gain = brainstate.ShortTermState(0), brainstate.ShortTermState(0.5)

    def advanced(self, h, y):
        self.steps.value = self.steps.value + 1
        return self.gain.value * h + y


class CountingArrays(Counting):
    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.steps = brainstate.ShortTermState(jnp.zeros((), jnp.int32))
        self.gain = brainstate.ShortTermState(jnp.full((), 0.5))


@pytest.mark.parametrize("rule", RULES)
def test_python_numbers_in_states(rule):
    learner, wanted = learner_of(Counting, rule), learner_of(CountingArrays, rule)
    close(gradients(learner), gradients(wanted))
    assert learner.model.steps.value == T
    learner.reset_state(BATCH)
    learner.etrace_evolve(sequence())


class TwoDtypes(Layer):
    dtype = jnp.float16

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.g = brainstate.HiddenState(batched(batch_size, N).astype(self.dtype))

    def advanced(self, h, y):
        self.g.value = (0.5 * self.g.value + 0.25 * h).astype(self.dtype)
        return 0.9 * h + y + self.g.value.astype(h.dtype)


class OneDtype(TwoDtypes):
    dtype = jnp.float32


@pytest.mark.parametrize("rule", RULES)
def test_a_group_of_two_dtypes(rule):
    wanted = gradients(learner_of(OneDtype, rule))
    for chunk in (1, T):
        close(gradients(learner_of(TwoDtypes, rule), chunk), wanted, 1e-2)


@pytest.mark.parametrize("rule", RULES)
def test_gradient_outside_of_vmap(rule):
    """A learner of one, mapped over a batch, inside of the function whose gradient is taken."""
    model, xs = Layer(), sequence()
    learner = RULES[rule](model)

    @brainstate.transform.vmap_new_states(state_tag="new", axis_size=BATCH)
    def begin():
        brainstate.nn.init_all_states(model)
        learner.compile_graph(xs[0][0])

    begin()
    mapped = brainstate.nn.Vmap(learner, vmap_states="new")
    whole, gradients = learner_of(Layer, rule), []
    for one in (mapped, whole):
        gradient = brainstate.transform.grad(
            lambda x, one=one: (one(x) ** 2).sum(),
            (learner if one is mapped else whole).param_states,
        )
        step = brainstate.transform.jit(gradient)
        gradients.append([step(x) for x in xs][1:])
    close(*gradients)


def test_forms_of_grad_states():
    learner = learner_of(Layer)
    w, r = learner.model.w, learner.model.r
    wanted = gradients(learner)
    for asked, form in (
        (w, lambda g: g[("w",)]),
        ([w, r], lambda g: [g[("w",)], g[("r",)]]),
        ((r,), lambda g: (g[("r",)],)),
        ({"a": {"b": w}}, lambda g: {"a": {"b": g[("w",)]}}),
        ([], lambda g: []),
    ):
        learner.reset_state(BATCH)
        got = gradients(learner, grad_states=asked)
        assert jax.tree.structure(got) == jax.tree.structure(form(wanted))
        close(got, form(wanted))


# What a message sends to is right.


class Delayed(Layer):
    readout = staticmethod(lambda: NonTempParam(array(3, N, 2), MatMulOp()))
    kept = brainstate.ShortTermState

    def __init__(self):
        super().__init__()
        self.out = self.readout()

    def init_state(self, batch_size=None, **kwargs):
        super().init_state(batch_size)
        self.last = self.kept(batched(batch_size, 2))

    def update(self, x):
        h, out = super().update(x), self.last.value
        self.last.value = self.out.execute(h)
        return out


class DelayedAndMended(Delayed):
    readout = staticmethod(lambda: ETraceParam(array(3, N, 2), MatMulOp()))
    kept = brainscale.ETraceState


def checked(x, y, check):
    return brainstate.transform.ifelse(
        [y.sum() > 0, y.sum() <= 0], [lambda: 0.9 * x + y, lambda: 0.5 * x + y], check_cond=check
    )


class Checked(Layer):
    def advanced(self, h, y):
        return checked(h, y, True)


class Unchecked(Layer):
    def advanced(self, h, y):
        return checked(h, y, False)


@pytest.mark.parametrize("kind", [DelayedAndMended, Checked, Unchecked])
def test_the_mend_that_a_message_names(kind):
    gradients(learner_of(kind), T)


# What is refused.


@jax.custom_vjp
def clipped(x):
    return x


clipped.defvjp(lambda x: (x, None), lambda _, ct: (jnp.clip(ct, -0.1, 0.1),))


class Clipped(Layer):
    def advanced(self, h, y):
        return 0.9 * clipped(h) + y


class Lateral(Layer):
    def __init__(self):
        super().__init__()
        self.inner = brainstate.nn.Linear(N, N)

    def advanced(self, h, y):
        return 0.9 * h + y + self.inner(h)


def outside(param):
    class Outside(Layer):
        def advanced(self, h, y):
            return 0.9 * h + y + param.execute(jnp.ones((BATCH, K)))

    return Outside


def uninitialised(kind, rule="D-RTRL"):
    return RULES[rule](kind()).compile_graph(sequence()[0])


def steps(step_fn, **options):
    return lambda: learner_of(Layer).etrace_grad(sequence(), step_fn, **options)


def calling(make):
    """A step that calls the learner."""

    def run():
        learner = learner_of(Layer)
        return learner.etrace_grad(sequence(), lambda x: make(learner(x)))

    return run


def asking(what):
    return lambda: gradients(learner_of(Layer), grad_states=what)


REFUSED = {
    "clipping": (lambda: learner_of(Clipped), errors.OperationError, "clip"),
    "clipping, RTRL": (
        lambda: gradients(learner_of(Clipped, "RTRL")),
        errors.OperationError,
        "clip",
    ),
    "a plain lateral layer": (
        lambda: learner_of(Lateral),
        errors.LateralPathError,
        r"inner\.weight",
    ),
    "a delayed readout": (lambda: learner_of(Delayed), errors.HiddenPathError, "ETraceParam"),
    "a foreign parameter": (
        lambda: learner_of(outside(dense(9, K, N))),
        errors.StructureError,
        "attribute",
    ),
    "a parameter made in step_fn": (
        calling(lambda out: dense(9, N, N).execute(out).sum()),
        errors.StructureError,
        "attribute",
    ),
    "no init_state": (lambda: uninitialised(Layer), errors.StructureError, "init_all_states"),
    "no init_state, RTRL": (
        lambda: uninitialised(Layer, "RTRL"),
        errors.StructureError,
        "init_all_states",
    ),
    "no init_state of neurons": (
        lambda: uninitialised(TwoPopulations),
        errors.StructureError,
        "init_all_states",
    ),
    "a text as an input": (
        lambda: learner_of(Gained, example=[sequence()[0], "fast"]),
        errors.ValueTypeError,
        "str",
    ),
    "grad_states of numbers": (asking({"a": 3}), errors.ValueTypeError, "ParamState"),
    "grad_states of a name": (asking("w"), errors.ValueTypeError, "ParamState"),
    "grad_states of a state": (
        asking([brainstate.HiddenState(jnp.zeros(1))]),
        errors.ValueTypeError,
        "HiddenState",
    ),
    "no call of the learner": (steps(lambda x: x.sum()), errors.StructureError, "call the learner"),
    "no function": (steps(None), errors.ValueTypeError, "step_fn"),
    "no function, but an array": (steps(jnp.zeros(T)), errors.ValueTypeError, "step_fn"),
    "a loss of None": (calling(lambda out: None), errors.ShapeError, "NoneType"),
    "an integer loss": (
        calling(lambda out: out.sum().astype(jnp.int32)),
        errors.ShapeError,
        "int32",
    ),
    "a list for sections": (
        lambda: brainscale.nn.Morphology([brainscale.nn.Section("soma")]),
        (errors.MorphologyError),
        ".",
    ),
    "numbers for sections": (
        lambda: brainscale.nn.Morphology([1, 2]),
        errors.MorphologyError,
        "Section",
    ),
    "a section's parent": (
        lambda: brainscale.nn.Section("a", length=1 * u.um, diam=1 * u.um, parent=["b"]),
        errors.MorphologyError,
        "parent",
    ),
    **{
        f"a population of size {size!r}": (
            lambda size=size: brainscale.nn.GIF(size),
            errors.ParameterError,
            "size",
        )
        for size in ((), -1, 2.5, None, "3", True)
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, error, said = REFUSED[name]
    with pytest.raises(error, match=said) as info:
        call()
    assert isinstance(info.value, errors.BrainscaleError)


def test_no_aux_where_there_is_to_be_one():
    learner = learner_of(Layer)
    with pytest.raises(errors.StructureError, match="has_aux"):
        learner.etrace_grad(sequence(), lambda x: learner(x).sum(), has_aux=True)
