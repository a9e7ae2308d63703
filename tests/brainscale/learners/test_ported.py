"""Two tutorials, ported by the tables of docs/from-braintrace.md alone.

The first is braintrace's on a GRU and the copying task, the second its on a spiking net, with the
exponential synapse that the one of brainscale 0.0.x has between operation and neuron.
"""

from __future__ import annotations

import inspect
import re

import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from repository import ROOT
from truth import difference, truth

pytestmark = pytest.mark.usefixtures("double_precision", "step_length")


def everything(x):
    return x


# A GRU on the copying task.

LAG, SYMBOLS, BATCH = 2, 2, 2


class RNN(brainstate.nn.Module):
    def __init__(self, cell, n_in, n_rec, n_out):
        super().__init__()
        self.rnn = brainstate.nn.Sequential(cell(n_in, n_rec))
        self.readout = brainscale.nn.Linear(n_rec, n_out, param_type=brainscale.NonTempParam)

    def update(self, x):
        return self.readout(self.rnn(x))

    def filled(self):
        """With weights that anyone can write down."""
        for path, state in self.states(brainstate.ParamState).items():
            first = sum(map(ord, ".".join(map(str, path))))
            state.value = {
                name: jnp.sin(first + jnp.arange(leaf.size, dtype=float)).reshape(leaf.shape)
                for name, leaf in state.value.items()
            }
        return self


def copying():
    """Digits, a lag, and the signal to repeat them; and the digits."""
    ids = np.zeros((BATCH, LAG + 2 * SYMBOLS), int)
    ids[:, :SYMBOLS] = np.random.default_rng(0).integers(1, 9, (BATCH, SYMBOLS))
    ids[:, -SYMBOLS:] = 9
    return jnp.asarray(np.eye(10)[ids].transpose(1, 0, 2)), jnp.asarray(ids[:, :SYMBOLS].T)


def cross_entropy(out, labels):
    return braintools.metric.softmax_cross_entropy_with_integer_labels(out, labels).mean()


BRAINTRACE = {
    "GRU": {"losses": [3.0728532623, 2.5097074186]},
    "CFN": {
        "losses": [3.2392682053, 2.6340160244],
        "Wf": [0.1202636388, -0.3400701561, 0.1969248856],
        "Wh": [0.7958863923, -0.3911244597, 0.4864051144],
        "Wi": [0.2774768132, -0.3821430142, 0.163758294],
    },
}
"""The losses of braintrace 0.2.6, and the gradients by the biases of its `D_RTRL`, at 64 bits.

Of its net with these weights and inputs: `etrace_evolve(xs[:4])`, and then `etrace_grad(xs[4:], ys,
step_fn=..., reduction="sum")`. Its gradient by the readout is zero. Its gradients of the GRU are
left out: that by the reset gate is zero, and the others lack what passes it in a step (LEARN-1).
"""


def reset(x):
    return jnp.concatenate([jax.lax.stop_gradient(x[..., :10]), x[..., 10:]], -1)


@pytest.mark.parametrize("kind", BRAINTRACE)
def test_copying_task(kind):
    xs, ys = copying()
    model = RNN(getattr(brainscale.nn, f"{kind}Cell"), 10, 3, 10).filled()
    learner = brainscale.compile(model, brainscale.D_RTRL, xs[0], batch_size=BATCH)
    warm = len(xs) - len(ys)
    learner.etrace_evolve(xs[:warm])
    gradients, losses = learner.etrace_grad(
        xs[warm:], ys, lambda x, y: cross_entropy(learner(x), y), return_value=True
    )
    theirs = dict(BRAINTRACE[kind])
    np.testing.assert_allclose(losses, theirs.pop("losses"), atol=1e-9)
    for gate, wanted in theirs.items():
        bias = gradients["rnn", "layers", 0, gate, "weight"]["bias"]
        np.testing.assert_allclose(bias, wanted, atol=1e-9)

    hot = jnp.concatenate([jnp.zeros((warm, BATCH, 10)), jax.nn.one_hot(ys, 10)])

    def loss(out, target, model):
        return -(target * jax.nn.log_softmax(out)).sum() / BATCH

    new = {model.rnn.layers[0].Wh.weight: reset} if kind == "GRU" else {}
    assert difference(gradients, truth(model, new, xs, hot, loss, BATCH)) < 1e-10


