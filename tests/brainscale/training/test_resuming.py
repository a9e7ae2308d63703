"""Runs of `brainscale.fit` that end early and go on, and the checkpoints they go on from."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import brainscale
import resumable_run
from brainscale import MatMulOp, errors
from brainscale.training.checkpoints import Checkpoints
from odd_models import N
from repository import ROOT
from training_problem import Leaky, batches, equal, fit, learner_of, values_of

pytestmark = pytest.mark.usefixtures("step_length")


def names_in(folder):
    return {path.name for path in folder.iterdir()}


# Killed, and resumed.


def killed(folder, *moment):
    """A run that kills itself at this moment."""
    program = [sys.executable, resumable_run.__file__, folder, folder / "never.npz", *moment]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(list(map(str, program)), env=environment, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def trained(folder):
    """What a run leaves that is not killed, in a process like that of one that is."""
    out = folder.with_suffix(".npz")
    program = [sys.executable, resumable_run.__file__, folder, out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(list(map(str, program)), env=environment, check=True)
    return dict(np.load(out))


def test_killed_and_resumed(tmp_path):
    """Killed as a checkpoint is about to be complete, then as an old one is half deleted."""
    folder = tmp_path / "killed"
    killed(folder, "os.rename", 6)
    assert names_in(folder) == {"2", "4.orbax-checkpoint-tmp"}
    killed(folder, "shutil.rmtree", 2, 4)
    assert names_in(folder) == {"2", "4"}
    got, wanted = trained(folder), trained(tmp_path / "whole")
    assert names_in(folder) == {"6"}
    assert got.keys() == wanted.keys()
    assert [n for n in wanted if got[n].tobytes() != wanted[n].tobytes()] == []
    assert [n for n in wanted if got[n].dtype != wanted[n].dtype] == []


class Copies:
    """Copies of a folder at every moment at which Python is about to change something on disk."""

    def __init__(self, folder, into):
        self.folder, self.into, self.made = folder, into, []
        self.lock, self.copying, self.on = threading.Lock(), None, True
        sys.addaudithook(self.seen)

    def seen(self, event, args):
        if not self.on or event.split(".")[0] not in ("open", "os", "shutil"):
            return
        if self.copying == threading.get_ident():
            return
        with self.lock:
            self.copying = threading.get_ident()
            copy = self.into / str(len(self.made))
            try:
                shutil.copytree(self.folder, copy)
                self.made.append(copy)
            except (shutil.Error, FileNotFoundError):
                shutil.rmtree(copy, ignore_errors=True)  # Another thread has changed it meanwhile.
            finally:
                self.copying = None


def states_at(i):
    """States of every kind, as they are after i iterations."""
    key = jax.random.fold_in(jax.random.key(0), i)
    return {
        "w": brainstate.ParamState({"weight": jnp.full((2, 3), i / 3) * u.nA}),
        "half": brainstate.ShortTermState(jnp.full(2, i / 3, jnp.bfloat16)),
        "none": brainstate.ShortTermState(jnp.zeros((2, 0))),
        "key": brainstate.random.RandomState(key),
    }


def numbers_of(states):
    values = {name: state.value for name, state in states.items()}
    values["key"] = jax.random.key_data(values["key"])
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(values)]


def test_killed_at_any_moment_of_a_save(tmp_path):
    """What is on the disk at each moment is one checkpoint or the other, whole."""
    folder, copies, losses = tmp_path / "run", tmp_path / "copies", np.arange(3, dtype=np.float32)
    with Checkpoints(folder, 1, 1) as saved:
        saved.save(1, states_at(1), {"loss": list(losses[:1])})
        moments = Copies(folder, copies)
        try:
            saved.save(2, states_at(2), {"loss": list(losses[:2])})
        finally:
            moments.on = False
    assert len(moments.made) > 20
    iterations = []
    for copy in moments.made:
        with Checkpoints(copy, 1, 1) as saved:
            states = states_at(0)
            history = saved.restore(states)
            iterations.append(saved.last)
        assert numbers_of(states) == numbers_of(states_at(saved.last))
        assert np.array_equal(history["loss"], losses[: saved.last])
    assert iterations == sorted(iterations)
    assert set(iterations) == {1, 2}


def test_a_run_goes_on_where_it_ended(tmp_path):
    """As if it had not, where states begin anew and the optimizer is one of optax's."""
    whole, resumed = learner_of(), learner_of()
    options = dict(save_every=2, keep=2)
    wanted = fit(whole, 5, optax.adam(0.01), checkpoint=tmp_path / "whole", **options)
    assert names_in(tmp_path / "whole") == {"4", "5"}
    fit(resumed, 3, optax.adam(0.01), checkpoint=tmp_path / "parts", **options)
    assert names_in(tmp_path / "parts") == {"2", "3"}
    resumed = learner_of()
    got = fit(resumed, 5, optax.adam(0.01), checkpoint=tmp_path / "parts", **options)
    assert equal(got, wanted)
    assert equal(values_of(resumed), values_of(whole))
    again = learner_of()
    with pytest.warns(errors.CheckpointWarning, match="has ended, after 5 of 5"):
        got = fit(again, 5, optax.adam(0.01), checkpoint=tmp_path / "parts", callback=pytest.fail)
    assert equal(got, wanted)
    assert equal(values_of(again), values_of(whole))
    with pytest.raises(errors.ParameterError, match=r"iterations=4, .* of 5"):
        fit(learner_of(), 4, optax.adam(0.01), checkpoint=tmp_path / "parts")