# A spiking net that tells which channels are active.

N_IN, N_REC, N_OUT, T = 8, 10, 2, 12


class SpikingNet(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = brainscale.nn.Linear(
            N_IN + N_REC,
            N_REC,
            w_init=braintools.init.KaimingNormal(scale=20.0, unit=u.mA),
            b_init=braintools.init.ZeroInit(unit=u.mA),
        )
        self.synapse = brainpy.state.Expon(
            N_REC, tau=5.0 * u.ms, g_initializer=braintools.init.ZeroInit(unit=u.mA)
        )
        self.neuron = brainpy.state.LIF(
            N_REC,
            tau=20.0 * u.ms,
            V_th=0.5 * u.mV,
            spk_fun=braintools.surrogate.ReluGrad(),
            spk_reset="soft",
        )
        self.readout = brainscale.nn.LeakyRateReadout(N_REC, N_OUT, tau=20.0 * u.ms)

    def update(self, spikes):
        x = jnp.concatenate([spikes, self.neuron.get_spike()], axis=-1)
        return self.readout(self.neuron(self.synapse(self.linear(x))))


def spikes(batch):
    """Spikes of one half of the channels, and which half."""
    labels = np.arange(batch) % N_OUT
    active = labels[:, None] == np.arange(N_IN) * N_OUT // N_IN
    rng = np.random.default_rng(1)
    return jnp.asarray((rng.random((T, batch, N_IN)) < 0.5) * active * 1.0), jnp.asarray(labels)


def spiking_learner(xs, rule, **options):
    brainstate.random.seed(31)
    return brainscale.compile(SpikingNet(), rule, xs[0], batch_size=xs.shape[1], **options)


def test_spiking_net_with_synapses():
    xs, labels = spikes(2)
    learner = spiking_learner(xs, brainscale.D_RTRL)
    model = learner.model
    fired = brainstate.transform.for_loop(lambda x: (model(x), model.neuron.get_spike())[1], xs)
    assert 0.02 < fired.mean() < 0.6
    learner.reset_state(2)

    def loss(out, labels, model):
        return cross_entropy(out, labels)

    ys = jnp.broadcast_to(labels, (T, 2))
    gradients = brainstate.transform.jit(
        lambda: learner.etrace_grad(xs, ys, lambda x, y: loss(learner(x), y, model), chunk=T)
    )()
    new = {model.readout.linear.weight: everything}
    assert difference(gradients, truth(model, new, xs, ys, loss, 2)) < 1e-10


def test_training_the_spiking_net():
    xs, labels = spikes(6)
    learner = spiking_learner(xs, "pp_prop", decay_or_rank=0.5)
    optimizer = braintools.optim.Adam(3e-2)
    optimizer.register_trainable_weights(learner.param_states)

    @brainstate.transform.jit
    def train():
        learner.reset_state(6)
        gradients, losses = learner.etrace_grad(
            xs, lambda x: cross_entropy(learner(x), labels) / T, return_value=True
        )
        optimizer.update(brainstate.nn.clip_grad_norm(gradients, 1.0))
        return losses.sum()

    losses = [float(train()) for _ in range(30)]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]


# Names and keywords of earlier libraries.

TAKEN = [
    {"vjp_method": "single-step"},
    {"mode": brainstate.mixin.Batching()},
    {"mode": None, "vjp_method": "single-step"},
]
REFUSED = [
    ("vjp_method", "multi-step", "chunk"),
    ("mode", 3, "batch_size"),
    ("fast_solve", True, "without it"),
    ("vjp_time", "t", "without it"),
    ("no_such", jnp.zeros(2), "signature"),
]
LEARNERS = {
    brainscale.D_RTRL: (),
    brainscale.ES_D_RTRL: (0.5,),
    brainscale.HybridDimVjpAlgorithm: (0.5,),
    brainscale.EProp: (),
    brainscale.OSTL: (),
    brainscale.RTRL: (),
    brainscale.ThreeFactor: (0.5,),
}