class Answered(Leaky):
    """Whose readout is an operation, which e-prop answers through."""

    def __init__(self):
        super().__init__()
        self.readout = brainscale.NonTempParam(jnp.linspace(-1.0, 2.0, N)[:, None], MatMulOp())

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return self.readout.execute(self.h.value / u.nA)[..., 0]


@pytest.mark.parametrize("feedback", ["random", "adaptive"])
def test_what_a_rule_keeps_is_in_a_checkpoint(tmp_path, feedback):
    def begun(seed):
        return brainscale.EProp(Answered(), feedback, seed=seed)

    whole, again, first = begun(0), begun(1), begun(0)
    drawn = fit(first, 1, checkpoint=tmp_path) and [s.value for s in first.feedback.values()]
    wanted, got = fit(whole, 3), fit(again, 3, checkpoint=tmp_path)
    assert equal(got, wanted)
    assert equal(values_of(again), values_of(whole))
    kept = [state.value for state in again.feedback.values()]
    assert equal(kept, [state.value for state in whole.feedback.values()])
    assert equal(kept, drawn) == (feedback == "random")


# What is refused.


class WithBias(Leaky):
    def __init__(self):
        super().__init__()
        self.bias = brainstate.ParamState(jnp.zeros(()))

    def update(self, x):
        return super().update(x) + self.bias.value


def test_another_checkpoint_is_refused(tmp_path):
    fit(learner_of(), 1, optax.adam(0.01), checkpoint=tmp_path)
    for kind, optimizer, names, options in (
        (Leaky, optax.sgd(0.01, momentum=0.9), "optimizer.opt_state", {}),
        (WithBias, optax.adam(0.01), "model.bias", {}),
        (Leaky, optax.adam(0.01), "trace.w", {"reset": False}),
    ):
        learner = learner_of(kind)
        before = values_of(learner)
        with pytest.raises(errors.CheckpointError, match=names):
            fit(learner, 2, optimizer, checkpoint=tmp_path, **options)
        assert all(values_of(learner)[path] is value for path, value in before.items())