@pytest.mark.parametrize("kind", LEARNERS)
def test_keywords(kind):
    for keywords in TAKEN:
        assert type(kind(Connected(), *LEARNERS[kind], **keywords)) is kind
    for name, value, mend in REFUSED:
        with pytest.raises(brainscale.errors.ParameterError, match=f"{name}.*{mend}"):
            kind(Connected(), *LEARNERS[kind], **{name: value})
    assert next(iter(inspect.signature(kind).parameters)) == "model"


def test_first_names_of_learners():
    from brainscale import DiagHybridDimAlgorithm, DiagIODimAlgorithm, DiagParamDimAlgorithm

    assert DiagIODimAlgorithm is brainscale.ES_D_RTRL
    assert DiagParamDimAlgorithm is brainscale.D_RTRL
    assert DiagHybridDimAlgorithm is brainscale.HybridDimVjpAlgorithm


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("etrace_dfs", "get_etrace_of"),
        ("running_index", "count"),
        ("is_compiled", "structure"),
        ("no_such", ""),
    ],
)
def test_attributes_of_learners(name, mend):
    learner = brainscale.D_RTRL(Connected())
    assert not hasattr(learner, name)
    with pytest.raises(AttributeError, match=f"{name}.*{mend}"):
        getattr(learner, name)


def test_names_of_the_package():
    assert not hasattr(brainscale, "matmul")
    with pytest.raises(AttributeError, match=r"no matmul: write ETraceParam.*MatMulOp"):
        _ = brainscale.matmul
    assert set(dir(brainscale)) == {*brainscale.__all__, "__version__"}


PLACES = (np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1]), (3, 3))


class Connected(brainstate.nn.Module):
    entries = staticmethod(lambda entries: {"weight": entries})

    def __init__(self):
        super().__init__()
        entries = self.entries(jnp.array([0.5, -1.0, 2.0, 1.5]))
        self.w = brainscale.ETraceParam(entries, brainscale.SpMatMulOp(sparse_mat=PLACES))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, 3)))

    def update(self, x):
        self.h.value = jnp.tanh(0.9 * self.h.value + self.w.execute(x))
        return self.h.value


class ConnectedBarely(Connected):
    entries = staticmethod(lambda entries: entries)


class Biased(Connected):
    entries = staticmethod(lambda entries: {"weight": entries, "bias": jnp.zeros(3)})


def test_a_sparse_parameter_as_a_dict():
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2, 3)))

    def gradient(kind):
        learner = brainscale.compile(kind(), "d_rtrl", xs[0], batch_size=2)
        gradients = learner.etrace_grad(xs, lambda x: (learner(x) ** 2).sum())
        return gradients["w",]

    got, wanted = gradient(Connected), gradient(ConnectedBarely)
    assert list(got) == ["weight"]
    np.testing.assert_allclose(got["weight"], wanted, rtol=1e-12)
    assert abs(wanted).min() > 0
    with pytest.raises(brainscale.errors.StructureError, match=r"bias.*ElemWiseParam"):
        gradient(Biased)


# The tables.


def test_names_in_the_tables_exist():
    page = (ROOT / "docs/from-braintrace.md").read_text("utf-8")
    places = (brainscale, brainscale.nn, brainscale.D_RTRL, brainscale.ThreeFactor)
    places += (brainscale.ETraceGroupState, brainscale.ETraceOp)
    names = set()
    for row in re.findall(r"^\| .*\|$", page, re.MULTILINE):
        here = row.split(" | ")[-2]
        for code in re.findall(r"`([^`]*)`", here):
            if not code.startswith(("brainpy", "brainstate", "braintools")):
                names |= set(re.findall(r"[A-Z]\w{3,}|\b[a-z]+_[a-z_]+(?=\()", code))
    elsewhere = {"ParamState", "None", "False"}
    missing = {name for name in names if not any(hasattr(place, name) for place in places)}
    assert missing <= elsewhere
    assert len(names) > 20