def damage(folder, how):
    """Damage all files in a folder."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2 if how == "half" else 0])
        if how == "gone":
            path.unlink()


@pytest.mark.parametrize("item", ["about", "arrays"])
@pytest.mark.parametrize("how", ["empty", "half", "gone"])
@pytest.mark.filterwarnings("ignore")  # of tasks that orbax leaves behind
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, item, how):
    """Said with a warning, kept beside; and the run ends as if nothing had been."""
    wanted = fit(learner_of(), 3, checkpoint=tmp_path, save_every=1)
    damage(tmp_path / "3" / item, how)
    learner = learner_of()
    with pytest.warns(errors.CheckpointWarning, match=r"3 cannot be read .* goes on from 2"):
        got = fit(learner, 3, checkpoint=tmp_path, save_every=1)
    assert equal(got, wanted)
    assert names_in(tmp_path) == {"1", "2", "3", "3.damaged"}
    with pytest.warns(errors.CheckpointWarning, match="has ended"):
        fit(learner_of(), 3, checkpoint=tmp_path)


def flip(path, at):
    """Flip a bit in a file, at a part of its length."""
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.filterwarnings("ignore")
def test_no_bit_is_read_that_was_not_written(tmp_path, at):
    """Whichever file it is in: the last checkpoint as it was, or the one before."""
    whole, outcomes = tmp_path / "whole", set()
    with Checkpoints(whole, 1, 2) as saved:
        for i in (1, 2):
            saved.save(i, states_at(i), {"loss": [np.float32(j) for j in range(i)]})
    files = [path for path in whole.glob("2/**/*") if path.is_file() and path.stat().st_size]
    for n, path in enumerate(files):
        folder = tmp_path / str(n)
        shutil.copytree(whole, folder)
        flip(folder / path.relative_to(whole), at)
        with Checkpoints(folder, 1, 2) as saved:
            states = states_at(0)
            history = saved.restore(states)
        assert numbers_of(states) == numbers_of(states_at(saved.last)), path
        assert np.array_equal(history["loss"], np.arange(saved.last)), path
        outcomes.add(saved.last)
    assert outcomes == {1, 2}


def test_a_checkpoint_without_checksums_is_read(tmp_path):
    """One of an earlier version."""
    wanted = fit(learner_of(), 3)
    fit(learner_of(), 2, checkpoint=tmp_path)
    path = tmp_path / "2" / "about" / "metadata"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in about.items() if "checksum" not in k}))
    assert equal(fit(learner_of(), 3, checkpoint=tmp_path), wanted)


@pytest.mark.filterwarnings("ignore")
def test_damaged_again_and_emptied(tmp_path):
    """What was put aside before gives way; of a folder without anything only its name is known."""
    wanted = fit(learner_of(), 3, checkpoint=tmp_path, save_every=1)
    (tmp_path / "7").mkdir()
    for _ in range(2):
        damage(tmp_path / "3" / "arrays", "empty")
        assert equal(fit(learner_of(), 3, checkpoint=tmp_path, save_every=1), wanted)
    assert names_in(tmp_path) == {"1", "2", "3", "3.damaged", "7.damaged"}


@pytest.mark.filterwarnings("ignore")
def test_where_all_are_damaged_a_run_is_refused(tmp_path):
    fit(learner_of(), 2, checkpoint=tmp_path, save_every=1)
    for name in "12":
        damage(tmp_path / name / "arrays", "empty")
    learner = learner_of()
    before = values_of(learner)
    with pytest.raises(errors.CheckpointError, match=r"1 cannot be read .*delete all"):
        fit(learner, 2, checkpoint=tmp_path, save_every=1)
    assert all(values_of(learner)[path] is value for path, value in before.items())
    assert names_in(tmp_path) == {"1", "2"}


def test_a_callback_ends_a_run(tmp_path):
    """For good: the same program has nothing to do, and more iterations go on."""
    whole, options = learner_of(), dict(checkpoint=tmp_path, save_every=9)
    wanted = fit(whole, 4, optax.adam(0.01))
    resumed = learner_of()
    got = fit(resumed, 3, optax.adam(0.01), callback=lambda i, means: np.bool_(i == 1), **options)
    assert equal(got["loss"], wanted["loss"][:2])
    assert names_in(tmp_path) == {"2"}
    with pytest.warns(errors.CheckpointWarning, match="has ended, after 2 of 3"):
        again = fit(learner_of(), 3, optax.adam(0.01), callback=pytest.fail, **options)
    assert equal(again, got)
    resumed = learner_of()
    assert equal(fit(resumed, 4, optax.adam(0.01), callback=lambda *_: 1, **options), wanted)
    assert equal(values_of(resumed), values_of(whole))


@pytest.mark.parametrize("answer", [np.array(True), jnp.array(True)])
def test_a_callback_may_answer_with_an_array(answer):
    assert len(fit(learner_of(), 3, callback=lambda *_: answer)["loss"]) == 1
    assert len(fit(learner_of(), 2, callback=lambda *_: answer[None])["loss"]) == 2


@pytest.mark.parametrize("name", ["runs", "runs/within", "n" * 300, "nu\0ll"])
def test_where_no_folder_can_be(tmp_path, name):
    (tmp_path / "runs").write_text("")
    with pytest.raises(errors.CheckpointError, match=r"is no folder, and none can be made"):
        fit(learner_of(), 1, checkpoint=str(tmp_path / name))


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_written_is_said(tmp_path):
    folder = tmp_path / "run"

    def lose(i, means):
        if i == 1:
            shutil.rmtree(folder)
            folder.write_text("")

    with pytest.raises(errors.CheckpointError, match=r"run/2 cannot be written"):
        fit(learner_of(), 3, checkpoint=folder, save_every=1, callback=lose)


def test_a_metric_that_comes_later_and_one_that_goes(tmp_path):
    """Have a number for each iteration, NaN where there was none, before and after a break."""

    def run(iterations, name):
        learner = learner_of()

        def step(x, y):
            return ((learner(x) - y) ** 2).sum(), {name: jnp.ones(())}

        return fit(learner, iterations, checkpoint=tmp_path, save_every=1, step=step)

    run(2, "first")
    run(3, "second")
    history = run(4, "first")
    np.testing.assert_array_equal(history["first"], [1, 1, np.nan, 1])
    np.testing.assert_array_equal(history["second"], [np.nan, np.nan, 1, np.nan])
    assert np.isfinite(history["loss"]).all()


def test_a_state_that_no_checkpoint_holds_is_refused(tmp_path):
    learner, total = learner_of(), brainstate.ShortTermState(jnp.zeros(()), name="total")

    def step(x, y):
        total.value += 1
        return learner(x).sum()

    with pytest.raises(errors.StructureError, match="total"):
        fit(learner, checkpoint=tmp_path, step=step)
    assert len(fit(learner, 1, step=step)["loss"]) == 1


def test_without_orbax(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax", None)
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(errors.MissingPackageError, match=r"install .orbax-checkpoint"):
        fit(learner_of(), batches=batches, checkpoint=tmp_path)
